use super::*;
use cloister_inference::ModelManifest;

/// A file of random weights that the generator's tests keep.
fn file() -> PathBuf {
    let golden = "../inference/tests/golden/families/qwen3.gguf";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(golden)
}

fn config(models: &Path) -> Config {
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.paths.models = models.to_owned();
    config
}

fn add(file: PathBuf, folder: &str) -> Command {
    Command::Add(add::Add {
        file,
        folder: Some(folder.into()),
        licence: Some("CC0-1.0".into()),
        fitness: "a test".into(),
    })
}

#[test]
fn a_model_is_added_used_and_left_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    run(&add(file(), "tiny"), &config).unwrap();
    let manifest = ModelManifest::read(&dir.path().join("tiny")).unwrap();
    assert_eq!(
        (manifest.architecture.as_str(), manifest.context),
        ("qwen3", 512)
    );
    assert_eq!(manifest.licence, "CC0-1.0");
    let folder = "tiny".to_owned();
    run(&Command::Activate { folder }, &config).unwrap();
    assert_eq!(
        crate::active::Active::of(&config).unwrap().generator,
        "tiny"
    );
    assert_eq!(
        run(&Command::Verify { json: true }, &config).unwrap(),
        ExitCode::SUCCESS
    );
    run(&Command::Rollback, &config).unwrap();
    let generator = crate::active::Active::of(&config).unwrap().generator;
    assert_eq!(generator, config.models.generator);
    assert!(run(&Command::Rollback, &config).is_err());
}

#[test]
fn what_cannot_be_run_is_not_added_and_leaves_nothing() {
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
    assert!(again.to_string().contains("cannot be made"), "{again}");
    let folders = folders(dir.path()).unwrap();
    assert_eq!(folders, [dir.path().join("tiny")]);
}

#[test]
fn a_model_whose_bytes_changed_is_not_activated() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    run(&add(file(), "tiny"), &config).unwrap();
    let copied = dir.path().join("tiny/qwen3.gguf");
    let mut bytes = std::fs::read(&copied).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&copied, bytes).unwrap();
    let folder = "tiny".to_owned();
    let error = run(&Command::Activate { folder }, &config).unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    assert_eq!(
        run(&Command::Verify { json: false }, &config).unwrap(),
        ExitCode::FAILURE
    );
}
