use super::*;
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A small model of random weights with a real tokenizer, where this machine has one.
static TINY_FILE: LazyLock<Option<tempfile::TempDir>> = LazyLock::new(|| {
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
        width: 256,
        inner: 512,
        heads: 4,
        kv_heads: 2,
        context: 512,
    };
    let dir = tempfile::tempdir().unwrap();
    synthesise(
        shape,
        SynthFormat::Q4K,
        &tokenizer,
        &dir.path().join("tiny.gguf"),
    )
    .unwrap();
    Some(dir)
});

static TINY: LazyLock<Option<LlamaGguf>> = LazyLock::new(|| {
    let dir = TINY_FILE.as_ref()?;
    Some(LlamaGguf::open_file(&dir.path().join("tiny.gguf"), &Loading::default()).unwrap())
});

const SEQUENCES: usize = 3;

fn ids(sequence: usize) -> Vec<u32> {
    (0..90)
        .map(|i| i * 37 % 1000 + 1000 * u32::try_from(sequence).unwrap())
        .collect()
}

/// The states after each token, the sequence alone and one token at a time.
fn alone(model: &LlamaGguf, ids: &[u32]) -> Vec<Vec<f32>> {
    let cache = &mut Cache::new(&model.pages);
    let step = |token: &u32| {
        let tokens = std::slice::from_ref(token);
        model
            .decoder
            .forward(&mut [Span {
                tokens,
                cache: &mut *cache,
            }])
            .unwrap()
    };
    ids.iter().map(step).collect()
}

static ALONE: LazyLock<Vec<Vec<Vec<f32>>>> = LazyLock::new(|| {
    let model = TINY.as_ref();
    model.map_or_else(Vec::new, |model| {
        (0..SEQUENCES).map(|s| alone(model, &ids(s))).collect()
    })
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Sequences come and go at any step, with any number of tokens: each has the bits that it
    /// has alone.
    #[test]
    fn a_sequence_is_the_same_whatever_else_is_in_the_batch(
        steps in prop::collection::vec(prop::array::uniform3(0_usize..40), 1..8),
    ) {
        let Some(model) = TINY.as_ref() else { return Ok(()) };
        let all: Vec<Vec<u32>> = (0..SEQUENCES).map(ids).collect();
        let mut caches: Vec<Cache> = all.iter().map(|_| Cache::new(&model.pages)).collect();
        let mut done = [0; SEQUENCES];
        for step in steps {
            let mut expected: Vec<f32> = Vec::new();
            let mut spans = Vec::new();
            for (index, cache) in caches.iter_mut().enumerate() {
                let end = all[index].len().min(done[index] + step[index]);
                if end > done[index] {
                    let tokens = &all[index][done[index]..end];
                    expected.extend(ALONE[index][done[index]..end].iter().flatten());
                    spans.push(Span { tokens, cache });
                    done[index] = end;
                }
            }
            if !spans.is_empty() {
                let states = model.decoder.forward(&mut spans).unwrap();
                prop_assert!(states.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()));
                prop_assert_eq!(states.len(), expected.len());
            }
        }
    }
}

#[test]
fn a_synthetic_model_says_its_pace_and_what_it_cannot_hold() {
    let Some(model) = TINY.as_ref() else { return };
    let load = Load {
        prompt_tokens: 70,
        generate_tokens: 3,
        parallel: 2,
    };
    model.pace(load).unwrap();
    let error = model
        .pace(Load {
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
fn greedy_decoding_takes_the_best_score_each_time() {
    let Some(model) = TINY.as_ref() else { return };
    let mut text = ids(1);
    let written = model.greedy_ids(&text, 5).unwrap();
    for token in written {
        let best = kernels::argmax(&model.scores_after(&text).unwrap());
        assert_eq!(u32::try_from(best).unwrap(), token);
        text.push(token);
    }
}

mod on_gpu;
mod writing;
