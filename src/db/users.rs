//! The users table: its columns, and every statement on it but the list, which `select` builds.

mod inserting;
mod listed;
mod passwords;
pub mod removal;
mod rewriting;
mod row;
mod table;
mod updating;

use super::{Db, Dialect, Result, Sql, Tx, Value, from_row};
use crate::model::address;
use crate::model::clock::Timestamp;
use crate::model::password::PasswordHash;
use crate::model::text;
use crate::model::user::{User, UserId};

pub use self::inserting::{
    Ids, continue_after_highest_id, expect_few, expect_many, insert, insert_all, reserve_ids,
};
pub use self::passwords::{hashes_unlike, with_password, without_password_after};
pub(super) use self::rewriting::rewrite;
pub use self::row::UserRow;
pub(super) use self::row::columns;
pub use self::updating::{NotedSignIn, edit, edit_with_next, note_sign_in, update};

/// A user with the hash of their password: read only where a password is checked.
#[derive(Debug)]
pub struct Credentials {
    /// The user.
    pub user: User,
    /// The stored hash.
    pub password: PasswordHash,
}

struct CredentialsRow {
    user: UserRow,
    password: String,
}
from_row!(CredentialsRow { ..user, password });

impl From<CredentialsRow> for Credentials {
    fn from(row: CredentialsRow) -> Self {
        Self { user: row.user.into(), password: PasswordHash::from(row.password) }
    }
}

/// No user has such a name, and PostgreSQL rejects the query.
fn cannot_be_stored(key: &str) -> bool {
    key.contains('\0')
}

/// The user with that primary key.
pub async fn by_id(db: &Db, id: UserId) -> Result<Option<User>> {
    let sql = Sql::new(concat!("SELECT ", columns!(), " FROM users WHERE users.id = $1"));
    Ok(db.optional::<UserRow>(sql.bind(id.0)).await?.map(User::from))
}

/// The user with that canonical name.
pub async fn by_username_key(db: &Db, key: &str) -> Result<Option<User>> {
    if cannot_be_stored(key) {
        return Ok(None);
    }
    let sql = Sql::new(concat!("SELECT ", columns!(), " FROM users WHERE users.username_key = $1"));
    Ok(db.optional::<UserRow>(sql.bind(key)).await?.map(User::from))
}

/// The users with these primary keys, in no order.
pub async fn by_ids(db: &Db, ids: &[UserId]) -> Result<Vec<User>> {
    let begin = concat!("SELECT ", columns!(), " FROM users WHERE users.id IN (");
    among(db, begin, ids.iter().map(|id| Value::from(id.0))).await
}

/// The users with these canonical names, in no order.
pub async fn by_username_keys(db: &Db, keys: &[&str]) -> Result<Vec<User>> {
    let begin = concat!("SELECT ", columns!(), " FROM users WHERE users.username_key IN (");
    among(db, begin, keys.iter().map(|key| Value::from(*key))).await
}

/// So many are found as a single one is, without a turn at lists.
const FEW: usize = 10;

async fn among(db: &Db, begin: &'static str, values: impl Iterator<Item = Value>) -> Result<Vec<User>> {
    let mut sql = Sql::new(begin);
    for (value, n) in values.zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(value);
    }
    if sql.values.is_empty() {
        return Ok(Vec::new());
    }
    sql.push(")");
    let rows: Vec<UserRow> =
        if sql.values.len() > FEW { db.listing().all(sql).await? } else { db.all(sql).await? };
    Ok(rows.into_iter().map(User::from).collect())
}

const BY_KEY: &str =
    concat!("SELECT ", columns!(), ", users.password FROM users WHERE users.username_key = $1");

/// The user with that canonical name, and the hash of their password.
pub async fn credentials(db: &Db, key: &str) -> Result<Option<Credentials>> {
    if cannot_be_stored(key) {
        return Ok(None);
    }
    Ok(db.optional::<CredentialsRow>(Sql::new(BY_KEY).bind(key)).await?.map(Credentials::from))
}

/// The same, within a transaction.
pub async fn credentials_within(tx: &mut Tx, key: &str) -> Result<Option<Credentials>> {
    if cannot_be_stored(key) {
        return Ok(None);
    }
    Ok(tx.optional::<CredentialsRow>(Sql::new(BY_KEY).bind(key)).await?.map(Credentials::from))
}

/// All that is kept of a user.
#[derive(Debug)]
pub struct Whole {
    /// The user.
    pub user: User,
    /// The stored hash.
    pub password: PasswordHash,
    /// How they like the console, as JSON; empty for the defaults.
    pub preferences: String,
}

struct WholeRow {
    credentials: CredentialsRow,
    preferences: String,
    mail_to: Option<String>,
}
from_row!(WholeRow { ..credentials, preferences, mail_to });

/// All users from the one after `id` on, for an export: at most `limit`, by primary key. An address that its user has
/// not shown to be theirs gives way to the one before: where the export is read it would count.
pub async fn whole_after(db: &Db, id: UserId, limit: i64) -> Result<Vec<Whole>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        ", users.password, users.preferences, unconfirmed_addresses.mail_to FROM users \
         LEFT JOIN unconfirmed_addresses ON unconfirmed_addresses.user_id = users.id \
         WHERE users.id > $1 ORDER BY users.id LIMIT $2"
    ));
    let whole = |WholeRow { credentials, preferences, mail_to }: WholeRow| {
        let Credentials { mut user, password } = credentials.into();
        user.email = mail_to.unwrap_or(user.email);
        Whole { user, password, preferences }
    };
    Ok(db.all::<WholeRow>(sql.bind(id.0).bind(limit)).await?.into_iter().map(whole).collect())
}

/// The highest primary key there is.
pub async fn highest_id(db: &Db) -> Result<Option<UserId>> {
    let sql = Sql::new("SELECT users.id FROM users ORDER BY users.id DESC LIMIT 1");
    Ok(db.optional::<(i64,)>(sql).await?.map(|(id,)| UserId(id)))
}

/// The users whose e-mail address is this one but for letter case and the form of its domain, by primary key: at most `limit`.
pub async fn by_email(db: &Db, email: &str, limit: i64) -> Result<Vec<User>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE users.email_folded = $1 ORDER BY users.id LIMIT $2"
    );
    of_address(db, sql, email, limit).await
}

/// The same without those who have not shown that the address is theirs.
pub async fn by_confirmed_email(db: &Db, email: &str, limit: i64) -> Result<Vec<User>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE users.email_folded = $1 AND NOT EXISTS \
         (SELECT 1 FROM unconfirmed_addresses WHERE user_id = users.id) ORDER BY users.id LIMIT $2"
    );
    of_address(db, sql, email, limit).await
}

async fn of_address(db: &Db, sql: &'static str, email: &str, limit: i64) -> Result<Vec<User>> {
    if email.is_empty() || cannot_be_stored(email) {
        return Ok(Vec::new());
    }
    let sql = Sql::new(sql);
    let rows = db.all::<UserRow>(sql.bind(text::fold(&address::canonical(email))).bind(limit)).await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Whether there is any user at all.
pub async fn any_exists(db: &Db) -> Result<bool> {
    Ok(db.optional::<(i64,)>(Sql::new("SELECT id FROM users LIMIT 1")).await?.is_some())
}

const A_SUPERUSER: &str = "SELECT users.id FROM users WHERE is_superuser = TRUE AND is_active = TRUE LIMIT 1";

/// Whether there is an active superuser.
pub async fn superuser_exists(db: &Db) -> Result<bool> {
    Ok(db.optional::<(i64,)>(Sql::new(A_SUPERUSER)).await?.is_some())
}

/// The number of the lock under which one transaction at a time makes the first superuser.
const FIRST_SUPERUSER_LOCK: i64 = 0x7573_6865_7200_0002;

/// Whether there is an active superuser, with no other transaction that asks so able to make one until this one ends.
pub async fn lock_superuser_exists(tx: &mut Tx) -> Result<bool> {
    if tx.dialect() == Dialect::Postgres {
        tx.execute(Sql::new("SELECT pg_advisory_xact_lock($1)").bind(FIRST_SUPERUSER_LOCK)).await?;
    }
    Ok(tx.optional::<(i64,)>(Sql::new(A_SUPERUSER)).await?.is_some())
}

/// The active superusers, the first ones first.
pub async fn superusers(db: &Db, limit: i64) -> Result<Vec<User>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE is_superuser = TRUE AND is_active = TRUE ORDER BY users.id LIMIT $1"
    ));
    Ok(db.all::<UserRow>(sql.bind(limit)).await?.into_iter().map(User::from).collect())
}

/// The user with that primary key and their hash, locked against other changes until the end of
/// the transaction.
pub async fn lock(tx: &mut Tx, id: UserId) -> Result<Option<Credentials>> {
    let sql = match tx.dialect() {
        // A transaction of SQLite's one writer has the whole file to itself.
        Dialect::Sqlite => {
            concat!("SELECT ", columns!(), ", users.password FROM users WHERE users.id = $1")
        }
        Dialect::Postgres => {
            concat!("SELECT ", columns!(), ", users.password FROM users WHERE users.id = $1 FOR UPDATE")
        }
    };
    Ok(tx.optional::<CredentialsRow>(Sql::new(sql).bind(id.0)).await?.map(Credentials::from))
}

/// Locks a user's row against changes by others, while others may lock it so, too.
pub async fn share(tx: &mut Tx, id: UserId) -> Result<()> {
    // A transaction of SQLite's one writer has the whole file to itself.
    if tx.dialect() == Dialect::Postgres {
        tx.execute(Sql::new("SELECT id FROM users WHERE id = $1 FOR SHARE").bind(id.0)).await?;
    }
    Ok(())
}

/// Stores the hash of another password, and ends the links that would set one or confirm an address.
pub async fn set_password(tx: &mut Tx, id: UserId, password: &PasswordHash, now: Timestamp) -> Result<()> {
    super::links::delete_of_user(tx, id).await?;
    super::unconfirmed_addresses::end_link(tx, id).await?;
    let sql = Sql::new("UPDATE users SET password = $1, password_changed_at = $2 WHERE id = $3");
    tx.execute(sql.bind(password.as_str()).bind(now.micros()).bind(id.0)).await.map(drop)
}

/// Stores a better hash of the same password.
pub async fn set_hash(tx: &mut Tx, id: UserId, password: &PasswordHash) -> Result<()> {
    let sql = Sql::new("UPDATE users SET password = $1 WHERE id = $2");
    tx.execute(sql.bind(password.as_str()).bind(id.0)).await.map(drop)
}

/// A user's preferences for the console, as JSON.
pub async fn preferences(tx: &mut Tx, id: UserId) -> Result<String> {
    let sql = Sql::new("SELECT preferences FROM users WHERE id = $1");
    Ok(tx.optional::<(String,)>(sql.bind(id.0)).await?.map(|(json,)| json).unwrap_or_default())
}

/// The same, outside a transaction.
pub async fn preferences_of(db: &Db, id: UserId) -> Result<String> {
    let sql = Sql::new("SELECT preferences FROM users WHERE id = $1");
    Ok(db.optional::<(String,)>(sql.bind(id.0)).await?.map(|(json,)| json).unwrap_or_default())
}

/// Stores a user's preferences for the console, as JSON.
pub async fn set_preferences(tx: &mut Tx, id: UserId, json: &str) -> Result<()> {
    let sql = Sql::new("UPDATE users SET preferences = $1 WHERE id = $2");
    tx.execute(sql.bind(json).bind(id.0)).await.map(drop)
}
