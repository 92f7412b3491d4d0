//! The one table from error to status, and the way of an error from a guard or handler to its catcher.

use rocket::http::Status;
use rocket::request::Request;
use rocket::response::{self, Responder, Response};

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

/// The request-local place of an error between its origin and the catcher.
struct Stash(Option<Error>);

impl<'r> Responder<'r, 'static> for Error {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Err(self.stash(request))
    }
}
