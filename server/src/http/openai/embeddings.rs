//! Embeddings of texts by the embedder of the site.

use crate::app::{AppState, ErrorCode};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::SignedIn;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One text or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = OpenAiInput)]
pub enum Input {
    /// One text.
    One(String),
    /// Several texts.
    Several(Vec<String>),
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OpenAiEncoding)]
pub enum Encoding {
    /// As numbers.
    #[default]
    Float,
    /// As little-endian floats in Base64.
    Base64,
}

/// A request for embeddings.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiEmbeddingRequest)]
pub struct EmbeddingRequest {
    model: String,
    input: Input,
    #[serde(default)]
    encoding_format: Encoding,
}

/// A vector.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = OpenAiVector)]
pub enum Vector {
    /// As numbers.
    Float(Vec<f32>),
    /// As little-endian floats in Base64.
    Base64(String),
}

impl Vector {
    fn new(vector: Vec<f32>, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Float => Self::Float(vector),
            Encoding::Base64 => {
                let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
                Self::Base64(STANDARD.encode(bytes))
            }
        }
    }
}

/// The embedding of a text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiEmbedding)]
pub struct Embedding {
    object: &'static str,
    index: usize,
    #[serde(rename = "embedding")]
    vector: Vector,
}

/// The embeddings of all texts, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiEmbeddings)]
pub struct Embeddings {
    object: &'static str,
    model: String,
    data: Vec<Embedding>,
    usage: EmbeddingUsage,
}

/// The number of tokens that were embedded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiEmbeddingUsage)]
pub struct EmbeddingUsage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// Embeds texts. The texts are neither stored nor logged.
#[utoipa::path(post, path = "/embeddings", tag = "openai", request_body = EmbeddingRequest,
    responses((status = 200, body = Embeddings), (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(request): Json<EmbeddingRequest>,
) -> HttpResult<Json<Embeddings>> {
    let name = app.embedder_name();
    if request.model != name {
        let detail = format!("The embedder of this site is `{name}`");
        return Err(ErrorCode::NotFound.with_detail(detail).into());
    }
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Several(texts) => texts,
    };
    let embedded = app.embed_texts(&signed_in.person, texts).await?;
    let data = embedded.vectors.into_iter().enumerate();
    Ok(Json(Embeddings {
        object: "list",
        model: name,
        data: data
            .map(|(index, vector)| Embedding {
                object: "embedding",
                index,
                vector: Vector::new(vector, request.encoding_format),
            })
            .collect(),
        usage: EmbeddingUsage {
            prompt_tokens: embedded.tokens,
            total_tokens: embedded.tokens,
        },
    }))
}
