//! Rules, rows and index together: whatever happens to people, grants and documents, a question
//! finds, counts and opens what this person may read now, all of it and nothing else.
//!
//! Random worlds are changed at random and asked at random; an oracle, which shares no code with the
//! product, says after each step what may be read. The way from a person to passages is the
//! product's: the roles and groups as the rows have them, [`cloister_policies::Policies::permitted`],
//! the store's library with its filter, the index under a bitmap, and the library again.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is told how long to last"
)]

mod ask;
mod oracle;
mod world;

use ask::Told;
use world::World;

/// How many cases are tried: somebody's question between two changes is one. `make permissions`
/// tries a million.
const CASES: &str = "CLOISTER_PERMISSION_CASES";
const FEW: u64 = 10_000;

/// Changes of one world, after which another begins.
const OF_A_WORLD: u64 = 250;

/// Numbers that look random and are the same again.
pub struct Dice(u64);

impl Dice {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    /// Once in so many.
    pub fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// One of them, where there is any.
    pub fn one_of<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        among.get(self.below(among.len()))
    }
}

#[tokio::test]
async fn nobody_finds_counts_or_opens_what_they_may_not_read_now() {
    let cases = std::env::var(CASES).map_or(FEW, |cases| cases.parse().unwrap());
    let mut told = Told::default();
    let (mut worlds, mut changes) = (0, 0);
    while told.cases < cases {
        worlds += 1;
        let mut world = World::new(worlds).await;
        let until = changes + OF_A_WORLD;
        while told.cases < cases && changes < until {
            world.change().await;
            changes += 1;
            world.ask_everybody(&mut told).await;
        }
    }
    println!("{changes} changes of {worlds} worlds, {told:?}");
    assert!(
        told.found > told.cases,
        "the worlds are too poor to show anything: {told:?}"
    );
    assert!(
        told.narrowed > told.cases / 2,
        "too little was hidden: {told:?}"
    );
}
