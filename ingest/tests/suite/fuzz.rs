//! Every parser on a few thousand mutants of its seeds, which are the same in every run. `make
//! fuzz` tries more, for a given time.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use cloister_ingest::targets::{FuzzTarget, TARGETS};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Number of mutants of each seed.
const MUTANTS: u64 = 4_000;
/// The stack size of the child's parsing thread.
const STACK_BYTES: usize = 64 << 20;

/// A random number generator with a fixed seed (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("a small number");
        usize::try_from(self.next() % limit).expect("a small number")
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("seeds")
        .map(|entry| entry.expect("a seed").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a seed"))
        .collect()
}

/// A seed with a few changes: flipped bytes, removed or repeated parts, parts of another seed, or
/// extreme numbers.
fn mutate(seed: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(40)).min(bytes.len());
        match numbers.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].repeat(1 + numbers.below(60));
                bytes.splice(at..at, piece);
            }
            3 => {
                let from = numbers.below(other.len());
                let to = (from + numbers.below(200)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            4 => {
                let wild = ["4294967295", "-1", "0", "99999999999999999999", "1e308"];
                bytes.splice(at..end, wild[numbers.below(wild.len())].bytes());
            }
            5 => bytes.truncate(at),
            _ => {
                let wild = b"<>{}\\\"'&;/%|[]()\0\xFF\xF0\n ";
                bytes.insert(at, wild[numbers.below(wild.len())]);
            }
        }
    }
    bytes
}

fn run(target: &FuzzTarget) {
    let seeds = seeds(target.name);
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for seed in &seeds {
        (target.run)(seed);
        for _ in 0..MUTANTS {
            let other = &seeds[numbers.below(seeds.len())];
            let mutant = mutate(seed, other, &mut numbers);
            let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(&mutant)));
            let path = std::env::temp_dir().join(format!("{}.mutant", target.name));
            if ended.is_err() {
                std::fs::write(&path, &mutant).expect("room");
            }
            assert!(
                ended.is_ok(),
                "`{}` fails on {}",
                target.name,
                path.display()
            );
        }
    }
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of this name");
    let running = std::thread::Builder::new().stack_size(STACK_BYTES);
    let ended = running.spawn(|| run(target)).expect("a thread").join();
    assert!(ended.is_ok(), "{name}");
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn every_target_is_run() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets! { docx pptx odf xlsx msg eml rtf html markdown text csv xml json calendar mbox winmail p7m doc ppt xls xlsb encrypted epub zip image chunks wire }
