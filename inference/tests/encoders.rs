//! Every family of encoders and heads, as tiny models of random weights, beside transformers: see
//! `golden/make_encoders.py`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use cloister_inference::{
    CrossEncoder, Embedder, InferenceError, ModelKind, ModelManifest, NliEncoder, NliModel,
    Reranker, SentenceEncoder, TokenClassifier, WeightFormat,
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
    for (weights, min_cosine) in [(WeightFormat::F32, 0.9999), (WeightFormat::Int8, 0.99)] {
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
fn embedders_agree_with_transformers() {
    let names = [
        "bert",
        "bert-first",
        "xlm-roberta",
        "modernbert",
        "distilbert",
        "mpnet",
        "deberta-v2",
        "deberta-v3",
        "nomic-bert",
        "t5",
        "t5-gated",
    ];
    names.into_iter().for_each(check_vectors);
}

#[test]
fn rerankers_agree_with_transformers() {
    let names = [
        "bert-pairs",
        "xlm-roberta-pairs",
        "modernbert-pairs",
        "distilbert-pairs",
        "mpnet-pairs",
        "deberta-v3-pairs",
    ];
    names.into_iter().for_each(check_scores);
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
fn nli_models_agree_with_transformers() {
    let names = [
        "bert-entailment",
        "xlm-roberta-entailment",
        "deberta-v3-entailment",
    ];
    names.into_iter().for_each(check_nli);
}

/// The spans of transformers: start, end, label, mean probability.
#[derive(serde::Deserialize)]
struct GoldenSpans {
    texts: Vec<String>,
    spans: Vec<Vec<(usize, usize, String, f32)>>,
}

#[test]
fn a_token_classifier_agrees_with_transformers() {
    let text = std::fs::read_to_string(folder("bert-tokens").join("golden.json")).unwrap();
    let golden: GoldenSpans = serde_json::from_str(&text).unwrap();
    let model = TokenClassifier::open(&folder("bert-tokens")).unwrap();
    for (text, expected) in golden.texts.iter().zip(&golden.spans) {
        let found = model.spans(text).unwrap();
        assert_eq!(found.len(), expected.len(), "{text}");
        for (found, (start, end, label, probability)) in found.iter().zip(expected) {
            assert_eq!((found.bytes.clone(), &found.label), (*start..*end, label));
            assert!((found.probability - probability).abs() < 1e-3, "{text}");
        }
    }
    // A text of several windows is labeled to its end.
    let long: Vec<String> = (0..500).map(|i| format!("w{}", i * 13 % 90)).collect();
    let spans = model.spans(&long.join(" ")).unwrap();
    assert!(
        spans
            .iter()
            .any(|span| span.bytes.end > long.join(" ").len() - 40)
    );
    assert!(spans.is_sorted_by(|a, b| a.bytes.end <= b.bytes.start));
}

#[test]
fn jina_bert_agrees_with_candle_transformers() {
    use candle_core::{DType, Device, Module, Tensor};
    use candle_transformers::models::jina_bert;
    let dir = folder("jina-bert");
    let text = std::fs::read_to_string(dir.join("config.json")).unwrap();
    let mut config: jina_bert::Config = serde_json::from_str(&text).unwrap();
    config.position_embedding_type = jina_bert::PositionEmbeddingType::Alibi;
    let bytes = std::fs::read(dir.join("model.safetensors")).unwrap();
    let weights =
        candle_nn::VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap();
    let other = jina_bert::BertModel::new(weights, &config).unwrap();
    let model = SentenceEncoder::open_with(&dir, WeightFormat::F32).unwrap();
    let tokenizer = tokenizers::Tokenizer::from_file(dir.join("tokenizer.json")).unwrap();
    for text in [
        "w1",
        "w5 w6 w7",
        "w1 w9 w17 w25 w33 w41 w49 w57 w65 w73 w81",
    ] {
        let ids = tokenizer.encode(text, true).unwrap().get_ids().to_vec();
        let input = Tensor::new(ids, &Device::Cpu)
            .unwrap()
            .unsqueeze(0)
            .unwrap();
        let states = other.forward(&input).unwrap();
        let expected: Vec<f32> = states
            .mean(1)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        let found = model.embed(&[text]).unwrap();
        let cosine = dot(&found[0], &expected) / dot(&expected, &expected).sqrt();
        assert!(cosine > 0.9999, "{cosine} for {text}");
    }
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
    let config = config.replace("\"bert\"", "\"albert\"");
    std::fs::write(other.path().join("config.json"), config).unwrap();
    let error = SentenceEncoder::open(other.path()).err().unwrap();
    assert!(error.to_string().contains("`albert`"), "{error}");

    let error = SentenceEncoder::open(&folder("bert-pairs")).err().unwrap();
    assert!(
        matches!(error, InferenceError::Unsupported { .. }),
        "{error}"
    );
}
