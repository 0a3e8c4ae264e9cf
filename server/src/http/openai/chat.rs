//! Chat completions: the last message of the user is the question.

use super::MODEL;
use super::errors::error;
use super::markdown::{Citation, Document};
use crate::app::views::AnswerEventView;
use crate::app::{AppState, AskCommand, ErrorCode};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::SignedIn;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cloister_answer::AnswerEvent;
use cloister_store::DocumentFilter;
use futures_util::stream::{BoxStream, StreamExt, iter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::convert::Infallible;
use utoipa::ToSchema;

/// A chat. Settings of generation, such as the temperature, are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiChatRequest)]
pub struct ChatRequest {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    n: Option<u32>,
    /// Tools are refused: the model only answers from the documents.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    tools: Vec<Value>,
}

/// A message.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiMessage)]
pub struct Message {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

/// The content of a message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = OpenAiContent)]
pub enum Content {
    /// A text.
    Text(String),
    /// Parts, of which only texts are read.
    Parts(Vec<ContentPart>),
}

/// A part of a message.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiContentPart)]
pub struct ContentPart {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

impl Message {
    fn text(&self) -> HttpResult<String> {
        match &self.content {
            None => Ok(String::new()),
            Some(Content::Text(text)) => Ok(text.clone()),
            Some(Content::Parts(parts)) => {
                if parts.iter().any(|part| part.kind != "text") {
                    let detail = "Only texts can be asked, no images, audio or files";
                    return Err(ErrorCode::Invalid.with_detail(detail).into());
                }
                let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                Ok(texts.join("\n"))
            }
        }
    }
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiChatCompletion)]
pub struct ChatCompletion {
    /// `chatcmpl-` and the receipt, with which the answer is found in the audit log.
    id: String,
    object: &'static str,
    created: i64,
    model: &'static str,
    choices: Vec<Choice>,
    usage: Usage,
}

/// The only choice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiChoice)]
pub struct Choice {
    index: u32,
    message: AssistantMessage,
    finish_reason: &'static str,
}

/// The message that answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiAssistantMessage)]
pub struct AssistantMessage {
    role: &'static str,
    content: String,
    refusal: Option<String>,
    annotations: Vec<Annotation>,
}

/// An annotation of the text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiAnnotation)]
pub struct Annotation {
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: Citation,
}

impl From<Citation> for Annotation {
    fn from(url_citation: Citation) -> Self {
        Self {
            kind: "url_citation",
            url_citation,
        }
    }
}

/// The number of tokens, as the embedder counts them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiUsage)]
pub struct Usage {
    #[serde(rename = "prompt_tokens")]
    prompt: usize,
    #[serde(rename = "completion_tokens")]
    completion: usize,
    #[serde(rename = "total_tokens")]
    total: usize,
}

/// Answers the last message of the user. Earlier ones are the context of a follow-up question.
#[utoipa::path(post, path = "/chat/completions", tag = "openai", request_body = ChatRequest,
    responses((status = 200, body = ChatCompletion), (status = 422, body = Problem)))]
pub async fn complete(
    State(app): State<AppState>,
    signed_in: SignedIn,
    headers: HeaderMap,
    Json(request): Json<ChatRequest>,
) -> HttpResult<Response> {
    let is_streamed = request.stream;
    let command = parse(&request)?;
    let question = command.question.clone();
    let events = app
        .ask(&signed_in.caller, &signed_in.person, command)
        .await?;
    let answer = ChatAnswer {
        created: app.clock.now().as_millis() / 1000,
        host: host(&headers),
        id: String::new(),
        document: Document::default(),
    };
    if is_streamed {
        return Ok(answer.stream(events).into_response());
    }
    let answer = answer.collect(events).await?;
    let prompt_tokens = app.count_tokens(&question);
    let completion_tokens = app.count_tokens(&answer.document.text);
    Ok(Json(answer.completion(prompt_tokens, completion_tokens)).into_response())
}

fn parse(request: &ChatRequest) -> HttpResult<AskCommand> {
    let invalid = |detail: &str| -> Problem { ErrorCode::Invalid.with_detail(detail).into() };
    if request.model != MODEL {
        let detail = format!("The model that answers from the documents is `{MODEL}`");
        return Err(ErrorCode::NotFound.with_detail(detail).into());
    }
    if request.n.is_some_and(|count| count > 1) {
        return Err(invalid(
            "There is one answer to a question, so `n` must be 1",
        ));
    }
    if !request.tools.is_empty() {
        return Err(invalid(
            "The model answers from the documents and calls no tools",
        ));
    }
    let asked = request
        .messages
        .iter()
        .filter(|message| message.role == "user");
    let mut questions: Vec<String> = asked.map(Message::text).collect::<HttpResult<_>>()?;
    let question = questions
        .pop()
        .ok_or_else(|| invalid("There is no message of the role `user`"))?;
    Ok(AskCommand {
        question,
        filter: DocumentFilter::default(),
        follow_up: None,
        earlier_questions: questions,
    })
}

/// The name by which the program reaches the appliance, for the addresses of citations.
fn host(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    host.unwrap_or("localhost").to_owned()
}

/// An answer that is being rendered.
struct ChatAnswer {
    created: i64,
    host: String,
    id: String,
    document: Document,
}

impl ChatAnswer {
    /// Adds an event, and returns the text that it added.
    fn add(&mut self, event: &AnswerEventView) -> String {
        if let AnswerEventView::Receipt(receipt) = event {
            self.id = format!("chatcmpl-{}", receipt.id);
        }
        self.document.add(event, &self.host)
    }

    async fn collect(mut self, mut events: BoxStream<'static, AnswerEvent>) -> HttpResult<Self> {
        while let Some(event) = events.next().await {
            let event = AnswerEventView::from(event);
            if let AnswerEventView::Error(cause) = event {
                return Err(cause.into());
            }
            self.add(&event);
        }
        Ok(self)
    }

    fn completion(self, prompt_tokens: usize, completion_tokens: usize) -> ChatCompletion {
        let annotations = self.document.citations.into_iter().map(Annotation::from);
        ChatCompletion {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: MODEL,
            choices: vec![Choice {
                index: 0,
                message: AssistantMessage {
                    role: "assistant",
                    annotations: annotations.collect(),
                    content: self.document.text,
                    refusal: None,
                },
                finish_reason: "stop",
            }],
            usage: Usage {
                prompt: prompt_tokens,
                completion: completion_tokens,
                total: prompt_tokens + completion_tokens,
            },
        }
    }

    /// The chunks of the answer as server-sent events. The annotations come with the last one.
    fn stream(
        mut self,
        events: BoxStream<'static, AnswerEvent>,
    ) -> Sse<impl futures_util::Stream<Item = Result<Event, Infallible>>> {
        let last = iter([None]);
        let chunks = events.map(Some).chain(last).flat_map(move |event| {
            let chunks = match event.map(AnswerEventView::from) {
                Some(AnswerEventView::Error(cause)) => {
                    vec![error(&json!(cause)).to_string()]
                }
                Some(event) => self.chunk_of(&event).into_iter().collect(),
                None => vec![self.last_chunk(), "[DONE]".to_owned()],
            };
            iter(chunks)
        });
        let events = chunks.map(|chunk| Ok(Event::default().data(chunk)));
        Sse::new(events).keep_alive(KeepAlive::default())
    }

    fn chunk_of(&mut self, event: &AnswerEventView) -> Option<String> {
        let is_first = matches!(event, AnswerEventView::Receipt(_));
        let text = self.add(event);
        if is_first {
            let delta = json!({ "role": "assistant", "content": "" });
            return Some(self.chunk(&delta, None));
        }
        let delta = json!({ "content": text });
        (!text.is_empty()).then(|| self.chunk(&delta, None))
    }

    fn last_chunk(&mut self) -> String {
        let citations = std::mem::take(&mut self.document.citations);
        let annotations: Vec<Annotation> = citations.into_iter().map(Annotation::from).collect();
        self.chunk(&json!({ "annotations": annotations }), Some("stop"))
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> String {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": MODEL,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
        })
        .to_string()
    }
}
