//! The child that parses files has no network, no files, no programs and no way to regain them.

use crate::support::{file, reader};
use cloister_ingest::Limits;

#[tokio::test]
async fn every_forbidden_attempt_is_refused() {
    let attempts = reader(Limits::default())
        .self_check(file(b"unread"))
        .await
        .expect("a confined child");
    assert!(attempts.len() >= 12, "{attempts:?}");
    let allowed: Vec<_> = attempts.iter().filter(|a| a.refused.is_none()).collect();
    assert!(allowed.is_empty(), "{allowed:?}");
}
