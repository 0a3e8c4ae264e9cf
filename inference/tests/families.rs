//! Every family of generators, as tiny models of random weights, beside transformers: see
//! `golden/make_families.py`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

use cloister_inference::{
    ChatTurn, GeneralGenerator, GenerateRequest, Generator, GgufGenerator, InferenceError,
    LoadOptions, Precision, QuantFormat, convert_gguf, needs_conversion, quantize_model,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The results of transformers: token ids, and the scores of all tokens after some of them.
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

fn open(name: &str, precision: Precision) -> GgufGenerator {
    let options = LoadOptions {
        precision,
        ..LoadOptions::default()
    };
    GgufGenerator::open_file(&path(&format!("{name}.gguf")), &options).unwrap()
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
    for (precision, min_cosine) in [(Precision::F32, 0.999_999), (Precision::Int8, 0.98)] {
        let model = open(name, precision);
        for (position, expected) in &golden.scores {
            let found = model.scores_after(&golden.ids[..=*position]).unwrap();
            let cosine = cosine(&found, expected);
            assert!(
                cosine > min_cosine,
                "{name} {precision:?} at {position}: {cosine}"
            );
        }
    }
}

#[test]
fn llama() {
    check("llama");
}

#[test]
fn llama_with_the_frequency_factors_of_llama_3() {
    check("llama3");
}

#[test]
fn llama_with_linear_rope_scaling() {
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
fn phi3_with_a_sliding_window() {
    check("phi3");
}

#[test]
fn phi3_with_longrope() {
    check("phi3-longrope");
}

#[test]
fn gemma3() {
    check("gemma3");
}

/// A folder of safetensors and the GGUF file of the same model become files with the same metadata and
/// bit-identical scores.
#[test]
fn a_folder_of_safetensors_becomes_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["llama3", "qwen2-yarn", "phi3-longrope", "gemma3"] {
        let made = |source: &str| {
            let target = dir.path().join(format!("{source}.of.gguf"));
            quantize_model(&path(source), &target, QuantFormat::Q8_0, &mut |_, _| ()).unwrap();
            target
        };
        let (own, twin) = (made(name), made(&format!("{name}.gguf")));
        let (found, expected) = (metadata_of(&own), metadata_of(&twin));
        // The detected pre-tokenizer can differ in name where these few tokens cannot tell two apart.
        let others = ["general.name", "tokenizer.ggml.pre"];
        for (key, value) in &expected {
            let own = found.get(key);
            let may_differ = others.contains(&key.as_str()) || key.ends_with("vocab_size");
            assert!(
                may_differ || own == Some(value),
                "{name}: {key} is {own:?}, not {value}"
            );
        }
        let text = std::fs::read_to_string(path(&format!("{name}.json"))).unwrap();
        let golden: Golden = serde_json::from_str(&text).unwrap();
        let scores = |file: &PathBuf| {
            let model = GgufGenerator::open_file(file, &LoadOptions::default()).unwrap();
            model.scores_after(&golden.ids).unwrap()
        };
        assert_eq!(scores(&own), scores(&twin), "{name}");
    }
}

/// The error names the unsupported part.
#[test]
fn an_unsupported_folder_is_refused() {
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
        let error =
            quantize_model(dir.path(), &target, QuantFormat::Q8_0, &mut |_, _| ()).unwrap_err();
        assert!(!target.exists());
        error.to_string()
    };
    for (file, from, to, expected) in [
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
        assert!(error.contains(expected), "{to}: {error}");
    }
}

/// The metadata of a GGUF file, with its values as text.
fn metadata_of(file: &PathBuf) -> BTreeMap<String, String> {
    let mut file = std::fs::File::open(file).unwrap();
    let content = candle_core::quantized::gguf_file::Content::read(&mut file).unwrap();
    let pairs = content.metadata.into_iter();
    pairs
        .map(|(key, value)| (key, format!("{value:?}")))
        .collect()
}

/// The chat template, the tokenizer and the end tokens of each family come from its file.
#[test]
fn every_family_generates_reproducibly() {
    let request = GenerateRequest {
        user: "Which?".into(),
        max_tokens: 5,
        ..GenerateRequest::default()
    };
    for name in ["llama3", "qwen2", "qwen3", "phi3", "gemma3"] {
        let model = open(name, Precision::Int8);
        let write = || {
            model
                .generate(&request, &mut |_| ControlFlow::Continue(()))
                .unwrap()
        };
        assert_eq!(write(), write(), "{name}");
    }
}

#[test]
fn a_file_is_described_from_its_header() {
    let manifest = GgufGenerator::describe(&path("qwen3.gguf")).unwrap();
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

/// A quantised file has nearly the same scores, and is not quantised again.
#[test]
fn floats_are_quantized() {
    let dir = tempfile::tempdir().unwrap();
    let golden: Golden =
        serde_json::from_str(&std::fs::read_to_string(path("qwen3.json")).unwrap()).unwrap();
    for format in [QuantFormat::Q8_0, QuantFormat::Q4K] {
        let target = dir.path().join(format!("{format:?}.gguf"));
        quantize_model(&path("qwen3.gguf"), &target, format, &mut |_, _| ()).unwrap();
        let size = |path: &std::path::Path| std::fs::metadata(path).unwrap().len();
        assert!(size(&target) * 10 < size(&path("qwen3.gguf")) * 7);
        let model = GgufGenerator::open_file(&target, &LoadOptions::default()).unwrap();
        let found = model.scores_after(&golden.ids[..=20]).unwrap();
        assert!(cosine(&found, &golden.scores[&20]) > 0.98, "{format:?}");
        let again = quantize_model(
            &target,
            &dir.path().join("again.gguf"),
            format,
            &mut |_, _| (),
        )
        .unwrap_err();
        assert!(again.to_string().contains("already"), "{again}");
    }
}

fn conversion(name: &str) -> PathBuf {
    path("../conversions").join(name)
}

/// The scores after the golden ids of qwen3.
fn scores(file: &std::path::Path, ids: &[u32]) -> Vec<f32> {
    let options = LoadOptions {
        precision: Precision::F32,
        ..LoadOptions::default()
    };
    let model = GgufGenerator::open_file(file, &options).unwrap();
    model.scores_after(ids).unwrap()
}

#[test]
fn pieces_are_joined_and_formats_converted() {
    let text = std::fs::read_to_string(path("qwen3.json")).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    let expected = scores(&path("qwen3.gguf"), &golden.ids);
    assert!(!needs_conversion(&path("qwen3.gguf")).unwrap());
    // Four bits for a value change the scores of the second file. Its values are compared exactly in
    // `foreign_formats`.
    let cases = [
        ("split-00001-of-00002.gguf", 0.999_999),
        ("iq4_nl.gguf", 0.96),
    ];
    for (name, min_cosine) in cases {
        let source = conversion(name);
        assert!(needs_conversion(&source).unwrap(), "{name}");
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("joined.gguf");
        convert_gguf(&source, &target).unwrap();
        let cosine = cosine(&scores(&target, &golden.ids), &expected);
        assert!(cosine > min_cosine, "{name}: {cosine}");
        assert!(!needs_conversion(&target).unwrap(), "{name}");
        let again = convert_gguf(&source, &target).unwrap_err();
        assert!(matches!(again, InferenceError::File { .. }), "{again}");
    }
}

#[test]
fn a_missing_or_wrong_piece_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = ("split-00001-of-00002.gguf", "split-00002-of-00002.gguf");
    let target = dir.path().join("joined.gguf");
    let refusal = |source: PathBuf| convert_gguf(&source, &target).unwrap_err().to_string();
    let copied = dir.path().join(first);
    std::fs::copy(conversion(first), &copied).unwrap();
    assert!(refusal(copied.clone()).contains(second));
    std::fs::copy(conversion(first), dir.path().join(second)).unwrap();
    assert!(refusal(copied.clone()).contains("not piece 2 of 2"));
    assert!(refusal(conversion(second)).contains("first piece"));
    let bytes = std::fs::read(conversion(second)).unwrap();
    std::fs::write(dir.path().join(second), &bytes[..bytes.len() - 4096]).unwrap();
    assert!(refusal(copied).contains("damaged"));
    assert!(!target.exists());
}

mod hostile {
    use super::*;

    fn refusal(bytes: &[u8]) -> InferenceError {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file.gguf");
        std::fs::write(&file, bytes).unwrap();
        match GgufGenerator::open_file(&file, &LoadOptions::default()) {
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

    /// A header with one pair and one tensor of this ggml format.
    fn header(key: &str, value: u16, format: u32) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        let parts: [&[u8]; 9] = [
            b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0",
            &text(key),
            &2_u32.to_le_bytes(),
            &value.to_le_bytes(),
            &text("token_embd.weight"),
            &1_u32.to_le_bytes(),
            &256_u64.to_le_bytes(),
            &format.to_le_bytes(),
            &[0; 600],
        ];
        parts.concat()
    }

    #[test]
    fn formats_without_a_kernel_are_refused_by_name() {
        for (format, name) in [
            (
                23,
                "IQ4_XS, for which there is no kernel. `cloister models add`",
            ),
            (
                39,
                "MXFP4, for which there is no kernel. `cloister models add`",
            ),
            (16, "IQ2_XXS"),
            (99, "99"),
        ] {
            let error = refusal(&header("general.file_type", 1, format));
            assert!(
                matches!(error, InferenceError::Unsupported { .. }),
                "{error}"
            );
            let error = error.to_string();
            assert!(error.contains(name) && error.contains("Q4_K_M"), "{error}");
        }
        // A format that is known is no reason for a refusal.
        let error = refusal(&header("general.file_type", 1, 12));
        assert!(matches!(error, InferenceError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_piece_of_a_split_model_is_refused_as_that() {
        let error = refusal(&header("split.count", 2, 12)).to_string();
        assert!(error.contains("piece 1 of 2"), "{error}");
        assert!(error.contains("cloister models add"), "{error}");
        let error = refusal(&header("split.count", 1, 12));
        assert!(matches!(error, InferenceError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_file_cut_anywhere_is_damaged() {
        let full = good();
        for part in 0..64 {
            let cut = refusal(&full[..full.len() * part / 64]);
            assert!(
                matches!(cut, InferenceError::Damaged { .. }),
                "{part}: {cut}"
            );
        }
        let last = refusal(&full[..full.len() - 1]);
        assert!(matches!(last, InferenceError::Damaged { .. }), "{last}");
    }

    #[test]
    fn absurd_counts_and_lengths_are_refused() {
        for value in [1_u64 << 60, u64::MAX, 1 << 40] {
            for at in [8, 16] {
                let mut bytes = good();
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
                assert!(
                    matches!(refusal(&bytes), InferenceError::Damaged { .. }),
                    "{at}"
                );
            }
            // The length of a string, and of an array after its type and its element type.
            for (name, skip) in [("general.architecture", 4), ("tokenizer.ggml.tokens", 8)] {
                let bytes = changed(name, skip, value);
                assert!(
                    matches!(refusal(&bytes), InferenceError::Damaged { .. }),
                    "{name}"
                );
            }
            // The rows of a matrix, and its offset.
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
    fn overlapping_tensors_are_refused() {
        let error = refusal(&changed("blk.1.ffn_down.weight", 24, 0));
        assert!(error.to_string().contains("overlap"), "{error}");
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
                let refused = matches!(
                    error,
                    InferenceError::Damaged { .. } | InferenceError::Unsupported { .. }
                );
                assert!(refused, "{key} {value}: {error}");
            }
        }
    }

    #[test]
    fn what_is_unsupported_is_refused_by_name() {
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
    fn the_refusal_of_a_model_that_does_not_fit_advises() {
        let loading = |memory| LoadOptions {
            memory: Some(memory),
            ..LoadOptions::default()
        };
        let file = path("qwen2.gguf");
        let full = GgufGenerator::plan(&file, &loading(1 << 30)).unwrap();
        assert_eq!((full.context, full.trained_context), (512, 512));
        assert!(full.warnings.is_empty(), "{:?}", full.warnings);
        let error = GgufGenerator::open_file(&file, &loading(full.total - 1))
            .err()
            .unwrap();
        assert!(matches!(error, InferenceError::TooLarge { .. }), "{error}");
        assert!(GgufGenerator::open_file(&file, &loading(full.total)).is_ok());
    }

    #[test]
    fn a_gpu_gets_as_many_layers_as_fit() {
        let plan = |name: &str, gpu_memory| {
            let loading = LoadOptions {
                gpu_memory,
                ..LoadOptions::default()
            };
            GgufGenerator::plan(&path(&format!("{name}.gguf")), &loading).unwrap()
        };
        for name in ["qwen2", "gemma3"] {
            let without = plan(name, Some(0));
            assert_eq!((without.gpu_layers, without.device), (0, "processor"));
            assert!(
                without.warnings[0].starts_with("0 of "),
                "{:?}",
                without.warnings
            );
            let full = plan(name, Some(1 << 40));
            assert_eq!((full.gpu_layers, full.device), (full.layers, "gpu"));
            assert!(full.warnings.is_empty() && full.weights < without.weights);
            // One byte less than everything needs, and the last layer stays behind.
            let work = 768 << 20;
            let taken = work + full.gpu_weights + full.gpu_kv_cache;
            assert_eq!(full.kv_cache, 0);
            let some = plan(name, Some(taken - 1));
            assert_eq!(some.gpu_layers, full.layers - 1);
            assert_eq!(some.device, "gpu and processor");
            assert_eq!(plan(name, Some(taken)).gpu_layers, full.layers);
            assert_eq!(some.kv_cache, without.kv_cache / full.layers as u64);
        }
    }
}

/// Families of the general backend. It multiplies in the file's own formats: half floats here.
fn check_general(name: &str) {
    let text = std::fs::read_to_string(path(&format!("{name}.json"))).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    let file = path(&format!("{name}.gguf"));
    let model = GeneralGenerator::open_file(&file, &LoadOptions::default()).unwrap();
    for (position, expected) in &golden.scores {
        let found = model.scores_after(&golden.ids[..=*position]).unwrap();
        let cosine = cosine(&found, expected);
        assert!(cosine > 0.999_99, "{name} at {position}: {cosine}");
    }
    // A shorter text after a longer one sees nothing of it.
    let first = model.scores_after(&golden.ids[..1]).unwrap();
    assert!(cosine(&first, &golden.scores[&0]) > 0.999_99);
    let plan = GgufGenerator::plan(&file, &LoadOptions::default()).unwrap();
    assert!(
        plan.warnings[0].contains("general backend"),
        "{:?}",
        plan.warnings
    );
    let manifest = GgufGenerator::describe(&file).unwrap();
    assert_eq!(
        (manifest.architecture.as_str(), manifest.context),
        (name, 512)
    );
}

#[test]
fn phi2_on_the_general_backend() {
    check_general("phi2");
}

#[test]
fn glm4_on_the_general_backend() {
    check_general("glm4");
}

#[test]
fn mixtral_on_the_general_backend() {
    check_general("mixtral");
}

#[test]
fn merged_experts_are_divided() {
    let merged = conversion("mixtral-merged.gguf");
    let options = LoadOptions::default();
    let refusal = GeneralGenerator::open_file(&merged, &options)
        .err()
        .unwrap();
    assert!(refusal.to_string().contains("models add"), "{refusal}");
    assert!(needs_conversion(&merged).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("divided.gguf");
    convert_gguf(&merged, &target).unwrap();
    let ids = [5, 6, 7, 8, 9];
    let scores = |file: &std::path::Path| {
        let model = GeneralGenerator::open_file(file, &options).unwrap();
        model.scores_after(&ids).unwrap()
    };
    assert_eq!(scores(&target), scores(&path("mixtral.gguf")));
}

#[test]
fn the_general_backend_writes_and_scores_as_its_logits_say() {
    let file = path("glm4.gguf");
    let model = GeneralGenerator::open_file(&file, &LoadOptions::default()).unwrap();
    let request = GenerateRequest {
        system: Some("be brief".into()),
        user: "a b c".into(),
        max_tokens: 12,
        ..GenerateRequest::default()
    };
    let mut pieces = String::new();
    let generated = model
        .generate(&request, &mut |piece| {
            pieces.push_str(piece);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(generated.text, pieces);
    assert!(generated.tokens <= 12);
    let again = model
        .generate(&request, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(again, generated);
    let [long, short] = model
        .log_likelihoods(&[("a b", " c d"), ("a b", " c")])
        .unwrap()[..]
    else {
        panic!("two pairs");
    };
    assert!(long < 0.0 && short < 0.0 && long.is_finite() && short.is_finite());
    let stopped = model
        .generate(&request, &mut |_| ControlFlow::Break(()))
        .unwrap();
    assert!(stopped.tokens <= generated.tokens);
}

mod templates {
    use super::*;

    /// The model with another chat template.
    fn with_template(template: &str) -> Result<GgufGenerator, InferenceError> {
        const KEY: &[u8] = b"tokenizer.chat_template";
        let bytes = std::fs::read(path("qwen2.gguf")).unwrap();
        let key = bytes.windows(KEY.len()).position(|window| window == KEY);
        let length_at = key.unwrap() + KEY.len() + 4;
        let (start, rest) = bytes.split_at(length_at);
        let (length, rest) = rest.split_at(8);
        let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
        // The tensors stay aligned to 32 bytes.
        let padding = (length + 3200 - template.len() - 4) % 32;
        let template = format!("{template}{{#{}#}}", " ".repeat(padding));
        let new_length = (template.len() as u64).to_le_bytes();
        let parts = [start, &new_length, template.as_bytes(), &rest[length..]];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("model.gguf");
        std::fs::write(&file, parts.concat()).unwrap();
        let described = GgufGenerator::describe(&file);
        let opened = GgufGenerator::open_file(&file, &LoadOptions::default());
        assert_eq!(described.is_ok(), opened.is_ok());
        opened
    }

    /// The prompt with a system text, in a vocabulary whose ids are bytes.
    fn prompt(template: &str) -> String {
        let request = GenerateRequest {
            system: Some("SYS".into()),
            turns: vec![ChatTurn {
                user: "one".into(),
                assistant: "two".into(),
            }],
            user: "three".into(),
            ..GenerateRequest::default()
        };
        let ids = with_template(template)
            .unwrap()
            .prompt_ids(&request)
            .unwrap();
        ids.iter()
            .map(|id| char::from(u8::try_from(*id).unwrap()))
            .collect()
    }

    #[test]
    fn a_system_text_reaches_the_model_by_every_template() {
        let plain = "{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}";
        assert_eq!(
            prompt(plain),
            "[system:SYS][user:one][assistant:two][user:three]"
        );
        let folded = "[user:SYS\n\none][assistant:two][user:three]";
        let refuses = "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}";
        assert_eq!(prompt(&format!("{refuses}{plain}")), folded);
        let alternates = "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}\
                          {{ raise_exception('turns must alternate') }}{% endif %}{% endfor %}";
        assert_eq!(prompt(&format!("{alternates}{plain}")), folded);
        let ignores = "{% for m in messages %}{% if m.role != 'system' %}[{{ m.role }}:{{ m.content }}]\
                       {% endif %}{% endfor %}";
        assert_eq!(prompt(ignores), folded);
    }

    #[test]
    fn thoughts_that_a_template_opens_are_closed() {
        let thinks = "{% for m in messages %}{{ m.content }} {% endfor %}<think>\n";
        let prompt = prompt(thinks);
        assert!(
            prompt.ends_with("three <think>\n\n</think>\n\n"),
            "{prompt:?}"
        );
    }

    #[test]
    fn a_template_that_accepts_no_conversation_is_refused() {
        for template in [
            "{{ raise_exception('never') }}",
            "hello",
            "{{ messages[0].tools.name }}",
        ] {
            let error = with_template(template).err().unwrap();
            assert!(
                matches!(error, InferenceError::Unsupported { .. }),
                "{error}"
            );
            assert!(error.to_string().contains("chat template"), "{error}");
        }
    }
}
