//! `unlock`: ends what failed sign-ins have brought about for one account.

use std::process::ExitCode;

use super::{Failure, Unlock, say};
use crate::model::error::Error;
use crate::operations::{App, operator};

pub(super) async fn run(app: &App, arguments: &Unlock) -> Result<ExitCode, Failure> {
    let (user, failures) = match operator::unlock(app, &arguments.username).await {
        Err(Error::NotFound) => return Err("there is no user of that name".into()),
        unlocked => unlocked?,
    };
    let name = user.username.as_str();
    if failures == 0 {
        say(&format_args!("No failed sign-ins stand against {name}."));
    } else {
        say(&format_args!("Forgot {failures} failed sign-ins of {name}: the next try is checked."));
    }
    Ok(ExitCode::SUCCESS)
}
