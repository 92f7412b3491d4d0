//! `unlock`: ends what failed sign-ins have brought about for one account.

use std::process::ExitCode;

use super::{Failure, Unlock, say};
use crate::db;
use crate::model::audit::{Action, Author, Entry};
use crate::model::origin::Origin;
use crate::model::text;
use crate::model::throttle::Key;
use crate::operations::{App, audit};

pub(super) async fn run(app: &App, arguments: &Unlock) -> Result<ExitCode, Failure> {
    let name = text::canonical(&arguments.username);
    let found = db::users::credentials(&app.db, &name).await?;
    let user = found.ok_or("there is no user of that name")?.user;
    let key = Key::account(&name);
    let mut tx = app.db.begin().await?;
    db::throttles::lock(&mut tx, &key).await?;
    let failures = db::throttles::failures_of_account(&mut tx, &key).await?;
    if failures == 0 {
        say(&format_args!("No failed sign-ins stand against {}.", user.username.as_str()));
        return Ok(ExitCode::SUCCESS);
    }
    db::throttles::delete_of_account(&mut tx, &key).await?;
    let author = Author::anonymous(&Origin::command_line());
    let entry = Entry::new(Action::AccountUnblocked, author).on(&user);
    let entry = entry.detail("failures", failures);
    audit::record(&mut tx, &entry, app.clock.now()).await?;
    tx.commit().await?;
    say(&format_args!(
        "Forgot {failures} failed sign-ins of {}: the next try is checked.",
        user.username.as_str()
    ));
    Ok(ExitCode::SUCCESS)
}
