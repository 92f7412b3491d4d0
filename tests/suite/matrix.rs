//! The permission matrix: who may do what to whom, on every route that is mounted.
//!
//! To add a route: its row in [`ROWS`]. A mounted route without a row fails the test, and so does a row
//! without a route.

mod scim;

use rocket::http::{Header, Method};
use serde_json::{Value, json};

use crate::app::{Answer, Backend, By, Person, TestApp};

pub(crate) use self::scim::SCIM_ROWS;

/// The user that a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Unaimed,
    Own,
    Other,
    Superuser,
    Missing,
}

/// A route, its target, and the status for: anonymous, inactive, ordinary, staff, superuser.
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) route: &'static str,
    pub(crate) target: Target,
    pub(crate) body: Option<fn() -> Value>,
    pub(crate) expected: [u16; 5],
}

const ACTORS: [&str; 5] = ["anonymous", "inactive", "ordinary", "staff", "superuser"];

const fn row(
    method: Method,
    route: &'static str,
    target: Target,
    body: Option<fn() -> Value>,
    expected: [u16; 5],
) -> Row {
    Row { method, route, target, body, expected }
}

fn nothing() -> Value {
    json!({})
}

fn changes() -> Value {
    json!({"first_name": "Changed"})
}

fn note() -> Value {
    json!({"note": "a note"})
}

fn no_users() -> Value {
    json!({"action": "deactivate", "ids": []})
}

fn whole() -> Value {
    json!({"username": "renamed", "password": "another long password", "first_name": "", "last_name": "", "email": ""})
}

fn reason() -> Value {
    json!({"reason": "lost"})
}

fn erasure() -> Value {
    json!({"confirm_username": "another name", "username_after": "free"})
}

fn invitation() -> Value {
    json!({"username": "invited", "first_name": "", "last_name": "", "email": ""})
}

use Method::{Delete, Get, Patch, Post, Put};
use Target::{Missing, Other, Own, Superuser, Unaimed};

/// Every route of the server. `{id}` is the target's primary key, `{name}` its user name, `{session}` a
/// session that does not exist.
pub(crate) const ROWS: &[Row] = &[
    row(Get, "/livez", Unaimed, None, [200, 200, 200, 200, 200]),
    row(Get, "/readyz", Unaimed, None, [200, 200, 200, 200, 200]),
    row(Post, "/v1/auth/obtain", Unaimed, Some(nothing), [400, 400, 400, 400, 400]),
    row(Post, "/v1/auth/refresh", Unaimed, Some(nothing), [400, 400, 400, 400, 400]),
    row(Post, "/v1/auth/verify", Unaimed, Some(nothing), [400, 400, 400, 400, 400]),
    row(Post, "/v1/users/list", Unaimed, Some(nothing), [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/list/next", Unaimed, None, [401, 401, 403, 200, 200]),
    row(Post, "/v1/users/create", Unaimed, Some(whole), [401, 401, 403, 201, 201]),
    row(Get, "/v1/users/{id}", Own, None, [401, 401, 200, 200, 200]),
    row(Get, "/v1/users/{id}", Other, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}", Superuser, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}", Missing, None, [401, 401, 403, 404, 404]),
    row(Get, "/v1/users/{name}", Own, None, [401, 401, 200, 200, 200]),
    row(Get, "/v1/users/{name}", Other, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{name}", Superuser, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{name}", Missing, None, [401, 401, 403, 404, 404]),
    row(Put, "/v1/users/{id}", Own, Some(whole), [401, 401, 403, 200, 200]),
    row(Put, "/v1/users/{id}", Other, Some(whole), [401, 401, 403, 200, 200]),
    row(Put, "/v1/users/{id}", Superuser, Some(whole), [401, 401, 403, 403, 200]),
    row(Put, "/v1/users/{id}", Missing, Some(whole), [401, 401, 403, 404, 404]),
    row(Patch, "/v1/users/{id}", Own, Some(changes), [401, 401, 403, 200, 200]),
    row(Patch, "/v1/users/{id}", Other, Some(changes), [401, 401, 403, 200, 200]),
    row(Patch, "/v1/users/{id}", Superuser, Some(changes), [401, 401, 403, 403, 200]),
    row(Patch, "/v1/users/{id}", Missing, Some(changes), [401, 401, 403, 404, 404]),
    row(Delete, "/v1/users/{id}", Own, None, [401, 401, 403, 409, 409]),
    row(Delete, "/v1/users/{id}", Other, None, [401, 401, 403, 204, 204]),
    row(Delete, "/v1/users/{id}", Superuser, None, [401, 401, 403, 403, 204]),
    row(Delete, "/v1/users/{id}", Missing, None, [401, 401, 403, 404, 404]),
    row(Post, "/v1/audit/list", Unaimed, Some(nothing), [401, 401, 403, 200, 200]),
    row(Get, "/v1/audit/list/next", Unaimed, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/audit/{id}", Missing, None, [401, 401, 403, 404, 404]),
    row(Post, "/v1/users/bulk", Unaimed, Some(no_users), [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/bulk/{id}", Missing, None, [401, 401, 403, 404, 404]),
    row(Get, "/v1/users/bulk/runs", Unaimed, None, [401, 401, 403, 200, 200]),
    row(Post, "/v1/users/bulk/{id}/resume", Missing, Some(nothing), [401, 401, 403, 404, 404]),
    row(Post, "/v1/users/bulk/{id}/undo", Missing, Some(nothing), [401, 401, 403, 404, 404]),
    row(Post, "/v1/audit/{id}/undo", Missing, Some(nothing), [401, 401, 403, 404, 404]),
    row(Post, "/v1/users/invite", Unaimed, Some(invitation), [401, 401, 403, 201, 201]),
    row(Post, "/v1/users/{id}/notes", Own, Some(note), [401, 401, 403, 201, 201]),
    row(Post, "/v1/users/{id}/notes", Other, Some(note), [401, 401, 403, 201, 201]),
    row(Post, "/v1/users/{id}/notes", Superuser, Some(note), [401, 401, 403, 201, 201]),
    row(Post, "/v1/users/{id}/notes", Missing, Some(note), [401, 401, 403, 404, 404]),
    row(Post, "/v1/users/{id}/erase", Own, Some(erasure), [401, 401, 403, 403, 409]),
    row(Post, "/v1/users/{id}/erase", Other, Some(erasure), [401, 401, 403, 403, 400]),
    row(Post, "/v1/users/{id}/erase", Superuser, Some(erasure), [401, 401, 403, 403, 400]),
    row(Post, "/v1/users/{id}/erase", Missing, Some(erasure), [401, 401, 403, 403, 404]),
    row(Get, "/v1/users/{id}/erase", Other, None, [401, 401, 403, 404, 404]),
    row(Get, "/v1/users/{id}/erase", Missing, None, [401, 401, 403, 404, 404]),
    row(Delete, "/v1/users/{id}/erase", Other, None, [401, 401, 403, 403, 404]),
    row(Delete, "/v1/users/{id}/erase", Missing, None, [401, 401, 403, 403, 404]),
    row(Post, "/v1/users/{id}/link", Own, Some(nothing), [401, 401, 403, 201, 201]),
    row(Post, "/v1/users/{id}/link", Other, Some(nothing), [401, 401, 403, 201, 201]),
    row(Post, "/v1/users/{id}/link", Superuser, Some(nothing), [401, 401, 403, 403, 201]),
    row(Post, "/v1/users/{id}/link", Missing, Some(nothing), [401, 401, 403, 404, 404]),
    row(Get, "/v1/users/{id}/sign-in-check", Own, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}/sign-in-check", Superuser, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}/sign-in-check", Missing, None, [401, 401, 403, 404, 404]),
    row(Post, "/v1/users/{id}/unlock", Other, Some(nothing), [401, 401, 403, 403, 200]),
    row(Post, "/v1/users/{id}/unlock", Superuser, Some(nothing), [401, 401, 403, 403, 200]),
    row(Post, "/v1/users/{id}/unlock", Missing, Some(nothing), [401, 401, 403, 403, 404]),
    row(Get, "/v1/account", Unaimed, None, [401, 401, 200, 200, 200]),
    row(Patch, "/v1/account", Unaimed, Some(changes), [401, 401, 200, 200, 200]),
    row(Post, "/v1/account/password", Unaimed, Some(nothing), [401, 401, 400, 400, 400]),
    row(Delete, "/v1/account/password", Unaimed, None, [401, 401, 400, 400, 400]),
    row(Post, "/v1/account/confirm", Unaimed, Some(nothing), [401, 401, 400, 400, 400]),
    row(Get, "/v1/account/sign-ins", Unaimed, None, [401, 401, 200, 200, 200]),
    row(Get, "/v1/account/data", Unaimed, None, [401, 401, 200, 200, 200]),
    row(Get, "/v1/users/{id}/data", Own, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}/data", Other, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}/data", Superuser, None, [401, 401, 403, 403, 200]),
    row(Get, "/v1/users/{id}/data", Missing, None, [401, 401, 403, 404, 404]),
    row(Get, "/v1/account/sessions", Unaimed, None, [401, 401, 200, 200, 200]),
    row(Delete, "/v1/account/sessions", Unaimed, None, [401, 401, 204, 204, 204]),
    row(Delete, "/v1/account/sessions/{session}", Unaimed, None, [401, 401, 404, 404, 404]),
    row(Get, "/v1/account/tokens", Unaimed, None, [401, 401, 200, 200, 200]),
    row(Post, "/v1/account/tokens", Unaimed, Some(nothing), [401, 401, 400, 400, 400]),
    row(Delete, "/v1/account/tokens/{session}", Unaimed, None, [401, 401, 404, 404, 404]),
    row(Get, "/v1/account/factors", Unaimed, None, [401, 401, 200, 200, 200]),
    row(Delete, "/v1/account/factors/{session}", Unaimed, None, [401, 401, 404, 404, 404]),
    row(Get, "/v1/users/{id}/factors", Other, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}/factors", Superuser, None, [401, 401, 403, 403, 200]),
    row(Get, "/v1/users/{id}/factors", Missing, None, [401, 401, 403, 404, 404]),
    row(Delete, "/v1/users/{id}/factors", Other, Some(nothing), [401, 401, 403, 403, 400]),
    row(Delete, "/v1/users/{id}/factors", Other, Some(reason), [401, 401, 403, 403, 404]),
    row(Delete, "/v1/users/{id}/factors", Missing, Some(reason), [401, 401, 403, 403, 404]),
    row(Delete, "/v1/users/{id}/factors/{session}", Other, Some(reason), [401, 401, 403, 403, 404]),
    row(Get, "/v1/users/{id}/sessions", Own, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}/sessions", Other, None, [401, 401, 403, 200, 200]),
    row(Get, "/v1/users/{id}/sessions", Superuser, None, [401, 401, 403, 403, 200]),
    row(Get, "/v1/users/{id}/sessions", Missing, None, [401, 401, 403, 404, 404]),
    row(Delete, "/v1/users/{id}/sessions", Other, None, [401, 401, 403, 204, 204]),
    row(Delete, "/v1/users/{id}/sessions", Superuser, None, [401, 401, 403, 403, 204]),
    row(Delete, "/v1/users/{id}/sessions", Missing, None, [401, 401, 403, 404, 404]),
    row(Delete, "/v1/users/{id}/sessions/{session}", Other, None, [401, 401, 403, 404, 404]),
    row(Delete, "/v1/users/{id}/sessions/{session}", Superuser, None, [401, 401, 403, 403, 404]),
    row(Get, "/v1/users/{id}/tokens", Other, None, [401, 401, 403, 403, 200]),
    row(Get, "/v1/users/{id}/tokens", Missing, None, [401, 401, 403, 403, 404]),
    row(Post, "/v1/users/{id}/tokens", Other, Some(nothing), [401, 401, 403, 403, 400]),
    row(Delete, "/v1/users/{id}/tokens/{session}", Other, None, [401, 401, 403, 403, 404]),
    row(Get, "/v1/openapi.json", Unaimed, None, [200, 200, 200, 200, 200]),
    row(Get, "/docs", Unaimed, None, [200, 200, 200, 200, 200]),
    row(Get, "/", Unaimed, None, [303, 303, 303, 200, 200]),
    row(Get, "/account", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/password", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/sessions", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/tokens", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/security", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/security/add", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/security/add-passkey", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/security/passkey", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/security/codes", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/preferences", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/data", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/account/data/file", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/users/{id}/data", Own, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/data", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/data", Superuser, None, [303, 303, 403, 403, 200]),
    row(Get, "/users/{id}/data", Missing, None, [303, 303, 403, 404, 404]),
    row(Post, "/users/{id}/data", Other, None, [401, 401, 403, 403, 403]),
    row(Get, "/shortcuts", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Get, "/users/{id}/factors", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/factors", Superuser, None, [303, 303, 403, 403, 200]),
    row(Get, "/users/{id}/factors", Missing, None, [303, 303, 403, 404, 404]),
    row(Post, "/users/{id}/factors/remove", Other, None, [401, 401, 403, 403, 422]),
    row(Get, "/users/{id}/erase", Other, None, [303, 303, 403, 403, 200]),
    row(Get, "/users/{id}/erase", Missing, None, [303, 303, 403, 403, 404]),
    row(Post, "/users/{id}/erase", Other, None, [401, 401, 403, 403, 422]),
    row(Post, "/users/{id}/erase", Missing, None, [401, 401, 403, 403, 404]),
    row(Post, "/users/{id}/erase/cancel", Other, None, [401, 401, 403, 403, 403]),
    row(Get, "/users/{id}/tokens", Other, None, [303, 303, 403, 403, 200]),
    row(Get, "/users/{id}/tokens", Superuser, None, [303, 303, 403, 403, 200]),
    row(Get, "/users/{id}/tokens", Missing, None, [303, 303, 403, 403, 404]),
    row(Get, "/users", Unaimed, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/new", Unaimed, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}", Own, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}", Superuser, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}", Missing, None, [303, 303, 403, 404, 404]),
    row(Get, "/users/bulk", Unaimed, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/bulk/{id}", Missing, None, [303, 303, 403, 404, 404]),
    row(Get, "/users/bulk/runs", Unaimed, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/export", Unaimed, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/import", Unaimed, None, [303, 303, 403, 403, 200]),
    row(Get, "/users/import/report", Unaimed, None, [303, 303, 403, 403, 404]),
    row(Get, "/users/imports/{id}", Missing, None, [303, 303, 403, 403, 404]),
    row(Get, "/users/{id}/password", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/password", Superuser, None, [303, 303, 403, 403, 200]),
    row(Get, "/users/{id}/password", Missing, None, [303, 303, 403, 404, 404]),
    row(Get, "/users/{id}/history", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/history", Superuser, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/history", Missing, None, [303, 303, 403, 404, 404]),
    row(Get, "/users/{id}/sign-ins", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/sign-ins", Superuser, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/sign-ins", Missing, None, [303, 303, 403, 404, 404]),
    row(Get, "/audit", Unaimed, None, [303, 303, 403, 200, 200]),
    row(Get, "/audit/export", Unaimed, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/history/export", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/history/export", Missing, None, [303, 303, 403, 404, 404]),
    // Without the form's token nothing is changed for any user; `console` tests them with it.
    row(Post, "/users/new", Unaimed, None, [401, 401, 403, 422, 422]),
    row(Post, "/users/{id}", Other, None, [401, 401, 403, 422, 422]),
    row(Post, "/users/{id}", Missing, None, [401, 401, 403, 404, 404]),
    row(Post, "/users/{id}/deactivate", Other, None, [401, 401, 403, 403, 403]),
    row(Post, "/users/{id}/reactivate", Other, None, [401, 401, 403, 403, 403]),
    row(Post, "/users/{id}/undo/{id}", Other, None, [401, 401, 403, 403, 403]),
    row(Post, "/users/bulk", Unaimed, None, [401, 401, 403, 303, 303]),
    row(Post, "/users/bulk/{id}/resume", Missing, None, [401, 401, 403, 403, 403]),
    row(Post, "/users/bulk/{id}/undo", Missing, None, [401, 401, 403, 403, 403]),
    row(Post, "/users/export", Unaimed, None, [401, 401, 403, 422, 422]),
    // `import_pages` tests them with files.
    row(Post, "/users/import", Unaimed, None, [401, 401, 403, 403, 422]),
    row(Post, "/users/import/choices", Unaimed, None, [401, 401, 403, 403, 422]),
    row(Post, "/users/import/discard", Unaimed, None, [401, 401, 403, 403, 422]),
    row(Post, "/users/import/run", Unaimed, None, [401, 401, 403, 403, 422]),
    row(Post, "/users/imports/{id}/undo", Missing, None, [401, 401, 403, 403, 403]),
    row(Post, "/audit/export", Unaimed, None, [401, 401, 403, 422, 422]),
    row(Post, "/users/{id}/history/export", Other, None, [401, 401, 403, 422, 422]),
    row(Post, "/users/{id}/history/export", Missing, None, [401, 401, 403, 404, 404]),
    row(Post, "/users/{id}/password", Other, None, [401, 401, 403, 422, 422]),
    row(Post, "/users/{id}/password", Superuser, None, [401, 401, 403, 403, 422]),
    row(Get, "/users/{id}/sign-in-check", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/sign-in-check", Missing, None, [303, 303, 403, 404, 404]),
    row(Get, "/users/views", Unaimed, None, [303, 303, 403, 200, 200]),
    row(Post, "/users/views", Unaimed, None, [401, 401, 403, 422, 422]),
    row(Post, "/users/views/forget", Unaimed, None, [401, 401, 403, 422, 422]),
    row(Get, "/users/{id}/notes", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/notes", Missing, None, [303, 303, 403, 404, 404]),
    row(Post, "/users/{id}/notes", Other, None, [401, 401, 403, 422, 422]),
    row(Post, "/users/{id}/link", Other, None, [401, 401, 403, 403, 403]),
    row(Post, "/users/{id}/unlock", Other, None, [401, 401, 403, 403, 403]),
    // Links are for their holders; `links` tests them with one.
    row(Get, "/set-password", Unaimed, None, [200, 200, 200, 200, 200]),
    row(Post, "/set-password", Unaimed, None, [422, 422, 422, 422, 422]),
    // There is a superuser; `first_superuser` tests it while there is none.
    row(Get, "/first-superuser", Unaimed, None, [410, 410, 410, 410, 410]),
    row(Post, "/first-superuser", Unaimed, None, [410, 410, 410, 410, 410]),
    // There is no mail server here; `mail` has one.
    row(Get, "/confirm-address", Unaimed, None, [404, 404, 404, 404, 404]),
    row(Post, "/confirm-address", Unaimed, None, [404, 404, 404, 404, 404]),
    row(Get, "/forgotten-password", Unaimed, None, [404, 404, 404, 404, 404]),
    row(Post, "/forgotten-password", Unaimed, None, [422, 422, 422, 422, 422]),
    row(Get, "/users/{id}/sessions/end", Other, None, [303, 303, 403, 200, 200]),
    row(Get, "/users/{id}/sessions/end", Superuser, None, [303, 303, 403, 403, 200]),
    row(Post, "/users/{id}/sessions/end", Other, None, [401, 401, 403, 403, 403]),
    row(Post, "/users/{id}/sessions/{session}/end", Other, None, [401, 401, 403, 403, 403]),
    row(Post, "/users/{id}/tokens", Other, None, [401, 401, 403, 403, 422]),
    row(Post, "/users/{id}/tokens/{session}/revoke", Other, None, [401, 401, 403, 403, 403]),
    row(Post, "/account", Unaimed, None, [401, 401, 422, 422, 422]),
    row(Post, "/account/password", Unaimed, None, [401, 401, 422, 422, 422]),
    row(Post, "/account/password/remove", Unaimed, None, [401, 401, 403, 403, 403]),
    row(Post, "/account/confirm-address", Unaimed, None, [401, 401, 403, 403, 403]),
    row(Get, "/account/sessions/end", Unaimed, None, [303, 303, 200, 200, 200]),
    row(Post, "/account/sessions/end", Unaimed, None, [401, 401, 403, 403, 403]),
    row(Post, "/account/sessions/{session}/end", Unaimed, None, [401, 401, 403, 403, 403]),
    row(Post, "/account/tokens", Unaimed, None, [401, 401, 422, 422, 422]),
    row(Post, "/account/security/add", Unaimed, None, [401, 401, 422, 422, 422]),
    row(Post, "/account/security/add-passkey", Unaimed, None, [401, 401, 422, 422, 422]),
    row(Post, "/account/security/codes", Unaimed, None, [401, 401, 403, 403, 403]),
    row(Post, "/account/security/{id}/remove", Missing, None, [401, 401, 403, 403, 403]),
    row(Post, "/account/tokens/{session}/revoke", Unaimed, None, [401, 401, 403, 403, 403]),
    row(Post, "/account/preferences", Unaimed, None, [401, 401, 422, 422, 422]),
    row(Get, "/sign-in", Unaimed, None, [200, 200, 200, 200, 200]),
    // A form without its token is shown again, and signs no user in or out.
    row(Post, "/sign-in", Unaimed, None, [422, 422, 422, 422, 422]),
    row(Post, "/sign-in/passkey", Unaimed, None, [422, 422, 422, 422, 422]),
    row(Post, "/sign-in/code", Unaimed, None, [422, 422, 422, 422, 422]),
    row(Post, "/sign-out", Unaimed, None, [401, 401, 403, 403, 403]),
    // What no other route takes; it answers only forms whose session has ended.
    row(Post, "/unknown", Unaimed, None, [404, 404, 404, 404, 404]),
    row(Get, "/static/unknown", Unaimed, None, [404, 404, 404, 404, 404]),
];

/// The people of a request. They are kept until one has changed something.
struct Cast {
    actor: Option<Person>,
    other: Person,
    superuser: Person,
}

async fn cast(app: &TestApp, actor: &str, number: usize) -> Cast {
    // There is always a superuser more than are touched, so that the last one is not an obstacle.
    app.person(&format!("spare-{number}"), "superuser").await;
    let kind = if actor == "inactive" { "inactive staff" } else { actor };
    let person = match actor {
        "anonymous" => None,
        _ => Some(app.person(&format!("actor-{number}"), kind).await),
    };
    Cast {
        actor: person,
        other: app.person(&format!("other-{number}"), "ordinary").await,
        superuser: app.person(&format!("super-{number}"), "superuser").await,
    }
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn az_1_every_route_answers_every_actor_as_the_matrix_says(app: TestApp) {
    let mut failures = Vec::new();
    let mut number = 0;
    for (column, actor) in ACTORS.into_iter().enumerate() {
        let mut kept = None;
        for (row, by) in ROWS.iter().chain(SCIM_ROWS).flat_map(|row| [(row, By::Bearer), (row, By::Cookie)]) {
            number += 1;
            let cast = match kept.take() {
                Some(cast) => cast,
                None => cast(&app, actor, number).await,
            };
            let target = match row.target {
                Unaimed | Missing => None,
                Own => Some(cast.actor.as_ref().unwrap_or(&cast.other)),
                Other => Some(&cast.other),
                Superuser => Some(&cast.superuser),
            };
            let (id, name) = target.map_or_else(
                || ("999999".to_owned(), "no-such-name".to_owned()),
                |person| (person.id().to_string(), person.user.username.as_str().to_owned()),
            );
            let path = row.route.replace("{id}", &id).replace("{name}", &name).replace("{session}", "999999");
            let before = app.stored(cast.superuser.id()).await;
            let answer = ask(&app, row, &path, cast.actor.as_ref().map(|person| (person, by)), number).await;
            let is_refused = by == By::Cookie && row.route.starts_with("/scim/");
            let expected = if is_refused { 401 } else { row.expected[column] };
            if answer.status != expected {
                failures.push(format!(
                    "{} {} ({:?}) as {actor} by {by:?}: {} instead of {expected}: {}",
                    row.method, row.route, row.target, answer.status, answer.body
                ));
            }
            if actor != "superuser" {
                assert_eq!(app.stored(cast.superuser.id()).await, before, "{actor} changed a superuser");
            }
            let is_unchanged = row.method == Get || answer.status >= 400;
            kept = is_unchanged.then_some(cast);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

pub(crate) async fn ask(
    app: &TestApp,
    row: &Row,
    path: &str,
    who: Option<(&Person, By)>,
    number: usize,
) -> Answer {
    let mut request = app.request(row.method, path, who);
    if let Some(body) = row.body {
        let mut body = body();
        if body.get("username").is_some() {
            body["username"] = json!(format!("renamed-{number}"));
        }
        if body.get("userName").is_some() {
            body["userName"] = json!(format!("renamed-{number}"));
        }
        request = request.header(Header::new("Content-Type", "application/json")).body(body.to_string());
    } else if row.method == Post {
        request = request.header(Header::new("Content-Type", "application/x-www-form-urlencoded"));
    }
    Answer::of(request.dispatch().await).await
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn az_1_every_mounted_route_is_in_the_matrix(app: TestApp) {
    let pattern = |route: &str| {
        ["{id}", "{name}", "{session}", "unknown"]
            .iter()
            .fold(route.to_owned(), |path, part| path.replace(part, "<>"))
    };
    let mut rows: Vec<String> =
        ROWS.iter().chain(SCIM_ROWS).map(|row| format!("{} {}", row.method, pattern(row.route))).collect();
    let mut mounted: Vec<String> = app
        .client
        .rocket()
        .routes()
        .map(|route| {
            let path =
                route.uri.path().split('/').map(|part| if part.starts_with('<') { "<>" } else { part });
            format!("{} {}", route.method, path.collect::<Vec<_>>().join("/"))
        })
        .collect();
    for list in [&mut rows, &mut mounted] {
        list.sort();
        list.dedup();
    }
    assert_eq!(mounted, rows);
}

#[rocket::async_test]
async fn az_1_the_table_of_paths_agrees_with_the_mounted_routes() {
    let app = TestApp::new(Backend::Sqlite).await;
    for route in app.client.rocket().routes().filter(|route| route.uri.path().starts_with("/v1/")) {
        let path = route.uri.path();
        let example = |part: &'_ str| if part.starts_with('<') { "7".to_owned() } else { part.to_owned() };
        let segments: Vec<String> = path.split('/').skip(1).map(example).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let allowed = usher::http::path::RequestPath::new(segments)
            .allowed_methods(app.client.rocket())
            .expect("a known path");
        assert!(allowed.split(", ").any(|method| method == route.method.as_str()), "{} {path}", route.method);
    }
}
