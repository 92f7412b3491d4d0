//! A history that is too long for one transaction.

use std::time::Duration;

use rocket::tokio::join;
use rocket::tokio::time::timeout;
use usher::db;
use usher::model::audit::{Action, Author, Entry};
use usher::model::origin::Origin;
use usher::operations::{audit, maintenance};

use super::{ask, erasure};
use crate::app::TestApp;
use crate::audit::trail;

#[apply(on_both)]
async fn lg_7_a_long_history_is_erased_in_steps_by_several_instances_that_were_cut_short(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "").await);
    let other = app.another_instance().await;
    let origin = Origin { address: "203.0.113.9".parse().ok(), ..Origin::command_line() };
    let entry = |_| Entry::new(Action::SignIn, Author::user(&ada.user, &origin)).on(&ada.user);
    let entries: Vec<_> = (0..3_500).map(entry).map(|entry| entry.detail("device", "Firefox")).collect();
    let mut tx = app.usher.db.begin().await.unwrap();
    db::audit::insert_all(&mut tx, &entries, app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ask(&app, &root, ada.id(), "ada", "free").await.status, 202);
    app.sql("UPDATE erasures SET due_at = 0").await;
    for milliseconds in [1, 5, 20, 60, 150] {
        // Dropped wherever it is, as when the process is killed.
        drop(timeout(Duration::from_millis(milliseconds), maintenance::clean_up(&app.usher)).await);
    }
    let (first, second) = join!(maintenance::clean_up(&app.usher), maintenance::clean_up(&other.usher));
    first.unwrap();
    second.unwrap();
    app.clock.advance(Duration::from_mins(6));
    maintenance::clean_up(&app.usher).await.unwrap();
    let root = app.signed_in(&root).await;
    assert!(erasure(&app, &root, &ada).await["finished_at"].is_string());
    let trail = trail(&app).await;
    let about: Vec<_> = trail.iter().filter(|entry| entry.target_id == Some(ada.id())).collect();
    assert!(about.len() >= 3_502, "{}", about.len());
    for entry in about {
        assert!(entry.target_name.is_empty() && entry.actor_name != "ada", "{entry:?}");
        assert!(entry.address.is_empty() && !entry.details.contains("Firefox"), "{entry:?}");
    }
    assert_eq!(trail.iter().filter(|entry| entry.action == "user_erased").count(), 1);
    let report = audit::verify(&app.usher).await.unwrap();
    assert!(report.fault.is_none() && report.erased >= 3_500, "{report:?}");
}

/// One that was altered can no longer be proved, and the person goes from it all the same.
#[apply(on_both)]
async fn lg_7_a_person_goes_from_entries_that_were_altered_and_the_log_still_says_which(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "").await);
    let path = format!("/v1/users/{}", ada.id());
    let body = serde_json::json!({"first_name": "Grace"});
    app.send(&root, rocket::http::Method::Patch, &path, &body).await;
    trail(&app).await;
    app.sql("UPDATE audit_entries SET details = '{ }' WHERE id = 1").await;
    super::erase(&app, &root, &ada, "free").await;
    let entry = trail(&app).await.remove(0);
    assert!(entry.target_name.is_empty() && !entry.changes.contains("Grace"), "{entry:?}");
    let fault = audit::verify(&app.usher).await.unwrap().fault;
    assert_eq!(fault, Some(audit::Fault::Altered { id: 1, position: 1 }));
}
