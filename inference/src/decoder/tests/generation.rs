//! Generation: batches, the prefix cache, speculation, constraints, and callers that leave.

use super::*;
use crate::request::{CacheNamespace, ChatTurn, Constraint, Person, Sampling};
use crate::service::{GenerationEvent, GeneratorService, QueueLimits};
use crate::traits::{FinishReason, RequestId, RequestSource};
use std::collections::VecDeque;
use std::ops::ControlFlow;

fn request(user: &str, max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        user: user.into(),
        max_tokens,
        ..GenerateRequest::default()
    }
}

fn request_in(user: &str, namespace: &str) -> GenerateRequest {
    GenerateRequest {
        cache_namespace: Some(CacheNamespace(namespace.into())),
        ..request(user, 4)
    }
}

/// What greedy decoding writes one token at a time, without a cache or speculation.
fn greedy_reference(model: &GgufGenerator, request: &GenerateRequest) -> Vec<u32> {
    let prompt = model.prompt_ids(request).unwrap();
    let mut ids = model.greedy_ids(&prompt, request.max_tokens).unwrap();
    ids.retain(|id| !model.vocabulary.end_tokens.contains(id));
    ids
}

fn generate(model: &GgufGenerator, request: &GenerateRequest) -> Generated {
    model
        .generate(request, &mut |_| ControlFlow::Continue(()))
        .unwrap()
}

/// The tokens of a prompt that are in the prefix cache.
fn cached_tokens(model: &GgufGenerator, request: &GenerateRequest) -> usize {
    let sequence = model.prepare_sequence(RequestId(0), request).unwrap();
    sequence.cache.length()
}

fn pages_in_use(model: &GgufGenerator) -> usize {
    model.prefix_cache.lock().free_pages(usize::MAX);
    model.kv_pages.capacity() - model.kv_pages.free()
}

/// A model of its own, for tests that count its pages.
fn own_model() -> Option<GgufGenerator> {
    TINY_MODEL_FILE.as_ref().map(|dir| {
        GgufGenerator::open_file(&dir.path().join("tiny.gguf"), &LoadOptions::default()).unwrap()
    })
}

const SECRET: &str = "The patient in room twelve is called Adelaide Thornbury, and she was admitted \
                      on Tuesday with pneumonia; her allergy to penicillin is written in red.";

#[test]
fn a_prefix_is_never_used_in_another_namespace() {
    let Some(model) = own_model() else { return };
    let mine = request_in(SECRET, "ward-a");
    let public = {
        generate(&model, &request("something else", 1));
        cached_tokens(&model, &request("another thing", 1))
    };
    generate(&model, &mine);
    let prompt_tokens = model.prompt_ids(&mine).unwrap().len();
    assert_eq!(
        cached_tokens(&model, &mine),
        prompt_tokens - 1,
        "the same namespace finds it"
    );
    let follow_up = GenerateRequest {
        turns: vec![ChatTurn {
            user: SECRET.into(),
            assistant: "Penicillin.".into(),
        }],
        ..request_in("And in which room?", "ward-a")
    };
    assert!(
        cached_tokens(&model, &follow_up) > prompt_tokens / 2,
        "a follow-up finds it"
    );
    for stranger in [
        request_in(SECRET, "ward-b"),
        request_in(SECRET, ""),
        request_in(SECRET, "ward-a "),
        request(SECRET, 4),
        GenerateRequest {
            cache_namespace: None,
            ..follow_up.clone()
        },
        GenerateRequest {
            cache_namespace: Some(CacheNamespace("ward-b".into())),
            ..follow_up
        },
    ] {
        assert_eq!(
            cached_tokens(&model, &stranger),
            public,
            "{:?}",
            stranger.cache_namespace
        );
    }
    // A prompt without a namespace is found by nobody.
    let open = request(&SECRET.replace("twelve", "thirteen"), 4);
    generate(&model, &open);
    assert_eq!(cached_tokens(&model, &open), public);
}

#[test]
fn only_the_system_prompt_is_public() {
    let Some(model) = own_model() else { return };
    let with = |user: &str, namespace: Option<&str>| GenerateRequest {
        system: Some("You answer from quotes alone. ".repeat(6)),
        cache_namespace: namespace.map(|namespace| CacheNamespace(namespace.into())),
        ..request(user, 2)
    };
    assert_eq!(cached_tokens(&model, &with("When?", None)), 0);
    generate(&model, &with(SECRET, Some("ward-a")));
    let shared = cached_tokens(&model, &with("Zebras.", None));
    assert!(shared > 30, "{shared}");
    assert_eq!(
        cached_tokens(&model, &with(SECRET, None)),
        shared,
        "not even the first secret token"
    );
}

#[test]
fn a_cached_prefix_does_not_change_the_text() {
    let Some(model) = own_model() else { return };
    let texts = ["one", "one two", "one two three", SECRET, "one"];
    for length in [60, 63, 64, 65] {
        for text in texts {
            let asked = request_in(&format!("{} {text}", "again ".repeat(length)), "namespace");
            let expected = greedy_reference(&model, &asked);
            assert_eq!(generate(&model, &asked).tokens, expected.len());
            let text = generate(&model, &asked).text;
            assert_eq!(text, model.vocabulary.decode(&expected).unwrap());
        }
    }
}

/// A source that hands out requests at given steps and records their outcomes.
struct ScriptedSource {
    waiting: VecDeque<(usize, GenerateRequest)>,
    step: usize,
    written: Vec<(usize, String, Option<FinishReason>)>,
    /// The request that is cancelled, and after how many pieces.
    cancelled: Option<(usize, usize)>,
}

impl RequestSource for ScriptedSource {
    fn next(&mut self, active: usize) -> Option<(RequestId, GenerateRequest)> {
        self.step += 1;
        let due = self
            .waiting
            .front()
            .is_some_and(|(step, _)| *step <= self.step || active == 0);
        if !due || active == usize::MAX {
            return None;
        }
        let (_, request) = self.waiting.pop_front()?;
        self.written.push((0, String::new(), None));
        Some((RequestId(self.written.len() - 1), request))
    }

    fn is_wanted(&self, id: RequestId) -> bool {
        let pieces = self.written[id.0].0;
        self.cancelled
            .is_none_or(|(cancelled, after)| cancelled != id.0 || pieces < after)
    }

    fn send_text(&mut self, id: RequestId, text: &str) -> ControlFlow<()> {
        self.written[id.0].0 += 1;
        self.written[id.0].1.push_str(text);
        ControlFlow::Continue(())
    }

    fn finish(&mut self, id: RequestId, outcome: Result<Generated>) {
        self.written[id.0].2 = Some(outcome.unwrap().finish);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Texts join and leave at any step, with prefixes, drafts, sampling and constraints. Each is the
    /// same as alone on a model with an empty cache.
    #[test]
    fn a_text_is_the_same_in_every_batch(
        joins in prop::collection::vec((0_usize..30, 0_usize..4, 0_usize..3, 0_u64..3), 1..6),
        leaves in prop::option::of((0_usize..3, 1_usize..4)),
    ) {
        let Some(model) = TINY_MODEL.as_ref() else { return Ok(()) };
        let users = ["a b a b a b a", SECRET, "x", "one two three one two three one"];
        let asked = |(_, user, namespace, seed): &(usize, usize, usize, u64)| GenerateRequest {
            cache_namespace: (*namespace > 0).then(|| CacheNamespace(namespace.to_string())),
            sampling: Sampling {
                temperature: if *seed > 0 { 0.8 } else { 0.0 },
                seed: *seed,
                ..Sampling::default()
            },
            constraint: (*seed == 2).then(|| Constraint::Copy(vec!["One.".into(), "Two of it.".into()])),
            ..request(users[*user], 9)
        };
        let mut joins = joins;
        joins.sort_unstable();
        let mut source = ScriptedSource {
            waiting: joins.iter().map(|join| (join.0, asked(join))).collect(),
            step: 0,
            written: Vec::new(),
            cancelled: leaves,
        };
        model.run_batches(&mut source);
        prop_assert_eq!(source.written.len(), joins.len());
        for (index, ((_, text, finish), join)) in source.written.iter().zip(&joins).enumerate() {
            let alone = generate(REFERENCE_MODEL.as_ref().unwrap(), &GenerateRequest { cache_namespace: None, ..asked(join) });
            if *finish == Some(FinishReason::Stopped) {
                prop_assert!(leaves.is_some_and(|(who, _)| who == index));
                prop_assert!(alone.text.starts_with(text.as_str()));
            } else {
                prop_assert_eq!(text, &alone.text);
                prop_assert_eq!(*finish, Some(alone.finish));
            }
        }
    }

    /// Speculation changes the speed only.
    #[test]
    fn speculation_does_not_change_the_text(
        words in prop::collection::vec(0_usize..5, 2..40),
        max_tokens in 1_usize..24,
    ) {
        let Some(model) = TINY_MODEL.as_ref() else { return Ok(()) };
        let user: Vec<&str> = words.iter().map(|w| ["the", "dose", "is", "five", "."][*w]).collect();
        let asked = request(&user.join(" "), max_tokens);
        let ids = greedy_reference(model, &asked);
        let text = model.vocabulary.decode(&ids).unwrap();
        let written = generate(model, &asked);
        prop_assert_eq!(written.tokens, ids.len());
        let complete = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        prop_assert!(written.text == text || complete.starts_with(&written.text));
    }
}

/// The same model, for one request at a time.
static REFERENCE_MODEL: LazyLock<Option<GgufGenerator>> = LazyLock::new(own_model);

#[test]
fn the_text_depends_on_the_seed() {
    let Some(model) = TINY_MODEL.as_ref() else {
        return;
    };
    let drawn = |seed| {
        let sampling = Sampling {
            temperature: 1.0,
            seed,
            ..Sampling::default()
        };
        generate(
            model,
            &GenerateRequest {
                sampling,
                ..request("Say something.", 12)
            },
        )
        .text
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn constraints_hold_for_a_model_of_random_weights() {
    let Some(model) = TINY_MODEL.as_ref() else {
        return;
    };
    let held = |constraint| {
        let asked = GenerateRequest {
            constraint: Some(constraint),
            ..request("Which?", 60)
        };
        let written = generate(model, &asked);
        (written.text, written.finish)
    };
    let ids = ["p1", "p12", "p7"].map(String::from);
    let (text, finish) = held(Constraint::OneOf(ids.to_vec()));
    assert!(
        ids.contains(&text) && finish == FinishReason::Complete,
        "{text}"
    );
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "ids": {
            "type": "array", "maxItems": 3, "minItems": 1, "items": { "enum": ["p1", "p7"] },
        } },
    });
    let (text, finish) = held(Constraint::Json(schema));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        (1..=3).contains(&value["ids"].as_array().unwrap().len()),
        "{text}"
    );
    assert_eq!(finish, FinishReason::Complete);
    let (text, _) = held(Constraint::Citing(ids.to_vec()));
    let cited = text.split('[').skip(1);
    assert!(
        cited
            .into_iter()
            .all(|after| ids.iter().any(|id| after.starts_with(id))),
        "{text}"
    );
    let error = model.generate(
        &GenerateRequest {
            constraint: Some(Constraint::OneOf(vec![])),
            ..request("Which?", 9)
        },
        &mut |_| ControlFlow::Continue(()),
    );
    assert!(
        matches!(error, Err(InferenceError::Constraint(_))),
        "{error:?}"
    );
}

/// A model that a service and a test share.
struct Shared(Arc<GgufGenerator>);

impl Generator for Shared {
    fn identity(&self) -> ModelIdentity {
        self.0.identity()
    }

    fn parameters(&self) -> u64 {
        self.0.parameters()
    }

    fn context(&self) -> usize {
        self.0.context()
    }

    fn log_likelihoods(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>> {
        self.0.log_likelihoods(pairs)
    }

    fn generate(
        &self,
        request: &GenerateRequest,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generated> {
        self.0.generate(request, piece)
    }

    fn serve(&self, source: &mut dyn RequestSource) {
        self.0.serve(source);
    }
}

/// All of 10,000 callers leave: at once, after a piece of text, or while their prompt is processed.
#[tokio::test]
async fn ten_thousand_cancelled_requests_leave_no_pages() {
    let Some(model) = own_model() else { return };
    let model = Arc::new(model);
    let shared = Shared(Arc::clone(&model));
    let limits = QueueLimits {
        urgent: 4,
        bulk: 32,
    };
    let service = GeneratorService::start_with(move || Ok(Box::new(shared)), limits).unwrap();
    let mut busy = 0;
    for i in 0..10_000_usize {
        let asked = GenerateRequest {
            person: Some(Person((i % 7).to_string())),
            cache_namespace: (i % 3 > 0).then(|| CacheNamespace((i % 5).to_string())),
            ..request(["Listen.", SECRET][usize::from(i % 50 == 0)], 200)
        };
        let mut stream = match service.generate(asked) {
            Ok(stream) => stream,
            Err(InferenceError::Loading | InferenceError::Busy { .. }) => {
                busy += 1;
                tokio::task::yield_now().await;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        if i % 40 == 0 {
            assert!(matches!(
                stream.recv().await,
                Some(GenerationEvent::Text(_) | GenerationEvent::Finished(_))
            ));
        }
    }
    assert!(busy < 10_000);
    // A caller that stays is served after them.
    let mut stream = service.generate(request("Listen.", 3)).unwrap();
    while !matches!(stream.recv().await, Some(GenerationEvent::Finished(_))) {}
    drop(service);
    while Arc::strong_count(&model) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pages_in_use(&model), 0);
}

#[test]
fn a_full_prefix_cache_evicts_and_holds_no_more_pages() {
    let Some(model) = own_model() else { return };
    for i in 0..40 {
        generate(
            &model,
            &request_in(&format!("{i} {}", SECRET.repeat(4)), "namespace"),
        );
    }
    assert!(
        model.kv_pages.free() <= model.kv_pages.capacity() / 2,
        "prompts are kept"
    );
    let long = "word ".repeat(440);
    generate(&model, &request(&long, 4));
    model
        .log_likelihoods(&[(&long, " yes"), (&long, " no")])
        .unwrap();
    assert_eq!(pages_in_use(&model), 0);
}
