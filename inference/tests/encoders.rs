//! Every family of encoders and heads, as tiny models of random weights, beside transformers: see
//! `golden/make_encoders.py`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use cloister_inference::{
    CrossEncoder, Embedder, InferenceError, ModelKind, ModelManifest, NliEncoder, NliModel,
    Reranker, SentenceEncoder, WeightFormat,
};
use std::path::{Path, PathBuf};

/// The results of transformers: vectors of texts, or scores of a question and each text.
#[derive(serde::Deserialize)]
struct Golden {
    question: String,
    texts: Vec<String>,
    values: Vec<Vec<f32>>,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/encoders"
    ))
    .join(name)
}

fn golden(name: &str) -> Golden {
    let text = std::fs::read_to_string(folder(name).join("golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn check_vectors(name: &str) {
    let golden = golden(name);
    let texts: Vec<&str> = golden.texts.iter().map(String::as_str).collect();
    for (weights, min_cosine) in [(WeightFormat::F32, 0.9999), (WeightFormat::Int8, 0.995)] {
        let model = SentenceEncoder::open_with(&folder(name), weights).unwrap();
        assert!(model.count_tokens(texts[4]) > model.max_tokens());
        let found = model.embed(&texts).unwrap();
        assert_eq!(found.len(), golden.values.len());
        for ((found, expected), text) in found.iter().zip(&golden.values).zip(&texts) {
            let cosine = dot(found, expected);
            assert!(
                cosine > min_cosine,
                "{name} {weights:?}: {cosine} for {text}"
            );
        }
    }
}

fn check_scores(name: &str) {
    let golden = golden(name);
    let texts: Vec<&str> = golden.texts.iter().map(String::as_str).collect();
    let model = CrossEncoder::open(&folder(name)).unwrap();
    let found = model.scores(&golden.question, &texts).unwrap();
    assert_eq!(found.len(), golden.values.len());
    for ((found, expected), text) in found.iter().zip(&golden.values).zip(&texts) {
        let error = (found - expected[0]).abs();
        assert!(
            error < 1e-3,
            "{name}: {found}, not {}, for {text}",
            expected[0]
        );
    }
    let alone = model.scores(&golden.question, &texts[2..3]).unwrap();
    assert!((alone[0] - found[2]).abs() < 1e-5);
}

#[test]
fn bert_with_mean_pooling() {
    check_vectors("bert");
}

#[test]
fn bert_with_cls_pooling() {
    check_vectors("bert-first");
}

#[test]
fn xlm_roberta() {
    check_vectors("xlm-roberta");
}

#[test]
fn modernbert() {
    check_vectors("modernbert");
}

#[test]
fn cross_encoder_of_bert() {
    check_scores("bert-pairs");
}

#[test]
fn cross_encoder_of_xlm_roberta() {
    check_scores("xlm-roberta-pairs");
}

#[test]
fn cross_encoder_of_modernbert() {
    check_scores("modernbert-pairs");
}

fn check_nli(name: &str) {
    let golden = golden(name);
    let model = NliEncoder::open(&folder(name)).unwrap();
    for (text, expected) in golden.texts.iter().zip(&golden.values) {
        let found = model
            .entailment_probability(&golden.question, text)
            .unwrap();
        let error = (found - expected[0]).abs();
        assert!(
            error < 1e-3,
            "{name}: {found}, not {}, for {text}",
            expected[0]
        );
    }
}

#[test]
fn nli_of_bert() {
    check_nli("bert-entailment");
}

#[test]
fn nli_of_xlm_roberta() {
    check_nli("xlm-roberta-entailment");
}

#[test]
fn the_manifest_decides_what_a_model_can_be_opened_as() {
    assert!(CrossEncoder::open(&folder("bert-entailment")).is_err());
    assert!(NliEncoder::open(&folder("bert-pairs")).is_err());
    let dir = copied("bert-pairs", |manifest| {
        manifest.kind = ModelKind::Nli;
    });
    let error = NliEncoder::open(dir.path()).err().unwrap();
    assert!(error.to_string().contains("entailment"), "{error}");
}

/// A copy of a model with its manifest changed.
fn copied(name: &str, change: impl Fn(&mut ModelManifest)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let mut manifest = ModelManifest::load(dir.path()).unwrap();
    change(&mut manifest);
    manifest.save(dir.path()).unwrap();
    dir
}

#[test]
fn other_prefixes_are_another_model() {
    let identity = |dir: &Path| SentenceEncoder::open(dir).unwrap().identity();
    let plain = identity(&folder("bert"));
    let prefixed = copied("bert", |manifest| {
        manifest.prefixes.question = "query: ".into();
    });
    assert_ne!(identity(prefixed.path()).sha256, plain.sha256);
    assert_ne!(identity(&folder("bert-first")).sha256, plain.sha256);
    let model = SentenceEncoder::open(prefixed.path()).unwrap();
    assert_eq!(model.prefixes().question, "query: ");
}

#[test]
fn an_unsupported_model_is_refused() {
    let dense = copied("bert", |_| ());
    std::fs::write(
        dense.path().join("modules.json"),
        r#"[{"type": "sentence_transformers.models.Dense"}]"#,
    )
    .unwrap();
    let error = SentenceEncoder::open(dense.path()).err().unwrap();
    assert!(error.to_string().contains("dense layer"), "{error}");

    let other = copied("bert", |_| ());
    let config = std::fs::read_to_string(other.path().join("config.json")).unwrap();
    let config = config.replace("\"bert\"", "\"deberta-v2\"");
    std::fs::write(other.path().join("config.json"), config).unwrap();
    let error = SentenceEncoder::open(other.path()).err().unwrap();
    assert!(error.to_string().contains("deberta-v2"), "{error}");

    let error = SentenceEncoder::open(&folder("bert-pairs")).err().unwrap();
    assert!(
        matches!(error, InferenceError::Unsupported { .. }),
        "{error}"
    );
}
