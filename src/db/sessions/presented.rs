//! Credentials as they are presented, and what is found for them.

use rocket::tokio::time::{Instant, sleep, timeout_at};
use sqlx::{ColumnIndex, Decode, FromRow, Type};

use crate::db::budget::{AGAIN, FAILOVER_LIMIT};
use crate::db::replica::presented;
use crate::db::users::{UserRow, columns};
use crate::db::{Connection, Db, Error, Result, Sql, Value};
use crate::model::clock::Timestamp;
use crate::model::preferences::Preferences;
use crate::model::session::{Credential, SecretHash, Session, SessionId};
use crate::model::user::{User, UserId};

/// A credential that was presented, to be looked up.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The user that it names; `None` if only its session does.
    user: Option<UserId>,
    secret: SecretHash,
    credential: Credential,
    pub(in crate::db) along: Option<UserId>,
}

impl Asked {
    /// What it is told from others by.
    pub(in crate::db) fn key(&self) -> Vec<u8> {
        let user = self.user.map_or([0; 8], |user| user.0.to_be_bytes());
        [&user, &self.secret.0[..], self.credential.as_str().as_bytes()].concat()
    }
}

/// A session as it was presented.
#[derive(Debug, Clone)]
pub struct Presented {
    /// The session's user, or the one that the token names.
    pub user: User,
    /// The session, if it still exists.
    pub session: Option<Session>,
    /// The user who was to be read along, if there is one.
    pub along: Option<User>,
}

/// What is found for a credential.
struct PresentedRow {
    /// Of the credential among those that were looked up together.
    position: i64,
    session: Option<SessionRow>,
    user: Option<UserRow>,
    along: Option<UserRow>,
}

struct SessionRow {
    id: i64,
    user_id: i64,
    last_seen_at: i64,
    expires_at: i64,
    confirmed_at: i64,
    read_only: bool,
    second_factor: bool,
    has_password: bool,
    preferences: String,
}

impl<'r, R> FromRow<'r, R> for PresentedRow
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> std::result::Result<Self, sqlx::Error> {
        let session = match row.try_get::<Option<i64>, _>(1)? {
            None => None,
            Some(id) => Some(SessionRow {
                id,
                user_id: row.try_get(2)?,
                last_seen_at: row.try_get(3)?,
                expires_at: row.try_get(4)?,
                confirmed_at: row.try_get(5)?,
                read_only: row.try_get(6)?,
                second_factor: row.try_get(7)?,
                has_password: row.try_get(8)?,
                preferences: row.try_get(9)?,
            }),
        };
        Ok(Self {
            position: row.try_get(0)?,
            session,
            user: UserRow::read_if_any(row, 10)?,
            along: UserRow::read_if_any(row, 10 + UserRow::COLUMNS)?,
        })
    }
}

impl PresentedRow {
    fn presented(self, credential: Credential) -> Option<Presented> {
        let user = User::from(self.user?);
        // A token names its user; a session of another user is not its own.
        let session = self.session.filter(|session| session.user_id == user.id.0).map(|row| Session {
            id: SessionId(row.id),
            credential,
            last_seen_at: Timestamp::from_micros(row.last_seen_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            confirmed_at: Timestamp::from_micros(row.confirmed_at),
            read_only: row.read_only,
            second_factor: row.second_factor,
            has_password: row.has_password,
            // Pages are not served to tokens.
            preferences: match credential {
                Credential::Cookie => Preferences::from_json(&row.preferences),
                Credential::Jwt | Credential::ApiToken => Preferences::default(),
            },
        });
        Some(Presented { user, session, along: self.along.map(User::from) })
    }
}

/// The session of a cookie's or a named API token's secret, and its user. The user with the primary key
/// `along` is read in the same statement: a second one would cost as much as the first.
pub async fn by_secret(
    db: &Db,
    secret: SecretHash,
    credential: Credential,
    along: Option<UserId>,
) -> Result<Option<Presented>> {
    presented(db, Asked { user: None, secret, credential, along }).await
}

/// The user that a token names, and the token's session if it still exists; `along` as in [`by_secret`].
pub async fn by_token(
    db: &Db,
    id: UserId,
    secret: SecretHash,
    along: Option<UserId>,
) -> Result<Option<Presented>> {
    presented(db, Asked { user: Some(id), secret, credential: Credential::Jwt, along }).await
}

/// What the server knows that takes changes.
pub(in crate::db) async fn look_up(db: &Db, asked: Asked) -> Result<Option<Presented>> {
    let look_up = async |kept: Option<Connection>, asked| {
        let connection = match kept.filter(Connection::is_fresh) {
            Some(connection) => Ok(connection),
            None => db.connection().await,
        };
        match connection {
            Ok(mut connection) => match all_presented(db, &mut connection, asked).await {
                Ok(found) => (Some(connection), Ok(found)),
                Err(error) => (None, Err(error)),
            },
            Err(error) => (None, Err(error)),
        }
    };
    let found = db.presented.get(asked.clone(), &look_up).await;
    if !found.as_ref().is_err_and(Error::is_away) || !db.fails_over() {
        return found;
    }
    // Another server is about to take over. What the credential is worth only the one that takes changes knows.
    let (_, _spending) = db.budget.spend();
    let end = Instant::now() + FAILOVER_LIMIT;
    loop {
        match timeout_at(end, db.presented.get(asked.clone(), &look_up)).await {
            Ok(Err(error)) if error.is_away() => sleep(AGAIN).await,
            Ok(found) => return found,
            Err(_) => return Err(Error::TimedOut),
        }
    }
}

/// Looks up several credentials in one statement.
async fn all_presented(
    db: &Db,
    connection: &mut Connection,
    asked: Vec<Asked>,
) -> Result<Vec<Option<Presented>>> {
    let mut sql = Sql::new("WITH asked (position, user_id, secret_hash, carrier, along_id) AS (VALUES ");
    let rows = (0_i64..).zip(&asked).map(|(position, asked)| -> [Value; 5] {
        [
            position.into(),
            asked.user.map(|id| id.0).into(),
            asked.secret.0.to_vec().into(),
            asked.credential.as_str().into(),
            asked.along.map(|id| id.0).into(),
        ]
    });
    sql.push_rows(db.dialect(), rows).push(concat!(
        ") SELECT asked.position, sessions.id, sessions.user_id, sessions.last_seen_at, sessions.expires_at, \
         sessions.confirmed_at, sessions.read_only, sessions.second_factor, \
         (users.password <> '' AND substr(users.password, 1, 1) <> '!') AS has_password, users.preferences, ",
        columns!(),
        ", ",
        columns!("along"),
        " FROM asked LEFT JOIN sessions ON sessions.secret_hash = asked.secret_hash \
         AND sessions.carrier = asked.carrier \
         LEFT JOIN users ON users.id = coalesce(asked.user_id, sessions.user_id) \
         LEFT JOIN users AS along ON along.id = asked.along_id"
    ));
    let mut found: Vec<Option<Presented>> = asked.iter().map(|_| None).collect();
    for row in connection.all::<PresentedRow>(sql).await? {
        let position = usize::try_from(row.position).unwrap_or(usize::MAX);
        if let (Some(place), Some(asked)) = (found.get_mut(position), asked.get(position)) {
            *place = row.presented(asked.credential);
        }
    }
    Ok(found)
}
