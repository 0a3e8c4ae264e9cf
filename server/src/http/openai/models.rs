//! The models that a program can name.

use super::MODEL;
use crate::app::AppState;
use crate::http::json::Json;
use crate::http::problem::HttpResult;
use crate::http::session::SignedIn;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// A model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiModel)]
pub struct Model {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
}

/// The models.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiModels)]
pub struct Models {
    object: &'static str,
    data: Vec<Model>,
}

/// Lists `cloister`, which answers from the documents, and the embedder.
#[utoipa::path(get, path = "/models", tag = "openai", responses((status = 200, body = Models)))]
pub async fn list(State(app): State<AppState>, _: SignedIn) -> HttpResult<Json<Models>> {
    let model = |id: String| Model {
        id,
        object: "model",
        created: 0,
        owned_by: "site",
    };
    Ok(Json(Models {
        object: "list",
        data: vec![model(MODEL.to_owned()), model(app.embedder_name())],
    }))
}
