//! A backup from before an erasure, restored: who is in the list that is kept elsewhere is erased again.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use usher::db;
use usher::operations::{audit, erasures, maintenance};

use super::bytes::{dumped, postgres_program};
use super::{erase, erasure};
use crate::app::{Backend, TestApp, fresh};

/// A copy of the database as it is now: its URL, and the folder of its file.
async fn backup(app: &TestApp, backend: Backend) -> (String, TempDir) {
    match backend {
        Backend::Sqlite => {
            let folder = TempDir::new().unwrap();
            let file = folder.path().join("usher.db");
            db::backup::copy(&app.usher.db, &file).await.unwrap();
            (format!("sqlite://{}", file.display()), folder)
        }
        Backend::Postgres | Backend::Pooled => {
            let (url, folder) = fresh(backend).await;
            let dump = folder.path().join("dump.sql");
            std::fs::write(&dump, dumped(&app.url)).unwrap();
            let empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;";
            for arguments in [vec!["-c", empty], vec!["-f", dump.to_str().unwrap()]] {
                let mut command = Command::new(postgres_program("psql"));
                let output =
                    command.args(["-q", "-v", "ON_ERROR_STOP=1", "--dbname", &url]).args(arguments).output();
                let output = output.expect("psql");
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            (url, folder)
        }
    }
}

async fn is_erased_again(backend: Backend) {
    let lists = TempDir::new().unwrap();
    let list = lists.path().join("erasures");
    let settings = [("erasures_to", json!(list))];
    let app = TestApp::with(backend, &settings).await;
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "").await);
    let bob = app.person("bob", "").await;
    audit::seal(&app.usher).await.unwrap();
    let (url, folder) = backup(&app, backend).await;
    erase(&app, &root, &ada, "block").await;
    maintenance::clean_up(&app.usher).await.unwrap();
    let lines = std::fs::read_to_string(&list).unwrap();
    assert_eq!(lines.lines().count(), 2, "a user and a name, each once: {lines}");
    let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(lines.lines().all(|line| line.split_once(' ').is_some_and(|(_, hash)| is_hash(hash))), "{lines}");

    let without_list = TestApp::restored(url, folder, &[]).await;
    assert_eq!(without_list.stored(ada.id()).await.username.as_str(), "ada", "as it was in the backup");
    let restored = without_list.another_instance_with(&settings).await;
    // The server does it by itself, soon after its start.
    for _ in 0..1500 {
        if db::users::by_id(&restored.usher.db, ada.user.id).await.unwrap().is_none() {
            break;
        }
        rocket::tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let root = restored.signed_in(&root).await;
    let found = erasure(&restored, &root, &ada).await;
    assert!(found["erased_at"].is_string() && found["requested_by"].is_null(), "{found}");
    assert_eq!(restored.get(&root, "/v1/users/ada").await.status, 404);
    assert_eq!(restored.stored(bob.id()).await.username.as_str(), "bob", "no other user is touched");
    let body = json!({"username": "ada", "password": "another long password", "first_name": "", "last_name": "", "email": ""});
    let made = restored.send(&root, rocket::http::Method::Post, "/v1/users/create", &body).await;
    assert!(made.status == 400 && made.body.contains("blocked"), "{}", made.body);
    assert_eq!(audit::verify(&restored.usher).await.unwrap().fault, None);
    erasures::reapply(&restored.usher).await.unwrap();
    maintenance::clean_up(&restored.usher).await.unwrap();
    assert_eq!(std::fs::read_to_string(&list).unwrap(), lines, "the list stays as it is");
}

#[rocket::async_test]
async fn lg_8_a_backup_from_before_an_erasure_has_it_done_again_on_sqlite() {
    is_erased_again(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn lg_8_a_backup_from_before_an_erasure_has_it_done_again_on_postgres() {
    is_erased_again(Backend::Postgres).await;
}

#[apply(on_both)]
async fn lg_8_another_user_with_the_key_of_an_erased_one_is_left_alone(app: TestApp) {
    let lists = TempDir::new().unwrap();
    let list = lists.path().join("erasures");
    let here = app.another_instance_with(&[("erasures_to", json!(list))]).await;
    let (root, ada) = (here.person("root", "superuser").await, here.person("ada", "").await);
    erase(&here, &root, &ada, "free").await;
    // The backup has no such user, and its next one is made with that key.
    here.sql(&format!("DELETE FROM erasures WHERE user_id = {}", ada.id())).await;
    here.clock.advance(std::time::Duration::from_secs(1));
    let other = here.person("other", "").await;
    here.sql(&format!("DELETE FROM sessions WHERE user_id = {}", other.id())).await;
    here.sql(&format!("UPDATE users SET id = {} WHERE id = {}", ada.id(), other.id())).await;
    erasures::reapply(&here.usher).await.unwrap();
    assert_eq!(here.stored(ada.id()).await.username.as_str(), "other");
}
