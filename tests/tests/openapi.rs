//! What is made from the API's description is up to date.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs that this workspace builds lie beside the tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join(name)
}

#[test]
fn the_interface_s_types_are_made_from_this_api() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "the program itself is what is tested"
    )]
    let printed = Command::new(program("cloister"))
        .arg("openapi")
        .output()
        .unwrap();
    let described: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let kept = std::fs::read_to_string(root.join("web/openapi.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert!(
        described == kept,
        "run `make types`, which makes web/src/api/schema.d.ts anew"
    );
}
