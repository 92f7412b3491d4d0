//! New rows of users.

use std::collections::HashMap;

use rocket::tokio::join;

use crate::db::{Dialect, Result, Sql, Tx};
use crate::model::clock::Timestamp;
use crate::model::password::PasswordHash;
use crate::model::text;
use crate::model::user::{User, UserId};

/// The columns that a new row is given, in the order of [`bind_all`].
macro_rules! written_columns {
    () => {
        "username, username_key, username_folded, password, first_name, first_name_folded, \
         last_name, last_name_folded, email, email_folded, name_folded, searchable, is_active, \
         is_staff, is_superuser, valid_from, valid_until, must_change_password, \
         password_changed_at, date_joined, last_login, version, is_deprovisioned, modified_at"
    };
}

/// Stores a new user under the next primary key and says which it is.
///
/// # Errors
/// [`crate::db::Error::UsernameTaken`]
pub async fn insert(tx: &mut Tx, user: &User, password: &PasswordHash) -> Result<UserId> {
    let sql = Sql::new(concat!(
        "INSERT INTO users (",
        written_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24) \
         RETURNING id",
    ));
    let row: Option<(i64,)> = tx.optional(bind_all(sql, user, password)).await?;
    row.map(|(id,)| UserId(id)).ok_or_else(|| crate::db::Error::Corrupt("no primary key".into()))
}

/// Under which primary keys [`insert_all`] stores users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Those that they had elsewhere.
    Kept,
    /// The next ones.
    Next,
}

/// Stores new users, and says under which primary key each canonical name is, in no order. After an
/// error the transaction is of no more use.
///
/// # Errors
/// [`crate::db::Error::UsernameTaken`], [`crate::db::Error::IdTaken`]
pub async fn insert_all(
    tx: &mut Tx,
    ids: Ids,
    users: &[(User, PasswordHash)],
) -> Result<HashMap<String, UserId>> {
    let mut stored = HashMap::with_capacity(users.len());
    let dialect = tx.dialect();
    let mut statements = users.chunks(Dialect::ROWS_AT_ONCE).map(|users| insert_rows(dialect, ids, users));
    let mut next = statements.next();
    while let Some(sql) = next {
        // The next one is put together while the database is busy with this one.
        let (rows, following) = join!(tx.all::<(i64, String)>(sql), async { statements.next() });
        stored.extend(rows?.into_iter().map(|(id, key)| (key, UserId(id))));
        next = following;
    }
    Ok(stored)
}

/// Lets the connection that writes use 64 MiB, for inserts that touch pages all over the indexes, until [`expect_few`].
pub async fn expect_many(tx: &mut Tx) -> Result<()> {
    match tx.dialect() {
        // With the usual cache, changed pages go to the disk and come back again and again.
        Dialect::Sqlite => tx.execute(Sql::new("PRAGMA cache_size = -65536")).await.map(drop),
        Dialect::Postgres => Ok(()),
    }
}

/// Gives back what [`expect_many`] took: the cache is that of `connect` again.
pub async fn expect_few(tx: &mut Tx) -> Result<()> {
    if tx.dialect() == Dialect::Sqlite {
        tx.execute(Sql::new("PRAGMA cache_size = -4096")).await?;
        tx.execute(Sql::new("PRAGMA shrink_memory")).await?;
    }
    Ok(())
}

/// One statement for at least one user.
fn insert_rows(dialect: Dialect, ids: Ids, users: &[(User, PasswordHash)]) -> Sql {
    let mut sql = Sql::new(match ids {
        Ids::Kept => concat!("INSERT INTO users (", written_columns!(), ", id) VALUES "),
        Ids::Next => concat!("INSERT INTO users (", written_columns!(), ") VALUES "),
    });
    let row = |(user, password): &(User, PasswordHash)| {
        let row = bind_all(Sql::new(""), user, password);
        if ids == Ids::Kept { row.bind(user.id.0).values } else { row.values }
    };
    sql.push_rows(dialect, users.iter().map(row)).push(" RETURNING id, username_key");
    sql
}

/// Makes sure that the next new user gets a primary key above all that were stored with their own.
pub async fn continue_after_highest_id(tx: &mut Tx) -> Result<()> {
    match tx.dialect() {
        // AUTOINCREMENT does so by itself.
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => {
            // No other instance may take a number between reading the sequence and setting it.
            tx.execute(Sql::new("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")).await?;
            // A sequence that was never asked has its first number as last_value already.
            let sql = "SELECT setval(pg_get_serial_sequence('users', 'id'), highest.id) FROM \
                       (SELECT max(id) AS id FROM users) AS highest, users_id_seq AS sequence \
                       WHERE highest.id >= sequence.last_value + sequence.is_called::int";
            tx.execute(Sql::new(sql)).await.map(drop)
        }
    }
}

/// Makes sure that users who get the next primary key get one above this.
pub async fn reserve_ids(tx: &mut Tx, highest: UserId) -> Result<()> {
    match tx.dialect() {
        Dialect::Sqlite => {
            let sql = Sql::new("UPDATE sqlite_sequence SET seq = $1 WHERE name = 'users' AND seq < $1");
            tx.execute(sql.bind(highest.0)).await?;
            // A table that never had a row is not in there yet.
            let sql = "INSERT INTO sqlite_sequence (name, seq) SELECT 'users', $1 \
                       WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'users')";
            tx.execute(Sql::new(sql).bind(highest.0)).await.map(drop)
        }
        Dialect::Postgres => {
            // No other instance may take a number between reading the sequence and setting it.
            tx.execute(Sql::new("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")).await?;
            let sql = "SELECT setval(pg_get_serial_sequence('users', 'id'), $1) FROM users_id_seq AS sequence \
                       WHERE $1 >= sequence.last_value + sequence.is_called::int";
            tx.execute(Sql::new(sql).bind(highest.0)).await.map(drop)
        }
    }
}

fn bind_username(sql: Sql, user: &User) -> Sql {
    sql.bind(user.username.as_str()).bind(user.username.key()).bind(text::fold(user.username.as_str()))
}

fn bind_texts(sql: Sql, user: &User) -> Sql {
    [&user.first_name, &user.last_name, &user.email]
        .into_iter()
        .fold(sql, |sql, field| sql.bind(field.as_str()).bind(text::fold(field)))
        .bind(text::collation_key(&user.display_name()))
        .bind(user.searchable())
}

fn bind_all(sql: Sql, user: &User, password: &PasswordHash) -> Sql {
    bind_texts(bind_username(sql, user).bind(password.as_str()), user)
        .bind(user.is_active)
        .bind(user.is_staff)
        .bind(user.is_superuser)
        .bind(user.valid_from.map(Timestamp::micros))
        .bind(user.valid_until.map(Timestamp::micros))
        .bind(user.must_change_password)
        .bind(user.password_changed_at.map(Timestamp::micros))
        .bind(user.date_joined.micros())
        .bind(user.last_login.map(Timestamp::micros))
        .bind(user.version)
        .bind(user.is_deprovisioned && !user.is_active)
        .bind(user.modified_at.map(Timestamp::micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Db, testing};

    #[rocket::async_test]
    async fn the_memory_for_many_is_taken_and_given_back() {
        let (figment, _directory) = testing::sqlite().await;
        let db = Db::open(&figment.focus("databases.main")).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let mut caches = Vec::new();
        for step in 0..3 {
            match step {
                1 => expect_many(&mut tx).await.unwrap(),
                2 => expect_few(&mut tx).await.unwrap(),
                _ => {}
            }
            caches.push(tx.optional::<(i64,)>(Sql::new("PRAGMA cache_size")).await.unwrap().unwrap().0);
        }
        assert_eq!(caches, [-4096, -65536, -4096]);
    }
}
