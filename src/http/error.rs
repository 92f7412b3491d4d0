//! The one table from error to status, and the way of an error from a guard or handler to its catcher.

use rocket::http::{ContentType, Header, Method, Status};
use rocket::request::Request;
use rocket::response::{self, Responder, Response};
use serde_json::Value;

use super::path::RequestPath;
use super::{arrival, headers, logging, metrics};
use crate::model::error::Error;

impl Error {
    /// The status line of the answer.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::NotAuthenticated(_) => Status::Unauthorized,
            Self::Forbidden(_) => Status::Forbidden,
            Self::NotFound | Self::NoSuchPath => Status::NotFound,
            Self::MethodNotAllowed { .. } => Status::MethodNotAllowed,
            Self::Malformed(_) | Self::Invalid(_) => Status::BadRequest,
            Self::Conflict(_) | Self::CannotUndo(_) => Status::Conflict,
            Self::PreconditionFailed => Status::PreconditionFailed,
            Self::NotAcceptable => Status::NotAcceptable,
            Self::TooLarge(_) => Status::PayloadTooLarge,
            Self::UnsupportedMediaType(_) | Self::UnsupportedCoding(_) => Status::UnsupportedMediaType,
            Self::Timeout => Status::RequestTimeout,
            Self::Throttled(_) => Status::TooManyRequests,
            Self::Unavailable | Self::Contended | Self::CutShort(_) => Status::ServiceUnavailable,
            Self::Internal(_) => Status::InternalServerError,
        }
    }

    /// Seconds for `Retry-After`, where waiting helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Throttled(seconds) => Some(*seconds),
            Self::Unavailable | Self::Contended | Self::CutShort(_) => Some(2),
            _ => None,
        }
    }

    /// Adds the headers that say what else a client could do: wait, use another method, send the body uncompressed.
    pub(crate) fn add_headers(&self, response: &mut Response<'_>) {
        if let Some(seconds) = self.retry_after() {
            response.set_raw_header("Retry-After", seconds.to_string());
        }
        match self {
            Self::MethodNotAllowed { allow, .. } => {
                response.set_raw_header("Allow", allow.clone());
            }
            // RFC 9110, 12.5.3.
            Self::UnsupportedCoding(_) => {
                response.set_header(Header::new("Accept-Encoding", "identity"));
            }
            _ => {}
        }
    }

    /// Puts the error where the catcher finds it: Rocket hands catchers only the status.
    pub fn stash(self, request: &Request<'_>) -> Status {
        let status = self.status();
        request.local_cache(|| Stash(Some(self)));
        status
    }

    /// The error that a guard or handler of this request stashed, if one did.
    #[must_use]
    pub fn stashed<'r>(request: &'r Request<'_>) -> Option<&'r Self> {
        request.local_cache(|| Stash(None)).0.as_ref()
    }
}

/// An answer that is complete: what catchers return.
pub(crate) struct Rendered<'r>(pub(crate) Response<'r>);

impl<'r, 'o: 'r> Responder<'r, 'o> for Rendered<'o> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'o> {
        let mut response = self.0;
        // A request that Rocket cannot read goes to a catcher past all fairings.
        if arrival::asked(request).is_none() {
            headers::add(request, &mut response);
            logging::write(request, &response);
            metrics::count_request(request, &response);
        }
        Ok(response)
    }
}

/// How a channel for programs writes errors.
pub(crate) struct ProgramErrors {
    /// An error of every channel.
    pub(crate) error: fn(&Error) -> Response<'static>,
    /// A status of which no more is known.
    pub(crate) status: fn(Status) -> Response<'static>,
}

impl ProgramErrors {
    /// What the channel's catcher answers: what a guard or handler said, or that no route fits.
    pub(crate) fn caught(&self, status: Status, request: &Request<'_>) -> Rendered<'static> {
        Rendered(match Error::stashed(request) {
            Some(error) => (self.error)(error),
            None if arrival::asked(request).is_none() => self.unrouted(request),
            None if matches!(status, Status::NotFound | Status::UnprocessableEntity) => {
                self.unrouted(request)
            }
            None => (self.status)(status),
        })
    }

    /// No route fits: the path may not exist, or not have the method, or only be asked what it has.
    fn unrouted(&self, request: &Request<'_>) -> Response<'static> {
        let Some(allow) = RequestPath::of(request).allowed_methods(request.rocket()) else {
            return (self.error)(&Error::NoSuchPath);
        };
        if request.method() == Method::Options {
            let mut response = Response::new();
            response.set_status(Status::NoContent);
            response.set_raw_header("Allow", allow);
            return response;
        }
        let is_known = arrival::asked(request).is_some();
        let method = if is_known { request.method().as_str() } else { arrival::UNKNOWN_METHOD };
        (self.error)(&Error::MethodNotAllowed { method: method.to_owned(), allow })
    }
}

/// An answer in JSON, of a type that may be a kind of JSON.
pub(crate) fn json_answer(status: Status, kind: ContentType, body: &Value) -> Response<'static> {
    let body = body.to_string();
    let mut response = Response::new();
    response.set_status(status);
    response.set_header(kind);
    response.set_sized_body(body.len(), std::io::Cursor::new(body));
    response
}

/// The request-local place of an error between its origin and the catcher.
struct Stash(Option<Error>);

impl<'r> Responder<'r, 'static> for Error {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Err(self.stash(request))
    }
}
