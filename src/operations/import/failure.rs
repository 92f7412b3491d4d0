//! Why an import stops.

use std::io;

use thiserror::Error as ThisError;

use crate::model::error::Error;

/// Why an import stopped. Running it again goes on where it stopped: what is written is unchanged then.
#[derive(Debug, ThisError)]
pub enum Failure {
    /// The file changed, or cannot be read any more.
    #[error("the file cannot be read: {0}")]
    File(String),
    /// The caller could not note a verdict.
    #[error("the report cannot be written: {0}")]
    Report(#[from] io::Error),
    /// The database failed, or the import may not go on.
    #[error("{}", in_words(.0))]
    Stopped(#[from] Error),
}

/// With the cause, which is for the operator.
fn in_words(error: &Error) -> String {
    match error {
        Error::Internal(cause) => cause.to_string(),
        other => other.to_string(),
    }
}
