//! The same users in SQLite, in PostgreSQL and in memory, and the same list of all three.

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rocket::tokio::join;
use rocket::tokio::runtime::{Builder, Runtime};
use usher::db::{Db, Sql, select};
use usher::model::cursor::Cursor;
use usher::model::filter::Filter;
use usher::model::user::User;

use super::population::insert_all;
use crate::{Backend, TestApp};

/// A property of many cases that share one pair of databases. `PROPTEST_CASES` sets how many.
pub(super) fn property<S: proptest::strategy::Strategy>(
    cases: &S,
    holds: impl Fn(&Worlds, S::Value) -> Result<(), TestCaseError>,
) {
    let worlds = Worlds::open();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    if let Err(error) = runner.run(cases, |case| holds(&worlds, case)) {
        panic!("{error}");
    }
}

/// One database of each kind, whose users are replaced for each case.
pub(super) struct Worlds {
    runtime: Runtime,
    sqlite: TestApp,
    postgres: TestApp,
}

impl Worlds {
    fn open() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (sqlite, postgres) = runtime.block_on(async {
            let apps = (TestApp::new(Backend::Sqlite).await, TestApp::new(Backend::Postgres).await);
            // All users go away between two cases, the last superuser too. By the connection that writes: SQLite's
            // full-text search does not find its table in the first statement after another one's schema change.
            let mut tx = apps.0.usher.db.begin().await.expect("a transaction");
            tx.execute(Sql::new("DROP TRIGGER users_last_superuser_delete")).await.expect("a trigger");
            tx.commit().await.expect("a commit");
            apps.1.sql("DROP TRIGGER users_last_superuser_delete ON users").await;
            apps
        });
        Self { runtime, sqlite, postgres }
    }

    /// Both databases list these users as plain Rust does: the same users in the same order, the same
    /// count, and page by page what they list at once.
    pub(super) fn agree(&self, users: &[User], filter: &Filter, page: i64) -> Result<(), TestCaseError> {
        let mut expected: Vec<&User> = users.iter().filter(|user| filter.matches(user)).collect();
        expected.sort_by(|left, right| filter.compare(left, right));
        // Both to the end: a transaction given up half-way would reach into the next case.
        let (sqlite, postgres) = self.runtime.block_on(async {
            join!(
                lists(&self.sqlite.usher.db, users, filter, &expected, page),
                lists(&self.postgres.usher.db, users, filter, &expected, page),
            )
        });
        sqlite.and(postgres)
    }
}

/// The database lists what is expected.
async fn lists(
    db: &Db,
    users: &[User],
    filter: &Filter,
    expected: &[&User],
    page: i64,
) -> Result<(), TestCaseError> {
    let name = db.dialect().name();
    let failed = |error: usher::db::Error| TestCaseError::fail(format!("{name}: {error}"));
    replace(db, users).await.map_err(failed)?;

    let whole = select::users(db, filter, None, 1000).await.map_err(failed)?;
    if whole.iter().ne(expected.iter().copied()) {
        return Err(differs(name, &whole, expected));
    }
    let count = select::count(db, filter).await.map_err(failed)?;
    if usize::try_from(count) != Ok(expected.len()) {
        return Err(TestCaseError::fail(format!("{name} counts {count} instead of {}", expected.len())));
    }
    let count = select::count_up_to(db, filter, 5).await.map_err(failed)?;
    let most = if filter.is_everything() { expected.len() } else { expected.len().min(5) };
    if usize::try_from(count) != Ok(most) {
        return Err(TestCaseError::fail(format!("{name} counts {count} instead of {most}")));
    }

    let mut walked: Vec<User> = Vec::new();
    let mut place = None;
    loop {
        let users = select::users(db, filter, place.as_ref(), page).await.map_err(failed)?;
        let full = i64::try_from(users.len()) == Ok(page);
        if let Some(last) = users.last() {
            let cursor = Cursor::after(filter, last).encode(filter);
            place =
                Some(Cursor::decode(filter, &cursor).ok_or_else(|| TestCaseError::fail("its own cursor"))?);
        }
        walked.extend(users);
        if !full || walked.len() > expected.len() {
            break;
        }
    }
    if walked.iter().ne(expected.iter().copied()) {
        return Err(differs(&format!("{name} by pages of {page}"), &walked, expected));
    }
    Ok(())
}

/// Replaces all users.
async fn replace(db: &Db, users: &[User]) -> usher::db::Result<()> {
    let mut tx = db.begin().await?;
    tx.execute(Sql::new("DELETE FROM users")).await?;
    tx.commit().await?;
    insert_all(db, users).await
}

fn differs(name: &str, listed: &[User], expected: &[&User]) -> TestCaseError {
    let listed: Vec<i64> = listed.iter().map(|user| user.id.0).collect();
    let expected: Vec<i64> = expected.iter().map(|user| user.id.0).collect();
    // The same keys: then some other field differs.
    TestCaseError::fail(format!("{name} lists {listed:?}\ninstead of {expected:?}"))
}
