//! The bytes of every token, sorted, so that tokens with a common prefix are checked together.

use super::automaton::{Automaton, DfaState};
use crate::error::Result;

/// A trie of the vocabulary, stored as a sorted list with the lengths of common prefixes.
pub(crate) struct TokenTrie {
    /// By id; empty for a special token.
    bytes: Vec<Box<[u8]>>,
    /// The ids of tokens with bytes, sorted by these bytes.
    order: Vec<u32>,
    /// Per element of [`Self::order`], the length of the prefix that it shares with the previous one.
    shared_prefix: Vec<u16>,
}

impl TokenTrie {
    /// `bytes` are those of the tokens by id.
    pub(crate) fn new(bytes: Vec<Box<[u8]>>) -> Self {
        let tokens = (0_u32..).zip(&bytes).filter(|(_, own)| !own.is_empty());
        let mut tokens: Vec<(u32, &[u8])> = tokens.map(|(id, own)| (id, &**own)).collect();
        tokens.sort_by_key(|(_, own)| *own);
        let mut previous: &[u8] = &[];
        let mut order = Vec::with_capacity(tokens.len());
        let mut shared_prefix = Vec::with_capacity(tokens.len());
        for (id, own) in tokens {
            let pairs = own.iter().zip(previous);
            let shared = pairs.take_while(|(a, b)| a == b).count();
            shared_prefix.push(u16::try_from(shared).unwrap_or(u16::MAX));
            order.push(id);
            previous = own;
        }
        Self {
            bytes,
            order,
            shared_prefix,
        }
    }

    /// The bytes of a token; empty for a special token.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map_or(&[], |bytes| bytes)
    }

    /// One bit per token of the vocabulary: whether the automaton accepts it from `state` on.
    pub(super) fn accepted_tokens(
        &self,
        automaton: &mut Automaton,
        state: DfaState,
    ) -> Result<Vec<u64>> {
        let mut bits = vec![0_u64; self.bytes.len().div_ceil(64)];
        // The states after each accepted byte of the current token.
        let mut path = vec![state];
        let mut tokens = self.order.iter().zip(&self.shared_prefix).peekable();
        while let Some((id, shared)) = tokens.next() {
            path.truncate(usize::from(*shared) + 1);
            let bytes = self.bytes(*id);
            for byte in bytes.iter().skip(path.len() - 1) {
                let current = path.last().copied().unwrap_or(state);
                let next = automaton.step(current, *byte)?;
                if !Automaton::is_alive(next) {
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
            // Tokens that start with the accepted bytes and the rejected one are rejected too.
            while tokens
                .next_if(|(_, shared)| usize::from(**shared) >= path.len())
                .is_some()
            {}
        }
        Ok(bits)
    }
}
