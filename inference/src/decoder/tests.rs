use super::runtime::{KvCache, SequenceChunk};
use super::*;
use crate::error::{InferenceError, Result};
use crate::manifest::ModelManifest;
use crate::request::GenerateRequest;
use crate::traits::{Generated, Generator, ModelIdentity};
use cloister_kernels::float;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// A small model with random weights and a real tokenizer, if this machine has one.
static TINY_MODEL_FILE: LazyLock<Option<tempfile::TempDir>> = LazyLock::new(|| {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let root = PathBuf::from(option_env!("CLOISTER_MODELS").unwrap_or(beside));
    let tokenizer = root.join("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    if !tokenizer.exists() {
        println!(
            "skipped: no models at {}, `make models` fetches them",
            root.display()
        );
        return None;
    }
    let shape = SynthShape {
        layers: 2,
        hidden_size: 256,
        intermediate_size: 512,
        heads: 4,
        kv_heads: 2,
        context: 512,
    };
    let dir = tempfile::tempdir().unwrap();
    write_synthetic_model(
        shape,
        SynthFormat::Q4K,
        &tokenizer,
        &dir.path().join("tiny.gguf"),
    )
    .unwrap();
    Some(dir)
});

static TINY_MODEL: LazyLock<Option<GgufGenerator>> = LazyLock::new(|| {
    let dir = TINY_MODEL_FILE.as_ref()?;
    Some(GgufGenerator::open_file(&dir.path().join("tiny.gguf"), &LoadOptions::default()).unwrap())
});

const SEQUENCES: usize = 3;

fn ids(sequence: usize) -> Vec<u32> {
    (0..90)
        .map(|i| i * 37 % 1000 + 1000 * u32::try_from(sequence).unwrap())
        .collect()
}

/// The states after each token of a sequence that is processed alone, one token at a time.
fn states_alone(model: &GgufGenerator, ids: &[u32]) -> Vec<Vec<f32>> {
    let cache = &mut KvCache::new(&model.kv_pages);
    let step = |token: &u32| {
        let tokens = std::slice::from_ref(token);
        model
            .decoder
            .forward(&mut [SequenceChunk {
                tokens,
                cache: &mut *cache,
            }])
            .unwrap()
    };
    ids.iter().map(step).collect()
}

static STATES_ALONE: LazyLock<Vec<Vec<Vec<f32>>>> = LazyLock::new(|| {
    let model = TINY_MODEL.as_ref();
    model.map_or_else(Vec::new, |model| {
        (0..SEQUENCES)
            .map(|sequence| states_alone(model, &ids(sequence)))
            .collect()
    })
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Sequences join and leave at any step with any number of tokens, and have the same bits as
    /// alone.
    #[test]
    fn a_sequence_has_the_same_states_in_every_batch(
        steps in prop::collection::vec(prop::array::uniform3(0_usize..40), 1..8),
    ) {
        let Some(model) = TINY_MODEL.as_ref() else { return Ok(()) };
        let all: Vec<Vec<u32>> = (0..SEQUENCES).map(ids).collect();
        let mut caches: Vec<KvCache> = all.iter().map(|_| KvCache::new(&model.kv_pages)).collect();
        let mut done = [0; SEQUENCES];
        for step in steps {
            let mut expected: Vec<f32> = Vec::new();
            let mut chunks = Vec::new();
            for (index, cache) in caches.iter_mut().enumerate() {
                let end = all[index].len().min(done[index] + step[index]);
                if end > done[index] {
                    let tokens = &all[index][done[index]..end];
                    expected.extend(STATES_ALONE[index][done[index]..end].iter().flatten());
                    chunks.push(SequenceChunk { tokens, cache });
                    done[index] = end;
                }
            }
            if !chunks.is_empty() {
                let states = model.decoder.forward(&mut chunks).unwrap();
                prop_assert!(states.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()));
                prop_assert_eq!(states.len(), expected.len());
            }
        }
    }
}

#[test]
fn a_synthetic_model_can_be_measured_up_to_its_context() {
    let Some(model) = TINY_MODEL.as_ref() else {
        return;
    };
    let load = BenchLoad {
        prompt_tokens: 70,
        generate_tokens: 3,
        parallel: 2,
    };
    model.bench(load).unwrap();
    let error = model
        .bench(BenchLoad {
            prompt_tokens: 513,
            ..load
        })
        .unwrap_err();
    assert!(
        matches!(error, InferenceError::TooLong { limit: 512, .. }),
        "{error}"
    );
}

#[test]
fn greedy_decoding_takes_the_best_score_at_each_token() {
    let Some(model) = TINY_MODEL.as_ref() else {
        return;
    };
    let mut text = ids(1);
    let written = model.greedy_ids(&text, 5).unwrap();
    for token in written {
        let best = float::argmax(&model.scores_after(&text).unwrap());
        assert_eq!(u32::try_from(best).unwrap(), token);
        text.push(token);
    }
}

mod generation;
mod gpu_layers;
