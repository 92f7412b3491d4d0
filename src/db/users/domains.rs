//! Addresses that were stored before domains had one form.

use super::row::{UserRow, columns};
use crate::db::{Db, Dialect, Result, Sql, installation};
use crate::model::address;
use crate::model::user::{User, UserId};

/// Primary keys that are looked through by one statement, so that none takes too long.
const AT_ONCE: i64 = 50_000;

/// Gives the domains of all stored addresses their one form; it is no edit. Done once in an installation: whatever is
/// stored from then on has it.
pub(in crate::db) async fn rewrite(db: &Db) -> Result<()> {
    const DONE: &str = "domains_in_ascii";
    if installation::has(db, DONE).await? {
        return Ok(());
    }
    let highest = super::highest_id(db).await?.map_or(0, |id| id.0);
    let mut after = 0;
    while after < highest {
        let found = beyond_ascii(db, UserId(after)).await?;
        after += AT_ONCE;
        if found.is_empty() {
            continue;
        }
        let mut tx = db.begin().await?;
        for user in found {
            // Locked, so that an edit of another instance is not overwritten.
            let Some(found) = super::lock(&mut tx, user.id).await? else { continue };
            let email = address::canonical(&found.user.email).into_owned();
            if email != found.user.email {
                super::update(&mut tx, &User { email, ..found.user }).await?;
            }
        }
        tx.commit().await?;
    }
    installation::get_or_insert(db, DONE, vec![1]).await.map(drop)
}

/// The next users, by primary key, whose address is not in ASCII.
async fn beyond_ascii(db: &Db, after: UserId) -> Result<Vec<User>> {
    let sql = match db.dialect() {
        Dialect::Sqlite => concat!(
            "SELECT ",
            columns!(),
            " FROM users WHERE users.id > $1 AND users.id <= $2 AND users.email GLOB '*[^ -~]*' ORDER BY users.id"
        ),
        Dialect::Postgres => concat!(
            "SELECT ",
            columns!(),
            " FROM users WHERE users.id > $1 AND users.id <= $2 AND users.email ~ '[^ -~]' ORDER BY users.id"
        ),
    };
    let rows = db.all::<UserRow>(Sql::new(sql).bind(after.0).bind(after.0 + AT_ONCE)).await?;
    Ok(rows.into_iter().map(User::from).collect())
}
