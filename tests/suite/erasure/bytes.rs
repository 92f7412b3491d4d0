//! The proof: what was planted in the life of a person is in no byte of the database, of a backup and of what is exported
//! once the person was erased.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rocket::http::{ContentType, Header, Method};
use serde_json::{Value, json};
use usher::db;
use usher::operations::{audit, maintenance};

use super::ask;
use crate::app::{Answer, Backend, Person, TestApp};
use crate::audit::trail;
use crate::console::{page, send, send_from, token};
use crate::import_pages::{OTTER, check, import};
use crate::mail::Sink;
use crate::{scim, second_factor};

/// What the person leaves behind, each in a place of its own: found there before the erasure, and nowhere after it.
const PLANTED: [&str; 24] = [
    "needleusername",
    "needlerenamed",
    "needlefirst",
    "needlesecond",
    "needlelast",
    "needleown",
    "needlemail@example.org",
    "needleother@example.org",
    "needleunconfirmed@example.org",
    "needlenote",
    "needletoken",
    "needlerevoked",
    "needlefactor",
    "needlelost",
    "needlereason",
    "needleview",
    "needlesearch",
    "needletyped",
    "needleexternal",
    "needleagent/1.0",
    "needleguesser/2.0",
    "203.0.113.77",
    "198.51.100.77",
    "needlescim",
];

/// Whether a haystack has a needle, in whatever letter case.
fn has(haystack: &[u8], needle: &str) -> bool {
    let needle = needle.as_bytes();
    haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

fn found(haystack: &[u8]) -> Vec<&'static str> {
    PLANTED.into_iter().filter(|needle| has(haystack, needle)).collect()
}

/// Every byte that the database keeps.
async fn stored(app: &TestApp, is_tidied: bool) -> Vec<u8> {
    let Some(file) = app.url.strip_prefix("sqlite://") else { return dumped(&app.url) };
    if is_tidied {
        app.sql("VACUUM").await;
        app.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
    }
    let mut bytes = std::fs::read(file).unwrap();
    for side in ["-wal", "-shm", "-journal"] {
        bytes.extend(std::fs::read(format!("{file}{side}")).unwrap_or_default());
    }
    bytes
}

/// A program of PostgreSQL of the newest release that is installed: they need not be in PATH.
pub(super) fn postgres_program(name: &str) -> PathBuf {
    let mut programs: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|program| program.exists())
        .collect();
    programs.sort();
    programs.pop().unwrap_or_else(|| name.into())
}

/// What `pg_dump` writes.
pub(super) fn dumped(url: &str) -> Vec<u8> {
    let output =
        Command::new(postgres_program("pg_dump")).arg("--dbname").arg(url).output().expect("pg_dump");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// As an API client from an address, with a name of its own.
async fn sign_in(app: &TestApp, password: &str, agent: &'static str, address: &str) -> u16 {
    let request = app
        .request(Method::Post, "/v1/auth/obtain", None)
        .header(ContentType::JSON)
        .header(Header::new("User-Agent", agent))
        .remote(format!("{address}:4711").parse().unwrap())
        .body(json!({"username": "needleusername", "password": password}).to_string());
    request.dispatch().await.status().code
}

async fn ok(app: &TestApp, by: &Person, method: Method, path: &str, body: Value) -> Answer {
    let answer = app.send(by, method, path, &body).await;
    assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
    answer
}

/// The life of a person who is staff, from an import to the day of the erasure.
async fn life(app: &TestApp, root: &Person) -> Person {
    let csv = format!(
        "username,first_name,last_name,email,is_staff,password\nneedleusername,Needlefirst,Needlelast,\
         needlemail@example.org,true,{OTTER}\n"
    );
    let review = check(app, root, &[("users.csv", csv.as_bytes())]).await;
    import(app, root, &review).await;
    let found = ok(app, root, Method::Post, "/v1/users/list", json!({})).await.json();
    let rows = found.as_array().or(found["results"].as_array()).unwrap().clone();
    let id = rows.iter().find(|row| row["username"] == "needleusername").unwrap()["pk"].as_i64().unwrap();
    let record = format!("/v1/users/{id}");

    assert_eq!(sign_in(app, "otter", "needleagent/1.0", "203.0.113.77").await, 200);
    assert_eq!(sign_in(app, "wrong wrong", "needleguesser/2.0", "198.51.100.77").await, 401);

    let base = Person { user: app.stored(id).await, ..root.clone() };
    ok(app, root, Method::Patch, &record, json!({"first_name": "Needlesecond"})).await;
    let entry = trail(app).await.iter().rfind(|entry| entry.action == "user_changed").unwrap().id;
    ok(app, root, Method::Post, &format!("/v1/audit/{entry}/undo"), json!({})).await;
    ok(app, root, Method::Post, &format!("{record}/notes"), json!({"note": "A needlenote."})).await;
    ok(app, root, Method::Post, &format!("{record}/link"), json!({})).await;
    let ada = app.signed_in(&base).await;
    ok(app, &ada, Method::Patch, "/v1/account", json!({"last_name": "Needleown"})).await;

    // A run on many users by the person, and one that has the person among others.
    let other = app.person("other", "").await;
    let end = json!({"action": "deactivate", "ids": [other.id()]});
    ok(app, &ada, Method::Post, "/v1/users/bulk", end).await;
    let both = json!({"action": "deactivate", "ids": [id, other.id()]});
    let run = ok(app, root, Method::Post, "/v1/users/bulk", both).await.json()["batch"].clone();
    ok(app, root, Method::Post, &format!("/v1/users/bulk/{run}/undo"), json!({})).await;

    // In the console: a saved view, an export of what was searched for.
    let ada = app.signed_in(&ada).await;
    let view = [("name", "needleview"), ("q", "needlesearch")];
    let (saved, _) = send_from(app, &ada, "/users/views?q=needlesearch", "/users/views", &view).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let (exported, _) =
        send_from(app, &ada, "/users/export?q=needletyped", "/users/export", &[("q", "needletyped")]).await;
    assert_eq!(exported.status, 200, "{}", exported.body);

    // A factor that a superuser removes, and one that stays.
    second_factor::enrol(app, &ada, "needlelost").await;
    ok(app, root, Method::Delete, &format!("{record}/factors"), json!({"reason": "needlereason"})).await;
    // API tokens, one of them revoked; the other ends with the factor that is added next.
    for name in ["needletoken", "needlerevoked"] {
        let body = json!({"name": name, "read_only": true});
        ok(app, root, Method::Post, &format!("{record}/tokens"), body).await;
    }
    let tokens = ok(app, root, Method::Get, &format!("{record}/tokens"), json!({})).await.json();
    let revoked = tokens.as_array().unwrap().iter().find(|token| token["name"] == "needlerevoked").unwrap();
    ok(app, root, Method::Delete, &format!("{record}/tokens/{}", revoked["id"]), json!({})).await;

    let ada = app.signed_in(&ada).await;
    second_factor::enrol(app, &ada, "needlefactor").await;

    // A provisioning client.
    let resource = format!("/scim/v2/Users/{id}");
    let value = json!({"externalId": "needleexternal", "name": {"familyName": "Needlescim"}});
    scim::patch(app, root, &resource, json!([{"op": "replace", "value": value}])).await;

    // Another name, another address, and one more that is not confirmed.
    let renamed = json!({"username": "needlerenamed", "email": "needleother@example.org"});
    ok(app, root, Method::Patch, &record, renamed).await;
    let ada = app.signed_in(&ada).await;
    app.sql(&format!("UPDATE sessions SET second_factor = TRUE WHERE user_id = {id}")).await;
    ok(app, &ada, Method::Patch, "/v1/account", json!({"email": "needleunconfirmed@example.org"})).await;
    ada
}

async fn nothing_is_left(backend: Backend) {
    let sink = Sink::start().await;
    let mut settings = crate::mail::settings(&sink);
    settings.extend([("scim", json!(true)), ("erasure_days", json!(0))]);
    let app = TestApp::with(backend, &settings).await;
    let root = app.person("root", "superuser").await;
    let ada = life(&app, &root).await;
    trail(&app).await;
    crate::audit::finish_background(&app).await;
    let before = stored(&app, false).await;
    assert_eq!(found(&before), PLANTED, "each was planted");

    let root = app.signed_in(&root).await;
    let asked = ask(&app, &root, ada.id(), "needlerenamed", "block").await;
    assert!(asked.status == 202 && asked.json()["erased_at"].is_string(), "{}", asked.body);
    assert_eq!(found(asked.body.as_bytes()), Vec::<&str>::new());

    let after = stored(&app, true).await;
    assert_eq!(found(&after), Vec::<&str>::new(), "in the database");
    if let Some(file) = app.url.strip_prefix("sqlite://") {
        let copy = format!("{file}.copy");
        db::backup::copy(&app.usher.db, copy.as_ref()).await.unwrap();
        assert_eq!(found(&std::fs::read(copy).unwrap()), Vec::<&str>::new(), "in a backup");
    }
    for (path, body) in [("/v1/users/list", json!({"include_inactive": true})), ("/v1/audit/list", json!({}))]
    {
        let answer = ok(&app, &root, Method::Post, path, body).await;
        assert_eq!(found(answer.body.as_bytes()), Vec::<&str>::new(), "{path}");
    }
    for path in ["/", "/users", "/audit", "/users/import"] {
        let html = page(&app, &root, path).await;
        assert_eq!(html.status, 200, "{path}");
        assert_eq!(found(html.body.as_bytes()), Vec::<&str>::new(), "{path}");
    }
    let html = page(&app, &root, "/audit/export").await.body;
    let form = token(&html);
    let (csv, _) = send(&app, &root, "/audit/export", &[("token", &form), ("format", "csv")]).await;
    assert!(csv.status == 200 && csv.body.contains("user_erased"), "{}", csv.body);
    assert_eq!(found(csv.body.as_bytes()), Vec::<&str>::new(), "in an export");

    let report = audit::verify(&app.usher).await.unwrap();
    assert!(report.fault.is_none() && report.erased > 20, "{report:?}");
    // What was on its way while the user was erased is looked for once more.
    app.clock.advance(Duration::from_mins(10));
    maintenance::clean_up(&app.usher).await.unwrap();
    let root = app.signed_in(&root).await;
    let erasure = app.get(&root, &format!("/v1/users/{}/erase", ada.id())).await.json();
    assert!(erasure["finished_at"].is_string(), "{erasure}");
    assert_eq!(audit::verify(&app.usher).await.unwrap().fault, None);
}

#[rocket::async_test]
async fn lg_7_no_byte_of_an_erased_person_is_left_on_sqlite() {
    nothing_is_left(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn lg_7_no_byte_of_an_erased_person_is_left_on_postgres() {
    nothing_is_left(Backend::Postgres).await;
}
