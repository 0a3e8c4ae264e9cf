//! The child that reads has no network, no files, no programs and no way back.

mod support;

use cloister_ingest::Limits;
use support::{file, reader};

#[tokio::test]
async fn every_forbidden_thing_is_refused() {
    let attempts = reader(Limits::default())
        .selfcheck(file(b"unread"))
        .await
        .expect("a confined child");
    assert!(attempts.len() >= 12, "{attempts:?}");
    let allowed: Vec<_> = attempts.iter().filter(|a| a.refused.is_none()).collect();
    assert!(allowed.is_empty(), "{allowed:?}");
}
