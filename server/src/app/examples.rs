//! Example questions for the start page.

use super::App;
use super::error::Result;
use cloister_domain::{CollectionId, Principal, Role};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// The maximum number of different permissions whose questions are cached.
const MAX_CACHED: usize = 64;

/// Questions that the documents of a person answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Examples)]
pub struct ExamplesView {
    /// The questions. Empty if none could be made.
    questions: Vec<String>,
}

impl ExamplesView {
    /// The questions.
    pub fn into_questions(self) -> Vec<String> {
        self.questions
    }
}

/// What the questions depend on: the documents that a person may read, and how they are redacted.
#[derive(Clone, PartialEq, Eq, Hash)]
struct CacheKey {
    collections: Vec<CollectionId>,
    roles: Vec<Role>,
    index: String,
    day: String,
}

/// Questions that were made. People with the same permissions share them.
#[derive(Default)]
pub struct ExampleCache(Mutex<HashMap<CacheKey, ExamplesView>>);

impl App {
    /// Questions that the documents of this person answer. Makes them the first time, which takes
    /// some searches.
    pub async fn examples(&self, person: &Principal) -> Result<ExamplesView> {
        let library = self.library(person).await?;
        let key = CacheKey {
            collections: library.permitted().collections().collect(),
            roles: person.roles.clone(),
            index: self.active_index.current().index.generation(),
            day: self.today().to_string(),
        };
        if let Some(cached) = self.examples.0.lock().get(&key) {
            return Ok(cached.clone());
        }
        let _turn = self.expensive.making_examples.take(person.user).await?;
        let answerer = self.answerer();
        let questions = answerer.example_questions(&library, &person.roles).await?;
        let view = ExamplesView { questions };
        let mut cache = self.examples.0.lock();
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(key, view.clone());
        Ok(view)
    }
}
