//! The audit log: what is written, with what, and that it cannot be altered unnoticed.

use std::time::Duration;

use rocket::http::{ContentType, Header, Method};
use rocket::tokio::time::timeout;
use serde_json::{Value, json};
use usher::db;
use usher::model::audit::StoredEntry;
use usher::operations::audit::{self, Fault};

use crate::app::{Backend, By, PASSWORD, Person, TestApp, cookie_header};
use crate::console::{send_from, token};
use crate::properties::everything;

const NEW: &str = "a wholly different phrase";

/// Waits for what is still to be done after answers, such as the entries of refusals.
pub(crate) async fn finish_background(app: &TestApp) {
    app.usher.background.close();
    // One that does not end is not waited for.
    let _ = timeout(Duration::from_secs(5), app.usher.background.wait()).await;
    app.usher.background.reopen();
}

/// All entries, oldest first.
pub(crate) async fn trail(app: &TestApp) -> Vec<StoredEntry> {
    finish_background(app).await;
    while audit::seal(&app.usher).await.expect("a seal") > 0 {}
    let mut entries: Vec<_> = db::audit::sealed_after(&app.usher.db, 0, 10_000)
        .await
        .expect("the audit log")
        .into_iter()
        .map(|sealed| sealed.entry)
        .collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

async fn patch(app: &TestApp, staff: &Person, id: i64, body: Value) -> u16 {
    app.send(staff, Method::Patch, &format!("/v1/users/{id}"), &body).await.status
}

#[apply(on_both)]
async fn lg_2_a_change_leaves_one_entry_with_old_and_new_of_each_field(app: TestApp) {
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

#[apply(on_both)]
async fn lg_2_lg_4_sign_ins_good_and_bad_and_the_blocks_that_they_lead_to_are_recorded(app: TestApp) {
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

#[apply(on_both)]
async fn lg_2_what_was_refused_is_recorded_with_the_missing_right(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    assert_eq!(patch(&app, &staff, root.id(), json!({"email": "evil@example.org"})).await, 403);
    let trail = trail(&app).await;
    let [refused] = &trail[..] else { panic!("{trail:#?}") };
    assert_eq!((refused.action.as_str(), refused.actor_id), ("refused", Some(staff.id())));
    assert_eq!((refused.target_id, refused.target_name.as_str()), (Some(root.id()), "root"));
    let request = format!("PATCH /v1/users/{}", root.id());
    assert_eq!(parsed(&refused.details), json!({"code": "superuser_required", "request": request}));
}

#[apply(on_both)]
async fn lg_4_a_client_that_is_refused_again_and_again_has_twenty_entries_a_minute(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "ordinary").await);
    let ask = async |person: &Person, times: usize| {
        for _ in 0..times {
            assert_eq!(app.get(person, "/v1/users/999999").await.status, 403, "each is refused");
        }
    };
    // In sessions of her own making, too.
    let again = app.signed_in(&ada).await;
    ask(&ada, 15).await;
    ask(&again, 35).await;
    ask(&bob, 1).await;
    let of = |entries: &[StoredEntry], person: &Person| {
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

#[apply(on_both)]
async fn lg_2_an_entry_outlives_its_actor_and_keeps_the_name_of_that_moment(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let root = app.person("root", "superuser").await;
    assert_eq!(patch(&app, &staff, ada.id(), json!({"username": "lovelace"})).await, 200);
    assert_eq!(patch(&app, &root, staff.id(), json!({"username": "former"})).await, 200);
    app.sql(&format!("DELETE FROM users WHERE id = {}", staff.id())).await;
    let trail = trail(&app).await;
    assert_eq!((trail[0].actor_name.as_str(), trail[0].target_name.as_str()), ("staff", "ada"));
    assert!(audit::verify(&app.usher).await.unwrap().fault.is_none());
}

#[apply(on_both)]
async fn lg_1_no_entry_holds_a_password_or_an_unknown_name(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    app.obtain("a secret typed as a name", "a secret password").await;
    app.obtain("ada", "a secret password").await;
    patch(&app, &staff, ada.id(), json!({"password": "a secret password"})).await;
    app.obtain("ada", "a secret password").await;
    let trail = format!("{:?}", trail(&app).await);
    assert!(trail.contains("sign_in") && trail.contains("password_reset"));
    assert!(!trail.contains("secret") && !trail.contains("argon2"), "{trail}");
}

#[apply(on_both)]
async fn az_8_without_its_entry_nothing_is_changed(app: TestApp) {
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

/// Makes every write of an audit entry fail from now on.
async fn refuse_entries(app: &TestApp) {
    app.sql(if app.url.starts_with("sqlite") {
        "CREATE TRIGGER refused BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    } else {
        "ALTER TABLE audit_entries ADD CONSTRAINT refused CHECK (FALSE) NOT VALID"
    })
    .await;
}

#[apply(on_both)]
async fn az_8_without_its_entry_nothing_of_ones_own_is_changed(app: TestApp) {
    use rocket::http::Method::{Delete, Patch, Post};
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "staff").await);
    let id = root.id();
    // One more, which can be ended.
    app.session(root.user.id, usher::model::session::Credential::Jwt).await;
    assert_eq!(patch(&app, &root, ada.id(), json!({"email": "ada@example.org"})).await, 200);
    let edit = trail(&app).await.pop().unwrap().id;
    let token = json!({"name": "script", "read_only": false});
    let made = app.send(&root, Post, "/v1/account/tokens", &token).await.json()["id"].clone();
    let sessions = async |path: &str| app.get(&root, path).await.json()[0]["id"].clone();
    let theirs = sessions(&format!("/v1/users/{}/sessions", ada.id())).await;
    let newest = sessions("/v1/account/sessions").await;
    refuse_entries(&app).await;
    let before = everything(&app).await;
    let user = format!("/v1/users/{}", ada.id());
    for (method, path, body) in [
        (Post, "/v1/account/password".to_owned(), json!({"current_password": PASSWORD, "new_password": NEW})),
        (Post, "/v1/account/confirm".into(), json!({"password": PASSWORD})),
        (Post, "/v1/account/confirm".into(), json!({"password": "wrong"})),
        (Patch, "/v1/account".into(), json!({"email": "root@example.org"})),
        (Patch, "/v1/account".into(), json!({"first_name": "Root"})),
        (Post, "/v1/account/tokens".into(), json!({"name": "another"})),
        (Delete, format!("/v1/account/tokens/{made}"), json!({})),
        (Delete, format!("/v1/account/sessions/{newest}"), json!({})),
        (Delete, "/v1/account/sessions".into(), json!({})),
        (Patch, format!("/v1/users/{id}"), json!({"password": NEW})),
        (Patch, format!("/v1/users/{id}"), json!({"email": "root@example.org"})),
        (Post, format!("/v1/users/{id}/link"), json!({})),
        (Post, format!("{user}/tokens"), json!({"name": "theirs"})),
        (Delete, format!("{user}/sessions/{theirs}"), json!({})),
        (Delete, format!("{user}/sessions"), json!({})),
        (Post, format!("/v1/audit/{edit}/undo"), json!({})),
    ] {
        for by in [By::Bearer, By::Cookie] {
            let answer = app.json(method, &path, Some((&root, by)), &body).await;
            assert!(answer.status >= 500, "{method} {path} by {by:?}: {} {}", answer.status, answer.body);
        }
    }
    let page_path = format!("/users/{}", ada.id());
    for (from, path, fields) in [
        (
            "/account",
            "/account".to_owned(),
            vec![("version", "1"), ("first_name", "Root"), ("last_name", ""), ("email", "")],
        ),
        (
            "/account/password",
            "/account/password".into(),
            vec![("current_password", PASSWORD), ("new_password", NEW)],
        ),
        (
            "/account/preferences",
            "/account/preferences".into(),
            vec![("theme", "dark"), ("density", "compact"), ("rows", "50"), ("time_zone", "UTC")],
        ),
        ("/account/sessions", format!("/account/sessions/{newest}/end"), vec![]),
        ("/account/sessions", "/account/sessions/end".into(), vec![]),
        (&page_path, format!("{page_path}/sessions/end"), vec![]),
        (&page_path, format!("{page_path}/undo/{edit}"), vec![]),
        (&page_path, format!("{page_path}/link"), vec![]),
        ("/users/export", "/users/export".into(), vec![]),
        ("/account", "/sign-out".into(), vec![]),
    ] {
        let (answer, _) = send_from(&app, &root, from, &path, &fields).await;
        assert!(answer.status >= 500, "{path}: {} {}", answer.status, answer.body);
    }
    assert_eq!(everything(&app).await, before);
}

#[apply(on_both)]
async fn lg_4_what_other_sites_try_is_recorded_with_its_address(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let (record, form) = (format!("/v1/users/{}", ada.id()), format!("/users/{}/deactivate", ada.id()));
    for (site, number) in [("cross-site", 1), ("same-site", 2)] {
        let request = app.client.patch(&record).header(ContentType::JSON).body("{\"email\":\"\"}");
        let request = request.header(cookie_header("__Host-sid-0a1b2c3d", &staff.cookie));
        let request = request.header(Header::new("Sec-Fetch-Site", site));
        let request = request.remote(format!("192.0.2.{number}:4711").parse().unwrap());
        assert_eq!(request.dispatch().await.status().code, 403);
    }
    // By its site; and a page of an old browser, which does not say that, by the token that it cannot have.
    for (site, number) in [(Some("cross-site"), 3), (None, 4)] {
        let mut request = app.client.post(&form).header(ContentType::Form).body("token=AAAA");
        request = request.header(cookie_header("__Host-sid-0a1b2c3d", &staff.cookie));
        if let Some(site) = site {
            request.add_header(Header::new("Sec-Fetch-Site", site));
        }
        let request = request.remote(format!("192.0.2.{number}:4711").parse().unwrap());
        assert_eq!(request.dispatch().await.status().code, 403);
    }
    let trail = trail(&app).await;
    let told: Vec<(&str, &str, &str)> = trail
        .iter()
        .map(|entry| (entry.action.as_str(), entry.door.as_str(), entry.address.as_str()))
        .collect();
    let refused = |door, address| ("refused", door, address);
    assert_eq!(
        told,
        [
            refused("api", "192.0.2.1"),
            refused("api", "192.0.2.2"),
            refused("console", "192.0.2.3"),
            refused("console", "192.0.2.4"),
        ]
    );
    for entry in &trail {
        assert_eq!(parsed(&entry.details)["code"], "cross_site_request");
        assert_eq!((entry.actor_id, entry.target_id), (Some(staff.id()), Some(ada.id())));
    }
}

async fn a_block_is_recorded_with_the_address_that_led_to_it(backend: Backend) {
    let app = TestApp::with(backend, &[("throttle_address_burst", json!(8))]).await;
    app.person("ada", "ordinary").await;
    app.person("bob", "ordinary").await;
    for n in 0..9 {
        let name = if n < 6 { "ada" } else { "nobody" };
        let body = json!({"username": name, "password": "wrong"}).to_string();
        let request = app.client.post("/v1/auth/obtain").header(ContentType::JSON).body(body);
        let request = request.remote("192.0.2.1:4711".parse().unwrap());
        request.dispatch().await;
    }
    let page = app.client.get("/sign-in").dispatch().await;
    let cookie = page.cookies().get("__Host-pre-0a1b2c3d").unwrap().value().to_owned();
    let token = token(&page.into_string().await.unwrap());
    for n in 0..9 {
        let name = if n < 6 { "bob" } else { "nobody" };
        let request = app.client.post("/sign-in").header(ContentType::Form);
        let request = request.body(format!("username={name}&password=wrong&token={token}&next=/"));
        let request = request.remote("[2001:db8::1]:4711".parse().unwrap());
        request.header(cookie_header("__Host-pre-0a1b2c3d", &cookie)).dispatch().await;
    }
    let trail = trail(&app).await;
    let told: Vec<(&str, &str, &str, &str)> = trail
        .iter()
        .filter(|entry| entry.action.ends_with("_blocked"))
        .map(|entry| {
            (entry.action.as_str(), entry.target_name.as_str(), entry.door.as_str(), entry.address.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("account_blocked", "ada", "api", "192.0.2.1"),
            ("address_blocked", "", "api", "192.0.2.1"),
            ("account_blocked", "bob", "console", "2001:db8::1"),
            ("address_blocked", "", "console", "2001:db8::1"),
        ],
        "{trail:#?}"
    );
}

#[rocket::async_test]
async fn lg_4_blocks_are_recorded_on_sqlite() {
    a_block_is_recorded_with_the_address_that_led_to_it(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn lg_4_blocks_are_recorded_on_postgres() {
    a_block_is_recorded_with_the_address_that_led_to_it(Backend::Postgres).await;
}

/// Some sealed entries.
async fn sealed(app: &TestApp) -> (Person, Person) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    for n in 0..5 {
        assert_eq!(patch(app, &staff, ada.id(), json!({"first_name": format!("Ada {n}")})).await, 200);
    }
    assert_eq!(trail(app).await.len(), 5);
    (staff, ada)
}

#[apply(on_both)]
async fn altering_one_entry_is_found_and_named(app: TestApp) {
    sealed(&app).await;
    let good = audit::verify(&app.usher).await.unwrap();
    assert_eq!((good.sealed, good.not_sealed, good.fault), (5, 0, None));
    for alteration in [
        "changes = '{}'",
        "actor_name = 'somebody else'",
        "happened_at = happened_at + 1",
        "target_id = NULL",
        "target_name = 'other'",
        "action = 'user_created'",
        "actor_id = 99",
        "details = '{\"by\":\"link\"}'",
        "door = 'console'",
        "address = '192.0.2.66'",
        "request_id = ''",
        "batch_id = 1",
        "undoes = 1",
        "seal = (SELECT seal FROM audit_entries WHERE id = 2)",
        "commitments = (SELECT commitments FROM audit_entries WHERE id = 2)",
        "commitments = NULL",
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

#[apply(on_both)]
async fn a_removed_entry_is_found_and_entries_not_sealed_yet_are_counted(app: TestApp) {
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

#[apply(on_both)]
async fn two_instances_seal_one_chain(app: TestApp) {
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
