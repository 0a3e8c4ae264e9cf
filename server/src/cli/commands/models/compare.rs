//! `cloister models compare`: which embedder finds the passages of this site best, by language.
//!
//! A question is a sentence that is taken out of its passage (the inverse cloze task of Lee et al. 2019). An
//! embedder answers it if the rest of the passage is the nearest one among the sampled passages of the language.

use super::model_folders;
use crate::cli::console;
use anyhow::Context;
use cloister_config::{Config, ModelSelection};
use cloister_domain::{PassageDraft, PassageId};
use cloister_inference::{Embedder, ModelKind, ModelManifest, SentenceEncoder};
use cloister_store::Store;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Places of the library that are sampled, and passages from each of them.
const PLACES: i64 = 150;
const PASSAGES_AT_A_PLACE: u32 = 20;

/// The maximum of questions of a language.
const MAX_QUESTIONS: usize = 200;

/// Languages with fewer questions are left out.
const MIN_QUESTIONS: usize = 20;

/// Words of a sentence that can be a question.
const QUESTION_WORDS: std::ops::RangeInclusive<usize> = 6..=40;

/// Words that must be left in the passage.
const MIN_PASSAGE_WORDS: usize = 12;

/// The advantage of another embedder for which the switch is proposed, as a share of all questions.
const MIN_ADVANTAGE: f64 = 0.05;

/// The arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct CompareEmbedders {
    /// The folders of embedders in `paths.models`. Without any, all are compared.
    folders: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A sentence, and its passage without it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ClozeQuestion {
    sentence: String,
    passage: String,
}

/// The questions by the ISO 639-3 code of their language.
type QuestionsByLanguage = BTreeMap<String, Vec<ClozeQuestion>>;

/// How many questions an embedder answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct EmbedderScore {
    folder: String,
    active: bool,
    /// The answered and all questions by language.
    answered: BTreeMap<String, (usize, usize)>,
}

impl EmbedderScore {
    /// The share of all questions that was answered.
    fn share(&self) -> f64 {
        let answered: usize = self.answered.values().map(|(answered, _)| answered).sum();
        let all: usize = self.answered.values().map(|(_, all)| all).sum();
        answered as f64 / all.max(1) as f64
    }
}

/// Compares the embedders, and proposes another one if it is better.
pub fn run(arguments: &CompareEmbedders, config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let questions = runtime.block_on(sample_questions(config))?;
    anyhow::ensure!(
        !questions.is_empty(),
        "no language of the library has {MIN_QUESTIONS} passages of several sentences. Ingest documents first"
    );
    let selection = ModelSelection::load(config)?;
    let mut scores = Vec::new();
    for folder in embedders(arguments, config)? {
        console::note(&format!("embedding with {folder}"));
        let model = SentenceEncoder::open(&config.paths.models.join(&folder))?;
        scores.push(EmbedderScore {
            active: folder == selection.embedder,
            answered: answer(&model, &questions)?,
            folder,
        });
    }
    let proposal = propose(&scores);
    if arguments.json {
        let report = json!({ "embedders": scores, "proposal": proposal });
        console::line(&report.to_string());
        return Ok(());
    }
    scores.iter().for_each(print_score);
    console::line(&match proposal {
        Some(folder) => format!(
            "{folder} finds more. `cloister models activate {folder}` embeds all passages with it in the \
             background, and then uses it"
        ),
        None => "no other embedder is clearly better for this library".into(),
    });
    Ok(())
}

fn print_score(score: &EmbedderScore) {
    let percent = |(answered, all): &(usize, usize)| 100 * answered / (*all).max(1);
    let languages: Vec<String> = score
        .answered
        .iter()
        .map(|(language, counts)| format!("{language} {} % of {}", percent(counts), counts.1))
        .collect();
    let mark = if score.active { "* " } else { "  " };
    console::line(&format!("{mark}{}: {}", score.folder, languages.join(", ")));
}

/// The folders to compare, the active embedder included.
fn embedders(arguments: &CompareEmbedders, config: &Config) -> anyhow::Result<Vec<String>> {
    let active = ModelSelection::load(config)?.embedder;
    if !arguments.folders.is_empty() {
        let mut folders = arguments.folders.clone();
        if !folders.contains(&active) {
            folders.insert(0, active);
        }
        return Ok(folders);
    }
    let folders = model_folders(&config.paths.models)?.into_iter();
    let embedders = folders.filter(|folder| {
        let manifest = ModelManifest::load(folder);
        manifest.is_ok_and(|manifest| manifest.kind == ModelKind::Embedder)
    });
    Ok(embedders
        .filter_map(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()))
        .collect())
}

/// Questions from places that are spread over the whole library.
async fn sample_questions(config: &Config) -> anyhow::Result<QuestionsByLanguage> {
    let store = Store::open(&config.paths.data)
        .await
        .context("could not open the data folder")?;
    let last = store.last_passage().await?.0;
    let step = (last / PLACES).max(i64::from(PASSAGES_AT_A_PLACE));
    let mut questions = QuestionsByLanguage::new();
    let mut place = 0;
    while place < last {
        let passages = store
            .passages_after(PassageId(place), PASSAGES_AT_A_PLACE)
            .await?;
        for passage in passages.into_iter().filter(|own| own.id.0 <= place + step) {
            let own = questions.entry(passage.language.unwrap_or_else(|| "unknown".into()));
            let own = own.or_default();
            let number = passage.id.0.unsigned_abs();
            if own.len() < MAX_QUESTIONS
                && let Some(question) = question_of(&passage.draft, number)
            {
                own.push(question);
            }
        }
        place += step;
    }
    store.close().await;
    questions.retain(|_, questions| questions.len() >= MIN_QUESTIONS);
    Ok(questions)
}

/// Takes a sentence out of a passage; `None` if it has too few words or is a row of a table. `number` selects
/// the sentence.
fn question_of(draft: &PassageDraft, number: u64) -> Option<ClozeQuestion> {
    if draft.row_of.is_some() {
        return None;
    }
    let words = |text: &str| text.split_whitespace().count();
    let candidates: Vec<_> = draft
        .sentences
        .iter()
        .filter_map(|range| {
            let sentence = draft.text.get(range.start..range.end)?;
            let rest = [draft.text.get(..range.start)?, draft.text.get(range.end..)?].concat();
            let fits =
                QUESTION_WORDS.contains(&words(sentence)) && words(&rest) >= MIN_PASSAGE_WORDS;
            fits.then(|| ClozeQuestion {
                sentence: sentence.trim().to_owned(),
                passage: rest,
            })
        })
        .collect();
    let count = u64::try_from(candidates.len()).ok()?;
    let chosen = usize::try_from(number.checked_rem(count)?).ok()?;
    candidates.into_iter().nth(chosen)
}

/// How many questions of each language the embedder answers.
fn answer(
    model: &SentenceEncoder,
    questions: &QuestionsByLanguage,
) -> anyhow::Result<BTreeMap<String, (usize, usize)>> {
    let prefixes = model.prefixes();
    let mut answered = BTreeMap::new();
    for (language, questions) in questions {
        let sentences = questions.iter().map(|question| &question.sentence);
        let sentences = embed(model, &prefixes.question, sentences)?;
        let passages = questions.iter().map(|question| &question.passage);
        let passages = embed(model, &prefixes.passage, passages)?;
        let counts = (count_nearest(&sentences, &passages), questions.len());
        answered.insert(language.clone(), counts);
    }
    Ok(answered)
}

fn embed<'a>(
    model: &SentenceEncoder,
    prefix: &str,
    texts: impl Iterator<Item = &'a String>,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let texts: Vec<String> = texts.map(|text| format!("{prefix}{text}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Ok(model.embed(&texts)?)
}

/// How many questions have no passage that is nearer than their own.
fn count_nearest(questions: &[Vec<f32>], passages: &[Vec<f32>]) -> usize {
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let answered = questions.iter().zip(passages).filter(|(question, own)| {
        let score = cosine(question, own);
        passages
            .iter()
            .all(|other| cosine(question, other) <= score)
    });
    answered.count()
}

/// The embedder that is clearly better than the active one.
fn propose(scores: &[EmbedderScore]) -> Option<&str> {
    let active = scores.iter().find(|score| score.active)?;
    let best = scores
        .iter()
        .max_by(|a, b| a.share().total_cmp(&b.share()))?;
    (best.share() >= active.share() + MIN_ADVANTAGE).then_some(best.folder.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::ByteRange;

    fn draft(sentences: &[&str]) -> PassageDraft {
        let text = sentences.join(" ");
        let mut start = 0;
        let ranges = sentences.iter().map(|sentence| {
            let range = ByteRange::new(start, start + sentence.len());
            start += sentence.len() + 1;
            range
        });
        PassageDraft {
            sentences: ranges.collect(),
            text,
            spans: Vec::new(),
            headings: Vec::new(),
            tokens: 0,
            doubtful: Vec::new(),
            rows: Vec::new(),
            row_of: None,
        }
    }

    #[test]
    fn a_question_is_not_in_its_passage() {
        let long = "The ward is open from two to six in the afternoon.";
        let other = "Children under twelve years need an adult who stays with them.";
        for number in 0..4 {
            let question = question_of(&draft(&[long, "Short.", other]), number).unwrap();
            assert!([long, other].contains(&question.sentence.as_str()));
            assert!(!question.passage.contains(&question.sentence));
        }
        assert_eq!(question_of(&draft(&[long]), 1), None);
        assert_eq!(question_of(&draft(&[]), 1), None);
    }

    #[test]
    fn a_clearly_better_embedder_is_proposed() {
        let score = |folder: &str, active, answered| EmbedderScore {
            folder: folder.into(),
            active,
            answered: BTreeMap::from([("deu".into(), (answered, 100))]),
        };
        let present = score("present", true, 60);
        assert_eq!(propose(&[present.clone(), score("other", false, 64)]), None);
        let better = [present, score("other", false, 65)];
        assert_eq!(propose(&better), Some("other"));
    }

    #[test]
    fn the_nearest_passage_answers() {
        let (a, b) = (vec![1.0, 0.0], vec![0.0, 1.0]);
        assert_eq!(count_nearest(&[a.clone(), a.clone()], &[a, b]), 1);
    }
}
