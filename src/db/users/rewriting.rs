//! What earlier releases stored in another form: each is rewritten once in an installation, and is no edit.

use super::row::{UserRow, columns};
use crate::db::{Db, Dialect, Result, Sql, installation};
use crate::model::address;
use crate::model::user::{User, UserId};

/// Primary keys that are looked through by one statement, so that none takes too long.
const AT_ONCE: i64 = 50_000;

/// A form that stored text has now: a name by which the installation notes that all of it has, and the text that may not.
/// Plain ASCII always had it.
const FORMS: [(&str, &str); 2] = [
    ("domains_in_ascii", "users.email"),
    ("collation_keys", "users.first_name || users.last_name || users.username"),
];

/// Gives all that was stored the forms of today.
pub(in crate::db) async fn rewrite(db: &Db) -> Result<()> {
    for (done, text) in FORMS {
        if !installation::has(db, done).await? {
            rewrite_beyond_ascii(db, text).await?;
            installation::get_or_insert(db, done, vec![1]).await?;
        }
    }
    Ok(())
}

async fn rewrite_beyond_ascii(db: &Db, text: &'static str) -> Result<()> {
    let highest = super::highest_id(db).await?.map_or(0, |id| id.0);
    let mut after = 0;
    while after < highest {
        let found = beyond_ascii(db, text, UserId(after)).await?;
        after += AT_ONCE;
        if found.is_empty() {
            continue;
        }
        let mut tx = db.begin().await?;
        for user in found {
            // Locked, so that an edit of another instance is not overwritten.
            let Some(found) = super::lock(&mut tx, user.id).await? else { continue };
            let email = address::canonical(&found.user.email).into_owned();
            super::update(&mut tx, &User { email, ..found.user }).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// The next users, by primary key, of whom that text is not in ASCII.
async fn beyond_ascii(db: &Db, text: &'static str, after: UserId) -> Result<Vec<User>> {
    let mut sql = Sql::new(concat!("SELECT ", columns!(), " FROM users WHERE users.id > "));
    sql.push_value(after.0).push(" AND users.id <= ").push_value(after.0 + AT_ONCE);
    sql.push(" AND (").push(text);
    sql.push(match db.dialect() {
        Dialect::Sqlite => ") GLOB '*[^ -~]*' ORDER BY users.id",
        Dialect::Postgres => ") ~ '[^ -~]' ORDER BY users.id",
    });
    let rows = db.all::<UserRow>(sql).await?;
    Ok(rows.into_iter().map(User::from).collect())
}
