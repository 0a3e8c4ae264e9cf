//! The inside of the pipeline, for programs that measure it. The appliance does not use it.

pub use crate::decision::answerability::{Coverage, Verdict, dense_rank};
pub use crate::decision::{Decision, decide};
pub use crate::extraction::quote_spans::{QuoteSpan, select_quotes};
pub use crate::extraction::select::{Scorers, Selection, SentenceCandidate};
pub use crate::generation::prompt::{QUOTE_INSTRUCTIONS, SYSTEM_PROMPT};
pub use crate::generation::verify::{RejectionReason, SupportScores};
pub use crate::generation::writer::{CheckedSentence, Generation, Writer};
pub use crate::model::weights::{DecisionWeights, SentenceWeights};
pub use crate::question::AnalyzedQuestion;
pub use crate::retrieval::dedup::select_for_answer;
pub use crate::retrieval::glossary::ExpandedQuery;
pub use crate::retrieval::related_words::expand_missing_words;
pub use crate::retrieval::rerank::cloze_question;
pub use crate::retrieval::rows::{HITS_PER_PASSAGE, merge_rows};
pub use crate::retrieval::word_matches::WordMatches;
pub use crate::retrieval::{ANSWER_PASSAGES, CANDIDATE_PASSAGES};
