//! Files of other programs, as small samples: what their manifest says has to be here after the import, on both
//! databases, and every password in it signs in.
//!
//! The samples stand in `tests/data/imports`: invented people, hashes made by other implementations (Python's hashlib
//! and passlib, libxcrypt). `USHER_TEST_IMPORTS` names a further folder with a manifest of the same form.
//!
//! An entry of the manifest is a file, or files that belong together, with its users. `outcome` is left out if all
//! import; `refused` is the whole file, without any of `not_in_output`; `accounted` is a file each of whose rows is
//! created as it is, or named. A null says that the source does not; an array, that any of it will do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use usher::db;
use usher::model::address;
use usher::model::text::canonical;
use usher::model::user::User;

use crate::app::{Backend, TestApp};
use crate::import::usher;

#[expect(clippy::disallowed_methods, reason = "the test command may name further samples")]
fn folders() -> Vec<PathBuf> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/imports");
    [own].into_iter().chain(std::env::var_os("USHER_TEST_IMPORTS").map(PathBuf::from)).collect()
}

/// Whether the manifest expects a value like this.
fn fits(expected: &Value, found: &str) -> bool {
    let same = |text: &str| text.nfc().eq(found.nfc());
    match expected {
        Value::String(text) => same(text),
        Value::Array(any) => any.iter().any(|value| fits(value, found)),
        _ => true,
    }
}

async fn stored(app: &TestApp, username: &str) -> Option<User> {
    db::users::by_username_key(&app.usher.db, &canonical(username)).await.unwrap()
}

/// What is wrong with a user of the manifest. Of each kind of hash one wrong password is tried: they are dear.
async fn differences(app: &TestApp, expected: &Value, tried: &mut BTreeSet<String>) -> Vec<String> {
    let name = expected["username"].as_str().unwrap();
    let Some(user) = stored(app, name).await else { return vec![format!("{name}: is not here")] };
    let mut wrong = Vec::new();
    let mut check = |what: &str, is_right: bool| {
        if !is_right {
            wrong.push(format!("{name}: {what} is not {}: {user:?}", expected[what]));
        }
    };
    check("username", fits(&expected["username"], user.username.as_str()));
    // The manifest has the address as it was written, the database its domain in ASCII.
    let email = expected["email"].as_str().map(|email| serde_json::json!(address::canonical(email)));
    check("email", email.is_none_or(|email| fits(&email, &user.email)));
    check("first_name", fits(&expected["first_name"], &user.first_name));
    check("last_name", fits(&expected["last_name"], &user.last_name));
    let whole = format!("{} {}", user.first_name, user.last_name);
    check("full_name", fits(&expected["full_name"], whole.trim()));
    check("is_active", expected["is_active"].as_bool().is_none_or(|flag| flag == user.is_active));
    check("is_staff", expected["is_staff"].as_bool().is_none_or(|flag| flag == user.is_staff));
    check("is_superuser", expected["is_superuser"].as_bool().is_none_or(|flag| flag == user.is_superuser));
    check("pk", expected["pk"].as_i64().is_none_or(|pk| pk == user.id.0));
    check("date_joined", fits(&expected["date_joined"], &user.date_joined.to_string()));
    let demands = expected["must_change_password"].as_bool();
    check("must_change_password", demands.is_none_or(|flag| flag == user.must_change_password));
    if !user.is_active {
        app.sql(&format!("UPDATE users SET is_active = TRUE WHERE id = {}", user.id)).await;
    }
    if let Some(password) = expected["password"].as_str() {
        let is_first = tried.insert(expected["scheme"].to_string());
        let is_wrong = is_first && app.obtain(name, &format!("x{password}")).await.status == 200;
        let answer = app.obtain(name, password).await;
        if is_wrong || answer.status != 200 {
            wrong.push(format!("{name}: {}: {} {}", expected["scheme"], answer.status, answer.body));
        }
        let kept = db::users::credentials(&app.usher.db, &canonical(name)).await.unwrap().unwrap();
        if answer.status == 200 && !kept.password.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$") {
            wrong.push(format!("{name}: the hash is not replaced at the first sign-in"));
        }
    }
    for refused in expected["refuses"].as_array().into_iter().flatten() {
        if app.obtain(name, refused.as_str().unwrap()).await.status == 200 {
            wrong.push(format!("{name}: signs in with {refused}"));
        }
    }
    wrong
}

/// What is wrong after the import of an entry of the manifest.
async fn check(backend: Backend, folder: &Path, entry: &Value, tried: &mut BTreeSet<String>) -> Vec<String> {
    let app = TestApp::new(backend).await;
    let files = entry["files"].as_array().unwrap().iter().map(|name| folder.join(name.as_str().unwrap()));
    let files: Vec<String> = files.map(|file| file.to_str().unwrap().to_owned()).collect();
    let arguments: Vec<&str> = ["import"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = usher(&app, &arguments).await;
    let printed =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut wrong = Vec::new();
    for secret in entry["not_in_output"].as_array().into_iter().flatten() {
        if printed.contains(secret.as_str().unwrap()) {
            wrong.push(format!("{secret} is repeated"));
        }
    }
    if entry["outcome"] == "refused" && output.status.code() != Some(1) {
        wrong.push("is not refused".into());
    }
    for user in entry["users"].as_array().unwrap() {
        let may_be_missing =
            ["optional", "created or refused"].contains(&user["outcome"].as_str().unwrap_or(""));
        let name = user["username"].as_str().unwrap();
        let here = stored(&app, name).await.filter(|found| found.username.as_str().nfc().eq(name.nfc()));
        let is_named = printed.contains(&format!("(row {},", user["row"]));
        match here {
            None if user["outcome"] == "optional" => {}
            None if (may_be_missing || entry["outcome"] == "accounted") && is_named => {}
            _ => wrong.extend(differences(&app, user, tried).await),
        }
        if let Some(password) = user["clear_password"].as_str()
            && printed.contains(password)
        {
            wrong.push(format!("{name}: the password is printed"));
        }
    }
    if wrong.is_empty() { wrong } else { vec![format!("{files:?}:\n{}\n{printed}", wrong.join("\n"))] }
}

/// Imports every sample.
async fn import_all(backend: Backend) {
    let (mut wrong, mut tried) = (Vec::new(), BTreeSet::new());
    for folder in folders() {
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
        let entries: Vec<Value> = serde_json::from_str(&manifest).unwrap();
        assert!(entries.len() > 20, "{}", folder.display());
        for entry in &entries {
            wrong.extend(check(backend, &folder, entry, &mut tried).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

mod every_sample_imports_as_its_manifest_says_and_every_password_signs_in {
    use crate::app::Backend;

    #[rocket::async_test]
    async fn sqlite() {
        super::import_all(Backend::Sqlite).await;
    }

    #[rocket::async_test]
    async fn postgres() {
        super::import_all(Backend::Postgres).await;
    }
}
