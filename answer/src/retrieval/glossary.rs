//! Query expansion with a glossary, which is data: `glossary.toml`.
//!
//! A *quick ratio* is computed from lines of a balance sheet that never name it, so neither lexical
//! nor dense retrieval finds them. The glossary lists the lines for each such term.

use crate::model::error::AnswerError;
use cloister_domain::FileHash;
use cloister_inference::EmbedderService;
use cloister_text::fold::{fold, is_word_char};
use serde::Deserialize;

const COMPILED_IN: &str = include_str!("../../glossary.toml");

/// Terms and their meanings.
#[derive(Clone, Debug, Default)]
pub struct Glossary {
    terms: Vec<GlossaryTerm>,
    /// SHA-256 of the file. `None` for an empty glossary that has no file.
    pub hash: Option<FileHash>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GlossaryTerm {
    names: Vec<String>,
    #[serde(alias = "stands_for")]
    meanings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GlossaryFile {
    #[serde(default)]
    term: Vec<GlossaryTerm>,
}

impl Glossary {
    /// The compiled-in glossary, with terms of banking.
    pub fn compiled_in() -> Result<Self, toml::de::Error> {
        Self::parse(COMPILED_IN)
    }

    /// Parses a file in the format of `glossary.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let GlossaryFile { term } = toml::from_str(text)?;
        Ok(Self {
            terms: term,
            hash: Some(FileHash::digest(text.as_bytes())),
        })
    }

    /// The distinct meanings of the terms of a question, in the order of the file.
    pub fn meanings(&self, question: &str) -> Vec<String> {
        let question = lowercase_words(question);
        let mut meanings: Vec<String> = Vec::new();
        for term in &self.terms {
            let names = term.names.iter().map(|name| lowercase_words(name));
            if !names
                .into_iter()
                .any(|name| contains_name(&question, &name))
            {
                continue;
            }
            for meaning in &term.meanings {
                if !meanings.contains(meaning) {
                    meanings.push(meaning.clone());
                }
            }
        }
        meanings
    }
}

/// A question with its expansions, embedded.
#[derive(Clone, Debug)]
pub struct ExpandedQuery {
    /// The glossary meanings of its terms, and words related to its words.
    pub expansions: Vec<String>,
    /// The vector of the question alone. Sentences are scored by it.
    pub question_vector: Vec<f32>,
    /// The vector of the question with its expansions. Passages are retrieved by it.
    pub retrieval_vector: Vec<f32>,
}

impl ExpandedQuery {
    /// Expands and embeds a question.
    pub async fn new(
        question: &str,
        glossary: &Glossary,
        embedder: &EmbedderService,
    ) -> Result<Self, AnswerError> {
        Self::with_expansions(question, glossary.meanings(question), embedder).await
    }

    /// Embeds a question alone and with its expansions.
    pub async fn with_expansions(
        question: &str,
        expansions: Vec<String>,
        embedder: &EmbedderService,
    ) -> Result<Self, AnswerError> {
        let question_vector = embedder.embed_question(question.to_owned()).await?;
        let retrieval_vector = if expansions.is_empty() {
            question_vector.clone()
        } else {
            let expanded = format!("{question}\n{}", expansions.join("; "));
            embedder.embed_question(expanded).await?
        };
        Ok(Self {
            expansions,
            question_vector,
            retrieval_vector,
        })
    }

    /// The expansions as text for lexical retrieval.
    pub fn expansion_text(&self) -> String {
        self.expansions.join("; ")
    }
}

fn lowercase_words(text: &str) -> Vec<String> {
    text.split(|c: char| !is_word_char(c))
        .map(fold)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether the words of a question contain a name, in the singular or the plural.
fn contains_name(question: &[String], name: &[String]) -> bool {
    let Some((last, before)) = name.split_last() else {
        return false;
    };
    question.windows(name.len()).any(|window| {
        window.starts_with(before)
            && window
                .last()
                .is_some_and(|word| word == last || word.strip_suffix('s') == Some(last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_matches_in_any_case_and_number_and_not_inside_another_word() {
        let glossary = Glossary::compiled_in().unwrap();
        let meanings = |question: &str| glossary.meanings(question);
        assert_eq!(
            meanings("How did the Current Ratios develop?"),
            [
                "balance sheet",
                "total current assets",
                "total current liabilities"
            ]
        );
        let capital = meanings("Is it a capital-intensive business?");
        assert!(capital.contains(&"depreciation".to_owned()));
        let income = meanings("What does the P&L show?");
        assert!(income.contains(&"statement of income".to_owned()));
        assert!(meanings("Who approves a leave request?").is_empty());
        let unrelated = "Where is COGSWELL ward, and is the P or the L lift out of order?";
        assert!(meanings(unrelated).is_empty());
    }

    #[test]
    fn a_meaning_that_two_terms_share_is_searched_once() {
        let glossary = Glossary::compiled_in().unwrap();
        let meanings = glossary.meanings("Compare return on assets and return on equity.");
        let incomes = meanings.iter().filter(|meaning| *meaning == "net income");
        assert_eq!(incomes.count(), 1);
    }

    #[test]
    fn an_invalid_file_is_refused_and_the_old_name_of_the_field_is_read() {
        let unknown = "[[term]]\nnames = [\"x\"]\nmeans = [\"y\"]\n";
        assert!(Glossary::parse(unknown).is_err());
        assert!(Glossary::parse("").unwrap().meanings("x").is_empty());
        let old = "[[term]]\nnames = [\"x\"]\nstands_for = [\"y\"]\n";
        assert_eq!(Glossary::parse(old).unwrap().meanings("an x"), ["y"]);
    }
}
