//! Why a request fails.
//!
//! Handlers and guards return an [`Error`]; the catcher below `/v1` renders it as JSON, the catcher
//! of the pages as HTML. To add a case: a variant, its text in `Display`, its status in `http::error`.

use std::sync::Arc;

use crate::model::field_errors::{FieldErrors, Message};
use crate::model::rules::{Conflict, Denial, Refusal};
use crate::model::undo::Obstacle;

/// The result of everything that can fail in front of a user.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request was not answered as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No user is signed in, or the credentials are not accepted: 401.
    #[error(transparent)]
    NotAuthenticated(AuthenticationFailure),
    /// Signed in, but without the right: 403.
    #[error("You do not have permission to perform this action.")]
    Forbidden(Denial),
    /// There is no such user: 404.
    #[error("No User matches the given query.")]
    NotFound,
    /// There is nothing at this path: 404.
    #[error("Not found.")]
    NoSuchPath,
    /// The path exists, but not for this method: 405. Holds the value of `Allow`.
    #[error("Method \"{method}\" not allowed.")]
    MethodNotAllowed {
        /// The method that was used.
        method: String,
        /// The methods that the path has.
        allow: String,
    },
    /// The body cannot be read, or a filter is wrong: 400, one line.
    #[error("{0}")]
    Malformed(String),
    /// Fields with messages: 400.
    #[error("validation failed")]
    Invalid(FieldErrors),
    /// The change would break a rule of the data: 409.
    #[error("{}", .0.sentence())]
    Conflict(Conflict),
    /// What was done cannot be taken back: 409.
    #[error("{0}")]
    CannotUndo(Obstacle),
    /// The record was changed in the meantime: 412.
    #[error("The record has changed since it was read.")]
    PreconditionFailed,
    /// The client accepts nothing that we can send: 406.
    #[error("Could not satisfy the request Accept header.")]
    NotAcceptable,
    /// The body is longer than allowed: 413. Holds the limit in bytes.
    #[error("The request body is larger than {0} bytes.")]
    TooLarge(u64),
    /// The body is of another type: 415.
    #[error("Unsupported media type \"{0}\" in request.")]
    UnsupportedMediaType(String),
    /// The body is compressed: 415. Holds the coding.
    #[error("Unsupported content coding \"{0}\" in request: send the body as it is.")]
    UnsupportedCoding(String),
    /// The body did not arrive in time: 408.
    #[error("The request body did not arrive in time.")]
    Timeout,
    /// Too many failures from this address: 429. Holds seconds to wait.
    #[error("Request was throttled. Expected available in {0} seconds.")]
    Throttled(u64),
    /// Overloaded, or the database is away: 503.
    #[error("The service is unavailable. Try again in a moment.")]
    Unavailable,
    /// Two transactions got into each other's way, again and again: 503.
    #[error("The service is unavailable. Try again in a moment.")]
    Contended,
    /// A run on many users that did not come to its end, by its primary key: 503.
    #[error(
        "The service is unavailable. Run {0} was cut short: its outcome says how far it came, and it can be resumed."
    )]
    CutShort(i64),
    /// Our fault: 500. The cause goes to the log, never to the client.
    #[error("Internal server error.")]
    Internal(Arc<dyn std::error::Error + Send + Sync>),
}

/// Why credentials were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationFailure {
    /// No credentials, or of a scheme that we do not know.
    #[error("Authentication credentials were not provided.")]
    NoCredentials,
    /// More than one session cookie: it is not known which is ours.
    #[error("The session cookie was sent more than once.")]
    SeveralCookies,
    /// `Authorization: Bearer` without exactly one value.
    #[error("Authorization header must contain two space-delimited values")]
    BadAuthorizationHeader,
    /// More than one `Authorization` header.
    #[error("The Authorization header was sent more than once.")]
    SeveralAuthorizationHeaders,
    /// A bearer token that is malformed, forged, expired, of another kind, or of an ended session.
    #[error("Given token not valid for any token type")]
    TokenNotValid,
    /// The token is good, its user is gone.
    #[error("User not found")]
    UserNotFound,
    /// The token is good, its user is deactivated.
    #[error("User is inactive")]
    UserInactive,
    /// A refresh or verify request with a token that is not accepted.
    #[error("Token is invalid")]
    TokenInvalid,
    /// Sign-in: unknown name, wrong password, inactive and locked accounts all look alike.
    #[error("No active account found with the given credentials")]
    NoActiveAccount,
    /// Sign-in: the password is right, and the account has a second factor, which was not shown.
    #[error("This account has a second factor: send a code of it as \"otp\"")]
    SecondFactorRequired,
    /// Sign-in: the password is right, and the code of the second factor is wrong or was used before.
    #[error("The code of the second factor is wrong or was used before")]
    SecondFactorWrong,
    /// Sign-in by a program: the password is right, and the account has to have a second factor first.
    #[error("This account has to have a second factor: sign in with a browser to add one")]
    SecondFactorMissing,
}

impl AuthenticationFailure {
    /// The machine-readable name that clients in the field know, where there is one.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::NoCredentials | Self::NoActiveAccount => None,
            Self::SeveralCookies => Some("several_session_cookies"),
            Self::BadAuthorizationHeader | Self::SeveralAuthorizationHeaders => {
                Some("bad_authorization_header")
            }
            Self::TokenNotValid | Self::TokenInvalid => Some("token_not_valid"),
            Self::UserNotFound => Some("user_not_found"),
            Self::UserInactive => Some("user_inactive"),
            Self::SecondFactorRequired => Some("second_factor_required"),
            Self::SecondFactorMissing => Some("second_factor_enrolment_required"),
            Self::SecondFactorWrong => Some("second_factor_wrong"),
        }
    }
}

impl Error {
    /// An internal error from any cause, which goes to the log here: of what happens beside the requests, too.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let cause = Arc::from(cause.into());
        log::error!("internal error: {cause}");
        Self::Internal(cause)
    }

    /// A validation error of one field.
    #[must_use]
    pub fn invalid(field: &'static str, message: impl Into<Message>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, message);
        Self::Invalid(errors)
    }
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(denial) => Self::Forbidden(denial),
            Refusal::Conflicts(conflict) => Self::Conflict(conflict),
        }
    }
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Self {
        Self::CannotUndo(obstacle)
    }
}
