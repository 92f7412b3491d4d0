//! Records what somebody signed in tried and may not do.

use rocket::fairing::{Fairing, Info, Kind};
use rocket::request::Request;
use rocket::response::Response;

use crate::Usher;
use crate::audit::{self, Action, Author, Entry};
use crate::db;
use crate::error::{Error, Result};
use crate::guard;
use crate::rules::Denial;
use crate::user::UserId;

/// So much of a path is recorded, in characters: no route of ours needs more, and entries are kept for ever.
const LONGEST_PATH: usize = 200;

/// Writes an entry for each request that was refused for want of a right.
pub(crate) struct Refusals;

#[rocket::async_trait]
impl Fairing for Refusals {
    fn info(&self) -> Info {
        Info { name: "refusals in the audit trail", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, _: &mut Response<'r>) {
        let Some(Error::Forbidden(denial)) = Error::stashed(request) else { return };
        // Not a right that is missing, and asked for with every page.
        if *denial == Denial::PasswordChangeRequired {
            return;
        }
        if let Err(error) = record(request, *denial).await {
            log::error!("could not record a refusal: {error}");
        }
    }
}

async fn record(request: &Request<'_>, denial: Denial) -> Result<()> {
    let app = guard::usher(request)?;
    let Ok((user, _)) = guard::authenticated(request).await else { return Ok(()) };
    let author = Author::user(user, guard::origin(request));
    let path: String = request.uri().path().as_str().chars().take(LONGEST_PATH).collect();
    let what = format!("{} {path}", request.method());
    let mut entry = Entry::new(Action::Refused, author).detail("code", denial.code()).detail("request", what);
    if let Some(target) = target(app, request).await? {
        entry = entry.on(&target);
    }
    let mut tx = app.db.begin().await?;
    audit::record(&mut tx, &entry, app.clock.now()).await?;
    Ok(tx.commit().await?)
}

/// The user that the path is about, if it names one by primary key.
async fn target(app: &Usher, request: &Request<'_>) -> Result<Option<crate::user::User>> {
    let mut segments = request.uri().path().segments().skip_while(|segment| *segment != "users").skip(1);
    match segments.next().and_then(|id| id.parse().ok()) {
        Some(id) => Ok(db::users::by_id(&app.db, UserId(id)).await?),
        None => Ok(None),
    }
}
