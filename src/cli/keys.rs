//! `keys rotate`: a successor to the secret key.

use std::process::ExitCode;

use super::{Failure, Rotate, say};
use crate::operations::{App, keys};

pub(super) async fn rotate(app: &App, arguments: &Rotate) -> Result<ExitCode, Failure> {
    let made = keys::rotate(app, arguments.at_once).await?;
    if arguments.at_once {
        say(&"The new key is the only one. Servers that run know it within a minute.");
    } else {
        say(&format_args!(
            "The new key signs from {}. What the one before has signed is accepted until {}.",
            made.begins_at, made.ends_at
        ));
    }
    Ok(ExitCode::SUCCESS)
}
