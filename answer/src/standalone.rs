//! Rewrites a question before it is answered, so that it stands alone and is in the language of the
//! documents.

use crate::answerer::Answerer;
use crate::follow_up::{PreviousTurn, carry_over, contextualize};
use crate::model::error::AnswerError;
use crate::retrieval::glossary::ExpandedQuery;
use crate::retrieval::translation::TranslatedWords;
use crate::retrieval::{CANDIDATE_PASSAGES, search};
use cloister_store::{DocumentFilter, Library};
use std::sync::Arc;

impl Answerer {
    /// A follow-up question, rewritten to stand alone. `None` if it does already. Leaves no trace.
    ///
    /// A question without a pronoun may still need the topic of the previous one: `How many nights
    /// are included?` It is carried over if the documents then answer clearly better.
    pub async fn resolve_follow_up(
        &self,
        library: &Library,
        question: &str,
        previous: &PreviousTurn,
        filter: &DocumentFilter,
    ) -> Result<Option<String>, AnswerError> {
        const MIN_GAIN: f32 = 0.1;
        if let Some(rewritten) = contextualize(question, previous) {
            return Ok(Some(rewritten));
        }
        let Some(carried) = carry_over(question, previous) else {
            return Ok(None);
        };
        let as_typed = self.examine(library, question, filter).await?.verdict;
        let with_topic = self.examine(library, &carried, filter).await?.verdict;
        let is_better = with_topic.answer && with_topic.score >= as_typed.score + MIN_GAIN;
        Ok(is_better.then_some(carried))
    }

    /// The question in English, in the words of the documents. `None` if it is in English, if the
    /// site has no dictionary for its language, if the documents answer it as it is, or if they do
    /// not answer its translation. Leaves no trace.
    pub async fn translate(
        &self,
        library: &Library,
        question: &str,
        filter: &DocumentFilter,
    ) -> Result<Option<String>, AnswerError> {
        let Some(words) = self.translated_words(question).await? else {
            return Ok(None);
        };
        if self
            .examine(library, question, filter)
            .await?
            .verdict
            .answer
        {
            return Ok(None);
        }
        let parts = &self.parts;
        let revisions = library.matching_revisions(filter).await?;
        let text = words.most_usual();
        let alternatives = words.alternatives();
        let query = ExpandedQuery::with_expansions(&text, alternatives, &parts.embedder).await?;
        let found = search::search(
            &parts.index,
            library,
            &text,
            query,
            CANDIDATE_PASSAGES,
            &revisions,
        )
        .await?;
        let translated = words.in_words_of(&found.passages);
        let examination = self.examine(library, &translated, filter).await?;
        let verdict = examination.verdict;
        let is_better = (verdict.answer || verdict.perhaps) && examination.words.unknown.is_empty();
        Ok(is_better.then_some(translated))
    }

    /// Looks up the words of a question in another language.
    async fn translated_words(
        &self,
        question: &str,
    ) -> Result<Option<TranslatedWords>, AnswerError> {
        let dictionaries = Arc::clone(&self.parts.dictionaries);
        let thesaurus = Arc::clone(&self.parts.thesaurus);
        let question = question.to_owned();
        let look_up = move || {
            let dictionary = dictionaries.for_question(&question)?;
            TranslatedWords::new(&question, dictionary, &thesaurus.entries)
        };
        Ok(tokio::task::spawn_blocking(look_up).await?)
    }
}
