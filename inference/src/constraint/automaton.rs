//! A lazily built DFA over bytes: the subset construction of a Thompson NFA (Thompson 1968), in which a
//! state is computed when it is first reached.

use super::pattern::Pattern;
use super::unsupported;
use crate::error::Result;
use std::collections::HashMap;

/// The maximum of NFA nodes. Hand-written schemas have far fewer.
const MAX_NODES: usize = 1 << 20;

/// The maximum of DFA states.
const MAX_STATES: usize = 1 << 16;

/// A DFA state: the index of a set of NFA nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DfaState(u32);

/// The empty set: no continuation is possible.
const DEAD: DfaState = DfaState(0);

/// A transition that was not computed yet.
const UNKNOWN: DfaState = DfaState(u32::MAX);

#[derive(Clone, Copy)]
enum NfaNode {
    /// Consumes one byte of this range, then continues at the node.
    Byte(u8, u8, usize),
    /// Continues at both nodes without consuming a byte.
    Fork(usize, usize),
    /// The end of the pattern.
    End,
}

pub(super) struct Automaton {
    nodes: Vec<NfaNode>,
    /// Per state its nodes that consume a byte or are the end, sorted.
    sets: Vec<Box<[usize]>>,
    states: HashMap<Box<[usize]>, DfaState>,
    transitions: Vec<[DfaState; 256]>,
    start: DfaState,
}

impl Automaton {
    pub(super) fn compile(pattern: &Pattern) -> Result<Self> {
        let mut automaton = Self {
            nodes: vec![NfaNode::End],
            sets: Vec::new(),
            states: HashMap::new(),
            transitions: Vec::new(),
            start: DEAD,
        };
        let first = automaton.build(pattern, 0)?;
        automaton.intern_state(Vec::new())?;
        let nodes = automaton.closure([first]);
        automaton.start = automaton.intern_state(nodes)?;
        Ok(automaton)
    }

    pub(super) fn start(&self) -> DfaState {
        self.start
    }

    /// Whether a text may end in this state.
    pub(super) fn is_accepting(&self, state: DfaState) -> bool {
        self.nodes_of(state).first() == Some(&0)
    }

    /// Whether a text can still be completed from this state.
    pub(super) fn is_alive(state: DfaState) -> bool {
        state != DEAD
    }

    pub(super) fn step(&mut self, state: DfaState, byte: u8) -> Result<DfaState> {
        let cached = self.transitions.get(state.0 as usize);
        let cached = cached.map_or(DEAD, |targets| targets[usize::from(byte)]);
        if cached != UNKNOWN {
            return Ok(cached);
        }
        let mut next = Vec::new();
        for node in self.nodes_of(state) {
            if let Some(NfaNode::Byte(first, last, target)) = self.nodes.get(*node)
                && (*first..=*last).contains(&byte)
            {
                next.push(*target);
            }
        }
        let nodes = self.closure(next);
        let target = self.intern_state(nodes)?;
        if let Some(targets) = self.transitions.get_mut(state.0 as usize) {
            targets[usize::from(byte)] = target;
        }
        Ok(target)
    }

    fn nodes_of(&self, state: DfaState) -> &[usize] {
        self.sets.get(state.0 as usize).map_or(&[], |set| set)
    }

    /// Adds nodes that match `pattern` and continue at the node `then`; returns the first of them.
    fn build(&mut self, pattern: &Pattern, then: usize) -> Result<usize> {
        match pattern {
            Pattern::Text(bytes) => bytes.iter().rev().try_fold(then, |then, byte| {
                self.add(NfaNode::Byte(*byte, *byte, then))
            }),
            Pattern::Byte(first, last) => self.add(NfaNode::Byte(*first, *last, then)),
            Pattern::All(parts) => parts
                .iter()
                .rev()
                .try_fold(then, |then, part| self.build(part, then)),
            Pattern::Any(parts) => {
                let mut first = None;
                for part in parts {
                    let own = self.build(part, then)?;
                    first = Some(match first {
                        None => own,
                        Some(others) => self.add(NfaNode::Fork(own, others))?,
                    });
                }
                first.ok_or_else(|| unsupported("no text satisfies it"))
            }
            Pattern::Repeat(part, min, max) => self.build_repeat(part, *min, *max, then),
        }
    }

    fn build_repeat(
        &mut self,
        part: &Pattern,
        min: usize,
        max: Option<usize>,
        then: usize,
    ) -> Result<usize> {
        let mut first = then;
        match max {
            None => {
                // The fork is created first, so that the part can lead back to it.
                let fork = self.add(NfaNode::Fork(then, then))?;
                let own = self.build(part, fork)?;
                if let Some(node) = self.nodes.get_mut(fork) {
                    *node = NfaNode::Fork(own, then);
                }
                first = fork;
            }
            Some(max) => {
                for _ in min..max {
                    let own = self.build(part, first)?;
                    first = self.add(NfaNode::Fork(own, then))?;
                }
            }
        }
        for _ in 0..min {
            first = self.build(part, first)?;
        }
        Ok(first)
    }

    fn add(&mut self, node: NfaNode) -> Result<usize> {
        if self.nodes.len() >= MAX_NODES {
            return Err(unsupported("it is too large"));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// The nodes that are reachable from these without consuming a byte, without the forks.
    fn closure(&self, from: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut pending: Vec<usize> = from.into_iter().collect();
        let mut forks = std::collections::HashSet::new();
        let mut found = Vec::new();
        while let Some(index) = pending.pop() {
            match self.nodes.get(index) {
                Some(NfaNode::Fork(a, b)) if forks.insert(index) => pending.extend([*a, *b]),
                Some(NfaNode::Byte(..) | NfaNode::End) => found.push(index),
                Some(NfaNode::Fork(..)) | None => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The state of this set of nodes, which is created if it is new.
    fn intern_state(&mut self, nodes: Vec<usize>) -> Result<DfaState> {
        let nodes = nodes.into_boxed_slice();
        if let Some(state) = self.states.get(&nodes) {
            return Ok(*state);
        }
        let number = u32::try_from(self.sets.len()).ok();
        let number = number.filter(|n| (*n as usize) < MAX_STATES);
        let state = DfaState(number.ok_or_else(|| unsupported("it is too large"))?);
        self.states.insert(nodes.clone(), state);
        self.sets.push(nodes);
        self.transitions.push([UNKNOWN; 256]);
        Ok(state)
    }
}
