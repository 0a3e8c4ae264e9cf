//! Each way of changing a log is detected, by `cloister-audit` and by an independent verifier in Python.
//!
//! An attacker changes files, and signs the result if they have the machine's key. The auditor has the public
//! key and a checkpoint that was stored elsewhere.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cloister_audit::{Actor, AuditLog, Event, EventKind, Outcome, PublicKey, verify};
use cloister_domain::entropy::CountingEntropy;
use cloister_domain::time::ManualClock;
use cloister_domain::{Timestamp, UserId};
use ed25519_dalek::{Signer, SigningKey};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const SOUND: i32 = 0;
const TAMPERED: i32 = 1;
const INCOMPLETE: i32 = 2;
const USAGE: i32 = 3;

/// The number of entries, and how many of them the checkpoint from elsewhere covers.
const ENTRIES: u32 = 12;
const ANCHORED: u32 = 10;

const PYTHON_VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/audit/verify_log.py");

/// A log, and what the auditor stored elsewhere.
struct Scene {
    temporary: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            temporary: tempfile::tempdir().unwrap(),
        };
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
        let entropy = CountingEntropy::default();
        let log = AuditLog::open(&scene.log(), "test/audit", clock.clone(), &entropy).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        for number in 0..ENTRIES {
            if number == ENTRIES / 2 {
                drop(std::fs::remove_dir_all(scene.old_copy()));
                copy(&scene.log(), &scene.old_copy());
            }
            clock.advance(Duration::from_millis(1_500));
            runtime.block_on(log.append(event(number))).unwrap();
            if number + 1 == ANCHORED {
                std::fs::write(scene.anchor(), log.checkpoint_note().unwrap()).unwrap();
            }
        }
        drop(log);
        std::fs::copy(scene.log().join("key.pub"), scene.key()).unwrap();
        scene
    }

    fn log(&self) -> PathBuf {
        self.temporary.path().join("log")
    }

    /// A copy of the log from the time when it had half of its entries.
    fn old_copy(&self) -> PathBuf {
        self.temporary.path().join("old-copy")
    }

    fn key(&self) -> PathBuf {
        self.temporary.path().join("key.pub")
    }

    fn anchor(&self) -> PathBuf {
        self.temporary.path().join("anchor")
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log().join("entries.jsonl")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn write_lines(&self, lines: &[String]) {
        let text = lines.iter().fold(String::new(), |mut text, line| {
            writeln!(text, "{line}").unwrap();
            text
        });
        std::fs::write(self.log().join("entries.jsonl"), text).unwrap();
    }

    fn edit(&self, change: impl FnOnce(&mut Vec<String>)) {
        let mut lines = self.lines();
        change(&mut lines);
        self.write_lines(&lines);
    }

    /// Signs the entries as they are now with the machine's key.
    fn sign(&self) {
        let key = std::fs::read_to_string(self.log().join("key")).unwrap();
        let (name, seed) = key.trim_end().split_once('+').unwrap();
        let seed = <[u8; 32]>::try_from(BASE64.decode(seed).unwrap()).unwrap();
        let public = std::fs::read_to_string(self.log().join("key.pub")).unwrap();
        let id = hex::decode(public.split('+').nth(1).unwrap()).unwrap();
        let state = verify(&self.log(), &PublicKey::parse(&public).unwrap(), &[]).unwrap();
        let root = BASE64.encode(hex::decode(state.root).unwrap());
        let body = format!("{name}\n{}\n{root}\n", state.entries);
        let signature = SigningKey::from_bytes(&seed).sign(body.as_bytes());
        let blob = BASE64.encode([id.as_slice(), &signature.to_bytes()].concat());
        std::fs::write(
            self.log().join("checkpoint"),
            format!("{body}\n— {name} {blob}\n"),
        )
        .unwrap();
    }

    /// The exit status of both verifiers.
    fn verdicts(&self, with_anchor: bool) -> [i32; 2] {
        let mut arguments = vec![
            "verify".into(),
            self.log().into_os_string(),
            "--key".into(),
            self.key().into_os_string(),
        ];
        if with_anchor {
            arguments.extend(["--against".into(), self.anchor().into_os_string()]);
        }
        [run_rust(&arguments), run_python(&arguments)]
    }
}

fn event(number: u32) -> Event {
    Event {
        kind: EventKind::QuestionAnswered,
        outcome: Outcome::Success,
        actor: Actor {
            user: Some(UserId(1)),
            name: "ada".into(),
        },
        origin: "127.0.0.1".into(),
        request: Some(format!("r-{number}")),
        detail: serde_json::json!({ "question": format!("Which dose, number {number}?") }),
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn run(mut command: Command, arguments: &[std::ffi::OsString]) -> i32 {
    let output = command.args(arguments).output().unwrap();
    output.status.code().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the verifier is a program")]
fn run_rust(arguments: &[std::ffi::OsString]) -> i32 {
    run(
        Command::new(env!("CARGO_BIN_EXE_cloister-audit")),
        arguments,
    )
}

#[expect(clippy::disallowed_methods, reason = "the verifier is a program")]
fn run_python(arguments: &[std::ffi::OsString]) -> i32 {
    let mut python = Command::new("python3");
    python.arg(PYTHON_VERIFIER);
    run(python, arguments)
}

/// Replaces a text in the line of an entry, which must have it.
fn replace(lines: &mut [String], place: usize, from: &str, to: &str) {
    let line = lines.get_mut(place).unwrap();
    assert!(line.contains(from), "`{from}` in {line}");
    *line = line.replacen(from, to, 1);
}

/// A name, and a change of the entries.
type Mutation = (&'static str, fn(&mut Vec<String>));

/// A name, and a change of the files.
type Replacement = (&'static str, fn(&Scene));

const MUTATIONS: &[Mutation] = &[
    ("the version", |lines| {
        replace(lines, 3, "\"v\":2", "\"v\":1");
    }),
    ("the position", |lines| {
        replace(lines, 3, "\"seq\":3", "\"seq\":2");
    }),
    ("the time", |lines| {
        replace(lines, 3, "\"at\":\"2026", "\"at\":\"2027");
    }),
    ("the kind", |lines| {
        replace(lines, 3, "question.answered", "question.refused");
    }),
    ("the outcome", |lines| {
        replace(lines, 3, "\"success\"", "\"denied\"");
    }),
    ("the person's id", |lines| {
        replace(lines, 3, "\"user\":1", "\"user\":0");
    }),
    ("the person's name", |lines| {
        replace(lines, 3, "\"ada\"", "\"eda\"");
    }),
    ("the origin", |lines| {
        replace(lines, 3, "127.0.0.1", "127.0.0.3");
    }),
    ("the request", |lines| {
        replace(lines, 3, "\"r-3\"", "\"r-7\"");
    }),
    ("a detail", |lines| {
        replace(lines, 3, "Which dose", "Which dosf");
    }),
    ("a space in the JSON", |lines| {
        replace(lines, 3, "\"v\":2", "\"v\": 2");
    }),
    ("an entry deleted", |lines| {
        lines.remove(4);
    }),
    ("an entry deleted, and the others numbered again", |lines| {
        lines.remove(4);
        for (place, line) in lines.iter_mut().enumerate().skip(4) {
            let number = format!("\"seq\":{}", place + 1);
            *line = line.replacen(&number, &format!("\"seq\":{place}"), 1);
        }
    }),
    ("the first entry deleted", |lines| {
        lines.remove(0);
    }),
    ("two entries swapped", |lines| lines.swap(2, 5)),
    ("two halves swapped", |lines| lines.rotate_left(6)),
    ("an entry twice", |lines| {
        let line = lines.get(3).unwrap().clone();
        lines.insert(4, line);
    }),
    ("the tail cut", |lines| lines.truncate(8)),
    ("all entries removed", |lines| lines.clear()),
    ("an entry that is not JSON", |lines| {
        replace(lines, 3, "{\"v\"", "\"v\"");
    }),
];

#[test]
fn a_log_that_nobody_touched_is_sound() {
    let scene = Scene::new();
    assert_eq!(scene.verdicts(true), [SOUND; 2]);
    assert_eq!(scene.verdicts(false), [INCOMPLETE; 2]);
    scene.sign();
    assert_eq!(
        scene.verdicts(true),
        [SOUND; 2],
        "signed again by this test"
    );
}

#[test]
fn every_mutation_is_detected_by_both_verifiers() {
    for (name, mutation) in MUTATIONS {
        let scene = Scene::new();
        scene.edit(mutation);
        assert_eq!(scene.verdicts(true), [TAMPERED; 2], "{name}");
        assert_eq!(
            scene.verdicts(false),
            [TAMPERED; 2],
            "{name}, without a checkpoint from elsewhere"
        );
        scene.sign();
        assert_eq!(
            scene.verdicts(true),
            [TAMPERED; 2],
            "{name}, signed with the machine's key"
        );
    }
}

#[test]
fn replaced_files_are_detected_by_both_verifiers() {
    let replacements: [Replacement; 7] = [
        ("the log rolled back to an old copy", |scene| {
            std::fs::remove_dir_all(scene.log()).unwrap();
            copy(&scene.old_copy(), &scene.log());
        }),
        ("the checkpoint rolled back", |scene| {
            std::fs::copy(
                scene.old_copy().join("checkpoint"),
                scene.log().join("checkpoint"),
            )
            .unwrap();
            scene.edit(|lines| lines.truncate(8));
        }),
        ("the checkpoint deleted", |scene| {
            std::fs::remove_file(scene.log().join("checkpoint")).unwrap();
        }),
        ("the checkpoint emptied", |scene| {
            std::fs::write(scene.log().join("checkpoint"), "").unwrap();
        }),
        ("the signature stripped", |scene| {
            let path = scene.log().join("checkpoint");
            let note = std::fs::read_to_string(&path).unwrap();
            let (body, _signature) = note.split_once('—').unwrap();
            std::fs::write(&path, body).unwrap();
        }),
        ("the folder emptied", |scene| {
            std::fs::remove_dir_all(scene.log()).unwrap();
            std::fs::create_dir(scene.log()).unwrap();
        }),
        ("the key replaced, and the entries signed again", |scene| {
            let seed = BASE64.encode([9; 32]);
            std::fs::write(scene.log().join("key"), format!("test/audit+{seed}\n")).unwrap();
            scene.sign();
        }),
    ];
    for (name, replacement) in replacements {
        let scene = Scene::new();
        replacement(&scene);
        assert_eq!(scene.verdicts(true), [TAMPERED; 2], "{name}");
    }
}

#[test]
fn an_entry_that_was_dated_back_is_detected_without_any_checkpoint_from_elsewhere() {
    let scene = Scene::new();
    scene.edit(|lines| replace(lines, 11, "\"at\":\"2026", "\"at\":\"2025"));
    scene.sign();
    assert_eq!(scene.verdicts(false), [TAMPERED; 2]);
}

#[test]
fn a_checkpoint_of_another_log_is_detected() {
    let scene = Scene::new();
    let note = std::fs::read_to_string(scene.anchor()).unwrap();
    std::fs::write(scene.anchor(), note.replacen("\n10\n", "\n11\n", 1)).unwrap();
    assert_eq!(scene.verdicts(true), [TAMPERED; 2]);
}

/// The last checkpoint from elsewhere bounds what the owner of the key can change unnoticed.
#[test]
fn entries_after_the_last_checkpoint_from_elsewhere_are_not_protected_against_the_key() {
    let scene = Scene::new();
    scene.edit(|lines| replace(lines, 11, "Which dose", "Which dosf"));
    assert_eq!(scene.verdicts(true), [TAMPERED; 2]);
    scene.sign();
    assert_eq!(scene.verdicts(true), [SOUND; 2]);
}

#[test]
fn what_is_not_a_log_or_a_key_is_a_wrong_use() {
    let scene = Scene::new();
    std::fs::write(scene.anchor(), "not a note").unwrap();
    assert_eq!(scene.verdicts(true), [USAGE; 2]);
    std::fs::write(scene.key(), "not a key").unwrap();
    assert_eq!(scene.verdicts(false), [USAGE; 2]);
    assert_eq!(
        [run_rust(&["veryfy".into()]), run_python(&["veryfy".into()])],
        [USAGE; 2]
    );
}

#[test]
fn a_proof_stands_alone_and_does_not_prove_another_entry() {
    let scene = Scene::new();
    let key = PublicKey::parse(&std::fs::read_to_string(scene.key()).unwrap()).unwrap();
    let path = scene.temporary.path().join("entry.tlog-proof");
    let check = || {
        let arguments = [
            "check".into(),
            path.clone().into_os_string(),
            "--key".into(),
            scene.key().into_os_string(),
        ];
        [run_rust(&arguments), run_python(&arguments)]
    };
    for place in 0..u64::from(ENTRIES) {
        let proof = cloister_audit::InclusionProof::of_entry(&scene.log(), &key, place).unwrap();
        std::fs::write(&path, proof.to_string()).unwrap();
        assert_eq!(check(), [SOUND; 2], "entry {place}");
        let other = proof.to_string().replacen(
            &format!("index {place}"),
            &format!("index {}", place ^ 1),
            1,
        );
        std::fs::write(&path, other).unwrap();
        assert_eq!(check(), [TAMPERED; 2], "entry {place} as another");
    }
    std::fs::write(&path, "c2sp.org/tlog-proof@v1\nindex 3\n\n").unwrap();
    assert_eq!(check(), [USAGE; 2]);
}
