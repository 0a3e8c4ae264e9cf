//! `cloister search` and `cloister ask`, with the permissions of a person.

use crate::app::views::AnswerEventView;
use crate::app::{AppState, AskCommand, Caller, FollowUp};
use crate::cli::output::OutputSink;
use crate::cli::render::{event_lines, receipt_line, search_lines};
use clap::Args;
use cloister_answer::SearchQuery;
use cloister_domain::{Day, ParseDayError, Principal};
use cloister_store::DocumentFilter;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

/// The exit status of a refused question.
const REFUSED: u8 = 3;

/// Search as a person.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Search {
    /// The text to search for.
    text: String,
    /// The person whose permissions apply.
    #[arg(long = "as", value_name = "PERSON")]
    person: String,
    /// The maximum number of passages.
    #[arg(long, default_value_t = 5)]
    limit: usize,
    #[command(flatten)]
    filter: FilterArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Ask a question as a person.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Ask {
    /// The question.
    question: String,
    /// The person whose permissions apply.
    #[arg(long = "as", value_name = "PERSON")]
    person: String,
    /// Continue this conversation. The receipt of each answer names its conversation.
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Answer the question as typed, without words of earlier questions.
    #[arg(long, requires = "conversation")]
    as_typed: bool,
    #[command(flatten)]
    filter: FilterArguments,
    /// Print JSON, one line for each event.
    #[arg(long)]
    json: bool,
}

/// Which documents are searched.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub struct FilterArguments {
    /// Only this collection. May be repeated.
    #[arg(long = "collection", value_name = "NAME")]
    collections: Vec<String>,
    /// Only this format, such as pdf. May be repeated.
    #[arg(long = "format", value_name = "FORMAT")]
    formats: Vec<String>,
    /// Only this language, such as deu. May be repeated.
    #[arg(long = "language", value_name = "CODE")]
    languages: Vec<String>,
    /// Only documents with this tag. May be repeated.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only documents of this day or later, such as 2026-01-31.
    #[arg(long, value_parser = parse_day)]
    from: Option<Day>,
    /// Only documents of this day or earlier.
    #[arg(long, value_parser = parse_day)]
    until: Option<Day>,
    /// The documents in force on this day, superseded revisions included.
    #[arg(long, value_parser = parse_day)]
    as_of: Option<Day>,
}

fn parse_day(text: &str) -> Result<Day, ParseDayError> {
    Day::try_from(text.to_owned())
}

impl From<FilterArguments> for DocumentFilter {
    fn from(arguments: FilterArguments) -> Self {
        Self {
            collections: arguments.collections,
            formats: arguments.formats,
            languages: arguments.languages,
            tags: arguments.tags,
            from: arguments.from,
            until: arguments.until,
            as_of: arguments.as_of,
        }
    }
}

/// Searches and prints the passages.
pub async fn search(
    app: &AppState,
    console: &Caller,
    task: Search,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    let person = Principal::from(app.active_person_named(&task.person).await?);
    let caller = console.person_at_console(app, &person)?;
    let query = SearchQuery {
        text: task.text,
        limit: task.limit,
        filter: task.filter.into(),
    };
    let found = app.search(&caller, &person, query).await?;
    if task.json {
        output.line(serde_json::to_string(&found)?).await;
        return Ok(0);
    }
    for line in search_lines(&found) {
        output.line(line).await;
    }
    Ok(0)
}

/// Asks a question and prints the answer.
pub async fn ask(
    app: &AppState,
    console: &Caller,
    task: Ask,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    let person = Principal::from(app.active_person_named(&task.person).await?);
    let caller = console.person_at_console(app, &person)?;
    let follow_up = match task.conversation {
        Some(conversation) => {
            app.check_conversation(&person, &conversation).await?;
            let as_typed = task.as_typed;
            Some(FollowUp {
                conversation,
                as_typed,
            })
        }
        None => None,
    };
    let command = AskCommand {
        question: task.question,
        filter: task.filter.into(),
        earlier_questions: Vec::new(),
        follow_up,
    };
    app.wait_for_generator().await;
    let mut events = app.ask(&caller, &person, command).await?;
    let mut is_refused = false;
    let mut last_line = None;
    while let Some(event) = events.next().await {
        let view = AnswerEventView::from(event);
        is_refused |= matches!(view, AnswerEventView::Refusal { .. });
        if let AnswerEventView::Receipt(receipt) = &view {
            last_line = Some(receipt_line(receipt));
        }
        if task.json {
            output.line(serde_json::to_string(&view)?).await;
        } else if let Some(lines) = event_lines(&view) {
            output.line(lines).await;
        }
    }
    if let Some(line) = last_line.filter(|_| !task.json) {
        output.line(line).await;
    }
    Ok(if is_refused { REFUSED } else { 0 })
}
