//! Why a request of a provisioning client fails, and how it is told (RFC 7644, 3.12).

use rocket::http::{Header, Status};
use rocket::request::Request;
use rocket::response::{self, Responder, Response};
use serde_json::json;

use super::answer;
use crate::http::error::Rendered;
use crate::model::error::Error;
use crate::model::field_errors::{FieldErrors, Message};

/// The schema of errors.
const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The standard's names for what is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    InvalidFilter,
    InvalidSyntax,
    InvalidPath,
    InvalidValue,
    InvalidCount,
    InvalidCursor,
    NoTarget,
    Mutability,
    Uniqueness,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::InvalidValue => "invalidValue",
            Self::InvalidCount => "invalidCount",
            Self::InvalidCursor => "invalidCursor",
            Self::NoTarget => "noTarget",
            Self::Mutability => "mutability",
            Self::Uniqueness => "uniqueness",
        }
    }
}

/// What a client sent that does not fit, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

/// Why a handler fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the client sent.
    Refused(Refusal),
    /// As in every channel.
    Error(Error),
    /// The standard has it, this server has not.
    NotImplemented(&'static str),
}

/// The result of a handler.
pub(super) type Result<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<'r> Responder<'r, 'static> for Failure {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        match self {
            Self::Refused(Refusal { kind, reason }) => {
                Rendered(told(Status::BadRequest, Some(kind), &reason)).respond_to(request)
            }
            Self::NotImplemented(reason) => {
                Rendered(told(Status::NotImplemented, None, reason)).respond_to(request)
            }
            // The catcher renders it, and what looks at errors finds it.
            Self::Error(error) => Err(error.stash(request)),
        }
    }
}

/// An error of every channel as provisioning clients know it.
pub(super) fn render(error: &Error) -> Response<'static> {
    let mut response = match error {
        Error::Invalid(fields) => {
            let is_taken =
                |message: &Message| matches!(message, Message::UsernameTaken(_) | Message::ExternalIdTaken);
            let (status, kind) = if fields.iter().any(|(_, message)| is_taken(message)) {
                (Status::Conflict, Kind::Uniqueness)
            } else {
                (Status::BadRequest, Kind::InvalidValue)
            };
            told(status, Some(kind), &sentences(fields))
        }
        Error::Malformed(reason) => told(Status::BadRequest, Some(Kind::InvalidSyntax), reason),
        Error::Forbidden(denial) => told(Status::Forbidden, None, denial.sentence()),
        error => told(error.status(), None, &error.to_string()),
    };
    error.add_headers(&mut response);
    if let Error::NotAuthenticated(_) = error {
        response.set_header(Header::new("WWW-Authenticate", "Bearer realm=\"scim\""));
    }
    response
}

/// An error as the standard has it.
pub(super) fn told(status: Status, kind: Option<Kind>, detail: &str) -> Response<'static> {
    let mut body = json!({ "schemas": [SCHEMA], "status": status.code.to_string(), "detail": detail });
    if let Some(kind) = kind {
        body["scimType"] = kind.as_str().into();
    }
    answer(status, &body)
}

/// Messages for fields, by the names that attributes have here.
fn sentences(fields: &FieldErrors) -> String {
    let sentences: Vec<String> =
        fields.iter().map(|(field, message)| format!("{}: {message}", attribute(field))).collect();
    sentences.join(" ")
}

fn attribute(field: &str) -> &str {
    match field {
        "username" => "userName",
        "first_name" => "name.givenName",
        "last_name" => "name.familyName",
        "email" => "emails.value",
        "is_active" => "active",
        "external_id" => "externalId",
        other => other,
    }
}
