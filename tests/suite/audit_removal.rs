//! What removes entries of the audit log takes neither what is not old nor what shows an attack.

use std::os::unix::fs::{PermissionsExt, symlink};

use rocket::http::Method::Post;
use serde_json::{Value, json};
use usher::db;
use usher::model::audit::{Action, Author, Commitments, Entry, EntryId, Group};
use usher::model::clock::{Clock, Timestamp};
use usher::model::origin::Origin;
use usher::operations::audit::{self, ArchiveError, Archived, Fault};
use usher::operations::maintenance;

use crate::app::{Person, TestApp};
use crate::audit::trail;
use crate::audit_archive::{DAY, report, seal, sign_ins};
use crate::console::page;

/// A sign-in from an address, at a time.
async fn sign_in_at(app: &TestApp, ada: &Person, at: Timestamp) {
    let origin = Origin { address: "192.0.2.9".parse().ok(), ..Origin::command_line() };
    let entry = Entry::new(Action::SignIn, Author::anonymous(&origin)).on(&ada.user);
    let mut tx = app.usher.db.begin().await.unwrap();
    db::audit::insert_all(&mut tx, &[entry], at).await.unwrap();
    tx.commit().await.unwrap();
    seal(app).await;
}

/// What the entries tell that record a removal.
async fn removals(app: &TestApp) -> Vec<Value> {
    let entries = trail(app).await.into_iter().filter(|entry| entry.action == "entries_removed");
    entries.map(|entry| serde_json::from_str(&entry.details).unwrap()).collect()
}

#[apply(on_both)]
#[with([("audit_entry_days", json!(30)), ("audit_address_days", json!(30))])]
async fn lg_9_a_clock_that_is_behind_removes_nothing(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let mut app = app;
    let ada = app.person("ada", "ordinary").await;
    for _ in 0..5 {
        sign_in_at(&app, &ada, app.clock.now()).await;
    }
    let right = app.usher.clock.clone();
    app.usher.clock = Clock::manual(right.now().minus(400 * DAY));
    maintenance::clean_up(&app.usher).await.unwrap();
    let before = app.usher.clock.now().minus(DAY);
    let archived = audit::archive(&app.usher, before, &directory.path().join("archive")).await;
    assert!(matches!(archived, Err(ArchiveError::ClockBehind)), "{archived:?}");
    assert_eq!(report(&app).await, (5, 0, None));
    // What is sealed meanwhile has the wrong time, too.
    sign_in_at(&app, &ada, app.usher.clock.now()).await;
    maintenance::clean_up(&app.usher).await.unwrap();
    let archived = audit::archive(&app.usher, before, &directory.path().join("archive")).await;
    assert!(matches!(archived, Err(ArchiveError::Nothing)), "{archived:?}");
    app.usher.clock = right;
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(report(&app).await, (6, 0, None));
    assert!(trail(&app).await.iter().all(|entry| entry.address == "192.0.2.9"), "{:?}", trail(&app).await);
}

#[apply(on_both)]
async fn lg_9_an_entry_of_a_clock_that_was_ahead_goes_with_an_old_one_after_it(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let (now, ahead) = (app.clock.now(), app.clock.now().plus(1_000 * DAY));
    for at in [now, ahead, now, ahead] {
        sign_in_at(&app, &ada, at).await;
    }
    app.clock.advance(40 * DAY);
    sign_in_at(&app, &ada, app.clock.now()).await;
    let app = app.another_instance_with(&[("audit_entry_days", json!(30))]).await;
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(report(&app).await, (2 + 1, 3, None));
}

#[apply(on_both)]
async fn lg_9_a_database_of_before_loses_no_entry_that_is_in_no_file(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let ada = app.person("ada", "ordinary").await;
    sign_ins(&app, &ada, 5).await;
    app.clock.advance(10 * DAY);
    sign_ins(&app, &ada, 4).await;
    app.clock.advance(10 * DAY);
    sign_ins(&app, &ada, 2).await;
    app.sql("CREATE TABLE kept_entries AS SELECT * FROM audit_entries").await;
    app.sql("CREATE TABLE kept_mark AS SELECT * FROM installation WHERE name = 'audit_mark'").await;
    let (to_first, to_second) = (app.clock.now().minus(15 * DAY), app.clock.now().minus(5 * DAY));
    assert_eq!(audit::archive(&app.usher, to_first, &first).await.unwrap().removed, 5);
    seal(&app).await;
    assert_eq!(audit::archive(&app.usher, to_second, &second).await.unwrap().removed, 4);
    app.sql("DELETE FROM audit_entries").await;
    let overriding = if app.url.starts_with("sqlite") { "" } else { "OVERRIDING SYSTEM VALUE" };
    app.sql(&format!("INSERT INTO audit_entries {overriding} SELECT * FROM kept_entries")).await;
    app.sql("UPDATE installation SET value = (SELECT value FROM kept_mark) WHERE name = 'audit_mark'").await;
    let resumed = audit::archive(&app.usher, to_second, &second).await;
    assert!(matches!(&resumed, Err(ArchiveError::Exists(..))), "{resumed:?}");
    assert_eq!(audit::verify(&app.usher).await.unwrap().sealed, 11);
    let resumed = audit::archive(&app.usher, to_first, &first).await.unwrap();
    assert_eq!(resumed, Archived { first: 1, last: 5, removed: 5, resumed: true });
    let told = removals(&app).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["removed"], &told[0]["file"]), (&json!(5), &json!("first")));
}

#[apply(on_both)]
async fn lg_9_what_is_left_of_an_archive_is_recorded_when_it_goes(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("archive");
    let ada = app.person("ada", "ordinary").await;
    sign_ins(&app, &ada, 3).await;
    app.clock.advance(5 * DAY);
    sign_ins(&app, &ada, 2).await;
    app.clock.advance(27 * DAY);
    sign_ins(&app, &ada, 1).await;
    // The first transaction fails, after the file is there.
    app.sql("CREATE TABLE holds (entry_id BIGINT REFERENCES audit_entries (id))").await;
    app.sql("INSERT INTO holds VALUES (2)").await;
    let before = app.clock.now().minus(20 * DAY);
    audit::archive(&app.usher, before, &file).await.unwrap_err();
    app.sql("DROP TABLE holds").await;
    let app = app.another_instance_with(&[("audit_entry_days", json!(30))]).await;
    maintenance::clean_up(&app.usher).await.unwrap();
    let resumed = audit::archive(&app.usher, before, &file).await.unwrap();
    assert_eq!(resumed, Archived { first: 1, last: 5, removed: 2, resumed: true });
    let told = removals(&app).await;
    let removed: Vec<_> = told.iter().map(|told| (&told["removed"], told["file"].as_str())).collect();
    assert_eq!(removed, [(&json!(3), None), (&json!(2), Some("archive"))]);
    assert_eq!(report(&app).await, (1 + 2, 5, None));
}

#[apply(on_both)]
async fn lg_9_what_shows_an_attack_is_not_removed(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("archive");
    let ada = app.person("ada", "ordinary").await;
    sign_ins(&app, &ada, 5).await;
    app.clock.advance(40 * DAY);
    sign_ins(&app, &ada, 1).await;
    let before = app.clock.now().minus(DAY);
    let removes_nothing = async |fault: Fault| {
        let next = app.another_instance_with(&[("audit_entry_days", json!(30))]).await;
        maintenance::clean_up(&next.usher).await.unwrap();
        let archived = audit::archive(&app.usher, before, &file).await;
        assert!(matches!(&archived, Err(ArchiveError::Broken(found)) if *found == fault), "{archived:?}");
        assert_eq!(audit::verify(&app.usher).await.unwrap().fault, Some(fault));
    };
    // A name is taken as if it had been erased.
    let mut tx = app.usher.db.begin().await.unwrap();
    let entries = db::audit::erasing::entries_after(&mut tx, EntryId(0), &[], 1).await.unwrap();
    let mut commitments = Commitments::from_bytes(entries[0].commitments.as_deref().unwrap()).unwrap();
    let taken = commitments.erase(&entries[0].entry, Group::Actor).unwrap();
    db::audit::erasing::replace_personal(&mut tx, &[(taken, commitments.to_bytes())]).await.unwrap();
    tx.commit().await.unwrap();
    removes_nothing(Fault::Erased { found: 1, known: 0 }).await;
    // And one more entry, before the first one.
    app.sql(
        "INSERT INTO audit_entries (id, happened_at, action, actor_name, target_name, changes, details, door, \
         address, request_id, actor_folded, target_folded, position, seal, commitments) \
         SELECT 99, happened_at, action, actor_name, target_name, changes, details, door, address, request_id, \
         actor_folded, target_folded, 0, seal, commitments FROM audit_entries WHERE id = 3",
    )
    .await;
    removes_nothing(Fault::OutOfPlace { id: 99, position: 0 }).await;
    assert_eq!(trail(&app).await.len(), 6, "and the one at position 0, which is no part of it");
    assert!(!file.exists());
}

#[apply(on_both)]
async fn lg_9_an_archive_is_written_through_no_link_and_for_its_owner_only(app: TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let ada = app.person("ada", "ordinary").await;
    sign_ins(&app, &ada, 3).await;
    app.clock.advance(2 * DAY);
    let before = app.clock.now().minus(DAY);
    std::fs::write(path("other"), "of another").unwrap();
    symlink(path("other"), path("archive.partial")).unwrap();
    let archived = audit::archive(&app.usher, before, &path("archive")).await;
    assert!(matches!(archived, Err(ArchiveError::File(_))), "{archived:?}");
    std::fs::remove_file(path("archive.partial")).unwrap();
    std::fs::hard_link(path("other"), path("archive.partial")).unwrap();
    let archived = audit::archive(&app.usher, before, &path("archive")).await;
    assert!(matches!(archived, Err(ArchiveError::Exists(..))), "{archived:?}");
    assert_eq!(std::fs::read_to_string(path("other")).unwrap(), "of another");
    std::fs::remove_file(path("archive.partial")).unwrap();
    // Left by another program, and open to all.
    std::fs::write(path("archive.partial"), "left").unwrap();
    std::fs::set_permissions(path("archive.partial"), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(audit::archive(&app.usher, before, &path("archive")).await.unwrap().removed, 2);
    assert_eq!(path("archive").metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[apply(on_both)]
async fn pages_show_what_there_is_while_the_key_of_the_audit_log_cannot_be_opened(app: TestApp) {
    let staff = app.person("staff", "superuser").await;
    sign_ins(&app, &staff, 3).await;
    let value = if app.url.starts_with("sqlite") { "x'00'" } else { "'\\x00'::bytea" };
    app.sql(&format!("UPDATE installation SET value = {value} WHERE name = 'audit_key'")).await;
    let next = app.another_instance().await;
    for path in ["/audit", "/users/1/history", "/users/1/sign-ins"] {
        assert_eq!(page(&next, &staff, path).await.status, 200, "{path}");
    }
    let undone = next.send(&staff, Post, "/v1/audit/999/undo", &json!({})).await;
    assert_eq!(undone.status, 404, "{}", undone.body);
}
