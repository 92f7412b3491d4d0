//! `generate`: made-up users in bulk, to try out and to measure an installation of any size.
//!
//! `people` makes the users one by one from a seed; this file stores them.

mod people;

use std::process::ExitCode;

use self::people::People;
use super::{Failure, Generate, password, say};
use crate::db::users::{self, Ids};
use crate::model::error::{Error, Result as OrError};
use crate::model::password::{Password, PasswordHash};
use crate::model::user::{User, UserId};
use crate::operations::App;

/// Users in one transaction: enough that waiting for the disk does not count, and that a page of an
/// index is written once for many of them.
const BATCH: u64 = 20_000;

/// The stored hash of a user without a password: no password matches it.
const UNUSABLE: &str = "!";

pub(super) async fn run(app: &App, arguments: &Generate) -> Result<ExitCode, Failure> {
    let present = users::highest_id(&app.db).await?;
    if present.is_some() && !arguments.append {
        return Err("there are users already; --append adds to them".into());
    }
    let password = if arguments.password_stdin {
        app.hasher.hash(&Password::new(password::from_stdin()?)).await?
    } else {
        PasswordHash::from(UNUSABLE.to_owned())
    };
    let first = present.map_or(1, |UserId(highest)| highest.unsigned_abs() + 1);
    let mut people = People::new(arguments.seed, first, app.clock.now());
    let mut left = arguments.users;
    while left > 0 {
        let size = left.min(BATCH);
        let rows: Vec<(User, PasswordHash)> =
            (0..size).map(|_| (people.next_user(), password.clone())).collect();
        store(app, &rows).await.map_err(explain)?;
        left -= size;
    }
    say(&format_args!("Made {} users.", arguments.users));
    Ok(ExitCode::SUCCESS)
}

async fn store(app: &App, rows: &[(User, PasswordHash)]) -> OrError<()> {
    let mut tx = app.db.begin().await?;
    users::expect_many(&mut tx).await?;
    users::insert_all(&mut tx, Ids::Next, rows).await?;
    Ok(tx.commit().await?)
}

fn explain(error: Error) -> Failure {
    match error {
        Error::Internal(cause) => cause.to_string().into(),
        Error::Invalid(_) => "a made-up user name is taken; nothing more was made".into(),
        other => other.into(),
    }
}
