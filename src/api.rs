//! The JSON channel: `/v1`. Thin handlers below, one catcher here.
//!
//! To add a route: a handler in a module below that begins with `_: AcceptsJson` and a `Can<P>` (before
//! them a `Routed<P>`, if the path has a parameter that may not fit), its name in [`routes`], its
//! operation in `http/openapi.json`, and its row in the permission matrix of the tests.

mod account;
mod audit;
mod auth;
mod body;
mod bulk;
mod erasures;
mod factors;
mod health;
mod links;
mod list;
mod notes;
mod openapi;
mod personal_data;
mod sessions;
mod tokens;
mod undo;
mod users;

use rocket::http::{ContentType, Header, Status};
use rocket::request::Request;
use rocket::response::Response;
use rocket::{Catcher, Route, catch, catchers, routes};
use serde_json::{Value, json};

use crate::http::error::{ProgramErrors, Rendered, json_answer};
use crate::http::path::API_BASE;
use crate::model::error::{AuthenticationFailure, Error};
use crate::model::rules::Denial;

pub use self::users::etag;

/// Where the API is mounted.
pub const BASE: &str = API_BASE;

/// The routes below [`BASE`].
#[must_use]
pub fn routes() -> Vec<Route> {
    routes![
        auth::obtain,
        auth::refresh,
        auth::verify,
        openapi::document,
        users::list,
        users::list_next,
        users::create,
        users::retrieve,
        users::update,
        users::partial_update,
        users::destroy,
        audit::list,
        audit::list_next,
        audit::retrieve,
        bulk::run,
        bulk::runs,
        bulk::outcome,
        bulk::resume,
        bulk::undo,
        undo::take_back,
        links::invite,
        links::make,
        links::check,
        links::end_block,
        notes::add,
        erasures::request,
        erasures::retrieve,
        erasures::cancel,
        account::retrieve,
        account::partial_update,
        account::change_password,
        account::remove_password,
        account::confirm,
        account::sign_ins,
        personal_data::own,
        personal_data::of_user,
        sessions::own,
        sessions::end_own,
        sessions::end_own_others,
        sessions::of_user,
        sessions::end_of_user,
        sessions::end_all_of_user,
        factors::own,
        factors::remove_own,
        factors::of_user,
        factors::remove_of,
        factors::remove_all_of,
        tokens::own,
        tokens::make_own,
        tokens::revoke_own,
        tokens::of_user,
        tokens::make_for,
        tokens::revoke_of,
    ]
}

/// The health checks; they answer JSON, too.
#[must_use]
pub fn health_routes() -> Vec<Route> {
    routes![health::live, health::ready]
}

/// The catcher below [`BASE`].
#[must_use]
pub fn catchers() -> Vec<Catcher> {
    catchers![error]
}

/// Renders whatever went wrong below [`BASE`].
#[catch(default)]
fn error(status: Status, request: &Request<'_>) -> Rendered<'static> {
    let by_status = |status: Status| answer(status, &json!({ "detail": status.reason_lossy() }));
    ProgramErrors { error: render, status: by_status }.caught(status, request)
}

/// An error as the contract's clients know it.
pub(crate) fn render(error: &Error) -> Response<'static> {
    let mut response = answer(error.status(), &body(error));
    error.add_headers(&mut response);
    if let Error::NotAuthenticated(_) = error {
        response.set_header(Header::new("WWW-Authenticate", "Bearer realm=\"api\""));
    }
    response
}

fn body(error: &Error) -> Value {
    let detail = error.to_string();
    match error {
        Error::Invalid(fields) => json!(fields),
        Error::NotAuthenticated(AuthenticationFailure::TokenNotValid) => json!({
            "detail": detail,
            "code": "token_not_valid",
            "messages": [{
                "token_class": "AccessToken",
                "token_type": "access",
                "message": "Token is invalid or expired",
            }],
        }),
        Error::NotAuthenticated(failure) => with_code(&detail, failure.code()),
        Error::Forbidden(denial) => with_code(&detail, Some(Denial::code(*denial))),
        Error::Conflict(conflict) => with_code(&detail, Some(conflict.code())),
        Error::CannotUndo(obstacle) => with_code(&detail, Some(obstacle.code())),
        _ => with_code(&detail, None),
    }
}

fn with_code(detail: &str, code: Option<&str>) -> Value {
    match code {
        Some(code) => json!({ "detail": detail, "code": code }),
        None => json!({ "detail": detail }),
    }
}

fn answer(status: Status, body: &Value) -> Response<'static> {
    json_answer(status, ContentType::JSON, body)
}
