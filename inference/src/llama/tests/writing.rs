//! Texts that are written together, from prefixes and drafts, and leave.

use super::*;
use crate::generator::{Constraint, Desk, Finish, Person, Sampling, Scope, Turn};
use crate::service::{GeneratorService, Piece, QueueLimits};
use std::collections::VecDeque;
use std::ops::ControlFlow;

fn request(user: &str, most: usize) -> GenerateRequest {
    GenerateRequest {
        user: user.into(),
        max_tokens: most,
        ..GenerateRequest::default()
    }
}

fn scoped(user: &str, scope: &str) -> GenerateRequest {
    GenerateRequest {
        scope: Some(Scope(scope.into())),
        ..request(user, 4)
    }
}

/// What plain greedy decoding writes, one token a step and nothing used again.
fn plainly(model: &LlamaGguf, request: &GenerateRequest) -> Vec<u32> {
    let prompt = model.prompt_ids(request).unwrap();
    let mut ids = model.greedy_ids(&prompt, request.max_tokens).unwrap();
    ids.retain(|id| !model.vocabulary.ends.contains(id));
    ids
}

fn write(model: &LlamaGguf, request: &GenerateRequest) -> Generated {
    model
        .generate(request, &mut |_| ControlFlow::Continue(()))
        .unwrap()
}

/// The tokens of a prompt that need not be read, because they were read before.
fn known(model: &LlamaGguf, request: &GenerateRequest) -> usize {
    model.text(0, request).unwrap().cache.length()
}

fn pages_held(model: &LlamaGguf) -> usize {
    model.prefixes().make_room(usize::MAX);
    model.pages.all() - model.pages.free()
}

/// A model of its own for those who count its pages.
fn fresh() -> Option<LlamaGguf> {
    TINY_FILE.as_ref().map(|dir| {
        LlamaGguf::open_file(&dir.path().join("tiny.gguf"), &Loading::default()).unwrap()
    })
}

const SECRET: &str = "The patient in room twelve is called Adelaide Thornbury, and she was admitted \
                      on Tuesday with pneumonia; her allergy to penicillin is written in red.";

#[test]
fn what_one_may_read_is_never_used_for_another() {
    let Some(model) = fresh() else { return };
    let mine = scoped(SECRET, "ward-a");
    let public = {
        write(&model, &request("something else", 1));
        known(&model, &request("another thing", 1))
    };
    write(&model, &mine);
    let whole = model.prompt_ids(&mine).unwrap().len();
    assert_eq!(known(&model, &mine), whole - 1, "the same scope finds it");
    let follow_up = GenerateRequest {
        turns: vec![Turn {
            user: SECRET.into(),
            assistant: "Penicillin.".into(),
        }],
        ..scoped("And in which room?", "ward-a")
    };
    assert!(
        known(&model, &follow_up) > whole / 2,
        "a follow-up finds it"
    );
    for stranger in [
        scoped(SECRET, "ward-b"),
        scoped(SECRET, ""),
        scoped(SECRET, "ward-a "),
        request(SECRET, 4),
        GenerateRequest {
            scope: None,
            ..follow_up.clone()
        },
        GenerateRequest {
            scope: Some(Scope("ward-b".into())),
            ..follow_up
        },
    ] {
        assert_eq!(known(&model, &stranger), public, "{:?}", stranger.scope);
    }
    // Nor is what was asked without a scope found by anybody, not even without one.
    let open = request(&SECRET.replace("twelve", "thirteen"), 4);
    write(&model, &open);
    assert_eq!(known(&model, &open), public);
}

#[test]
fn the_system_prompt_is_everybodys_and_ends_where_the_task_begins() {
    let Some(model) = fresh() else { return };
    let with = |user: &str, scope: Option<&str>| GenerateRequest {
        system: Some("You answer from quotes alone. ".repeat(6)),
        scope: scope.map(|scope| Scope(scope.into())),
        ..request(user, 2)
    };
    assert_eq!(known(&model, &with("When?", None)), 0);
    write(&model, &with(SECRET, Some("ward-a")));
    let shared = known(&model, &with("Zebras.", None));
    assert!(shared > 30, "{shared}");
    assert_eq!(
        known(&model, &with(SECRET, None)),
        shared,
        "not even the first secret token"
    );
}

#[test]
fn a_text_is_the_same_from_a_prefix_and_anew() {
    let Some(model) = fresh() else { return };
    let texts = ["one", "one two", "one two three", SECRET, "one"];
    for length in [60, 63, 64, 65] {
        for text in texts {
            let asked = scoped(&format!("{} {text}", "again ".repeat(length)), "scope");
            let expected = plainly(&model, &asked);
            assert_eq!(write(&model, &asked).tokens, expected.len());
            let text = write(&model, &asked).text;
            assert_eq!(text, model.vocabulary.decode(&expected).unwrap());
        }
    }
}

/// A desk that lets texts in at given steps, and notes what each became.
struct Script {
    waiting: VecDeque<(usize, GenerateRequest)>,
    step: usize,
    written: Vec<(usize, String, Option<Finish>)>,
    /// The ticket that leaves, and after how many pieces.
    leaves: Option<(usize, usize)>,
}

impl Desk for Script {
    fn next(&mut self, writing: usize) -> Option<(usize, GenerateRequest)> {
        self.step += 1;
        let due = self
            .waiting
            .front()
            .is_some_and(|(step, _)| *step <= self.step || writing == 0);
        if !due || writing == usize::MAX {
            return None;
        }
        let (_, request) = self.waiting.pop_front()?;
        self.written.push((0, String::new(), None));
        Some((self.written.len() - 1, request))
    }

    fn wanted(&self, ticket: usize) -> bool {
        let pieces = self.written[ticket].0;
        self.leaves
            .is_none_or(|(who, after)| who != ticket || pieces < after)
    }

    fn piece(&mut self, ticket: usize, text: &str) -> ControlFlow<()> {
        self.written[ticket].0 += 1;
        self.written[ticket].1.push_str(text);
        ControlFlow::Continue(())
    }

    fn end(&mut self, ticket: usize, outcome: Result<Generated>) {
        self.written[ticket].2 = Some(outcome.unwrap().finish);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Texts join and leave at any step, with prefixes, drafts, chance and constraints: each is
    /// what it is alone on a model that remembers nothing.
    #[test]
    fn a_text_is_the_same_whoever_else_is_writing(
        joins in prop::collection::vec((0_usize..30, 0_usize..4, 0_usize..3, 0_u64..3), 1..6),
        leaves in prop::option::of((0_usize..3, 1_usize..4)),
    ) {
        let Some(model) = TINY.as_ref() else { return Ok(()) };
        let users = ["a b a b a b a", SECRET, "x", "one two three one two three one"];
        let asked = |(_, user, scope, seed): &(usize, usize, usize, u64)| GenerateRequest {
            scope: (*scope > 0).then(|| Scope(scope.to_string())),
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
        let mut script = Script {
            waiting: joins.iter().map(|join| (join.0, asked(join))).collect(),
            step: 0,
            written: Vec::new(),
            leaves,
        };
        model.write_all(&mut script);
        prop_assert_eq!(script.written.len(), joins.len());
        for (index, ((_, text, finish), join)) in script.written.iter().zip(&joins).enumerate() {
            let alone = write(ALONE_MODEL.as_ref().unwrap(), &GenerateRequest { scope: None, ..asked(join) });
            if *finish == Some(Finish::Stopped) {
                prop_assert!(leaves.is_some_and(|(who, _)| who == index));
                prop_assert!(alone.text.starts_with(text.as_str()));
            } else {
                prop_assert_eq!(text, &alone.text);
                prop_assert_eq!(*finish, Some(alone.finish));
            }
        }
    }

    /// Drafts change how fast a text comes, and nothing else.
    #[test]
    fn a_text_with_drafts_is_that_of_plain_decoding(
        words in prop::collection::vec(0_usize..5, 2..40),
        most in 1_usize..24,
    ) {
        let Some(model) = TINY.as_ref() else { return Ok(()) };
        let user: Vec<&str> = words.iter().map(|w| ["the", "dose", "is", "five", "."][*w]).collect();
        let asked = request(&user.join(" "), most);
        let ids = plainly(model, &asked);
        let text = model.vocabulary.decode(&ids).unwrap();
        let written = write(model, &asked);
        prop_assert_eq!(written.tokens, ids.len());
        let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        prop_assert!(written.text == text || whole.starts_with(&written.text));
    }
}

/// The same model, asked one request at a time.
static ALONE_MODEL: LazyLock<Option<LlamaGguf>> = LazyLock::new(fresh);

#[test]
fn a_seed_draws_the_same_text_again_and_another_another() {
    let Some(model) = TINY.as_ref() else { return };
    let drawn = |seed| {
        let sampling = Sampling {
            temperature: 1.0,
            seed,
            ..Sampling::default()
        };
        write(
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
fn a_constraint_is_kept_by_a_model_that_knows_nothing() {
    let Some(model) = TINY.as_ref() else { return };
    let held = |constraint| {
        let asked = GenerateRequest {
            constraint: Some(constraint),
            ..request("Which?", 60)
        };
        let written = write(model, &asked);
        (written.text, written.finish)
    };
    let ids = ["p1", "p12", "p7"].map(String::from);
    let (text, finish) = held(Constraint::OneOf(ids.to_vec()));
    assert!(ids.contains(&text) && finish == Finish::Complete, "{text}");
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
    assert_eq!(finish, Finish::Complete);
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

/// A model in a service, and still at hand.
struct Shared(Arc<LlamaGguf>);

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

    fn write_together(&self, desk: &mut dyn Desk) {
        self.0.write_together(desk);
    }
}

/// Of 10,000 people everybody leaves: at once, after a piece, or in the middle of a prompt.
#[tokio::test]
async fn ten_thousand_who_left_leave_nothing_behind() {
    let Some(model) = fresh() else { return };
    let model = Arc::new(model);
    let shared = Shared(Arc::clone(&model));
    let limits = QueueLimits {
        urgent: 4,
        bulk: 32,
    };
    let service = GeneratorService::loading(move || Ok(Box::new(shared)), limits).unwrap();
    let mut busy = 0;
    for i in 0..10_000_usize {
        let asked = GenerateRequest {
            person: Some(Person((i % 7).to_string())),
            scope: (i % 3 > 0).then(|| Scope((i % 5).to_string())),
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
                Some(Piece::Text(_) | Piece::End(_))
            ));
        }
    }
    assert!(busy < 10_000);
    // Somebody who stays is served when all of those are gone.
    let mut stream = service.generate(request("Listen.", 3)).unwrap();
    while !matches!(stream.recv().await, Some(Piece::End(_))) {}
    drop(service);
    while Arc::strong_count(&model) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pages_held(&model), 0);
}

#[test]
fn a_model_that_is_full_forgets_what_it_keeps_and_takes_no_more_pages() {
    let Some(model) = fresh() else { return };
    for i in 0..40 {
        write(
            &model,
            &scoped(&format!("{i} {}", SECRET.repeat(4)), "scope"),
        );
    }
    assert!(
        model.pages.free() <= model.pages.all() / 2,
        "prompts are kept"
    );
    let long = "word ".repeat(440);
    write(&model, &request(&long, 4));
    model
        .log_likelihoods(&[(&long, " yes"), (&long, " no")])
        .unwrap();
    assert_eq!(pages_held(&model), 0);
}
