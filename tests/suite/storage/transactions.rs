//! What a transaction does in one round trip.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::tokio::join;
use rocket::tokio::time::sleep;
use usher::db::{self, Db, Sql, Tx, audit, sessions, throttles, users};
use usher::model::audit::{Action, Author, Entry};
use usher::model::origin::Origin;
use usher::model::session::{Credential, NewSession, Secret};
use usher::model::throttle::{Failures, Key};
use usher::model::user::UserId;

use crate::app::TestApp;

fn rename(id: UserId, name: &str) -> Sql {
    Sql::new("UPDATE users SET first_name = $1 WHERE id = $2").bind(name).bind(id.0)
}

fn row_of_text(sql: &'static str, text: &str, id: UserId) -> Sql {
    Sql::new(sql).bind(text).bind(id.0)
}

const LAST_NAME: &str = "UPDATE users SET last_name = $1 WHERE id = $2 RETURNING last_name";

/// Of all users by primary key.
async fn first_names(db: &Db) -> String {
    let sql = Sql::new("SELECT first_name FROM users ORDER BY id");
    db.all::<(String,)>(sql).await.unwrap().into_iter().map(|(name,)| name + ";").collect()
}

#[apply(on_all)]
async fn statements_that_wait_for_the_next_are_a_part_of_the_transaction(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await.user.id, app.person("bob", "staff").await.user.id);
    let db = &app.usher.db;
    let before = first_names(db).await;

    let mut tx = db.begin().await.unwrap();
    tx.execute_with_next(rename(ada, "one"));
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    tx.execute_with_next(rename(ada, "one"));
    tx.leave().await.unwrap();
    assert_eq!(first_names(db).await, before, "without a commit nothing happens");

    let mut tx = db.begin().await.unwrap();
    tx.execute_with_next(rename(ada, "one"));
    tx.execute_with_next(rename(bob, "two"));
    let row: Option<(String,)> = tx.optional(row_of_text(LAST_NAME, "Lovelace", UserId(0))).await.unwrap();
    assert_eq!(row, None);
    tx.execute_with_next(rename(bob, "three"));
    let row: Option<(String,)> = tx.optional(row_of_text(LAST_NAME, "Lovelace", ada)).await.unwrap();
    assert_eq!(row.unwrap().0, "Lovelace");
    tx.commit().await.unwrap();
    assert_eq!(first_names(db).await, "one;three;", "with one that gives rows");

    let mut tx = db.begin().await.unwrap();
    tx.execute_with_next(Sql::new("UPDATE users SET first_name = 'all'"));
    assert_eq!(tx.execute(rename(bob, "four")).await.unwrap(), 1, "rows are counted of the last alone");
    tx.commit().await.unwrap();
    assert_eq!(first_names(db).await, "all;four;", "before one that gives none");

    let mut tx = db.begin().await.unwrap();
    tx.execute_with_next(rename(ada, "five"));
    tx.execute_with_next(rename(bob, "six"));
    tx.commit().await.unwrap();
    assert_eq!(first_names(db).await, "five;six;", "before the commit");
}

#[apply(on_all)]
async fn failures_are_forgotten_and_stored_in_the_round_trip_of_another_statement(app: TestApp) {
    app.person("ada", "ordinary").await;
    let (db, now) = (&app.usher.db, app.clock.now());
    let keys = ["one", "two", "three"].map(Key::account);
    let failed = |before| Failures::account(before, now, app.usher.settings.thresholds());
    let (once, twice) = (failed(None), failed(Some(failed(None))));
    let over = once.clone().succeeded(now);
    let store = async |all: [&Failures; 3]| {
        let mut tx = db.begin().await.unwrap();
        throttles::set_all(&mut tx, &[(&keys[0], all[0]), (&keys[1], all[1]), (&keys[2], all[2])]);
        let sql = Sql::new("UPDATE users SET last_name = $1 WHERE id > $2 RETURNING username");
        let users: Vec<(String,)> = tx.all(sql.bind("Lovelace").bind(0)).await.unwrap();
        assert_eq!(users.len(), 1);
        tx.commit().await.unwrap();
        throttles::among(db, &keys).await.unwrap()
    };
    let known = store([&once, &once, &over]).await;
    assert_eq!(known, [Some(once.clone()), Some(once.clone()), None]);
    let known = store([&over, &twice, &once]).await;
    assert_eq!(known, [None, Some(twice.clone()), Some(once)]);
    assert_eq!(store([&over, &over, &over]).await, [None, None, None]);
}

#[apply(on_all)]
async fn the_error_of_a_statement_that_waits_is_told_by_the_next(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await.user.id, app.person("bob", "staff").await.user.id);
    let db = &app.usher.db;
    let before = first_names(db).await;
    let faulty = || row_of_text("UPDATE users SET username_key = $1 WHERE id = $2", "ada", bob);

    let mut tx = db.begin().await.unwrap();
    tx.execute_with_next(faulty());
    let refused = tx.optional::<(String,)>(row_of_text(LAST_NAME, "Lovelace", ada)).await;
    assert!(matches!(refused, Err(db::Error::UsernameTaken)), "{refused:?}");
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    tx.execute_with_next(faulty());
    let refused = tx.execute(rename(ada, "one")).await;
    assert!(matches!(refused, Err(db::Error::UsernameTaken)), "{refused:?}");
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    tx.execute_with_next(rename(ada, "one"));
    tx.execute_with_next(faulty());
    let refused = tx.commit().await;
    assert!(matches!(refused, Err(db::Error::UsernameTaken)), "{refused:?}");
    assert_eq!(first_names(db).await, before);
}

/// A transaction that holds these numbers, and the last name of the first user as it was then.
async fn begin_holding(db: &Db, numbers: &[i64]) -> db::Result<(Tx, String)> {
    let sql = Sql::new("SELECT last_name FROM users ORDER BY id LIMIT 1");
    let (tx, mut rows) = db.begin_holding::<(String,)>(numbers, sql).await?;
    Ok((tx, rows.pop().expect("a user").0))
}

#[apply(on_all)]
async fn numbers_are_held_until_a_transaction_ends_and_what_was_written_till_then_is_read(app: TestApp) {
    let ada = app.person("ada", "ordinary").await.user.id;
    let db = &app.usher.db;
    let (mut held, before) = begin_holding(db, &[i64::MIN, -1, i64::MAX]).await.unwrap();
    assert_ne!(before, "Lovelace");
    let has_ended = AtomicBool::new(false);
    let waits = async {
        let (waited, name) = begin_holding(db, &[i64::MAX]).await.unwrap();
        assert!(has_ended.load(Ordering::Relaxed));
        assert_eq!(name, "Lovelace");
        waited.commit().await.unwrap();
    };
    let holds = async {
        sleep(Duration::from_millis(50)).await;
        held.optional::<(String,)>(row_of_text(LAST_NAME, "Lovelace", ada)).await.unwrap();
        has_ended.store(true, Ordering::Relaxed);
        held.commit().await.unwrap();
    };
    join!(waits, holds);
}

#[apply(on_all)]
async fn what_is_known_of_keys_is_read_in_their_order_when_they_are_locked(app: TestApp) {
    let (db, now) = (&app.usher.db, app.clock.now());
    let keys = ["one", "two", "three"].map(Key::account);
    let failed = |before| Failures::account(before, now, app.usher.settings.thresholds());
    let (once, twice) = (failed(None), failed(Some(failed(None))));
    let mut tx = db.begin().await.unwrap();
    throttles::set_all(&mut tx, &[(&keys[0], &once), (&keys[2], &twice)]);
    tx.commit().await.unwrap();

    let (tx, known) = throttles::begin_holding(db, &keys).await.unwrap();
    assert_eq!(known, [Some(once.clone()), None, Some(twice.clone())]);
    tx.commit().await.unwrap();
    let [a, b, c] = keys;
    let (tx, known) = throttles::begin_holding(db, &[c, b, a.clone()]).await.unwrap();
    assert_eq!(known, [Some(twice), None, Some(once.clone())]);
    tx.commit().await.unwrap();
    let (_tx, known) = throttles::begin_holding(db, &[a]).await.unwrap();
    assert_eq!(known, [Some(once)]);
}

#[apply(on_all)]
async fn waiting_in_vain_for_a_number_is_trouble_only_where_all_changes_wait(app: TestApp) {
    app.person("ada", "ordinary").await;
    let db = &app.usher.db;
    let (held, _) = begin_holding(db, &[7]).await.unwrap();
    let refused = begin_holding(db, &[7]).await;
    assert!(matches!(refused, Err(db::Error::Unavailable(_))), "{refused:?}");
    let is_sqlite = db.dialect() == db::Dialect::Sqlite;
    if !is_sqlite {
        begin_holding(db, &[8]).await.unwrap().0.commit().await.unwrap();
    }
    assert_eq!(db.trouble(), is_sqlite.then_some(db::Trouble::Late));
    held.commit().await.unwrap();
    let again = (0..10).map(|_| async { begin_holding(db, &[7]).await?.0.commit().await });
    for done in join_all(again).await {
        done.unwrap();
    }
    assert_eq!(db.trouble(), None);
}

#[apply(on_all)]
async fn the_session_of_a_sign_in_has_a_primary_key_of_its_own(app: TestApp) {
    let ada = app.person("ada", "ordinary").await.user;
    let (db, now) = (&app.usher.db, app.clock.now());
    let note =
        async |tx: &mut Tx| users::note_sign_in(tx, ada.id, Credential::Jwt, now).await.unwrap().unwrap();
    let new = NewSession {
        credential: Credential::Jwt,
        expires_at: now.plus(Duration::from_hours(1)),
        confirmed_at: now,
        name: String::new(),
        read_only: false,
        second_factor: false,
    };
    let origin = Origin::command_line();
    let hash = || Secret::random().hash();
    let entry = Entry::new(Action::SignIn, Author::user(&ada, &origin)).on(&ada);
    app.sql("DELETE FROM sessions").await;
    if db.dialect() == db::Dialect::Sqlite {
        app.sql("DELETE FROM sqlite_sequence WHERE name = 'sessions'").await;
    }

    let mut tx = db.begin().await.unwrap();
    let given_up = note(&mut tx).await;
    assert_eq!((given_up.found.user.last_login, given_up.sessions), (Some(now), 0));
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    let first = note(&mut tx).await;
    sessions::insert_with_next(&mut tx, first.session, ada.id, &new, &hash(), &origin, now);
    let told = audit::insert(&mut tx, &entry, now).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(sessions::holder(db, first.session).await.unwrap().unwrap().id, ada.id);
    assert!(audit::find(db, told).await.unwrap().is_some());

    let mut tx = db.begin().await.unwrap();
    let other = sessions::insert(&mut tx, ada.id, &new, &hash(), &origin, now).await.unwrap();
    let last = note(&mut tx).await;
    assert_eq!(last.sessions, 2);
    assert!(first.session.0 < other.0 && other.0 < last.session.0);
    sessions::insert_with_next(&mut tx, last.session, ada.id, &new, &hash(), &origin, now);
    tx.commit().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    assert!(users::note_sign_in(&mut tx, UserId(0), Credential::Jwt, now).await.unwrap().is_none());
    let third = note(&mut tx).await;
    assert!(
        (third.sessions, last.session.0) == (3, third.session.0 - 1) || db.dialect() != db::Dialect::Sqlite
    );
    drop(tx);
    if db.dialect() == db::Dialect::Sqlite {
        // A file that was put together by hand.
        app.sql("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'sessions'").await;
        let mut tx = db.begin().await.unwrap();
        assert_eq!(note(&mut tx).await.session, third.session);
    }
}
