//! Stores made-up users, who are invented one by one from a seed.

use usher::db::users::{self, Ids};
use usher::model::error::Result;
use usher::model::password::{Password, PasswordHash};
use usher::model::user::{User, UserId};
use usher::operations::App;
use usher::operations::demo::people::People;

/// Users in one transaction: enough that waiting for the disk does not count, and that a page of an
/// index is written once for many of them.
const BATCH: u64 = 20_000;

/// The stored hash of a user without a password: no password matches it.
const UNUSABLE: &str = "!";

/// What is made up.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// How many.
    pub(crate) users: u64,
    /// The same seed gives the same users.
    pub(crate) seed: u64,
    /// Whether there may be other users already.
    pub(crate) append: bool,
    /// One for all of them; without it none of them can sign in.
    pub(crate) password: Option<Password>,
}

/// Whether they were made: not, if there are others and they are not to be added to those.
pub(crate) async fn generate(app: &App, wish: Wish) -> Result<bool> {
    let present = users::highest_id(&app.db).await?;
    if present.is_some() && !wish.append {
        return Ok(false);
    }
    let password = match &wish.password {
        Some(password) => app.hasher.hash(password).await?,
        None => PasswordHash::from(UNUSABLE.to_owned()),
    };
    let first = present.map_or(1, |UserId(highest)| highest.unsigned_abs() + 1);
    let mut people = People::new(wish.seed, first, app.clock.now());
    let mut left = wish.users;
    while left > 0 {
        let size = left.min(BATCH);
        let rows: Vec<(User, PasswordHash)> =
            (0..size).map(|_| (people.next_user(), password.clone())).collect();
        let mut tx = app.db.begin().await?;
        users::expect_many(&mut tx).await?;
        users::insert_all(&mut tx, Ids::Next, &rows).await?;
        tx.commit().await?;
        left -= size;
    }
    Ok(true)
}
