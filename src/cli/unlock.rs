//! `unlock`: ends what failed sign-ins have brought about for one account or one address.

use std::process::ExitCode;

use super::{Failure, Unlock, say};
use crate::model::error::Error;
use crate::operations::unlock::Unlocked;
use crate::operations::{App, operator};

pub(super) async fn run(app: &App, arguments: &Unlock) -> Result<ExitCode, Failure> {
    if let Some(address) = arguments.address {
        say(&if operator::unlock_address(app, address).await? {
            format!("Forgot the failed sign-ins from {address}: the next try is checked.")
        } else {
            format!("No failed sign-ins stand against {address}.")
        });
        return Ok(ExitCode::SUCCESS);
    }
    let username = arguments.username.as_deref().unwrap_or_default();
    let Unlocked { user, failures } = match operator::unlock(app, username).await {
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
