//! What a question's terms stand for in documents, which is data: `glossary.toml`.
//!
//! A *quick ratio* is read from lines of a balance sheet that never name it, so neither words nor
//! meaning lead there. Whoever knows the field does, and searches for those lines; so does this.

use crate::error::AnswerError;
use cloister_domain::FileHash;
use cloister_inference::EmbedderService;
use serde::Deserialize;

const COMPILED_IN: &str = include_str!("../glossary.toml");

/// Terms, and what is searched for beside each.
#[derive(Clone, Debug, Default)]
pub struct Glossary {
    terms: Vec<Term>,
    /// SHA-256 of the file that says so; none of a glossary without terms.
    pub hash: Option<FileHash>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    names: Vec<String>,
    stands_for: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GlossaryFile {
    #[serde(default)]
    term: Vec<Term>,
}

impl Glossary {
    /// The terms of banking, compiled in.
    pub fn compiled_in() -> Result<Self, toml::de::Error> {
        Self::parse(COMPILED_IN)
    }

    /// The terms of a file like `glossary.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let GlossaryFile { term } = toml::from_str(text)?;
        Ok(Self {
            terms: term,
            hash: Some(FileHash::of(text.as_bytes())),
        })
    }

    /// What the question's terms stand for, each once and in the file's order; nothing where it has
    /// none.
    pub fn meanings(&self, question: &str) -> Vec<String> {
        let asked = words(question);
        let named = |term: &&Term| term.names.iter().any(|name| names(&asked, &words(name)));
        let terms = self.terms.iter().filter(named);
        let mut meanings: Vec<String> = Vec::new();
        for meaning in terms.flat_map(|term| &term.stands_for) {
            if !meanings.contains(meaning) {
                meanings.push(meaning.clone());
            }
        }
        meanings
    }
}

/// A question as passages are sought for it.
#[derive(Clone, Debug)]
pub struct Sought {
    /// What its terms stand for.
    pub meanings: Vec<String>,
    /// Its own vector, by which sentences are chosen.
    pub question: Vec<f32>,
    /// The vector of the question and what its terms stand for, by which passages are found.
    pub vector: Vec<f32>,
}

impl Sought {
    /// Looks a question's terms up, and embeds it.
    pub async fn of(
        question: &str,
        glossary: &Glossary,
        embedder: &EmbedderService,
    ) -> Result<Self, AnswerError> {
        let meanings = glossary.meanings(question);
        let own = embedder.embed_question(question.to_owned()).await?;
        let vector = if meanings.is_empty() {
            own.clone()
        } else {
            let spelled_out = format!("{question}\n{}", meanings.join("; "));
            embedder.embed_question(spelled_out).await?
        };
        Ok(Self {
            meanings,
            question: own,
            vector,
        })
    }

    /// What is searched for beside the question's own words.
    pub fn also(&self) -> String {
        self.meanings.join("; ")
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether `name` stands among the words of a question, in the singular or the plural.
fn names(asked: &[String], name: &[String]) -> bool {
    let Some((last, before)) = name.split_last() else {
        return false;
    };
    asked.windows(name.len()).any(|here| {
        here.starts_with(before)
            && here
                .last()
                .is_some_and(|word| word == last || word.strip_suffix('s') == Some(last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_known_in_any_case_and_number_and_not_inside_another_word() {
        let glossary = Glossary::compiled_in().unwrap();
        let of = |question: &str| glossary.meanings(question);
        assert_eq!(
            of("How did the Current Ratios develop?"),
            [
                "balance sheet",
                "total current assets",
                "total current liabilities"
            ]
        );
        assert!(of("Is it a capital-intensive business?").contains(&"depreciation".to_owned()));
        assert!(of("What does the P&L show?").contains(&"statement of income".to_owned()));
        assert!(of("Who approves a leave request?").is_empty());
        assert!(of("Where is COGSWELL ward, and is the P or the L lift out of order?").is_empty());
    }

    #[test]
    fn what_two_terms_share_is_searched_for_once() {
        let glossary = Glossary::compiled_in().unwrap();
        let meanings = glossary.meanings("Compare return on assets and return on equity.");
        let incomes = meanings.iter().filter(|m| *m == "net income");
        assert_eq!(incomes.count(), 1);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let unknown = "[[term]]\nnames = [\"x\"]\nmeans = [\"y\"]\n";
        assert!(Glossary::parse(unknown).is_err());
        assert!(Glossary::parse("").unwrap().meanings("x").is_empty());
    }
}
