//! `createsuperuser` and `changepassword`.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use clap::Args;

use super::{Failure, complain, say};
use crate::model::error::Error;
use crate::model::raw::Raw;
use crate::model::user::{InputMode, UserPatch};
use crate::operations::{App, operator};

#[derive(Debug, Args)]
pub(super) struct CreateSuperuser {
    /// The user name: letters, digits and @ . + - _
    #[arg(long)]
    username: String,
    /// The e-mail address
    #[arg(long, default_value = "")]
    email: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub(super) struct ChangePassword {
    /// The user name, in any letter case
    username: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

pub(super) async fn create_superuser(app: &App, arguments: &CreateSuperuser) -> Result<ExitCode, Failure> {
    let password = password(arguments.password_stdin)?;
    let patch = UserPatch {
        username: arguments.username.as_str().into(),
        email: arguments.email.as_str().into(),
        password: Raw::Text(password),
        ..UserPatch::default()
    };
    match operator::create_superuser(app, &patch.into_input(InputMode::Part)).await {
        Ok(user) => {
            say(&format_args!("Made the superuser {} (pk {}).", user.username.as_str(), user.id));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => refused(error),
    }
}

pub(super) async fn change(app: &App, arguments: &ChangePassword) -> Result<ExitCode, Failure> {
    let password = password(arguments.password_stdin)?;
    let patch = UserPatch { password: Raw::Text(password), ..UserPatch::default() };
    match operator::change_password(app, &arguments.username, &patch.into_input(InputMode::Part)).await {
        Ok(user) => {
            // The owner is told by mail.
            app.background.close();
            app.background.wait().await;
            let name = user.username.as_str();
            say(&format_args!("Changed the password of {name} and signed them out everywhere."));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => refused(error),
    }
}

/// Field messages go to the terminal one a line; anything else is a failure as it stands.
fn refused(error: Error) -> Result<ExitCode, Failure> {
    match error {
        Error::Invalid(errors) => {
            for (field, message) in errors.iter() {
                complain(&format_args!("{field}: {message}"));
            }
            Ok(ExitCode::FAILURE)
        }
        Error::NotFound => Err("there is no user of that name".into()),
        Error::Internal(cause) => Err(cause.to_string().into()),
        other => Err(other.into()),
    }
}

/// The first line of standard input, or what two equal prompts get.
fn password(from_stdin: bool) -> Result<String, Failure> {
    if from_stdin {
        return self::from_stdin();
    }
    if !std::io::stdin().is_terminal() {
        return Err("there is no terminal to ask on; give the password with --password-stdin".into());
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Password again: ")? != password {
        return Err("the two passwords differ; nothing was changed".into());
    }
    Ok(password)
}

/// The first line of standard input.
pub(super) fn from_stdin() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
