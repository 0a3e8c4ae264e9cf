//! A database of an earlier version is migrated without losing anything.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::{CollectionId, Day, PassageId, Permitted, RevisionId};
use cloister_store::{ActiveEmbedder, Library, Store};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::path::Path;

/// The first version that stores vectors by model.
const BY_MODEL: i64 = 20_261_121_180_000;

/// The first version in which a revision waits for its first day.
const BY_DAY: i64 = 20_261_122_160_000;

/// Creates a database of the version before `version`, with a collection.
async fn database_before(version: i64, folder: &Path) -> SqlitePool {
    let database = SqliteConnectOptions::new()
        .filename(folder.join("cloister.db"))
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(database).await.unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut migrator = Migrator::new(migrations).await.unwrap();
    let migrations = migrator.migrations.to_mut();
    migrations.retain(|migration| migration.version < version);
    migrator.run(&pool).await.unwrap();
    sqlx::query("INSERT INTO collections (id, name, created_at) VALUES (1, 'ward', 0)")
        .execute(&pool)
        .await
        .unwrap();
    pool
}

/// Creates a database with a passage for each of these models, whose vector is 1 and the number of
/// its revision.
async fn before(folder: &Path, models: &[&str]) {
    let pool = database_before(BY_MODEL, folder).await;
    for (model, id) in models.iter().zip(1_u8..) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "INSERT INTO documents (id, collection_id, path, created_at)
             VALUES ({id}, 1, '{id}.txt', 0);
             INSERT INTO revisions (id, document_id, hash, size, title, format, pages, warnings,
                                    embedder, effective_from)
             VALUES ({id}, {id}, '{hash}', 1, 'Guide', 'text', 1, '[]', '{model}', 0);
             INSERT INTO passages (revision_id, draft, vector)
             VALUES ({id}, '{draft}', x'0000803f0000{id:02x}40')",
            hash = "0".repeat(64),
            draft = r#"{"text":"Rest.","spans":[],"headings":[],"sentences":[],"tokens":1}"#,
        )))
        .execute(&pool)
        .await
        .unwrap();
    }
    pool.close().await;
}

fn library(store: &Store, today: &str) -> Library {
    let today = Day::try_from(today.to_owned()).unwrap();
    store.library(Permitted::decided([CollectionId(1)]), today)
}

#[tokio::test]
async fn vectors_stay_with_the_model_that_made_them() {
    let folder = tempfile::tempdir().unwrap();
    before(folder.path(), &["a", "a"]).await;
    let store = Store::open(folder.path()).await.unwrap();
    let expected = ActiveEmbedder {
        sha256: "a".into(),
        complete: true,
    };
    assert_eq!(store.active_embedder().await.unwrap(), Some(expected));
    let passages = store.passages_after(PassageId(0), 9).await.unwrap();
    let vectors: Vec<_> = passages.into_iter().map(|p| p.vector).collect();
    assert_eq!(vectors, [[1.0, 2.015_625], [1.0, 2.031_25]]);
    let library = library(&store, "2026-11-22");
    assert_eq!(library.current_revisions().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_interrupted_change_of_models_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    before(folder.path(), &["b", "a"]).await;
    let store = Store::open(folder.path()).await.unwrap();
    assert!(!store.active_embedder().await.unwrap().unwrap().complete);
    assert_eq!(store.count_embedded("b").await.unwrap(), (1, 2));
    let in_use = store.activate_embedder("b").await.unwrap();
    assert!(!in_use.complete);
    let passages = store.passages_after(PassageId(0), 9).await.unwrap();
    let made: Vec<bool> = passages.iter().map(|p| !p.vector.is_empty()).collect();
    assert_eq!(made, [true, false]);
}

#[tokio::test]
async fn a_revision_replaced_too_early_answers_again_after_migration() {
    let folder = tempfile::tempdir().unwrap();
    let pool = database_before(BY_DAY, folder.path()).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        r#"INSERT INTO documents (id, collection_id, path, created_at) VALUES (1, 1, 'a.txt', 0);
           INSERT INTO revisions (id, document_id, hash, size, title, format, pages, warnings,
                                  effective_from, superseded_at, labels)
           VALUES (1, 1, '{hash}', 1, 'Guide', 'text', 1, '[]', 1000, 2000, '{{}}'),
                  (2, 1, '{hash}', 1, 'Guide', 'text', 1, '[]', 2000, 3000, '{{}}'),
                  (3, 1, '{hash}', 1, 'Guide', 'text', 1, '[]', 3000, NULL,
                   '{{"effective":"2030-01-01"}}')"#,
        hash = "0".repeat(64),
    )))
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let store = Store::open(folder.path()).await.unwrap();
    for (today, answers, since) in [
        ("2029-12-31", 2, None),
        ("2030-01-01", 3, Some("2030-01-01T00:00:00Z")),
    ] {
        let library = library(&store, today);
        assert_eq!(
            library.current_revisions().await.unwrap(),
            [RevisionId(answers)]
        );
        let known = library
            .revisions_by_id(&[RevisionId(1), RevisionId(2)])
            .await;
        let known = known.unwrap();
        let superseded = |id| {
            let moment = known[&RevisionId(id)].superseded_at;
            moment.map(|moment| moment.to_string())
        };
        assert_eq!(superseded(1).as_deref(), Some("1970-01-01T00:00:02Z"));
        assert_eq!(superseded(2).as_deref(), since);
    }
}
