//! Adds, activates and rolls back models.

use super::*;
use cloister_config::components;
use cloister_inference::{ModelKind, ModelManifest, Pooling};

/// A golden file of the tests of the generator, with random weights.
fn file() -> PathBuf {
    let golden = "../inference/tests/golden/families/qwen3.gguf";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(golden)
}

fn config(models: &Path) -> Config {
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.paths.models = models.to_owned();
    config
}

fn add(source: PathBuf, folder: &str) -> ModelsCommand {
    ModelsCommand::Add(add::AddModel {
        source,
        folder: Some(folder.into()),
        licence: Some("CC0-1.0".into()),
        fitness: "a test".into(),
        pooling: None,
        question_prefix: None,
        passage_prefix: None,
        int8: false,
    })
}

#[test]
fn a_model_is_added_activated_and_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    run(&add(file(), "tiny"), &config).unwrap();
    let manifest = ModelManifest::load(&dir.path().join("tiny")).unwrap();
    assert_eq!(
        (manifest.architecture.as_str(), manifest.context),
        ("qwen3", 512)
    );
    assert_eq!(manifest.licence, "CC0-1.0");
    let folder = "tiny".to_owned();
    run(
        &ModelsCommand::Activate {
            folder,
            even_if_worse: false,
        },
        &config,
    )
    .unwrap();
    assert_eq!(
        cloister_config::ModelSelection::load(&config)
            .unwrap()
            .generator,
        "tiny"
    );
    assert_eq!(
        run(&ModelsCommand::Verify { json: true }, &config).unwrap(),
        ExitCode::SUCCESS
    );
    run(&ModelsCommand::Rollback, &config).unwrap();
    let generator = cloister_config::ModelSelection::load(&config)
        .unwrap()
        .generator;
    assert_eq!(generator, config.models.generator);
    assert!(run(&ModelsCommand::Rollback, &config).is_err());
}

/// A golden folder of the tests of the encoders, with this pooling.
fn encoder(name: &str, pooling: &str) -> tempfile::TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/golden/encoders");
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(golden.join(name).join(file), dir.path().join(file)).unwrap();
    }
    if !pooling.is_empty() {
        std::fs::create_dir(dir.path().join("1_Pooling")).unwrap();
        std::fs::write(dir.path().join("1_Pooling/config.json"), pooling).unwrap();
    }
    let prompts = r#"{"prompts": {"query": "query: ", "document": ""}}"#;
    std::fs::write(
        dir.path().join("config_sentence_transformers.json"),
        prompts,
    )
    .unwrap();
    dir
}

#[test]
fn the_folder_of_an_encoder_is_added_as_it_describes_itself() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let cls = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
    let source = encoder("bert-first", cls);
    run(&add(source.path().into(), "first"), &config).unwrap();
    let manifest = ModelManifest::load(&dir.path().join("first")).unwrap();
    assert_eq!(manifest.kind, ModelKind::Embedder);
    assert_eq!(manifest.pooling, Pooling::Cls);
    assert_eq!(manifest.prefixes.question, "query: ");
    assert_eq!((manifest.context, manifest.parameters), (72, 23_648));
    assert_eq!(manifest.companions.len(), 2);

    let source = encoder("modernbert-pairs", "");
    run(&add(source.path().into(), "pairs"), &config).unwrap();
    let manifest = ModelManifest::load(&dir.path().join("pairs")).unwrap();
    assert_eq!(
        (manifest.kind, manifest.architecture.as_str()),
        (ModelKind::Reranker, "modernbert")
    );
    let folder = "pairs".to_owned();
    run(
        &ModelsCommand::Activate {
            folder,
            even_if_worse: false,
        },
        &config,
    )
    .unwrap();
    assert_eq!(
        cloister_config::ModelSelection::load(&config)
            .unwrap()
            .reranker,
        "pairs"
    );
}

#[test]
fn an_nli_model_is_added_and_active_until_it_is_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let source = encoder("bert-entailment", "");
    run(&add(source.path().into(), "follows"), &config).unwrap();
    let manifest = ModelManifest::load(&dir.path().join("follows")).unwrap();
    assert_eq!(manifest.kind, ModelKind::Nli);
    let activate = ModelsCommand::Activate {
        folder: "follows".into(),
        even_if_worse: false,
    };
    let nli_model = || cloister_config::ModelSelection::load(&config).unwrap().nli;
    run(&activate, &config).unwrap();
    assert_eq!(nli_model(), "follows");
    assert!(components::open_nli_model(&config).unwrap().is_some());
    run(&ModelsCommand::Rollback, &config).unwrap();
    assert_eq!(nli_model(), "");
    // A classifier with other labels is no NLI model.
    let file = source.path().join("config.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("entailment", "not_entailment")).unwrap();
    let error = run(&add(source.path().into(), "other"), &config).unwrap_err();
    assert!(
        error.to_string().contains("a label `entailment`"),
        "{error}"
    );
}

#[test]
fn an_embedder_without_a_known_pooling_is_not_added() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    for (pooling, says) in [
        ("", "whole folder"),
        (
            r#"{"pooling_mode": "max"}"#,
            "neither the mean nor the first",
        ),
    ] {
        let source = encoder("bert", pooling);
        let error = run(&add(source.path().into(), "none"), &config).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!dir.path().join("none").exists());
    }
}

#[test]
fn a_model_that_cannot_run_is_not_added_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let damaged = dir.path().join("damaged.gguf");
    let bytes = std::fs::read(file()).unwrap();
    std::fs::write(&damaged, &bytes[..bytes.len() / 2]).unwrap();
    run(&add(damaged, "damaged"), &config).unwrap_err();
    for folder in ["../outside", "a/b", ".."] {
        let error = run(&add(file(), folder), &config).unwrap_err();
        assert!(
            error.to_string().contains("not the name"),
            "{folder}: {error}"
        );
    }
    run(&add(file(), "tiny"), &config).unwrap();
    let again = run(&add(file(), "tiny"), &config).unwrap_err();
    assert!(again.to_string().contains("could not create"), "{again}");
    let thesaurus = dir.path().join("wordnet");
    std::fs::create_dir(&thesaurus).unwrap();
    std::fs::write(thesaurus.join("thesaurus.tsv"), "").unwrap();
    let folders = model_folders(dir.path()).unwrap();
    assert_eq!(folders, [dir.path().join("tiny")]);
}

#[test]
fn a_model_with_changed_files_is_not_activated() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    run(&add(file(), "tiny"), &config).unwrap();
    let copied = dir.path().join("tiny/qwen3.gguf");
    let mut bytes = std::fs::read(&copied).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&copied, bytes).unwrap();
    let folder = "tiny".to_owned();
    let error = run(
        &ModelsCommand::Activate {
            folder,
            even_if_worse: false,
        },
        &config,
    )
    .unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    assert_eq!(
        run(&ModelsCommand::Verify { json: false }, &config).unwrap(),
        ExitCode::FAILURE
    );
}

#[test]
fn a_split_model_is_joined() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let golden = "../inference/tests/golden/conversions/split-00001-of-00002.gguf";
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(golden);
    run(&add(source, "joined"), &config).unwrap();
    let folder = dir.path().join("joined");
    let manifest = ModelManifest::load(&folder).unwrap();
    assert_eq!(manifest.file, "split.gguf");
    manifest.verify(&folder).unwrap();
}
