//! Entries of the audit log that are no longer kept: by their age, or because they are in an archive.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rocket::http::Method::{Get, Patch, Post};
use serde_json::{Value, json};
use usher::db;
use usher::model::audit::{Action, Author, Entry};
use usher::model::origin::Origin;
use usher::operations::audit::{self, Fault, Head, HeadVerdict};
use usher::operations::maintenance;

use crate::app::{By, PASSWORD, Person, TestApp};
use crate::audit::trail;
use crate::console::page;
use crate::import::usher;
use crate::link_pages::submit;

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// Seals all.
pub(crate) async fn seal(app: &TestApp) {
    while audit::seal(&app.usher).await.unwrap() > 0 {}
}

/// Sign-ins of a user, now.
pub(crate) async fn sign_ins(app: &TestApp, ada: &Person, count: usize) {
    let entry = Entry::new(Action::SignIn, Author::user(&ada.user, &Origin::command_line())).on(&ada.user);
    let mut tx = app.usher.db.begin().await.unwrap();
    db::audit::insert_all(&mut tx, &vec![entry; count], app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    seal(app).await;
}

/// How many are kept, how many are not, and what is broken.
pub(crate) async fn report(app: &TestApp) -> (i64, i64, Option<Fault>) {
    seal(app).await;
    let report = audit::verify(&app.usher).await.unwrap();
    assert_eq!(report.not_sealed, 0);
    (report.sealed, report.gone, report.fault)
}

async fn run(app: &TestApp, arguments: &[&str]) -> (bool, String) {
    let output = usher(app, arguments).await;
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[apply(on_both)]
#[with([("audit_entry_days", json!(30))])]
async fn lg_9_old_entries_go_in_small_transactions_and_the_log_stays_proven(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let user = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&staff, Patch, &user, &json!({"email": "a@b.co"})).await.status, 200);
    sign_ins(&app, &ada, 2_500).await;
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(report(&app).await, (2_501, 0, None), "nothing is so old");
    app.clock.advance(20 * DAY);
    sign_ins(&app, &ada, 3).await;
    app.clock.advance(12 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(report(&app).await, (3 + 3, 2_501, None));
    let kept = trail(&app).await;
    let told: Vec<Value> = kept
        .iter()
        .filter(|entry| entry.action == "entries_removed")
        .map(|entry| serde_json::from_str(&entry.details).unwrap())
        .collect();
    let counts: Vec<i64> = told.iter().map(|details| details["removed"].as_i64().unwrap()).collect();
    assert_eq!(counts, [1_000, 1_000, 501]);
    assert_eq!(told[2]["before"], "2026-03-03T00:00:00.000000Z");
    assert!(told[2]["head"].as_str().unwrap().starts_with("2501:"), "{told:?}");
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(trail(&app).await.len(), kept.len(), "no entry is written for nothing");
    assert_eq!(app.usher.audit_watch.fault(), None);
    // Another instance begins where the log does.
    let next = app.another_instance().await;
    audit::examine(&next.usher).await.unwrap();
    assert_eq!(next.usher.audit_watch.fault(), None);
}

#[apply(on_both)]
#[with([("audit_entry_days", json!(1))])]
async fn lg_9_where_entries_are_gone_nothing_breaks_and_pages_say_so(app: TestApp) {
    let (staff, ada) = (app.person("staff", "superuser").await, app.person("ada", "ordinary").await);
    let user = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&staff, Patch, &user, &json!({"email": "a@b.co"})).await.status, 200);
    let bulk = json!({"action": "deactivate", "ids": [ada.id()]});
    assert_eq!(app.send(&staff, Post, "/v1/users/bulk", &bulk).await.status, 200);
    sign_ins(&app, &ada, 3).await;
    let gone = trail(&app).await;
    let before = report(&app).await.0;
    app.clock.advance(3 * DAY);
    assert_eq!(app.obtain("staff", PASSWORD).await.status, 200);
    seal(&app).await;
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(report(&app).await, (2, before, None));
    let staff = app.person("root", "superuser").await;
    for path in ["/", "/audit", "/users/1/history", "/users/1/sign-ins", "/users/2", "/users/bulk/1"] {
        assert_eq!(page(&app, &staff, path).await.status, 200, "{path}");
    }
    for path in ["/audit", "/users/2/history", "/users/2/sign-ins"] {
        let shown = page(&app, &staff, path).await.body;
        assert!(shown.contains("are no longer kept."), "{path}: {shown}");
    }
    let undone = app.send(&staff, Post, &format!("/v1/audit/{}/undo", gone[0].id), &json!({})).await;
    assert_eq!((undone.status, &undone.json()["code"]), (409, &json!("no_longer_kept")));
    let undone = submit(&app, &staff, "/users/2", &format!("/users/2/undo/{}", gone[0].id), &[]).await;
    assert!(undone.status < 500, "{undone:?}");
    assert_eq!(app.send(&staff, Post, "/v1/audit/999/undo", &json!({})).await.status, 404);
    let one = app.request(Get, &format!("/v1/audit/{}", gone[0].id), Some((&staff, By::Bearer)));
    assert_eq!(one.dispatch().await.status().code, 404);
    assert_eq!(
        app.send(&staff, Post, "/v1/audit/list", &json!({})).await.json().as_array().unwrap().len(),
        2
    );
    assert_eq!(app.get(&staff, "/v1/users/2/sign-in-check").await.status, 200);
}

#[apply(on_both)]
async fn lg_9_an_archive_is_proven_and_joins_the_log(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("first.jsonl"), directory.path().join("second.jsonl"));
    let ada = app.person("ada", "ordinary").await;
    sign_ins(&app, &ada, 1_700).await;
    let head = audit::head(&app.usher).await.unwrap().unwrap();
    app.clock.advance(10 * DAY);
    sign_ins(&app, &ada, 5).await;
    app.clock.advance(10 * DAY);
    sign_ins(&app, &ada, 2).await;
    let archive = ["audit", "archive", "--before", "2026-03-05", text(&first)];
    let (done, told) = run(&app, &archive).await;
    assert!(done && told.contains("positions 1 to 1700") && told.contains("removed 1700"), "{told}");
    assert_eq!(first.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(report(&app).await, (8, 1_700, None), "and the entry that records it");
    let recorded = trail(&app).await.pop().unwrap();
    let details: Value = serde_json::from_str(&recorded.details).unwrap();
    assert_eq!((recorded.action.as_str(), &details["removed"]), ("entries_removed", &json!(1_700)));
    assert_eq!(details["file"], "first.jsonl");
    let sum = std::process::Command::new("sha256sum").arg(&first).output().unwrap();
    assert!(String::from_utf8(sum.stdout).unwrap().starts_with(details["sha256"].as_str().unwrap()));
    // A head from before is checked in the archive.
    assert_eq!(audit::compare(&app.usher, &head).await.unwrap(), HeadVerdict::Same, "it is the begin");
    let earlier = Head::parse(&format!("1000:{}", "ab".repeat(32))).unwrap();
    assert_eq!(audit::compare(&app.usher, &earlier).await.unwrap(), HeadVerdict::Gone);
    let (done, told) = run(&app, &["audit", "verify", "--head", &head.to_string(), text(&first)]).await;
    assert!(done && told.contains("positions 1 to 1700 are as they were sealed"), "{told}");
    assert!(told.contains("1700 entries before them are no longer kept"), "{told}");
    let (done, told) = run(&app, &["audit", "verify", "--head", &earlier.to_string(), text(&first)]).await;
    assert!(!done && told.contains("none of the archives given has it so"), "{told}");
    // It is not written over.
    let content = std::fs::read(&first).unwrap();
    let (done, told) = run(&app, &archive).await;
    assert!(!done && told.contains("is there already, and its entries are removed from the log"), "{told}");
    assert_eq!(std::fs::read(&first).unwrap(), content);
    // The next one goes on where it ended.
    let (done, told) = run(&app, &["audit", "archive", "--before", "2026-03-12", text(&second)]).await;
    assert!(done && told.contains("positions 1701 to 1705"), "{told}");
    let (done, told) = run(&app, &["audit", "verify", text(&second), text(&first)]).await;
    assert!(done, "{told}");
    let (done, told) = run(&app, &["audit", "verify", text(&first)]).await;
    assert!(!done && told.contains("does not join the log, which begins after position 1705"), "{told}");
    // Nothing is that old any more.
    let third = directory.path().join("third");
    let (done, told) = run(&app, &["audit", "archive", "--before", "2026-03-12", text(&third)]).await;
    assert!(!done && told.contains("no sealed entry is from before"), "{told}");
    let left: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    for (before, why) in [("yesterday", "--before must be"), ("9999-01-01", "still to come")] {
        let (done, told) = run(&app, &["audit", "archive", "--before", before, text(&third)]).await;
        assert!(!done && told.contains(why), "{told}");
    }
}

#[apply(on_both)]
async fn lg_9_an_archive_that_was_cut_short_goes_on(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("archive");
    let ada = app.person("ada", "ordinary").await;
    sign_ins(&app, &ada, 2_300).await;
    app.clock.advance(10 * DAY);
    sign_ins(&app, &ada, 2).await;
    // What a run left that was killed while it wrote.
    std::fs::write(directory.path().join("archive.partial"), "{\"usher_audit_ar").unwrap();
    // The second transaction fails, after the file is there.
    app.sql("CREATE TABLE holds (entry_id BIGINT REFERENCES audit_entries (id))").await;
    app.sql("INSERT INTO holds VALUES (1500)").await;
    let archive = ["audit", "archive", "--before", "2026-03-05", text(&file)];
    let (done, told) = run(&app, &archive).await;
    assert!(!done, "{told}");
    assert_eq!(report(&app).await, (1_303, 1_000, None));
    let content = std::fs::read(&file).unwrap();
    let (done, told) = run(&app, &["audit", "verify", text(&file)]).await;
    assert!(done && told.contains("they are still in the log, too"), "{told}");
    app.sql("DROP TABLE holds").await;
    let other = ["audit", "archive", "--before", "2026-03-06", text(&file)];
    let (done, told) = run(&app, &other).await;
    assert!(!done && told.contains("with entries from before another time"), "{told}");
    let (done, told) = run(&app, &archive).await;
    assert!(done && told.contains("was there already") && told.contains("removed 1300"), "{told}");
    assert_eq!(std::fs::read(&file).unwrap(), content);
    assert_eq!(report(&app).await, (3, 2_300, None));
    let records = trail(&app).await.into_iter().filter(|entry| entry.action == "entries_removed");
    assert_eq!(records.count(), 1, "it is recorded once");
    let (done, told) = run(&app, &["audit", "verify", text(&file)]).await;
    assert!(done && !told.contains("still in the log"), "{told}");
}

#[apply(on_both)]
async fn lg_9_what_was_altered_does_not_go(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let ada = app.person("ada", "ordinary").await;
    sign_ins(&app, &ada, 20).await;
    app.sql("UPDATE audit_entries SET action = 'sign_out' WHERE id = 7").await;
    app.clock.advance(100 * DAY);
    let app = app.another_instance_with(&[("audit_entry_days", json!(30))]).await;
    maintenance::clean_up(&app.usher).await.unwrap();
    let altered = Some(Fault::Altered { id: 7, position: 7 });
    assert_eq!(report(&app).await, (6, 0, altered));
    let file = directory.path().join("archive");
    let (done, told) = run(&app, &["audit", "archive", "--before", "2026-03-05", text(&file)]).await;
    assert!(!done && told.contains("entry 7 (position 7) is not what was sealed"), "{told}");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

#[apply(on_both)]
async fn lg_9_an_entry_in_the_place_of_one_that_is_gone_is_found(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("archive");
    let ada = app.person("ada", "ordinary").await;
    sign_ins(&app, &ada, 20).await;
    app.clock.advance(10 * DAY);
    sign_ins(&app, &ada, 2).await;
    let (done, told) = run(&app, &["audit", "archive", "--before", "2026-03-05", text(&file)]).await;
    assert!(done, "{told}");
    for position in [-5, 0, 7, 20] {
        app.sql(&format!(
            "INSERT INTO audit_entries (id, happened_at, action, actor_name, target_name, changes, details, door, \
             address, request_id, actor_folded, target_folded, position, seal, commitments) \
             SELECT 5, happened_at, action, actor_name, target_name, changes, details, door, address, request_id, \
             actor_folded, target_folded, {position}, seal, commitments FROM audit_entries WHERE id = 21"
        ))
        .await;
        let fault = audit::verify(&app.usher).await.unwrap().fault;
        assert_eq!(fault, Some(Fault::OutOfPlace { id: 5, position }));
        app.sql("DELETE FROM audit_entries WHERE id = 5").await;
    }
    assert_eq!(report(&app).await.2, None);
    app.sql("UPDATE audit_entries SET actor_folded = 'other' WHERE id = 21").await;
    let hidden = Some(Fault::Altered { id: 21, position: 21 });
    assert_eq!(report(&app).await.2, hidden, "lg_5: an entry that a search no longer finds");
}

#[apply(on_both)]
async fn lg_9_entries_go_while_others_are_written_and_examined(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("archive");
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    sign_ins(&app, &ada, 4_000).await;
    app.clock.advance(10 * DAY);
    let staff = app.signed_in(&staff).await;
    let path = format!("/v1/users/{}", ada.id());
    let write = async {
        for n in 0..30 {
            let body = json!({"first_name": format!("Ada {n}")});
            assert_eq!(app.send(&staff, Patch, &path, &body).await.status, 200);
            seal(&app).await;
        }
    };
    let examine = async {
        for _ in 0..6 {
            assert_eq!(audit::verify(&app.usher).await.unwrap().fault, None);
        }
    };
    let before = app.clock.now();
    let archive = audit::archive(&app.usher, before, &file);
    let (archived, (), ()) = rocket::tokio::join!(archive, write, examine);
    assert_eq!(archived.unwrap().removed, 3_999, "the last one that was sealed then stays");
    assert_eq!(report(&app).await, (1 + 30 + 1, 3_999, None));
    assert_eq!(app.usher.audit_watch.fault(), None);
    let (_, problems) = audit::verify_archives(&app.usher, &[file], None).await.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
}
