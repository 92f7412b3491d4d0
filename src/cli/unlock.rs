//! `unlock`: ends what failed sign-ins have brought about for one account.

use std::process::ExitCode;

use super::{Failure, Unlock, say};
use crate::Usher;
use crate::audit::{self, Action, Author, Entry};
use crate::db;
use crate::origin::Origin;
use crate::text;
use crate::throttle::Key;

pub(super) async fn run(app: &Usher, arguments: &Unlock) -> Result<ExitCode, Failure> {
    let name = text::canonical(&arguments.username);
    let found = db::users::credentials(&app.db, &name).await?;
    let user = found.ok_or("there is no user of that name")?.user;
    let key = Key::account(&name);
    let mut tx = app.db.begin().await?;
    let Some(failures) = db::throttles::lock(&mut tx, &key).await? else {
        say(&format_args!("No failed sign-ins stand against {}.", user.username.as_str()));
        return Ok(ExitCode::SUCCESS);
    };
    db::throttles::delete(&mut tx, &key).await?;
    let author = Author::nobody(&Origin::command_line());
    let entry = Entry::new(Action::AccountUnblocked, author).on(&user);
    let entry = entry.detail("failures", failures.consecutive);
    audit::record(&mut tx, &entry, app.clock.now()).await?;
    tx.commit().await?;
    say(&format_args!(
        "Forgot {} failed sign-ins of {}: the next try is checked.",
        failures.consecutive,
        user.username.as_str()
    ));
    Ok(ExitCode::SUCCESS)
}
