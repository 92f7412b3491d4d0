//! What Usher's speed is held against: the web server without Usher, the database without the web server,
//! the hash without either. `bench/run` runs it; it is no part of the product.
//!
//! ```text
//! ceiling serve PORT URL           /static and /bare/<id>
//! ceiling query URL SECONDS        rows by primary key, read in a loop
//! ceiling change URL SECONDS       the statements of one PATCH, in a loop
//! ceiling insert URL USERS         the statements of an import
//! ceiling argon SECONDS THREADS    argon2id at the default cost, in a loop
//! ```
//!
//! All but the first print how many were done in a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rocket::figment::Figment;
use rocket::http::Status;
use rocket::response::content::RawJson;
use rocket::tokio::runtime::Builder;
use rocket::tokio::time::Instant;
use rocket::{State, get, routes};
use serde::Serialize;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool};
use usher::config;
use usher::db::users::{self, Ids};
use usher::db::{self, Db, sessions};
use usher::model::audit::{Action, Author, Entry};
use usher::model::clock::{Clock, Timestamp};
use usher::model::origin::Origin;
use usher::model::password::PasswordHash;
use usher::model::session::SessionId;
use usher::model::user::{User, UserId, Username};
use usher::operations::audit;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Loops that run at the same time, as many as there are connections to the server in the measurements.
const LOOPS: usize = 8;

/// Users in one transaction, as in an import.
const BATCH: usize = 500;

fn main() -> Result<(), Failure> {
    // Threads as Usher has them.
    Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rate = match arguments.as_slice() {
        ["serve", port, url] => return serve(port.parse()?, url).await,
        ["query", url, seconds] => query(url, seconds.parse()?).await?,
        ["change", url, seconds] => change(url, seconds.parse()?).await?,
        ["insert", url, users] => insert(url, users.parse()?).await?,
        ["argon", seconds, threads] => argon(seconds.parse()?, threads.parse()?)?,
        _ => return Err("see the head of bench/ceiling.rs".into()),
    };
    report(rate);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result, for bench/run")]
fn report(rate: f64) {
    println!("{rate:.1}");
}

/// Connections as Usher has them.
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    async fn open(url: &str) -> Result<Self, Failure> {
        if url.starts_with("sqlite") {
            let options: SqliteConnectOptions = url.parse()?;
            let options = options.pragma("query_only", "on");
            Ok(Self::Sqlite(SqlitePoolOptions::new().max_connections(4).connect_with(options).await?))
        } else {
            Ok(Self::Postgres(PgPoolOptions::new().max_connections(10).connect(url).await?))
        }
    }

    async fn row(&self, id: i64) -> Result<Option<Row>, sqlx::Error> {
        const ROW: &str = "SELECT id, username, first_name, last_name, email, is_active, is_staff, \
                           is_superuser, date_joined, last_login FROM users WHERE id = $1";
        let row: Option<Columns> = match self {
            Self::Sqlite(pool) => sqlx::query_as(ROW).bind(id).fetch_optional(pool).await?,
            Self::Postgres(pool) => sqlx::query_as(ROW).bind(id).fetch_optional(pool).await?,
        };
        Ok(row.map(Row::from))
    }
}

type Columns = (i64, String, String, String, String, bool, bool, bool, i64, Option<i64>);

#[derive(Serialize)]
struct Row {
    id: i64,
    username: String,
    first_name: String,
    last_name: String,
    email: String,
    is_active: bool,
    is_staff: bool,
    is_superuser: bool,
    date_joined: i64,
    last_login: Option<i64>,
}

impl From<Columns> for Row {
    fn from(columns: Columns) -> Self {
        let (
            id,
            username,
            first_name,
            last_name,
            email,
            is_active,
            is_staff,
            is_superuser,
            date_joined,
            last_login,
        ) = columns;
        Self {
            id,
            username,
            first_name,
            last_name,
            email,
            is_active,
            is_staff,
            is_superuser,
            date_joined,
            last_login,
        }
    }
}

#[get("/static")]
fn fixed() -> RawJson<&'static str> {
    RawJson(
        "{\"username\":\"ada.lovelace\",\"pk\":1,\"last_login\":\"2026-03-01T09:00:00.123456Z\",\
         \"is_superuser\":false,\"first_name\":\"Ada\",\"last_name\":\"Lovelace\",\
         \"email\":\"ada.lovelace@example.org\",\"is_staff\":false,\"is_active\":true,\
         \"date_joined\":\"2026-03-01T09:00:00.123456Z\"}",
    )
}

#[get("/bare/<id>")]
async fn bare(id: i64, pool: &State<Pool>) -> Result<RawJson<String>, Status> {
    let row = pool.row(id).await.map_err(|_| Status::InternalServerError)?.ok_or(Status::NotFound)?;
    serde_json::to_string(&row).map(RawJson).map_err(|_| Status::InternalServerError)
}

async fn serve(port: u16, url: &str) -> Result<(), Failure> {
    let figment =
        Figment::from(rocket::Config { port, ..rocket::Config::default() }).merge(("log_level", "off"));
    let rocket = rocket::custom(figment).manage(Pool::open(url).await?).mount("/", routes![fixed, bare]);
    rocket.launch().await?;
    Ok(())
}

/// Something to do again and again, and how often it was done in a second.
async fn rate_of(
    seconds: u64,
    mut work: impl AsyncFnMut(u64) -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        work(done).await?;
        done += 1;
    }
    Ok(per_second(done, start.elapsed()))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per_second(done: u64, time: Duration) -> f64 {
    done as f64 / time.as_secs_f64()
}

async fn query(url: &str, seconds: u64) -> Result<f64, Failure> {
    let pool = Pool::open(url).await?;
    let loops = (0..LOOPS).map(|_| {
        rate_of(seconds, async |done| {
            let id = i64::try_from(done % 1000)? + 1;
            pool.row(id).await?;
            Ok(())
        })
    });
    Ok(rocket::futures::future::try_join_all(loops).await?.into_iter().sum())
}

async fn open(url: &str) -> Result<Db, Failure> {
    let figment = config::with_database(config::defaults(), url);
    Ok(Db::open(&figment.focus("databases.main")).await?)
}

async fn change(url: &str, seconds: u64) -> Result<f64, Failure> {
    let db = open(url).await?;
    let loops = (0..LOOPS).map(|which| {
        let db = &db;
        rate_of(seconds, async move |done| {
            let id = UserId(i64::try_from((done * LOOPS as u64 + which as u64) % 1000)? + 1);
            // Who asks, then the record before anything is locked.
            users::by_id(db, UserId(1)).await?;
            users::by_id(db, id).await?;
            let mut tx = db.begin().await?;
            if let Some(before) = users::lock(&mut tx, id).await?.map(|found| found.user) {
                // The session that it is done from is still there.
                sessions::lock(&mut tx, SessionId(1)).await?;
                let mut user = before.clone();
                user.version += 1;
                user.email = format!("n{}@example.org", user.version);
                users::edit(&mut tx, &before, &user).await?;
                let author = Author::user(&before, &Origin::command_line());
                let entry = Entry::new(Action::UserChanged, author).on(&user).changing(&before, &user);
                audit::record(&mut tx, &entry, Clock::System.now()).await?;
            }
            tx.commit().await?;
            Ok(())
        })
    });
    Ok(rocket::futures::future::try_join_all(loops).await?.into_iter().sum())
}

async fn insert(url: &str, count: usize) -> Result<f64, Failure> {
    let db = open(url).await?;
    let highest = users::highest_id(&db).await?.map_or(0, |id| id.0);
    let rows: Vec<(User, PasswordHash)> = (0..count)
        .map(|index| {
            let name = format!("ceiling.{highest}.{index}");
            let user = User {
                username: Username::from_row(name.clone(), name.clone()),
                first_name: "Ada".into(),
                last_name: "Lovelace".into(),
                email: format!("{name}@example.org"),
                ..User::blank(Timestamp::from_micros(1_700_000_000_000_000))
            };
            (user, PasswordHash::from("!".to_owned()))
        })
        .collect();
    let start = Instant::now();
    for batch in rows.chunks(BATCH) {
        let mut tx = db.begin().await?;
        users::insert_all(&mut tx, Ids::Next, batch).await?;
        let entry = |(user, _): &(User, PasswordHash)| {
            let author = Author::anonymous(&Origin::command_line());
            let blank = User::blank(user.date_joined);
            Entry::new(Action::UserCreated, author).on(user).changing(&blank, user).detail("by", "import")
        };
        let entries: Vec<Entry> = batch.iter().map(entry).collect();
        db::audit::insert_all(&mut tx, &entries, Clock::System.now()).await?;
        tx.commit().await?;
    }
    let time = start.elapsed();
    db.close().await;
    Ok(per_second(count as u64, time))
}

fn argon(seconds: u64, threads: usize) -> Result<f64, Failure> {
    let cost = usher::security::passwords::Cost::default();
    let params = argon2::Params::new(cost.memory_kib, cost.iterations, cost.parallelism, Some(32));
    let params = params.map_err(|error| error.to_string())?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let done = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut memory = vec![argon2::Block::new(); argon2.params().block_count()];
                let mut output = [0; 32];
                while start.elapsed() < Duration::from_secs(seconds) {
                    let hashed = argon2.hash_password_into_with_memory(
                        b"correct horse battery",
                        b"sixteen bytes ab",
                        &mut output,
                        &mut memory[..],
                    );
                    if hashed.is_err() {
                        return;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    Ok(per_second(done.into_inner(), start.elapsed()))
}
