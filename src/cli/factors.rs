//! `factors`: second factors of users.

use std::process::ExitCode;

use super::{Factors, Failure, say};
use crate::model::error::Error;
use crate::operations::{App, operator};

pub(super) async fn run(app: &App, arguments: &Factors) -> Result<ExitCode, Failure> {
    let Factors::Remove { username, reason } = arguments;
    let removed = match operator::remove_factors(app, username, reason).await {
        Err(Error::NotFound) => return Err("there is no user of that name".into()),
        Err(Error::Invalid(_)) => return Err("--reason takes 1 to 100 characters".into()),
        removed => removed?,
    };
    say(&match removed.len() {
        0 => format!("{username} has no second factor."),
        1 => format!("Removed the second factor of {username}: the password alone signs in."),
        count => format!("Removed {count} second factors of {username}: the password alone signs in."),
    });
    // The owner is told before the program ends.
    app.background.close();
    app.background.wait().await;
    Ok(ExitCode::SUCCESS)
}
