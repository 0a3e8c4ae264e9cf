//! `cloister index tune`: the weight of meaning, by the site's own passages.

use crate::app::{self, App};
use crate::cli::act::result;
use crate::cli::control::Saying;
use crate::cli::tuning::{Source, tune};
use cloister_domain::{PassageId, RevisionId};
use cloister_index::IndexEntry;
use cloister_ingest::Finder;
use cloister_policies::Policies;
use cloister_store::StoredPassage;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

/// Stretches of neighbouring passages, from all over, that questions and answers are taken from.
const STRETCHES: i64 = 40;

/// Passages of a stretch.
const STRETCH: u32 = 500;

pub async fn run(app: &App, as_json: bool, say: &Saying) -> anyhow::Result<()> {
    let Finder { embedder, index } = app.finding.now();
    let sources = sources(app, index.sequence()).await?;
    // The name is that of an index, so that one that is left over goes at the next start.
    let folder = tempfile::Builder::new()
        .prefix("index-tuning-")
        .tempdir_in(&app.config.paths.data)?;
    let settings = app::index_settings(&app.config, &embedder);
    let tuned = tune(sources, &embedder, settings, folder.path()).await?;
    let now = app.config.search.meaning;
    let better = tuned.better_than(now).map(|best| best.meaning);
    let advice = match better {
        Some(best) => format!("search.meaning = {best:.2} finds more than {now:.2}, beyond chance"),
        None => format!("search.meaning = {now:.2} stays: none finds more, beyond chance"),
    };
    let value = json!({ "now": now, "better": better, "tuned": tuned });
    result(say, as_json, value, format!("{tuned}\n{advice}")).await;
    Ok(())
}

/// Passages that answer today, with their vectors.
async fn sources(app: &App, last: PassageId) -> anyhow::Result<Vec<Source>> {
    let collections = app.store.collections().await?;
    let everything = Policies::for_self_test(collections.iter().map(|c| c.id));
    let library = app.store.library(everything, app.today());
    let current = library.current_revisions().await?;
    let current: HashSet<RevisionId> = current.into_iter().collect();
    let mut sources = BTreeMap::new();
    for number in 0..STRETCHES {
        let after = PassageId(last.0 * number / STRETCHES);
        for passage in app.store.passages_after(after, STRETCH).await? {
            if current.contains(&passage.revision) && !passage.vector.is_empty() {
                sources.insert(passage.id, source(passage));
            }
        }
    }
    Ok(sources.into_values().collect())
}

fn source(passage: StoredPassage) -> Source {
    Source {
        sentences: passage.draft.sentences,
        entry: IndexEntry {
            passage: passage.id,
            revision: passage.revision,
            title: passage.title,
            about: passage.about,
            language: passage.language,
            headings: passage.draft.headings,
            text: passage.draft.text,
            vector: passage.vector,
        },
    }
}
