//! Rules, rows and index together: after any change of people, grants and documents, a question
//! finds, counts and opens everything that this person may read now, and nothing else.
//!
//! The test changes random worlds and asks random questions. After each step an oracle, which shares
//! no code with the product, computes what may be read. From a person to passages the test uses the
//! product's code: roles and groups from the rows, [`cloister_policies::Policies::permitted`], the
//! store's library with its filter, the index with a bitmap, and the library again.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and an environment variable sets how long it runs"
)]

mod ask;
mod oracle;
mod world;

use ask::Tally;
use world::World;

/// The number of cases. A case is one question of one person. `make permissions` runs a million.
const CASES: &str = "CLOISTER_PERMISSION_CASES";
const DEFAULT_CASES: u64 = 10_000;

/// Changes of one world before the next world starts.
const CHANGES_PER_WORLD: u64 = 250;

/// A reproducible generator of random numbers.
pub struct Dice(u64);

impl Dice {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    /// True once in `n` calls on average.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A random item, or `None` if the slice is empty.
    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

#[tokio::test]
async fn nobody_finds_counts_or_opens_what_they_may_not_read_now() {
    let cases = std::env::var(CASES).map_or(DEFAULT_CASES, |cases| cases.parse().unwrap());
    let mut tally = Tally::default();
    let (mut worlds, mut changes) = (0, 0);
    while tally.cases < cases {
        worlds += 1;
        let mut world = World::new(worlds).await;
        let until = changes + CHANGES_PER_WORLD;
        while tally.cases < cases && changes < until {
            world.change().await;
            changes += 1;
            world.ask_as_everyone(&mut tally).await;
        }
    }
    println!("{changes} changes of {worlds} worlds, {tally:?}");
    assert!(
        tally.found > tally.cases,
        "the questions found too little to test permission: {tally:?}"
    );
    assert!(
        tally.narrowed > tally.cases / 2,
        "permission hid too little to be tested: {tally:?}"
    );
}
