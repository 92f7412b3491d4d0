//! The audit trail: what is written, with what, and that nobody can alter it unnoticed.

use rocket::http::{Header, Method};
use serde_json::{Value, json};
use usher::audit::{self, Fault};
use usher::db;

use crate::app::{App, PASSWORD, Person};
use crate::on_both;

on_both![
    lg_2_a_change_leaves_one_entry_with_old_and_new_of_each_field,
    lg_2_lg_4_sign_ins_good_and_bad_and_the_blocks_that_they_lead_to_are_recorded,
    lg_2_what_was_refused_is_recorded_with_the_missing_right,
    lg_4_whoever_is_refused_again_and_again_has_twenty_entries_a_minute,
    lg_2_an_entry_outlives_its_actor_and_keeps_the_name_of_that_moment,
    lg_1_no_entry_holds_a_password_or_a_name_that_nobody_has,
    az_8_without_its_entry_nothing_is_changed,
    altering_one_entry_is_found_and_named,
    a_removed_entry_is_found_and_entries_not_sealed_yet_are_counted,
    two_instances_seal_one_chain,
];

/// All entries, oldest first.
pub(crate) async fn trail(app: &App) -> Vec<db::audit::Stored> {
    while audit::seal(&app.usher).await.expect("a seal") > 0 {}
    let mut entries: Vec<_> = db::audit::sealed_after(&app.usher.db, 0, 10_000)
        .await
        .expect("the trail")
        .into_iter()
        .map(|sealed| sealed.entry)
        .collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

async fn patch(app: &App, staff: &Person, id: i64, body: Value) -> u16 {
    app.send(staff, Method::Patch, &format!("/v1/users/{id}"), &body).await.status
}

async fn lg_2_a_change_leaves_one_entry_with_old_and_new_of_each_field(app: App) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let body = json!({"email": "ada@example.org", "is_staff": true, "first_name": ""});
    let answer = app
        .request(Method::Patch, &format!("/v1/users/{}", ada.id()), Some((&staff, crate::app::By::Bearer)))
        .header(Header::new("Content-Type", "application/json"))
        .remote("192.0.2.7:4711".parse().unwrap())
        .body(body.to_string())
        .dispatch()
        .await;
    assert_eq!(answer.status().code, 200);
    assert_eq!(patch(&app, &staff, ada.id(), json!({"is_staff": true})).await, 200, "and nothing changes");
    assert_eq!(patch(&app, &staff, ada.id(), json!({"password": "another long password"})).await, 200);
    let trail = trail(&app).await;
    let [edit, reset] = &trail[..] else { panic!("{trail:#?}") };
    assert_eq!((edit.action.as_str(), edit.door.as_str()), ("user_changed", "api"));
    assert_eq!((edit.actor_id, edit.actor_name.as_str()), (Some(staff.id()), "staff"));
    assert_eq!((edit.target_id, edit.target_name.as_str()), (Some(ada.id()), "ada"));
    assert_eq!(edit.address, "192.0.2.7");
    assert_eq!(edit.request_id.len(), 16);
    assert_eq!(edit.happened_at, app.clock.now().micros());
    assert_eq!(
        parsed(&edit.changes),
        json!({"email": {"old": "", "new": "ada@example.org"}, "is_staff": {"old": false, "new": true}})
    );
    assert_eq!(reset.action, "password_reset");
    assert_eq!(parsed(&reset.changes), json!({"password": "changed"}));
    assert_eq!(parsed(&reset.details), json!({"sessions_ended": 2}));
}

async fn lg_2_lg_4_sign_ins_good_and_bad_and_the_blocks_that_they_lead_to_are_recorded(app: App) {
    let ada = app.person("ada", "ordinary").await;
    assert_eq!(app.obtain("Ada", PASSWORD).await.status, 200);
    assert_eq!(app.obtain("nobody", PASSWORD).await.status, 401);
    for _ in 0..7 {
        assert_eq!(app.obtain("ada", "wrong").await.status, 401);
    }
    let trail = trail(&app).await;
    let told: Vec<(&str, Option<i64>, Value)> =
        trail.iter().map(|entry| (entry.action.as_str(), entry.target_id, parsed(&entry.details))).collect();
    assert_eq!(told[0].0, "sign_in");
    assert_eq!(
        (trail[0].actor_id, told[0].1, &told[0].2["by"]),
        (Some(ada.id()), Some(ada.id()), &json!("token"))
    );
    assert_eq!(told[1], ("sign_in_failed", None, json!({"reason": "unknown_user"})));
    let wrong = ("sign_in_failed", Some(ada.id()), json!({"reason": "wrong_password"}));
    assert_eq!(told[2..8].iter().filter(|entry| **entry == wrong).count(), 6);
    assert_eq!(told[8], ("account_blocked", Some(ada.id()), json!({"seconds": 1, "failures": 6})));
    assert_eq!(told[9], ("sign_in_failed", Some(ada.id()), json!({"reason": "blocked"})));
    assert_eq!(told.len(), 10);
}

async fn lg_2_what_was_refused_is_recorded_with_the_missing_right(app: App) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    assert_eq!(patch(&app, &staff, root.id(), json!({"email": "evil@example.org"})).await, 403);
    let trail = trail(&app).await;
    let [refused] = &trail[..] else { panic!("{trail:#?}") };
    assert_eq!((refused.action.as_str(), refused.actor_id), ("refused", Some(staff.id())));
    assert_eq!((refused.target_id, refused.target_name.as_str()), (Some(root.id()), "root"));
    let request = format!("PATCH /v1/users/{}", root.id());
    assert_eq!(parsed(&refused.details), json!({"code": "superuser_required", "request": request}));
}

async fn lg_4_whoever_is_refused_again_and_again_has_twenty_entries_a_minute(app: App) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "ordinary").await);
    let ask = async |person: &Person, times: usize| {
        for _ in 0..times {
            assert_eq!(app.get(person, "/v1/users/999999").await.status, 403, "each is refused");
        }
    };
    ask(&ada, 50).await;
    ask(&bob, 1).await;
    let of = |entries: &[db::audit::Stored], person: &Person| {
        entries.iter().filter(|entry| entry.actor_id == Some(person.id())).count()
    };
    let entries = trail(&app).await;
    assert_eq!((of(&entries, &ada), of(&entries, &bob)), (20, 1));
    app.clock.advance(std::time::Duration::from_mins(1));
    ask(&ada, 2).await;
    let entries = trail(&app).await;
    assert_eq!(of(&entries, &ada), 22);
    let [.., first, second] = &entries[..] else { panic!("{entries:#?}") };
    assert_eq!(parsed(&first.details)["left_out"], 30);
    assert_eq!(parsed(&second.details).get("left_out"), None);
    let root = app.person("root", "superuser").await;
    let shown = crate::console::page(&app, &root, "/audit").await.body;
    assert!(shown.contains("Not recorded before it: 30 refusals"), "{shown}");
}

async fn lg_2_an_entry_outlives_its_actor_and_keeps_the_name_of_that_moment(app: App) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let root = app.person("root", "superuser").await;
    assert_eq!(patch(&app, &staff, ada.id(), json!({"username": "lovelace"})).await, 200);
    assert_eq!(patch(&app, &root, staff.id(), json!({"username": "former"})).await, 200);
    app.sql(&format!("DELETE FROM users WHERE id = {}", staff.id())).await;
    let trail = trail(&app).await;
    assert_eq!((trail[0].actor_name.as_str(), trail[0].target_name.as_str()), ("staff", "ada"));
    assert!(audit::verify(&app.usher).await.unwrap().fault.is_none());
}

async fn lg_1_no_entry_holds_a_password_or_a_name_that_nobody_has(app: App) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    app.obtain("a secret typed as a name", "a secret password").await;
    app.obtain("ada", "a secret password").await;
    patch(&app, &staff, ada.id(), json!({"password": "a secret password"})).await;
    app.obtain("ada", "a secret password").await;
    let trail = format!("{:?}", trail(&app).await);
    assert!(trail.contains("sign_in") && trail.contains("password_reset"));
    assert!(!trail.contains("secret") && !trail.contains("argon2"), "{trail}");
}

async fn az_8_without_its_entry_nothing_is_changed(app: App) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    app.sql("ALTER TABLE audit_entries RENAME TO elsewhere").await;
    assert!(patch(&app, &staff, ada.id(), json!({"email": "a@example.org"})).await >= 500);
    let create = json!({"username": "new", "password": "another long password", "first_name": "", "last_name": "", "email": ""});
    assert!(app.send(&staff, Method::Post, "/v1/users/create", &create).await.status >= 500);
    let gone = app.send(&staff, Method::Delete, &format!("/v1/users/{}", ada.id()), &Value::Null).await;
    assert!(gone.status >= 500);
    assert!(app.obtain("ada", PASSWORD).await.status >= 500);
    app.sql("ALTER TABLE elsewhere RENAME TO audit_entries").await;
    assert_eq!(app.stored(ada.id()).await, ada.user);
    assert_eq!(app.get(&staff, "/v1/users/new").await.status, 404);
    assert!(app.is_signed_in(&ada, crate::app::By::Bearer).await);
}

/// Some sealed entries.
async fn sealed(app: &App) -> (Person, Person) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    for n in 0..5 {
        assert_eq!(patch(app, &staff, ada.id(), json!({"first_name": format!("Ada {n}")})).await, 200);
    }
    assert_eq!(trail(app).await.len(), 5);
    (staff, ada)
}

async fn altering_one_entry_is_found_and_named(app: App) {
    sealed(&app).await;
    let good = audit::verify(&app.usher).await.unwrap();
    assert_eq!((good.sealed, good.not_sealed, good.fault), (5, 0, None));
    for alteration in [
        "changes = '{}'",
        "actor_name = 'somebody else'",
        "happened_at = happened_at + 1",
        "target_id = NULL",
        "position = 30",
    ] {
        let column = alteration.split(' ').next().unwrap();
        app.sql(&format!("CREATE TABLE kept AS SELECT {column} AS value FROM audit_entries WHERE id = 3"))
            .await;
        app.sql(&format!("UPDATE audit_entries SET {alteration} WHERE id = 3")).await;
        let fault = audit::verify(&app.usher).await.unwrap().fault;
        let expected = if column == "position" {
            Fault::Missing { position: 3 }
        } else {
            Fault::Altered { id: 3, position: 3 }
        };
        assert_eq!(fault, Some(expected), "{alteration}");
        app.sql(&format!("UPDATE audit_entries SET {column} = (SELECT value FROM kept) WHERE id = 3")).await;
        app.sql("DROP TABLE kept").await;
        assert_eq!(audit::verify(&app.usher).await.unwrap().fault, None, "{alteration}");
    }
}

async fn a_removed_entry_is_found_and_entries_not_sealed_yet_are_counted(app: App) {
    let (staff, ada) = sealed(&app).await;
    let head = audit::verify(&app.usher).await.unwrap().head;
    patch(&app, &staff, ada.id(), json!({"first_name": "Once more"})).await;
    let report = audit::verify(&app.usher).await.unwrap();
    assert!(report.not_sealed == 1 || report.sealed == 6, "{report:?}");
    trail(&app).await;
    let grown = audit::verify(&app.usher).await.unwrap();
    assert_eq!((grown.sealed, grown.not_sealed, &grown.fault), (6, 0, &None));
    assert_ne!(grown.head, head);
    app.sql("DELETE FROM audit_entries WHERE id = 2").await;
    assert_eq!(audit::verify(&app.usher).await.unwrap().fault, Some(Fault::Missing { position: 2 }));
}

async fn two_instances_seal_one_chain(app: App) {
    let other = app.another_instance().await;
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    for n in 0..10 {
        let one = if n % 2 == 0 { &app } else { &other };
        assert_eq!(patch(one, &staff, ada.id(), json!({"first_name": format!("Ada {n}")})).await, 200);
        let (here, there) = rocket::tokio::join!(audit::seal(&app.usher), audit::seal(&other.usher));
        here.unwrap();
        there.unwrap();
    }
    trail(&app).await;
    let report = audit::verify(&app.usher).await.unwrap();
    assert_eq!((report.sealed, report.not_sealed, report.fault), (10, 0, None));
}
