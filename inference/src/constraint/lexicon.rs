//! The bytes of every token, in an order in which tokens that begin alike lie together.

use super::machine::{Machine, State};
use crate::error::Result;

/// The tokens that stand for text.
pub(crate) struct Lexicon {
    /// By id; empty for a token that stands for no text.
    bytes: Vec<Box<[u8]>>,
    /// Ids of tokens with bytes, sorted by these.
    order: Vec<u32>,
    /// For each of [`Self::order`], how many of its first bytes the one before has too.
    shared: Vec<u16>,
}

impl Lexicon {
    /// `bytes` are the tokens' by id.
    pub(crate) fn new(bytes: Vec<Box<[u8]>>) -> Self {
        let of = |id: &u32| bytes.get(*id as usize).map_or(&[] as &[u8], |bytes| bytes);
        let ids = (0_u32..).zip(&bytes);
        let mut order: Vec<u32> = ids
            .filter(|(_, b)| !b.is_empty())
            .map(|(id, _)| id)
            .collect();
        order.sort_by(|a, b| of(a).cmp(of(b)));
        let mut before: &[u8] = &[];
        let mut shared = Vec::with_capacity(order.len());
        for id in &order {
            let own = of(id);
            let alike = own.iter().zip(before).take_while(|(a, b)| a == b).count();
            shared.push(u16::try_from(alike).unwrap_or(u16::MAX));
            before = own;
        }
        Self {
            bytes,
            order,
            shared,
        }
    }

    /// The bytes of a token; none where it stands for no text.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map_or(&[], |bytes| bytes)
    }

    /// A bit for each token that the machine can read from `state` on.
    pub(super) fn readable(&self, machine: &mut Machine, state: State) -> Result<Vec<u64>> {
        let mut bits = vec![0_u64; self.bytes.len().div_ceil(64)];
        // The states after each byte of the token at hand, and how many of its bytes were read.
        let mut path = vec![state];
        let mut tokens = self.order.iter().zip(&self.shared).peekable();
        while let Some((id, shared)) = tokens.next() {
            path.truncate(usize::from(*shared) + 1);
            let bytes = self.bytes(*id);
            for byte in bytes.iter().skip(path.len() - 1) {
                let here = path.last().copied().unwrap_or(state);
                let next = machine.step(here, *byte)?;
                if !Machine::alive(next) {
                    break;
                }
                path.push(next);
            }
            if path.len() > bytes.len() {
                if let Some(bits) = bits.get_mut(*id as usize / 64) {
                    *bits |= 1 << (id % 64);
                }
                continue;
            }
            // Every token that begins with the bytes read and the one that failed fails too.
            while tokens
                .next_if(|(_, shared)| usize::from(**shared) >= path.len())
                .is_some()
            {}
        }
        Ok(bits)
    }
}
