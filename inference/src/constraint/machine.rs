//! Reads a text byte by byte (Thompson 1968): the sets of places in the pattern at which the
//! text may stand are found as they are met, and kept.

use super::pattern::Pattern;
use super::refused;
use crate::error::Result;
use std::collections::HashMap;

/// Places of a pattern at most: what a person writes by hand stays far below.
const MOST_NODES: usize = 1 << 20;

/// Sets of places at most.
const MOST_STATES: usize = 1 << 16;

/// A set of places in the pattern, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State(u32);

/// The set without places: nothing can follow.
const DEAD: State = State(0);

/// Stands where a step was not tried yet.
const UNKNOWN: State = State(u32::MAX);

#[derive(Clone, Copy)]
enum Node {
    /// One byte of this range, then the node of that number.
    Byte(u8, u8, usize),
    /// Both of them, without a byte.
    Fork(usize, usize),
    /// The end of the pattern.
    End,
}

pub(super) struct Machine {
    nodes: Vec<Node>,
    /// For each state the nodes that wait for a byte or are the end, sorted.
    sets: Vec<Box<[usize]>>,
    numbers: HashMap<Box<[usize]>, State>,
    steps: Vec<[State; 256]>,
    start: State,
}

impl Machine {
    pub(super) fn of(pattern: &Pattern) -> Result<Self> {
        let mut machine = Self {
            nodes: vec![Node::End],
            sets: Vec::new(),
            numbers: HashMap::new(),
            steps: Vec::new(),
            start: DEAD,
        };
        let first = machine.build(pattern, 0)?;
        machine.number(Vec::new())?;
        let places = machine.closure([first]);
        machine.start = machine.number(places)?;
        Ok(machine)
    }

    pub(super) fn start(&self) -> State {
        self.start
    }

    /// Whether a text may end here.
    pub(super) fn ends(&self, state: State) -> bool {
        self.set(state).first() == Some(&0)
    }

    /// Whether anything can be read from here on, be it the end.
    pub(super) fn alive(state: State) -> bool {
        state != DEAD
    }

    pub(super) fn step(&mut self, state: State, byte: u8) -> Result<State> {
        let known = self.steps.get(state.0 as usize);
        let known = known.map_or(DEAD, |steps| steps[usize::from(byte)]);
        if known != UNKNOWN {
            return Ok(known);
        }
        let next = self
            .set(state)
            .iter()
            .filter_map(|node| match self.nodes.get(*node) {
                Some(Node::Byte(first, last, next)) if (*first..=*last).contains(&byte) => {
                    Some(*next)
                }
                _ => None,
            });
        let next: Vec<usize> = next.collect();
        let places = self.closure(next);
        let found = self.number(places)?;
        if let Some(steps) = self.steps.get_mut(state.0 as usize) {
            steps[usize::from(byte)] = found;
        }
        Ok(found)
    }

    fn set(&self, state: State) -> &[usize] {
        self.sets.get(state.0 as usize).map_or(&[], |set| set)
    }

    /// Adds what reads `pattern` and goes on at the node `then`; returns its first node.
    fn build(&mut self, pattern: &Pattern, then: usize) -> Result<usize> {
        match pattern {
            Pattern::Text(bytes) => bytes
                .iter()
                .rev()
                .try_fold(then, |then, byte| self.add(Node::Byte(*byte, *byte, then))),
            Pattern::Byte(first, last) => self.add(Node::Byte(*first, *last, then)),
            Pattern::All(parts) => {
                let parts = parts.iter().rev();
                parts
                    .into_iter()
                    .try_fold(then, |then, part| self.build(part, then))
            }
            Pattern::Any(parts) => {
                let mut first = None;
                for part in parts {
                    let own = self.build(part, then)?;
                    first = Some(match first {
                        None => own,
                        Some(others) => self.add(Node::Fork(own, others))?,
                    });
                }
                first.ok_or_else(|| refused("nothing can keep it"))
            }
            Pattern::Repeat(part, least, most) => self.build_repeated(part, *least, *most, then),
        }
    }

    fn build_repeated(
        &mut self,
        part: &Pattern,
        least: usize,
        most: Option<usize>,
        then: usize,
    ) -> Result<usize> {
        let mut first = then;
        match most {
            None => {
                // The fork is made first, so that the part can lead back to it.
                let fork = self.add(Node::Fork(then, then))?;
                let own = self.build(part, fork)?;
                if let Some(node) = self.nodes.get_mut(fork) {
                    *node = Node::Fork(own, then);
                }
                first = fork;
            }
            Some(most) => {
                for _ in least..most {
                    let own = self.build(part, first)?;
                    first = self.add(Node::Fork(own, then))?;
                }
            }
        }
        for _ in 0..least {
            first = self.build(part, first)?;
        }
        Ok(first)
    }

    fn add(&mut self, node: Node) -> Result<usize> {
        if self.nodes.len() >= MOST_NODES {
            return Err(refused("it is too large"));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// The nodes that can be reached from these without reading a byte, forks left out.
    fn closure(&self, from: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut waiting: Vec<usize> = from.into_iter().collect();
        let mut forks = std::collections::HashSet::new();
        let mut found = Vec::new();
        while let Some(index) = waiting.pop() {
            match self.nodes.get(index) {
                Some(Node::Fork(a, b)) if forks.insert(index) => waiting.extend([*a, *b]),
                Some(Node::Byte(..) | Node::End) => found.push(index),
                Some(Node::Fork(..)) | None => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn number(&mut self, places: Vec<usize>) -> Result<State> {
        let places = places.into_boxed_slice();
        if let Some(state) = self.numbers.get(&places) {
            return Ok(*state);
        }
        let number = u32::try_from(self.sets.len()).ok();
        let number = number.filter(|n| (*n as usize) < MOST_STATES);
        let state = State(number.ok_or_else(|| refused("it is too large"))?);
        self.numbers.insert(places.clone(), state);
        self.sets.push(places);
        self.steps.push([UNKNOWN; 256]);
        Ok(state)
    }
}
