//! Every family of generators, as tiny models of random weights, beside transformers: see
//! `golden/make_families.py`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

use cloister_inference::{
    Arithmetic, GenerateRequest, Generator, InferenceError, LlamaGguf, Loading, QuantFormat,
    quantise,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What transformers says: ids, and the scores of all tokens after some of them.
#[derive(serde::Deserialize)]
struct Golden {
    ids: Vec<u32>,
    scores: BTreeMap<usize, Vec<f32>>,
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/families"
    ))
    .join(name)
}

fn open(name: &str, arithmetic: Arithmetic) -> LlamaGguf {
    let loading = Loading {
        arithmetic,
        ..Loading::default()
    };
    LlamaGguf::open_file(&path(&format!("{name}.gguf")), &loading).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    dot(a, b) / dot(a, a).sqrt() / dot(b, b).sqrt()
}

fn check(name: &str) {
    let text = std::fs::read_to_string(path(&format!("{name}.json"))).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    assert_eq!(golden.scores.len(), 4);
    for (arithmetic, least) in [(Arithmetic::Exact, 0.999_999), (Arithmetic::Fast, 0.98)] {
        let model = open(name, arithmetic);
        for (place, expected) in &golden.scores {
            let found = model.scores_after(&golden.ids[..=*place]).unwrap();
            let cosine = cosine(&found, expected);
            assert!(cosine > least, "{name} {arithmetic:?} at {place}: {cosine}");
        }
    }
}

#[test]
fn llama() {
    check("llama");
}

#[test]
fn llama_with_the_stretched_positions_of_llama_3() {
    check("llama3");
}

#[test]
fn llama_with_divided_positions() {
    check("llama-linear");
}

#[test]
fn mistral() {
    check("mistral");
}

#[test]
fn qwen2() {
    check("qwen2");
}

#[test]
fn qwen2_with_yarn() {
    check("qwen2-yarn");
}

#[test]
fn qwen3() {
    check("qwen3");
}

#[test]
fn phi3_with_a_window() {
    check("phi3");
}

#[test]
fn phi3_with_factors_of_long_contexts() {
    check("phi3-longrope");
}

#[test]
fn gemma3() {
    check("gemma3");
}

/// A folder of safetensors becomes the file that its GGUF twin becomes: the same head, the same
/// scores to the last bit.
#[test]
fn a_folder_of_safetensors_becomes_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["llama3", "qwen2-yarn", "phi3-longrope", "gemma3"] {
        let made = |source: &str| {
            let target = dir.path().join(format!("{source}.of.gguf"));
            quantise(&path(source), &target, QuantFormat::Q8_0, &mut |_, _| ()).unwrap();
            target
        };
        let (own, twin) = (made(name), made(&format!("{name}.gguf")));
        let (found, expected) = (head(&own), head(&twin));
        // Ways of cutting that these few tokens cannot tell apart may have another's name.
        let others = ["general.name", "tokenizer.ggml.pre"];
        for (key, value) in &expected {
            let own = found.get(key);
            let passed_over = others.contains(&key.as_str()) || key.ends_with("vocab_size");
            assert!(
                passed_over || own == Some(value),
                "{name}: {key} is {own:?}, not {value}"
            );
        }
        let text = std::fs::read_to_string(path(&format!("{name}.json"))).unwrap();
        let golden: Golden = serde_json::from_str(&text).unwrap();
        let scores = |file: &PathBuf| {
            let model = LlamaGguf::open_file(file, &Loading::default()).unwrap();
            model.scores_after(&golden.ids).unwrap()
        };
        assert_eq!(scores(&own), scores(&twin), "{name}");
    }
}

/// What a folder says and this build does not know is refused by name.
#[test]
fn a_folder_that_says_something_unknown_is_refused() {
    let changed = |file: &str, from: &str, to: &str| {
        let dir = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(path("llama3")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let place = dir.path().join(file);
        let bytes = std::fs::read(&place).unwrap();
        let at = bytes
            .windows(from.len())
            .position(|w| w == from.as_bytes())
            .unwrap();
        let changed = [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat();
        std::fs::write(&place, changed).unwrap();
        let target = dir.path().join("made.gguf");
        let error = quantise(dir.path(), &target, QuantFormat::Q8_0, &mut |_, _| ()).unwrap_err();
        assert!(!target.exists());
        error.to_string()
    };
    for (file, from, to, says) in [
        ("config.json", "\"llama\"", "\"mamba\"", "mamba"),
        ("config.json", "\"silu\"", "\"relu\"", "relu"),
        ("config.json", "llama3", "spiral", "spiral"),
        (
            "model.safetensors",
            "self_attn.q_proj.weight",
            "self_attn.q_prox.weight",
            "q_prox",
        ),
        ("model.safetensors", "\"F16\"", "\"I16\"", "I16"),
        ("tokenizer.json", "\"BPE\"", "\"WordPiece\"", "tokenizer"),
        ("tokenizer.json", "a\": 256", "a\": 4000000000", "no row"),
        (
            "tokenizer.json",
            "\"type\": \"ByteLevel\"",
            "\"type\": \"Whitespace\"",
            "tokenizer",
        ),
    ] {
        let error = changed(file, from, to);
        assert!(error.contains(says), "{to}: {error}");
    }
}

/// The head of a GGUF file, its values as text.
fn head(file: &PathBuf) -> BTreeMap<String, String> {
    let mut file = std::fs::File::open(file).unwrap();
    let content = candle_core::quantized::gguf_file::Content::read(&mut file).unwrap();
    let pairs = content.metadata.into_iter();
    pairs
        .map(|(key, value)| (key, format!("{value:?}")))
        .collect()
}

/// Each family writes: its template, its tokenizer and its end are read from the file.
#[test]
fn every_family_writes_the_same_twice() {
    let request = GenerateRequest {
        user: "Which?".into(),
        max_tokens: 5,
        ..GenerateRequest::default()
    };
    for name in ["llama3", "qwen2", "qwen3", "phi3", "gemma3"] {
        let model = open(name, Arithmetic::Fast);
        let write = || {
            model
                .generate(&request, &mut |_| ControlFlow::Continue(()))
                .unwrap()
        };
        assert_eq!(write(), write(), "{name}");
    }
}

#[test]
fn a_file_is_described_from_its_head() {
    let manifest = LlamaGguf::describe(&path("qwen3.gguf")).unwrap();
    assert_eq!(
        (manifest.architecture.as_str(), manifest.context),
        ("qwen3", 512)
    );
    assert_eq!(manifest.parameters, 123_328);
    assert_eq!(
        manifest.sha256,
        cloister_inference::hash_file(&path("qwen3.gguf")).unwrap()
    );
}

/// A smaller file says nearly the same, and is not made smaller again.
#[test]
fn floats_become_fewer_bits() {
    let dir = tempfile::tempdir().unwrap();
    let golden: Golden =
        serde_json::from_str(&std::fs::read_to_string(path("qwen3.json")).unwrap()).unwrap();
    for format in [QuantFormat::Q8_0, QuantFormat::Q4K] {
        let target = dir.path().join(format!("{format:?}.gguf"));
        quantise(&path("qwen3.gguf"), &target, format, &mut |_, _| ()).unwrap();
        let size = |path: &std::path::Path| std::fs::metadata(path).unwrap().len();
        assert!(size(&target) * 10 < size(&path("qwen3.gguf")) * 7);
        let model = LlamaGguf::open_file(&target, &Loading::default()).unwrap();
        let found = model.scores_after(&golden.ids[..=20]).unwrap();
        assert!(cosine(&found, &golden.scores[&20]) > 0.98, "{format:?}");
        let again = quantise(
            &target,
            &dir.path().join("again.gguf"),
            format,
            &mut |_, _| (),
        )
        .unwrap_err();
        assert!(again.to_string().contains("already"), "{again}");
    }
}

mod hostile {
    use super::*;

    fn refusal(bytes: &[u8]) -> InferenceError {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file.gguf");
        std::fs::write(&file, bytes).unwrap();
        match LlamaGguf::open_file(&file, &Loading::default()) {
            Ok(_) => panic!("it was opened"),
            Err(error) => error,
        }
    }

    fn good() -> Vec<u8> {
        std::fs::read(path("qwen2.gguf")).unwrap()
    }

    /// Writes `value` over the eight bytes behind the first `name`, `skip` bytes later.
    fn changed(name: &str, skip: usize, value: u64) -> Vec<u8> {
        let mut bytes = good();
        let at = bytes
            .windows(name.len())
            .position(|window| window == name.as_bytes())
            .unwrap();
        bytes[at + name.len() + skip..][..8].copy_from_slice(&value.to_le_bytes());
        bytes
    }

    #[test]
    fn a_file_cut_anywhere_is_damaged() {
        let whole = good();
        for part in 0..64 {
            let cut = refusal(&whole[..whole.len() * part / 64]);
            assert!(
                matches!(cut, InferenceError::Damaged { .. }),
                "{part}: {cut}"
            );
        }
        let last = refusal(&whole[..whole.len() - 1]);
        assert!(matches!(last, InferenceError::Damaged { .. }), "{last}");
    }

    #[test]
    fn counts_and_lengths_beyond_all_measure_are_refused() {
        for value in [1_u64 << 60, u64::MAX, 1 << 40] {
            for at in [8, 16] {
                let mut bytes = good();
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
                assert!(
                    matches!(refusal(&bytes), InferenceError::Damaged { .. }),
                    "{at}"
                );
            }
            // The length of a text, and of a list behind its kind and the kind of its elements.
            for (name, skip) in [("general.architecture", 4), ("tokenizer.ggml.tokens", 8)] {
                let bytes = changed(name, skip, value);
                assert!(
                    matches!(refusal(&bytes), InferenceError::Damaged { .. }),
                    "{name}"
                );
            }
            // Rows of a matrix, and where it lies.
            for skip in [4, 12, 24] {
                let bytes = changed("blk.1.ffn_down.weight", skip, value);
                let error = refusal(&bytes);
                assert!(
                    matches!(error, InferenceError::Damaged { .. }),
                    "{skip}: {error}"
                );
            }
        }
    }

    #[test]
    fn tensors_over_each_other_are_refused() {
        let error = refusal(&changed("blk.1.ffn_down.weight", 24, 0));
        assert!(error.to_string().contains("over each other"), "{error}");
    }

    #[test]
    fn sizes_that_no_model_has_are_refused() {
        for key in [
            "embedding_length",
            "feed_forward_length",
            "block_count",
            "attention.head_count",
        ] {
            let mut bytes = good();
            let name = format!("qwen2.{key}");
            let at = bytes
                .windows(name.len())
                .position(|w| w == name.as_bytes())
                .unwrap();
            for value in [0_u32, 7, u32::MAX, 1 << 30] {
                bytes[at + name.len() + 4..][..4].copy_from_slice(&value.to_le_bytes());
                let error = refusal(&bytes);
                let told = matches!(
                    error,
                    InferenceError::Damaged { .. } | InferenceError::Unsupported { .. }
                );
                assert!(told, "{key} {value}: {error}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (from, to) in [
            ("qwen2", "bloom"),
            ("gpt-2", "kimi2"),
            ("gpt2", "rwkv"),
            ("blk.1.attn_norm", "blk.1.attn_sink"),
        ] {
            let mut bytes = good();
            let at = bytes
                .windows(from.len())
                .position(|w| w == from.as_bytes())
                .unwrap();
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            let error = refusal(&bytes).to_string();
            let named = error.contains(to) || error.contains("attn_norm");
            assert!(named, "{error}");
        }
    }

    #[test]
    fn a_model_that_does_not_fit_is_refused_and_says_what_would() {
        let loading = |memory| Loading {
            memory: Some(memory),
            ..Loading::default()
        };
        let file = path("qwen2.gguf");
        let whole = LlamaGguf::plan(&file, &loading(1 << 30)).unwrap();
        assert_eq!((whole.context, whole.own_context), (512, 512));
        assert!(whole.warnings.is_empty(), "{:?}", whole.warnings);
        let error = LlamaGguf::open_file(&file, &loading(whole.total - 1))
            .err()
            .unwrap();
        assert!(matches!(error, InferenceError::TooLarge { .. }), "{error}");
        assert!(LlamaGguf::open_file(&file, &loading(whole.total)).is_ok());
    }

    #[test]
    fn a_gpu_holds_as_many_layers_as_it_has_room_for() {
        let plan = |name: &str, gpu_memory| {
            let loading = Loading {
                gpu_memory,
                ..Loading::default()
            };
            LlamaGguf::plan(&path(&format!("{name}.gguf")), &loading).unwrap()
        };
        for name in ["qwen2", "gemma3"] {
            let without = plan(name, Some(0));
            assert_eq!((without.gpu_layers, without.device), (0, "processor"));
            assert!(
                without.warnings[0].starts_with("0 of "),
                "{:?}",
                without.warnings
            );
            let whole = plan(name, Some(1 << 40));
            assert_eq!((whole.gpu_layers, whole.device), (whole.layers, "gpu"));
            assert!(whole.warnings.is_empty() && whole.weights < without.weights);
            // One byte less than everything needs, and the last layer stays behind.
            let work = 768 << 20;
            let taken = work + whole.gpu_weights + whole.gpu_keys_and_values;
            assert_eq!(whole.keys_and_values, 0);
            let some = plan(name, Some(taken - 1));
            assert_eq!(some.gpu_layers, whole.layers - 1);
            assert_eq!(some.device, "gpu and processor");
            assert_eq!(plan(name, Some(taken)).gpu_layers, whole.layers);
            assert_eq!(
                some.keys_and_values,
                without.keys_and_values / whole.layers as u64
            );
        }
    }
}
