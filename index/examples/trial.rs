//! `cloister index synth` and `bench` without the appliance, for whoever works on this crate.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example")]
use cloister_index::trial::{Synthetic, Wanted, measure};
use cloister_index::{Index, IndexSettings, SearchRequest};
use std::time::{Duration, Instant};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = std::path::Path::new(&args[1]);
    let count: i64 = args[2].parse().unwrap();
    let corpus = Synthetic::new(1, count, 384);
    let began = Instant::now();
    let index = Index::open(dir, IndexSettings::default()).unwrap();
    let q = corpus.question(5);
    let all = (0..2_000_000).collect();
    let request = SearchRequest {
        text: &q.text,
        vector: &q.vector,
        permitted: &all,
        limit: 10,
        semantic_weight: None,
    };
    index.search(&request).unwrap();
    println!(
        "open and first answer {:?}, holds {}",
        began.elapsed(),
        index.passages()
    );
    let began = Instant::now();
    let mut next = index.sequence().0 + 1;
    if index.passages() == 0 {
        while next <= count {
            let end = (next + 4095).min(count);
            let entries: Vec<_> = (next..=end).map(|p| corpus.entry(p)).collect();
            index.add(&entries).unwrap();
            next = end + 1;
        }
        println!("built in {:?}", began.elapsed());
        return;
    }
    let wanted = Wanted {
        questions: 200,
        crowd: Duration::from_secs(3),
        recall_questions: 40,
        changes: 5,
    };
    println!("{:#?}", measure(&index, &corpus, wanted).unwrap());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    for l in status
        .lines()
        .filter(|l| l.starts_with("VmHWM") || l.starts_with("Rss"))
    {
        println!("{l}");
    }
}
