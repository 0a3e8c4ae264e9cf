//! Loading under a memory limit of the operating system. The limit is that of the whole process, so this
//! file has one test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use cloister_inference::{Generator, GgufGenerator, InferenceError, LoadOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;

/// Bytes of address space in use.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let number = line.unwrap().split_whitespace().next().unwrap();
    number.parse::<u64>().unwrap() << 10
}

/// With every limit, a model is opened with a context that fits, or refused. An allocation that fails
/// would end the process.
#[test]
fn a_model_is_opened_or_refused_under_every_limit() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let root = PathBuf::from(option_env!("CLOISTER_MODELS").unwrap_or(beside));
    let file = root.join("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    if !file.exists() {
        return;
    }
    let options = LoadOptions::default();
    let full_plan = GgufGenerator::plan(&file, &options).unwrap();
    // This starts the threads, so that their stacks exist before the limit is set.
    drop(GgufGenerator::open_file(&file, &options).unwrap());
    let before = getrlimit(Resource::As);
    let mut contexts = Vec::new();
    for tenths in [1, 3, 5, 7, 9, 11, 14] {
        let limit = Rlimit {
            current: Some(address_space() + full_plan.total * tenths / 10),
            maximum: before.maximum,
        };
        setrlimit(Resource::As, limit).unwrap();
        let opened = GgufGenerator::open_file(&file, &options);
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
        (0, full_plan.context),
        "{contexts:?}"
    );
}
