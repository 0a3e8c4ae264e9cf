//! `cloister-eval tune`: the best `search.dense_weight` on the passages of the appliance.

use crate::console;
use crate::dense_weight::{self, Source};
use clap::Args;
use cloister_config::{Config, SystemClock, components};
use cloister_domain::{Clock, Day, PassageId, RevisionId};
use cloister_index::IndexEntry;
use cloister_store::{Store, StoredPassage};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

/// Runs of adjacent passages that questions and answers are taken from, spread over all passages.
const RUNS: i64 = 40;

/// Passages in a run.
const RUN_LENGTH: u32 = 500;

/// How the result is printed.
#[derive(Clone, Debug, Args)]
pub struct Tune {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Measures every weight and prints whether another weight than the present one finds more.
pub async fn run(arguments: &Tune, config: &Config) -> anyhow::Result<()> {
    let data = &config.paths.data;
    anyhow::ensure!(
        data.join("cloister.db").exists(),
        "`{}` is not the data folder of an appliance. Set `paths.data` in the settings or \
         CLOISTER_PATHS_DATA",
        data.display()
    );
    let store = Store::open(data).await?;
    let embedder = components::open_embedder(config)?;
    let sources = load_sources(&store).await?;
    store.close().await;
    let folder = tempfile::tempdir()?;
    let settings = components::index_settings(config, &embedder);
    let report = dense_weight::tune(sources, &embedder, settings, folder.path()).await?;
    let current = config.search.dense_weight;
    let better = report.significantly_better_than(current);
    let better = better.map(|best| best.dense_weight);
    if arguments.json {
        let report = json!({ "current": current, "better": better, "measured": report });
        console::line(&report.to_string());
        return Ok(());
    }
    console::line(&report.to_string());
    console::line(&match better {
        Some(best) => format!(
            "`search.dense_weight` {best:.2} finds significantly more than the present {current:.2}"
        ),
        None => format!("no weight finds significantly more than the present {current:.2}"),
    });
    Ok(())
}

/// Passages that are in force today, with their vectors.
async fn load_sources(store: &Store) -> anyhow::Result<Vec<Source>> {
    let today = Day::from_timestamp(SystemClock.now());
    let in_force: HashSet<RevisionId> = store
        .revisions_in_force_on(today)
        .await?
        .into_iter()
        .collect();
    let last = store.last_passage().await?;
    let mut sources = BTreeMap::new();
    for run in 0..RUNS {
        let start = PassageId(last.0 * run / RUNS);
        for passage in store.passages_after(start, RUN_LENGTH).await? {
            if in_force.contains(&passage.revision) && !passage.vector.is_empty() {
                sources.insert(passage.id, into_source(passage));
            }
        }
    }
    Ok(sources.into_values().collect())
}

fn into_source(passage: StoredPassage) -> Source {
    Source {
        sentences: passage.draft.sentences,
        entry: IndexEntry {
            passage: passage.id,
            revision: passage.revision,
            title: passage.title,
            document_metadata: passage.document_keywords,
            language: passage.language,
            headings: passage.draft.headings,
            text: passage.draft.text,
            vector: passage.vector,
        },
    }
}
