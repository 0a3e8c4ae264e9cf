use super::*;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), environment).map_err(|error| error.to_string())
}

#[test]
fn a_file_overrides_the_defaults_and_the_environment_overrides_the_file() {
    let config = load(
        "[session]\nidle_minutes = 5\nmax_hours = 8",
        &[("CLOISTER_SESSION_MAX_HOURS", "1"), ("HOME", "/")],
    )
    .unwrap();
    assert_eq!(
        (config.session.idle_minutes, config.session.max_hours),
        (5, 1)
    );
    assert_eq!(config.server.address.port(), 8443);
    assert!(config.deprecations.is_empty());
}

#[test]
fn an_unknown_setting_is_an_error_with_a_suggestion() {
    let check = |file: &str, environment: &[(&str, &str)], expected: &str| {
        let message = load(file, environment).unwrap_err();
        assert!(message.contains(expected), "{message}");
    };
    check(
        "[session]\nidle_minute = 5",
        &[],
        "Did you mean `session.idle_minutes`?",
    );
    check("[sesion]\nidle_minutes = 5", &[], "does not exist");
    check("sesion = 5", &[], "does not exist");
    let misspelled = [("CLOISTER_SERVER_ADRESS", "x")];
    check("", &misspelled, "Did you mean `CLOISTER_SERVER_ADDRESS`?");
}

#[test]
fn a_value_of_the_wrong_type_is_an_error() {
    let message = load("[server]\naddress = \"nowhere\"", &[]).unwrap_err();
    assert!(message.contains("wrong type"), "{message}");
}

#[test]
fn an_old_name_is_read_with_a_warning_that_names_the_new_one() {
    let config = load(
        "[search]\nmeaning = 0.5\n[reading]\nlargest_file_mb = 7",
        &[("CLOISTER_PASSAGES_TOKENS", "99")],
    )
    .unwrap();
    assert!((config.search.dense_weight - 0.5).abs() < f32::EPSILON);
    assert_eq!(config.reader.max_file_mb, 7);
    assert_eq!(config.chunking.max_tokens, 99);
    let warnings: Vec<String> = config
        .deprecations
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(warnings.len(), 3);
    for name in [
        "search.dense_weight",
        "reader.max_file_mb",
        "chunking.max_tokens",
    ] {
        let is_named = warnings.iter().any(|w| w.contains(&format!("`{name}`")));
        assert!(is_named, "{name}: {warnings:?}");
    }
}

#[test]
fn every_renamed_setting_exists_and_its_old_name_does_not() {
    let names = Layers::with_defaults().unwrap().names();
    for (old, new) in RENAMED {
        assert!(names.contains(&(*new).to_owned()), "{new}");
        assert!(!names.contains(&(*old).to_owned()), "{old}");
    }
}
