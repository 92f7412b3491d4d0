//! Reads the users that rows may meet, and writes those that are new: many in one transaction.

use std::collections::HashMap;
use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::tokio::time::sleep;

use super::by::{By, patiently};
use super::record::Record;
use super::secret::{Secret, UNUSABLE};
use super::verdict::{Known, Verdict};
use crate::db;
use crate::db::users::{self, Ids};
use crate::model::audit::{Action, Entry};
use crate::model::clock::Timestamp;
use crate::model::erasure::Erasure;
use crate::model::error::{Error, Result};
use crate::model::password::PasswordHash;
use crate::model::user::{User, UserId};
use crate::operations::carried_factors::{Factors, Seals};
use crate::operations::{App, erasures};
use crate::security::passwords::HashError;

/// Users that are asked for in one statement or written in one transaction: enough that waiting for the
/// disk does not count, few enough that another writer of an SQLite file hardly waits.
pub(super) const BATCH: usize = 500;

/// The users here whose primary key or name is among these records'.
pub(super) async fn load(app: &App, records: &[&Record]) -> Result<Vec<User>> {
    let ids: Vec<UserId> = records.iter().filter_map(|record| record.id).collect();
    let keys: Vec<&str> = records.iter().map(|record| record.username.key()).collect();
    let mut found = users::by_ids(&app.db, &ids).await?;
    found.extend(users::by_username_keys(&app.db, &keys).await?);
    // The keys of erased users are taken for ever.
    found.extend(db::erasures::among(&app.db, &ids).await?.iter().map(Erasure::record));
    Ok(found)
}

/// A record to write, and the place of its row in the batch.
#[derive(Debug)]
pub(super) struct New {
    /// Which row of the batch.
    pub(super) place: usize,
    /// Judged to be new.
    pub(super) record: Record,
}

/// What became of a record that was judged to be new.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is here, with this primary key.
    As(UserId),
    /// Another process was faster; this is the new verdict.
    Not(Verdict),
}

/// Makes sure that users without a primary key of their own get one above all in the file, also those whom a
/// server beside this makes meanwhile.
pub(super) async fn reserve(app: &App, highest: UserId) -> Result<()> {
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        users::reserve_ids(&mut tx, highest).await?;
        Ok(tx.commit().await?)
    })
    .await
}

/// Gives back the memory that writing took.
pub(super) async fn settle(app: &App) -> Result<()> {
    let mut tx = app.db.begin().await?;
    users::expect_few(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// Writes users that were judged to be new: those of one batch. Another process may have made some of them, or
/// taken a name or a primary key, since the users were loaded.
///
/// # Errors
/// Those of the database. A part may be written.
pub(super) async fn write(
    app: &App,
    by: &By,
    new: Vec<New>,
    now: Timestamp,
) -> Result<Vec<(usize, Written)>> {
    let mut written = Vec::with_capacity(new.len());
    let (kept, next): (Vec<New>, Vec<New>) = new.into_iter().partition(|new| new.record.id.is_some());
    for (ids, batch) in [(Ids::Kept, kept), (Ids::Next, next)] {
        if !batch.is_empty() {
            write_batch(app, by, ids, batch, now, &mut written).await?;
        }
    }
    Ok(written)
}

/// One transaction for all; if a row is in the way, one for each.
async fn write_batch(
    app: &App,
    by: &By,
    ids: Ids,
    batch: Vec<New>,
    now: Timestamp,
    written: &mut Vec<(usize, Written)>,
) -> Result<()> {
    let hashes = hashes(app, by, &batch).await?;
    let rows: Vec<_> = batch.iter().map(|new| new.record.new_user(now)).zip(hashes).collect();
    let beyond: Vec<Beyond> = batch.iter().map(|new| Beyond::of(&new.record)).collect();
    let has_secrets = beyond.iter().any(|beyond| beyond.factors.has_secrets());
    let seals = if has_secrets { Seals::to_store(app).await? } else { Seals::none() };
    let id_of = |stored: &HashMap<String, UserId>, record: &Record| {
        Written::As(stored.get(record.username.key()).copied().unwrap_or(UserId(0)))
    };
    if let Some(stored) =
        patiently(app, || db::retrying(|| insert(app, by, ids, &rows, (&beyond, &seals)))).await?
    {
        written.extend(batch.iter().map(|new| (new.place, id_of(&stored, &new.record))));
        return Ok(());
    }
    for (n, New { place, mut record }) in batch.into_iter().enumerate() {
        let stored =
            patiently(app, || db::retrying(|| insert(app, by, ids, &rows[n..=n], (&beyond[n..=n], &seals))))
                .await?;
        let outcome = if let Some(stored) = stored {
            id_of(&stored, &record)
        } else {
            let mut known = Known::new(false, false);
            known.replace(load(app, &[&record]).await?);
            Written::Not(match known.judge(&mut record, 0, now) {
                Verdict::Created => Verdict::refused("was in the way of another change; import it again."),
                verdict => verdict,
            })
        };
        written.push((place, outcome));
    }
    Ok(())
}

/// What is stored of a user beside the row.
struct Beyond {
    preferences: String,
    factors: Factors,
}

impl Beyond {
    fn of(record: &Record) -> Self {
        Self { preferences: record.preferences.clone(), factors: record.factors.clone() }
    }
}

/// How long an import waits for a turn at hashing, of which a server at work may have none, and how often it asks.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(200);

/// What is stored of the passwords.
async fn hashes(app: &App, by: &By, batch: &[New]) -> Result<Vec<PasswordHash>> {
    let hash = async |new: &New| {
        let mut waited = Duration::ZERO;
        loop {
            let made = match &new.record.password {
                Secret::Hash(hash) => Ok(hash.clone()),
                Secret::Weak(weak) => app.hasher.layer(weak).await,
                Secret::Initial(password) => app.hasher.hash(password).await,
                Secret::Unchecked => Ok(PasswordHash::from(UNUSABLE.to_owned())),
            };
            match made {
                // Sign-ins come first.
                Err(HashError::Busy) if waited < LONGEST_WAIT => {
                    sleep(PAUSE).await;
                    waited += PAUSE;
                }
                made => return made,
            }
        }
    };
    let mut hashes = Vec::with_capacity(batch.len());
    for part in batch.chunks(by.hashes_at_once()) {
        by.check_running(app)?;
        for made in join_all(part.iter().map(hash)).await {
            hashes.push(made?);
        }
    }
    Ok(hashes)
}

/// Stores users in one transaction, and says under which primary key each canonical name is; `None` if another user
/// has a name, a primary key or a passkey, and then nothing is written.
async fn insert(
    app: &App,
    by: &By,
    ids: Ids,
    rows: &[(User, PasswordHash)],
    (beyond, seals): (&[Beyond], &Seals),
) -> Result<Option<HashMap<String, UserId>>> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    users::expect_many(&mut tx).await?;
    let stored = match users::insert_all(&mut tx, ids, rows).await {
        Ok(stored) => stored,
        Err(db::Error::UsernameTaken | db::Error::IdTaken) => return Ok(None),
        Err(error) => return Err(Error::from(error)),
    };
    // Asked within the transaction: names may have been blocked since the rows were judged.
    let names: Vec<_> = rows.iter().map(|(user, _)| &user.username).collect();
    if erasures::any_blocked_in(app, &mut tx, &names).await? {
        return Ok(None);
    }
    for ((user, _), Beyond { preferences, factors }) in rows.iter().zip(beyond) {
        let Some(id) = stored.get(user.username.key()) else { continue };
        if !preferences.is_empty() {
            users::set_preferences(&mut tx, *id, preferences).await?;
        }
        if factors.count() > 0 && !factors.store(&mut tx, *id, seals).await? {
            return Ok(None);
        }
    }
    let entries: Vec<Entry> =
        rows.iter().zip(beyond).map(|((user, _), beyond)| entry(by, user, beyond, &stored, now)).collect();
    db::audit::insert_all(&mut tx, &entries, now).await?;
    tx.commit().await?;
    Ok(Some(stored))
}

/// The audit entry for an imported user.
fn entry(by: &By, user: &User, beyond: &Beyond, stored: &HashMap<String, UserId>, now: Timestamp) -> Entry {
    let id = stored.get(user.username.key()).copied().unwrap_or(user.id);
    let user = User { id, ..user.clone() };
    let entry = Entry::new(Action::UserCreated, by.author()).on(&user);
    let mut entry = entry.changing(&User::blank(now), &user).detail("by", "import");
    if beyond.factors.count() > 0 {
        entry = entry.detail("second_factors", beyond.factors.count());
    }
    Entry { batch_id: by.batch(), ..entry }
}

#[cfg(test)]
mod tests {
    use super::super::row::Item;
    use super::super::source::tests::source;
    use super::super::{Options, formats, record};
    use super::*;
    use crate::model::clock::Clock;
    use crate::model::user::Username;
    use crate::operations::audit;
    use crate::security::audit_key::Purpose;

    fn records(content: &str) -> Vec<New> {
        let options = Options::default();
        let items = formats::open(&source(content.as_bytes()), &options).unwrap().items;
        let new = |(place, item)| match item {
            Item::Row(row) => New { place, record: record::read(&row, &options).unwrap() },
            Item::Skipped(kind) => panic!("{kind}"),
        };
        items.enumerate().map(new).collect()
    }

    /// Between judging and writing another process makes three users, one of them the same.
    #[rocket::async_test]
    async fn one_row_that_lost_a_race_does_not_lose_the_batch() {
        let (figment, _folder) = db::testing::sqlite().await;
        let now = Timestamp::parse("2024-05-01T10:00:00.000001Z").unwrap();
        let app = App::open(&figment, Clock::manual(now)).await.unwrap();
        let new = records("username,pk\nada,1\nbob,2\ncarl,3\ndora,4\n");
        write(&app, &By::Operator, records("username,pk\nBOB,7\nzoe,3\ndora,4\n"), now).await.unwrap();
        assert_eq!(
            write(&app, &By::Operator, new, now).await.unwrap(),
            [
                (0, Written::As(UserId(1))),
                (
                    1,
                    Written::Not(Verdict::refused(
                        "username: A user with that username already exists. It has the pk 7."
                    ))
                ),
                (2, Written::Not(Verdict::refused("pk 3 belongs to another user: \"zoe\"."))),
                (3, Written::Not(Verdict::Unchanged)),
            ]
        );
        let names: Vec<_> = users::whole_after(&app.db, UserId(0), 100).await.unwrap();
        let names: Vec<Username> = names.into_iter().map(|whole| whole.user.username).collect();
        assert_eq!(names.iter().map(Username::as_str).collect::<Vec<_>>(), ["ada", "zoe", "dora", "BOB"]);
    }

    /// Another process blocks a name between judging and writing, and this one has not read the key of the audit log yet.
    #[rocket::async_test]
    async fn a_name_that_was_blocked_meanwhile_is_not_given_and_the_batch_is_written() {
        let (figment, _folder) = db::testing::sqlite().await;
        let now = Timestamp::parse("2024-05-01T10:00:00.000001Z").unwrap();
        let other = App::open(&figment, Clock::manual(now)).await.unwrap();
        let hash = audit::code(&other, Purpose::Username, b"bob").await.unwrap();
        let mut tx = other.db.begin().await.unwrap();
        db::erasures::block(&mut tx, &hash).await.unwrap();
        tx.commit().await.unwrap();
        let app = App::open(&figment, Clock::manual(now)).await.unwrap();
        let new = records("username,pk\nada,1\nBob,2\ncarl,3\n");
        assert_eq!(
            write(&app, &By::Operator, new, now).await.unwrap(),
            [
                (0, Written::As(UserId(1))),
                (1, Written::Not(Verdict::refused("was in the way of another change; import it again."))),
                (2, Written::As(UserId(3))),
            ]
        );
    }
}
