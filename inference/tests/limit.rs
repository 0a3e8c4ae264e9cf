//! Loading under a limit of the operating system. The limit is the whole process's, so this file
//! holds one test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use cloister_inference::{Generator, InferenceError, LlamaGguf, Loading};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;

/// Bytes of address space that this process has taken.
fn taken() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let number = line.unwrap().split_whitespace().next().unwrap();
    number.parse::<u64>().unwrap() << 10
}

/// Whatever the limit, a model is opened with the context that fits, or refused: never is memory
/// asked for that is not there, which would end the process.
#[test]
fn a_model_is_opened_or_refused_and_the_process_lives() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let root = PathBuf::from(option_env!("CLOISTER_MODELS").unwrap_or(beside));
    let file = root.join("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    if !file.exists() {
        return;
    }
    let loading = Loading::default();
    let whole = LlamaGguf::plan(&file, &loading).unwrap();
    // Threads and their stacks are there before the limit is set.
    drop(LlamaGguf::open_file(&file, &loading).unwrap());
    let before = getrlimit(Resource::As);
    let mut contexts = Vec::new();
    for tenths in [1, 3, 5, 7, 9, 11, 14] {
        let limit = Rlimit {
            current: Some(taken() + whole.total * tenths / 10),
            maximum: before.maximum,
        };
        setrlimit(Resource::As, limit).unwrap();
        let opened = LlamaGguf::open_file(&file, &loading);
        setrlimit(Resource::As, before).unwrap();
        match opened {
            Ok(model) => contexts.push(model.context()),
            Err(InferenceError::TooLarge { .. }) => contexts.push(0),
            Err(error) => assert!(error.to_string().is_empty(), "{error}"),
        }
    }
    assert!(contexts.is_sorted(), "{contexts:?}");
    assert_eq!(
        (contexts[0], contexts[6]),
        (0, whole.context),
        "{contexts:?}"
    );
}
