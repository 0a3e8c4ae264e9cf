//! How fast a search over 100,000 passages is: `cargo bench -p cloister-index`.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run should stop"
)]

use cloister_domain::random::SplitMix64;
use cloister_domain::{PassageId, RevisionId};
use cloister_index::{Index, IndexEntry, IndexSettings, SearchRequest};
use criterion::{Criterion, criterion_group, criterion_main};
use roaring::RoaringBitmap;

const PASSAGES: i64 = 100_000;
const WIDTH: usize = 384;
const WORDS: usize = 5_000;

struct Source(SplitMix64);

impl Source {
    /// Words with a distribution like that of a language.
    fn text(&mut self, words: usize) -> String {
        let word = |share: f64| format!("w{:.0} ", (WORDS as f64).powf(share));
        (0..words).map(|_| word(self.0.unit())).collect()
    }

    fn vector(&mut self) -> Vec<f32> {
        let mut values: Vec<f32> = (0..WIDTH)
            .map(|_| (self.0.next_u64() >> 40) as f32 / 16_777_216.0 - 0.5)
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
    let mut source = Source(SplitMix64::new(42));
    for first in (1..=PASSAGES).step_by(10_000) {
        let entry = |passage: i64| IndexEntry {
            document_metadata: None,
            language: None,
            passage: PassageId(passage),
            revision: RevisionId(passage / 20),
            title: source.text(4),
            headings: vec![source.text(3)],
            text: source.text(120),
            vector: source.vector(),
        };
        let entries: Vec<_> = (first..first + 10_000).map(entry).collect();
        index.add(&entries).unwrap();
    }
    let question = source.text(8);
    let vector = source.vector();
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
            expansion_terms: "",
            vector: &vector,
            permitted,
            limit: 20,
            dense_weight: None,
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
