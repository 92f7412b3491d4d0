//! A whole server on a fresh database, and the people who use it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use rocket::figment::Figment;
use rocket::figment::providers::Serialized;
use rocket::http::{Cookie, Header, Method, Status};
use rocket::local::asynchronous::{Client, LocalRequest, LocalResponse};
use rocket::tokio::sync::OnceCell;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use usher::model::clock::{Clock, Timestamp};
use usher::model::error::Result;
use usher::model::origin::Origin;
use usher::model::password::{Password, PasswordHash};
use usher::model::permission::Permission;
use usher::model::session::{Credential, NewSession, Secret};
use usher::model::user::{User, UserId, Username};
use usher::operations::authentication::{Authorization, authenticate};
use usher::operations::sign_in::{self, OpenedSession};
use usher::operations::{App, Can, session_use};
use usher::{config, db};

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
    /// By way of `PgBouncer`, which hands each transaction to any of its own connections.
    Pooled,
}

/// The password of every user that a test makes without saying otherwise.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server, not listening anywhere: requests are handed to it directly.
pub(crate) struct TestApp {
    pub(crate) client: Client,
    pub(crate) usher: App,
    pub(crate) clock: Clock,
    pub(crate) url: String,
    /// The URL by which the server has it.
    served: String,
    /// The secrets that sessions got when their users gave the password again, by those before.
    renewed: Mutex<HashMap<String, String>>,
    /// Keeps the SQLite file until the test ends.
    _directory: TempDir,
}

/// A user of the test, and the credentials that they hold.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) bearer: String,
    pub(crate) refresh: String,
    pub(crate) cookie: String,
}

impl Person {
    pub(crate) fn id(&self) -> i64 {
        self.user.id.0
    }
}

/// How a request proves who it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Bearer,
    /// The session cookie, from a page of the same origin.
    Cookie,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(response: LocalResponse<'_>) -> Self {
        let status = response.status().code;
        let headers = response
            .headers()
            .iter()
            .map(|header| (header.name.to_string(), header.value.to_string()))
            .collect();
        let body = response.into_string().await.unwrap_or_default();
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers but the request's number, which is another one each time.
    pub(crate) fn lasting_headers(&self) -> Vec<(String, String)> {
        let lasting = |(name, _): &&(String, String)| !name.eq_ignore_ascii_case("X-Request-Id");
        self.headers.iter().filter(lasting).cloned().collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

impl TestApp {
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, &[]).await
    }

    /// With settings of its own, such as `("get_by_name", json!("array"))`.
    pub(crate) async fn with(backend: Backend, settings: &[(&str, Value)]) -> Self {
        let (url, directory) = fresh(backend).await;
        let served = if backend == Backend::Pooled { through_pooler(&url) } else { url.clone() };
        Self::on(url, served, directory, settings).await
    }

    /// An instance on a database that is there already.
    pub(crate) async fn at(url: String, directory: TempDir) -> Self {
        Self::on(url.clone(), url, directory, &[]).await
    }

    /// Another instance on the same database, with the same clock.
    pub(crate) async fn another_instance(&self) -> Self {
        self.another_instance_with(&[]).await
    }

    /// The same with settings of its own.
    pub(crate) async fn another_instance_with(&self, settings: &[(&str, Value)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let (client, usher) = server(figment(&self.served, settings), &self.clock).await;
        let (clock, url, served) = (self.clock.clone(), self.url.clone(), self.served.clone());
        Self { client, usher, clock, url, served, renewed: Mutex::default(), _directory: directory }
    }

    /// An instance on a database that was restored from a backup, with settings of its own.
    pub(crate) async fn restored(url: String, directory: TempDir, settings: &[(&str, Value)]) -> Self {
        Self::on(url.clone(), url, directory, settings).await
    }

    /// The same person with new sessions: much of what is done to users ends those they have.
    pub(crate) async fn signed_in(&self, person: &Person) -> Person {
        self.with_sessions(self.stored(person.id()).await).await
    }

    async fn on(url: String, served: String, directory: TempDir, settings: &[(&str, Value)]) -> Self {
        let clock = Clock::manual(Timestamp::parse("2026-03-01T09:00:00.123456Z").expect("a timestamp"));
        let (client, usher) = server(figment(&served, settings), &clock).await;
        Self { client, usher, clock, url, served, renewed: Mutex::default(), _directory: directory }
    }

    /// A user whose kind is said in words, such as `staff` or `inactive superuser`, signed in twice: with
    /// tokens and in a browser.
    pub(crate) async fn person(&self, username: &str, kind: &str) -> Person {
        let mut user = User {
            username: Username::parse(username).expect("a user name"),
            is_staff: kind.contains("staff"),
            is_superuser: kind.contains("superuser"),
            ..User::blank(self.clock.now())
        };
        let mut tx = self.usher.db.begin().await.expect("a transaction");
        user.id = db::users::insert(&mut tx, &user, &hash().await).await.expect("a user");
        tx.commit().await.expect("a commit");
        let person = self.with_sessions(user).await;
        if !kind.contains("inactive") {
            return person;
        }
        self.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", person.id())).await;
        Person { user: User { is_active: false, ..person.user }, ..person }
    }

    /// A user with new sessions: tokens and a browser.
    async fn with_sessions(&self, user: User) -> Person {
        let tokens = self.session(user.id, Credential::Jwt).await;
        let pair = sign_in::tokens(&self.usher, &tokens);
        let cookie = self.session(user.id, Credential::Cookie).await.secret.to_text();
        Person { user, bearer: pair.access, refresh: pair.refresh, cookie }
    }

    /// A new session, without a password.
    pub(crate) async fn session(&self, id: UserId, credential: Credential) -> OpenedSession {
        let user = db::users::by_id(&self.usher.db, id).await.expect("a database").expect("a user");
        let secret = Secret::random();
        let now = self.clock.now();
        let expires_at = now.plus(self.usher.settings.session_lifetime(credential));
        let mut tx = self.usher.db.begin().await.expect("a transaction");
        let new = NewSession {
            credential,
            expires_at,
            confirmed_at: now,
            name: String::new(),
            read_only: false,
            second_factor: false,
        };
        let origin = Origin::command_line();
        db::sessions::insert(&mut tx, id, &new, &secret.hash(), &origin, now).await.expect("a session");
        tx.commit().await.expect("a commit");
        OpenedSession { user, secret, expires_at }
    }

    /// A request that proves who it is from.
    pub(crate) fn request(&self, method: Method, path: &str, who: Option<(&Person, By)>) -> LocalRequest<'_> {
        let mut request = self.client.req(method, path.to_owned());
        match who {
            None => {}
            Some((person, By::Bearer)) => {
                request.add_header(Header::new("Authorization", format!("Bearer {}", person.bearer)));
            }
            Some((person, By::Cookie)) => {
                request = request.header(cookie_header("__Host-sid-0a1b2c3d", &self.cookie(person)));
                request.add_header(Header::new("Sec-Fetch-Site", "same-origin"));
            }
        }
        request
    }

    /// Sends JSON as a person with a bearer token, and reads the answer.
    pub(crate) async fn send(&self, person: &Person, method: Method, path: &str, body: &Value) -> Answer {
        self.json(method, path, Some((person, By::Bearer)), body).await
    }

    /// Sends JSON and reads the answer.
    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        who: Option<(&Person, By)>,
        body: &Value,
    ) -> Answer {
        let request = self.request(method, path, who).header(Header::new("Content-Type", "application/json"));
        let response = request.body(body.to_string()).dispatch().await;
        if let Some((person, By::Cookie)) = who {
            self.note_renewal(person, &response);
        }
        Answer::of(response).await
    }

    /// The session cookie of a person, as their browser has it by now.
    pub(crate) fn cookie(&self, person: &Person) -> String {
        let renewed = self.renewed.lock().expect("a lock");
        renewed.get(&person.cookie).unwrap_or(&person.cookie).clone()
    }

    /// Keeps the cookie that an answer sets for the session that a person has already.
    pub(crate) fn note_renewal(&self, person: &Person, response: &LocalResponse<'_>) {
        if let Some(cookie) =
            response.cookies().get("__Host-sid-0a1b2c3d").filter(|cookie| !cookie.value().is_empty())
        {
            self.renewed.lock().expect("a lock").insert(person.cookie.clone(), cookie.value().to_owned());
        }
    }

    /// Asks without a body as a person with a bearer token.
    pub(crate) async fn get(&self, person: &Person, path: &str) -> Answer {
        Answer::of(self.request(Method::Get, path, Some((person, By::Bearer))).dispatch().await).await
    }

    /// What the guards hand to a handler: the proof that a person who comes with their cookie has a permission.
    pub(crate) async fn proof<P: Permission>(&self, person: &Person) -> Result<Can<P>> {
        let cookie = self.cookie(person);
        let credential = Authorization::Cookie(&cookie);
        let actor = authenticate(&self.usher, credential, &Origin::command_line()).await?;
        Can::check(&actor)
    }

    /// The same, of a person who has it.
    pub(crate) async fn can<P: Permission>(&self, person: &Person) -> Can<P> {
        self.proof(person).await.expect("a session with the permission")
    }

    /// Whether the bearer token of a person is accepted.
    pub(crate) async fn is_signed_in(&self, person: &Person, by: By) -> bool {
        let path = format!("/v1/users/{}", person.id());
        let response = self.request(Method::Get, &path, Some((person, by))).dispatch().await;
        response.status() == Status::Ok
    }

    /// Signs in by name and password, as an API client.
    pub(crate) async fn obtain(&self, username: &str, password: &str) -> Answer {
        let body = serde_json::json!({ "username": username, "password": password });
        self.json(Method::Post, "/v1/auth/obtain", None, &body).await
    }

    /// Runs a statement behind the server's back.
    pub(crate) async fn sql(&self, sql: &str) {
        let statement = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.expect("the file");
            sqlx::query(statement).execute(&mut connection).await.expect(sql);
            connection.close().await.expect("a clean end");
        } else {
            let mut connection = PgConnection::connect(&self.url).await.expect("the server");
            sqlx::query(statement).execute(&mut connection).await.expect(sql);
        }
    }

    /// Stores when sessions were used, as the server does a moment later.
    pub(crate) async fn store_uses(&self) {
        session_use::write(&self.usher).await.expect("a database");
    }

    /// The user as stored.
    pub(crate) async fn stored(&self, id: i64) -> User {
        db::users::by_id(&self.usher.db, UserId(id)).await.expect("a database").expect("a user")
    }
}

/// The header with which a browser sends back a cookie that was set.
pub(crate) fn cookie_header(name: &str, value: &str) -> Header<'static> {
    Header::new("Cookie", Cookie::new(name, value).encoded().to_string())
}

/// A server as in production, but for its listener; and its installation.
async fn server(figment: Figment, clock: &Clock) -> (Client, App) {
    let rocket = usher::server::open(figment, clock.clone()).await.expect("an installation");
    let usher = rocket.state::<App>().expect("an installation").clone();
    (Client::untracked(rocket).await.expect("a server"), usher)
}

/// A configuration for a test: no waiting after failed sign-ins, few connections.
pub(crate) fn figment(url: &str, settings: &[(&str, Value)]) -> Figment {
    let figment = config::with_database(config::defaults(), url)
        .merge(Serialized::global("databases.main.max_connections", 6))
        .merge(Serialized::global("usher.sign_in_failure_milliseconds", 0));
    settings.iter().fold(figment, |figment, (name, value)| {
        figment.merge(Serialized::global(&format!("usher.{name}"), value))
    })
}

/// A hash of [`PASSWORD`], made once.
async fn hash() -> PasswordHash {
    static HASH: OnceCell<PasswordHash> = OnceCell::const_new();
    let make = || async {
        let hasher = usher::security::passwords::Hasher::new(
            usher::security::passwords::Cost::default(),
            usher::security::passwords::Limits::default(),
        );
        let hasher = hasher.expect("the default cost");
        hasher.hash(&Password::new(PASSWORD.to_owned())).await.expect("a hash")
    };
    HASH.get_or_init(make).await.clone()
}

/// A database without anything in it but what the tests give each, and the folder of its file.
pub(crate) async fn fresh(backend: Backend) -> (String, TempDir) {
    let directory = TempDir::new().expect("a temporary directory");
    let url = match backend {
        Backend::Sqlite => fresh_sqlite(&directory).await,
        Backend::Postgres | Backend::Pooled => fresh_postgres(&directory).await,
    };
    (url, directory)
}

/// Makes the names of all cookies end with `0a1b2c3d`.
async fn tag_cookies(db: &db::Db) {
    let tag = vec![0x0a, 0x1b, 0x2c, 0x3d];
    db::installation::get_or_insert(db, "cookie_tag", tag).await.expect("a tag");
}

/// A fresh file in a folder: a copy of one that was migrated once.
async fn fresh_sqlite(directory: &TempDir) -> String {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let template = TEMPLATE
        .get_or_init(|| async {
            let directory = TempDir::new().expect("a temporary directory");
            let file = directory.path().join("template.db");
            let figment = figment(&format!("sqlite://{}", file.display()), &[]);
            let db = db::Db::open(&figment.focus("databases.main")).await.expect("a migrated template");
            tag_cookies(&db).await;
            db.close().await;
            std::fs::read(file).expect("the template")
        })
        .await;
    let file = directory.path().join("usher.db");
    std::fs::write(&file, template).expect("a copy of the template");
    format!("sqlite://{}", file.display())
}

/// The URL of the PostgreSQL server to test on.
#[expect(clippy::disallowed_methods, reason = "the test command says where its server is")]
fn postgres_server() -> String {
    std::env::var("USHER_TEST_POSTGRES").expect(
        "USHER_TEST_POSTGRES is not set: run the tests by tests/run, which starts a PostgreSQL of its own",
    )
}

/// The same database by way of the pooler.
#[expect(clippy::disallowed_methods, reason = "the test command says where its pooler is")]
fn through_pooler(url: &str) -> String {
    let pooler = std::env::var("USHER_TEST_POOLER").expect(
        "USHER_TEST_POOLER is not set: run the tests by tests/run, which starts a PgBouncer of its own",
    );
    let (user, rest) = url.split_once('@').expect("a URL with a user");
    let (_, database) = rest.split_once('/').expect("a URL with a database");
    format!("{user}@{pooler}/{database}")
}

/// A fresh database on the server: a copy of one that was migrated once. It is dropped when another is made after
/// the folder is gone: a thousand of them fill a disk.
async fn fresh_postgres(directory: &TempDir) -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static IN_USE: Mutex<Vec<(PathBuf, String)>> = Mutex::new(Vec::new());
    let server = postgres_server();
    let template = TEMPLATE
        .get_or_init(|| async {
            let name = format!("usher_test_{}", std::process::id());
            let mut connection = PgConnection::connect(&server).await.expect("the PostgreSQL server");
            for statement in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("a template");
            }
            let figment = figment(&on_server(&server, &name), &[]);
            let db = db::Db::open(&figment.focus("databases.main")).await.expect("a migrated template");
            tag_cookies(&db).await;
            db.close().await;
            name
        })
        .await;
    let name = format!("{template}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&server).await.expect("the PostgreSQL server");
    let mut statements = vec![
        format!("DROP DATABASE IF EXISTS {name}"),
        format!("CREATE DATABASE {name} TEMPLATE {template}"),
    ];
    {
        let mut in_use = IN_USE.lock().expect("no test panics here");
        let left = in_use.extract_if(.., |(directory, _)| !directory.exists());
        statements.extend(left.map(|(_, name)| format!("DROP DATABASE {name} WITH (FORCE)")));
        in_use.push((directory.path().to_owned(), name.clone()));
    }
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("a copy of the template");
    }
    on_server(&server, &name)
}

fn on_server(server: &str, database: &str) -> String {
    let (start, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{start}/{database}")
}
