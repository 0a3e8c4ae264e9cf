//! How fast a search over 100,000 passages is: `cargo bench -p cloister-index`.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run should stop"
)]

use cloister_domain::{PassageId, RevisionId};
use cloister_index::{Index, IndexEntry, IndexSettings, SearchRequest};
use criterion::{Criterion, criterion_group, criterion_main};
use roaring::RoaringBitmap;

const PASSAGES: i64 = 100_000;
const WIDTH: usize = 384;
const WORDS: usize = 5_000;

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Words with the frequencies of a language: the first are the commonest.
    fn text(&mut self, words: usize) -> String {
        let word = |draw: u64| {
            let share = (draw >> 11) as f64 / 9_007_199_254_740_992.0;
            format!("w{:.0} ", (WORDS as f64).powf(share))
        };
        (0..words).map(|_| word(self.next())).collect()
    }

    fn vector(&mut self) -> Vec<f32> {
        let mut values: Vec<f32> = (0..WIDTH)
            .map(|_| (self.next() >> 40) as f32 / 16_777_216.0 - 0.5)
            .collect();
        let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        for x in &mut values {
            *x /= length;
        }
        values
    }
}

fn search(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path(), IndexSettings::default()).unwrap();
    let mut numbers = Numbers(42);
    for first in (1..=PASSAGES).step_by(10_000) {
        let entry = |passage: i64| IndexEntry {
            about: None,
            language: None,
            passage: PassageId(passage),
            revision: RevisionId(passage / 20),
            title: numbers.text(4),
            headings: vec![numbers.text(3)],
            text: numbers.text(120),
            vector: numbers.vector(),
        };
        let entries: Vec<_> = (first..first + 10_000).map(entry).collect();
        index.add(&entries).unwrap();
    }
    let question = numbers.text(8);
    let vector = numbers.vector();
    let all: RoaringBitmap = (0..=5_000).collect();
    let tenth: RoaringBitmap = (0..=5_000).filter(|r| r % 10 == 0).collect();
    let mut group = c.benchmark_group("search 100,000");
    group.sample_size(20);
    for (name, text, permitted) in [
        ("meaning, all permitted", "", &all),
        ("both, all permitted", question.as_str(), &all),
        ("both, a tenth permitted", question.as_str(), &tenth),
    ] {
        let request = SearchRequest {
            text,
            also: "",
            vector: &vector,
            permitted,
            limit: 20,
            semantic_weight: None,
        };
        group.bench_function(name, |b| b.iter(|| index.search(&request).unwrap()));
    }
    group.finish();
    drop(index);
    c.bench_function("open 100,000", |b| {
        b.iter(|| Index::open(dir.path(), IndexSettings::default()).unwrap());
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = search
}
criterion_main!(benches);
