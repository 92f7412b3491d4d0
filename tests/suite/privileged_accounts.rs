//! The means to act as a privileged account, at every door that gives or restores them: the session or API token of
//! one administrator that was stolen does not become another administrator's account.

use rocket::http::Method;
use serde_json::{Value, json};

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::audit::trail;
use crate::console::{page, send_from};
use crate::own_credentials::{administrator, ask, denied, send_by_bearer, verdict};
use crate::properties::everything;

const NEW: &str = "a wholly different phrase";

/// One way to such means.
struct Way {
    what: &'static str,
    method: Method,
    path: String,
    body: Value,
}

fn way(what: &'static str, method: Method, path: impl Into<String>, body: Value) -> Way {
    Way { what, method, path: path.into(), body }
}

/// The user names of new accounts differ.
fn record(username: &str, is_staff: bool) -> Value {
    json!({"username": username, "password": NEW, "first_name": "", "last_name": "", "email": "",
           "is_staff": is_staff})
}

/// The newest entry of the audit log.
async fn last_entry(app: &TestApp) -> i64 {
    trail(app).await.pop().expect("an entry").id
}

/// Every way of the API by which an administrator gives or restores the means to act as one of `kind`, each with
/// people of its own.
async fn ways(app: &TestApp, by: &Person, kind: &str, suffix: &str) -> Vec<Way> {
    let named = |name: &str| format!("{name}-{suffix}");
    let user = |person: &Person| format!("/v1/users/{}", person.id());
    let mut ways = Vec::new();
    for (what, body) in
        [("password", json!({ "password": NEW })), ("address", json!({"email": "new@example.org"}))]
    {
        let person = app.person(&named(what), kind).await;
        ways.push(way(what, Method::Patch, user(&person), body));
    }
    let person = app.person(&named("name"), kind).await;
    ways.push(way("username", Method::Patch, user(&person), json!({"username": named("another-name")})));
    let person = app.person(&named("whole"), kind).await;
    ways.push(way("whole", Method::Put, user(&person), record(&named("whole"), true)));
    let person = app.person(&named("link"), kind).await;
    ways.push(way("link", Method::Post, format!("{}/link", user(&person)), json!({})));
    let person = app.person(&named("back"), &format!("inactive {kind}")).await;
    ways.push(way("reactivation", Method::Patch, user(&person), json!({"is_active": true})));
    let person = app.person(&named("many"), &format!("inactive {kind}")).await;
    let body = json!({"action": "reactivate", "ids": [person.id()]});
    ways.push(way("reactivation of many", Method::Post, "/v1/users/bulk", body));
    let person = app.person(&named("undone"), kind).await;
    assert_eq!(app.send(by, Method::Delete, &user(&person), &json!({})).await.status, 204);
    let entry = last_entry(app).await;
    ways.push(way("undo", Method::Post, format!("/v1/audit/{entry}/undo"), json!({})));
    let person = app.person(&named("runs"), kind).await;
    let body = json!({"action": "deactivate", "ids": [person.id()]});
    let run = app.send(by, Method::Post, "/v1/users/bulk", &body).await.json()["batch"].to_string();
    ways.push(way("undo of many", Method::Post, format!("/v1/users/bulk/{run}/undo"), json!({})));
    if kind == "staff" {
        let person = app.person(&named("demoted"), kind).await;
        ways.push(way("demotion", Method::Patch, user(&person), json!({"is_staff": false})));
        let person = app.person(&named("demoteds"), kind).await;
        let body = json!({"action": "remove_staff", "ids": [person.id()]});
        ways.push(way("demotion of many", Method::Post, "/v1/users/bulk", body));
        let ordinary = app.person(&named("plain"), "").await;
        ways.push(way("granting", Method::Patch, user(&ordinary), json!({"is_staff": true})));
        let ordinary = app.person(&named("plains"), "").await;
        let body = json!({"action": "give_staff", "ids": [ordinary.id()]});
        ways.push(way("granting to many", Method::Post, "/v1/users/bulk", body));
        let past = app.person(&named("ended"), "staff").await;
        app.sql(&format!("UPDATE users SET valid_until = 5 WHERE id = {}", past.id())).await;
        ways.push(way("dates", Method::Patch, user(&past), json!({"valid_until": null})));
        ways.push(way("creation", Method::Post, "/v1/users/create", record(&named("made"), true)));
        ways.push(way("invitation", Method::Post, "/v1/users/invite", record(&named("asked"), true)));
    }
    ways
}

async fn try_way(app: &TestApp, who: (&Person, By), way: &Way) -> Answer {
    ask(app, who, way.method, &way.path, &way.body).await
}

#[apply(on_both)]
async fn se_8_no_stale_session_or_api_token_gains_the_account_of_another_administrator(app: TestApp) {
    for (actor, kind) in [("staff", "staff"), ("superuser", "staff"), ("superuser", "superuser")] {
        let suffix = format!("{actor}-{kind}");
        let (stale, named) = administrator(&app, &format!("actor-{suffix}"), actor).await;
        let ways = ways(&app, &stale, kind, &suffix).await;
        let before = without_refusals(everything(&app).await);
        for way in &ways {
            let told = format!("{} of {kind} by {actor}", way.what);
            let answer = try_way(&app, (&stale, By::Cookie), way).await;
            assert_eq!(verdict(&answer), denied("confirmation_required"), "{told}");
            let answer = try_way(&app, (&named, By::Bearer), way).await;
            assert_eq!(verdict(&answer), denied("sign_in_required"), "{told}");
        }
        assert_eq!(without_refusals(everything(&app).await), before, "refused before anything is changed");
        app.sql(&confirmed_now(&app)).await;
        for way in &ways {
            let answer = try_way(&app, (&named, By::Bearer), way).await;
            assert_eq!(
                verdict(&answer),
                denied("sign_in_required"),
                "whatever other sessions have confirmed"
            );
            let answer = try_way(&app, (&stale, By::Cookie), way).await;
            assert!(answer.status < 300, "{} of {kind} by {actor}: {}", way.what, answer.body);
        }
    }
}

/// Refusals are recorded, and nothing else.
fn without_refusals(rows: Vec<String>) -> Vec<String> {
    rows.into_iter().filter(|row| !row.starts_with("audit_entries") || !row.contains("refused")).collect()
}

/// As if the password had just been given in every session.
fn confirmed_now(app: &TestApp) -> String {
    format!("UPDATE sessions SET confirmed_at = {} WHERE carrier <> 'named'", app.clock.now().micros())
}

#[apply(on_both)]
async fn se_8_tokens_of_clients_in_the_field_go_on_working(app: TestApp) {
    let (root, _) = administrator(&app, "root", "superuser").await;
    for kind in ["staff", "superuser"] {
        for way in ways(&app, &root, kind, kind).await {
            let answer = try_way(&app, (&root, By::Bearer), &way).await;
            assert!(answer.status < 300, "{} of {kind}: {}", way.what, answer.body);
        }
    }
}

#[apply(on_both)]
async fn se_8_what_staff_do_for_ordinary_users_asks_for_nothing(app: TestApp) {
    let (staff, named) = administrator(&app, "staff", "staff").await;
    for (who, by, name) in [(&staff, By::Cookie, "cookie"), (&named, By::Bearer, "named")] {
        let ada = app.person(&format!("ada-{name}"), "").await;
        let path = format!("/v1/users/{}", ada.id());
        for (method, path, body) in [
            (Method::Patch, path.clone(), json!({ "password": NEW, "email": "ada@example.org" })),
            (Method::Post, format!("{path}/link"), json!({})),
            (Method::Delete, path.clone(), json!({})),
            (Method::Patch, path.clone(), json!({"is_active": true})),
            (Method::Post, "/v1/users/create".into(), record(&format!("made-{name}"), false)),
            (Method::Post, "/v1/users/invite".into(), record(&format!("asked-{name}"), false)),
            (Method::Post, "/v1/users/bulk".into(), json!({"action": "reactivate", "ids": [ada.id()]})),
        ] {
            let answer = ask(&app, (who, by), method, &path, &body).await;
            assert!(answer.status < 300, "{method} {path} by {name}: {}", answer.body);
        }
    }
}

#[apply(on_both)]
async fn se_8_a_run_is_refused_as_a_whole_if_one_of_its_users_asks_for_the_password(app: TestApp) {
    let (staff, named) = administrator(&app, "staff", "staff").await;
    let (ada, bob) = (app.person("ada", "inactive").await, app.person("bob", "inactive staff").await);
    let body = json!({"action": "reactivate", "ids": [ada.id(), bob.id()]});
    let answer = ask(&app, (&staff, By::Cookie), Method::Post, "/v1/users/bulk", &body).await;
    assert_eq!(verdict(&answer), denied("confirmation_required"));
    let answer = ask(&app, (&named, By::Bearer), Method::Post, "/v1/users/bulk", &body).await;
    assert_eq!(verdict(&answer), denied("sign_in_required"));
    assert!(!app.stored(ada.id()).await.is_active && !app.stored(bob.id()).await.is_active);
    // A superuser among them is refused anyway, and so asks for nothing.
    app.person("spare", "superuser").await;
    let root = app.person("root", "inactive superuser").await;
    let body = json!({"action": "reactivate", "ids": [ada.id(), root.id()]});
    let answer = ask(&app, (&named, By::Bearer), Method::Post, "/v1/users/bulk", &body).await;
    assert_eq!((answer.status, &answer.json()["done"]), (200, &json!(1)), "{}", answer.body);
}

/// The pages that do such a thing: where the form stands, where it is sent to, and what it sends.
type Form = (&'static str, String, String, Vec<(&'static str, String)>);

async fn forms(app: &TestApp, by: &Person, suffix: &str) -> Vec<Form> {
    let named = |name: &str| format!("{name}-{suffix}");
    let user = |person: &Person| format!("/users/{}", person.id());
    let mut forms: Vec<Form> = Vec::new();
    let edited = |person: &Person, email: &str, is_staff: bool| {
        let mut fields = vec![
            ("version", "1".to_owned()),
            ("username", person.user.username.as_str().to_owned()),
            ("email", email.to_owned()),
            ("first_name", "Kept".to_owned()),
            ("last_name", String::new()),
            ("access", "1".to_owned()),
        ];
        fields.extend(is_staff.then(|| ("is_staff", "1".to_owned())));
        fields
    };
    let peer = app.person(&named("address"), "staff").await;
    forms.push(("address", user(&peer), user(&peer), edited(&peer, "new@example.org", true)));
    let plain = app.person(&named("granting"), "").await;
    forms.push(("granting", user(&plain), user(&plain), edited(&plain, "", true)));
    for mode in ["link", "password"] {
        let peer = app.person(&named(mode), "staff").await;
        let path = format!("{}/password", user(&peer));
        let typed = if mode == "link" { String::new() } else { NEW.to_owned() };
        let fields = vec![("version", "1".to_owned()), ("mode", mode.to_owned()), ("password", typed)];
        forms.push((mode, path.clone(), path, fields));
    }
    let peer = app.person(&named("again"), "staff").await;
    forms.push(("another link", user(&peer), format!("{}/link", user(&peer)), vec![]));
    let peer = app.person(&named("back"), "inactive staff").await;
    forms.push(("reactivation", user(&peer), format!("{}/reactivate", user(&peer)), vec![]));
    for mode in ["link", "password"] {
        let fields = vec![
            ("username", named(&format!("new-{mode}"))),
            ("mode", mode.to_owned()),
            ("password", NEW.to_owned()),
            ("is_staff", "1".to_owned()),
        ];
        forms.push(("a new administrator", "/users/new".into(), "/users/new".into(), fields));
    }
    let peer = app.person(&named("undone"), "staff").await;
    assert_eq!(app.send(by, Method::Delete, &format!("/v1{}", user(&peer)), &json!({})).await.status, 204);
    let entry = last_entry(app).await;
    forms.push(("undo", user(&peer), format!("{}/undo/{entry}", user(&peer)), vec![]));
    let peer = app.person(&named("runs"), "inactive staff").await;
    let ids = peer.id().to_string();
    let fields =
        vec![("do", "reactivate".to_owned()), ("ids", ids.clone()), ("back", "/users?q=a".to_owned())];
    let question = format!("/users/bulk?do=reactivate&id={ids}");
    forms.push(("reactivation of many", question, "/users/bulk".into(), fields));
    let peer = app.person(&named("run"), "staff").await;
    let body = json!({"action": "remove_staff", "ids": [peer.id()]});
    let run = app.send(by, Method::Post, "/v1/users/bulk", &body).await.json()["batch"].to_string();
    forms.push(("undo of many", format!("/users/bulk/{run}"), format!("/users/bulk/{run}/undo"), vec![]));
    forms
}

#[apply(on_both)]
async fn se_8_the_console_asks_for_the_password_and_loses_nothing_that_was_typed(app: TestApp) {
    let (staff, named) = administrator(&app, "staff", "staff").await;
    for (what, stands_on, path, fields) in forms(&app, &staff, "a").await {
        let typed: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let before = without_refusals(everything(&app).await);
        let (answer, _) = send_from(&app, &staff, &stands_on, &path, &typed).await;
        assert_eq!(answer.status, 422, "{what}: {}", answer.body);
        for told in ["name=\"current_password\"", "Enter your password to go on."] {
            assert!(answer.body.contains(told), "{what}: {told}: {}", answer.body);
        }
        for (name, value) in &typed {
            let is_kept = answer.body.contains(&format!("value=\"{}\"", value.replace('/', "&#x2F;")));
            assert!(is_kept || ["password", "back"].contains(name), "{what}: {name}: {}", answer.body);
        }
        assert_eq!(without_refusals(everything(&app).await), before, "{what}");
        let urlencoded: Vec<String> =
            typed.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
        let urlencoded = format!("{}&current_password={}", urlencoded.join("&"), PASSWORD.replace(' ', "+"));
        let answer = send_by_bearer(&app, &named, &stands_on, &path, &urlencoded).await;
        assert_eq!(answer.status, 403, "{what}: no API token: {}", answer.body);
        assert_eq!(without_refusals(everything(&app).await), before, "{what}");
    }
}

#[apply(on_both)]
async fn se_8_the_console_goes_on_with_the_right_password(app: TestApp) {
    let (staff, _) = administrator(&app, "staff", "staff").await;
    for (what, stands_on, path, fields) in forms(&app, &staff, "b").await {
        let mut typed: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        typed.push(("current_password", PASSWORD));
        let (answer, message) = send_from(&app, &staff, &stands_on, &path, &typed).await;
        assert_eq!(answer.status, 303, "{what}: {}", answer.body);
        assert!(!message.is_empty(), "{what}");
        app.sql("UPDATE sessions SET confirmed_at = 0").await;
    }
}

#[apply(on_both)]
async fn se_8_the_password_is_asked_for_on_the_pages_that_need_it_and_on_no_other(app: TestApp) {
    let (staff, _) = administrator(&app, "staff", "staff").await;
    let (peer, ada) = (app.person("peer", "staff").await, app.person("ada", "").await);
    let bob = app.person("bob", "inactive staff").await;
    let eva = app.person("eva", "inactive").await;
    for (path, asks) in [
        (format!("/users/{}/password", peer.id()), true),
        (format!("/users/{}/password", ada.id()), false),
        (format!("/users/bulk?do=give_staff&id={}", ada.id()), true),
        (format!("/users/bulk?do=reactivate&id={}&id={}", bob.id(), eva.id()), true),
        (format!("/users/bulk?do=reactivate&id={}", eva.id()), false),
        (format!("/users/bulk?do=deactivate&id={}&id={}", peer.id(), ada.id()), false),
    ] {
        let html = page(&app, &staff, &path).await.body;
        assert_eq!(html.contains("name=\"current_password\""), asks, "{path}: {html}");
    }
}
