//! The committed OpenAPI description matches the server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of a program of this workspace, which cargo builds next to the tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join(name)
}

#[test]
fn the_openapi_file_of_the_client_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test runs the program")]
    let printed = Command::new(program("cloister"))
        .arg("openapi")
        .output()
        .unwrap();
    let described: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let saved = std::fs::read_to_string(root.join("web/openapi.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_str(&saved).unwrap();
    assert!(
        described == saved,
        "run `make types`, which generates web/openapi.json and web/src/api/schema.d.ts"
    );
}
