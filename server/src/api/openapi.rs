//! The API's description, from which the interface's types are made.

use super::{
    access, answers, audit, conversations, documents, files, people, search, sign_in, status,
};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cloister",
        description = "Answers from your own documents, inside your own walls."
    ),
    paths(
        sign_in::sign_in,
        sign_in::me,
        sign_in::sign_out,
        sign_in::set_up,
        status::about,
        status::status,
        answers::ask,
        answers::rate,
        conversations::list,
        conversations::open,
        conversations::forget,
        search::search,
        documents::list,
        documents::page,
        documents::image,
        people::list,
        people::add,
        people::change,
        people::set_password,
        access::list_groups,
        access::add_group,
        access::remove_group,
        access::join_group,
        access::leave_group,
        access::list_collections,
        access::add_collection,
        access::change_collection,
        access::grant,
        access::revoke,
        files::list,
        files::retry,
        files::cancel,
        files::pause,
        audit::list,
        audit::replay_answer,
        audit::verify_log,
        audit::checkpoint,
    )
)]
struct Description;

/// The OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
}
