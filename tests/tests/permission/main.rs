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

use world::World;

/// How many cases are tried; a million takes hours.
const CASES: &str = "CLOISTER_PERMISSION_CASES";
const FEW: u64 = 2000;

/// Cases of one world.
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
    let (mut tried, mut found, mut narrowed) = (0, 0, 0);
    for seed in 1..=cases.div_ceil(OF_A_WORLD) {
        let mut world = World::new(seed).await;
        for _ in 0..OF_A_WORLD.min(cases - tried) {
            world.change().await;
            let case = world.ask().await;
            tried += 1;
            found += case.found;
            narrowed += u64::from(case.hidden > 0);
        }
    }
    println!("{tried} cases, {found} passages found, something was hidden in {narrowed}");
    assert_eq!(tried, cases);
    assert!(
        found > tried,
        "the worlds are too poor to show anything: {found}"
    );
    assert!(narrowed > tried / 2, "too little was hidden: {narrowed}");
}
