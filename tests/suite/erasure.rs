//! Erasing a person: asked for, cancelled, carried out; and what every way in says of them afterwards.

mod bytes;
mod history;
mod names;
mod restored;

use std::time::Duration;

use rocket::http::Method;
use serde_json::{Value, json};
use usher::operations::{audit, maintenance};

use crate::app::{Answer, By, Person, TestApp};
use crate::audit::trail;

const DAY: Duration = Duration::from_hours(24);

/// Asks for the erasure of a user, by the name that they have.
pub(crate) async fn ask(app: &TestApp, root: &Person, id: i64, name: &str, after: &str) -> Answer {
    let body = json!({"confirm_username": name, "username_after": after});
    app.send(root, Method::Post, &format!("/v1/users/{id}/erase"), &body).await
}

/// Erases a user, whatever the setting says.
pub(crate) async fn erase(app: &TestApp, root: &Person, person: &Person, after: &str) {
    let asked = ask(app, root, person.id(), person.user.username.as_str(), after).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    app.sql(&format!("UPDATE erasures SET due_at = 0 WHERE user_id = {}", person.id())).await;
    maintenance::clean_up(&app.usher).await.unwrap();
    assert!(!erasure(app, root, person).await["erased_at"].is_null());
}

async fn erasure(app: &TestApp, by: &Person, person: &Person) -> Value {
    app.get(by, &format!("/v1/users/{}/erase", person.id())).await.json()
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[apply(on_both)]
async fn lg_7_an_erasure_waits_and_can_be_cancelled_until_it_is_due(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "").await);
    let path = format!("/v1/users/{}/erase", ada.id());
    for (body, field) in [
        (json!({}), "confirm_username"),
        (json!({"confirm_username": "Ada", "username_after": "free"}), "confirm_username"),
        (json!({"confirm_username": "ada", "username_after": "kept"}), "username_after"),
        (json!({"confirm_username": 5, "username_after": null}), "username_after"),
    ] {
        let refused = app.send(&root, Method::Post, &path, &body).await;
        assert!(refused.status == 400 && refused.json()[field].is_array(), "{}", refused.body);
    }
    assert!(app.is_signed_in(&ada, By::Bearer).await, "nothing was done");
    assert_eq!(app.get(&root, &path).await.status, 404);
    assert_eq!(app.send(&root, Method::Delete, &path, &json!({})).await.status, 404);

    let asked = ask(&app, &root, ada.id(), "ada", "free").await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let expected = json!({
        "user": ada.id(), "requested_by": root.id(), "requested_at": "2026-03-01T09:00:00.123456Z",
        "due_at": "2026-03-08T09:00:00.123456Z", "username_after": "free", "erased_at": null, "finished_at": null,
    });
    assert_eq!(asked.json(), expected);
    assert_eq!(app.get(&root, &path).await.json(), expected);
    assert!(!app.is_signed_in(&ada, By::Bearer).await && !app.stored(ada.id()).await.is_active);
    assert_eq!(code(&ask(&app, &root, ada.id(), "ada", "free").await), (409, "erasure_pending".into()));
    let record = format!("/v1/users/{}", ada.id());
    let reactivated = app.send(&root, Method::Patch, &record, &json!({"is_active": true})).await;
    assert_eq!(code(&reactivated), (409, "erasure_pending".into()));
    assert_eq!(
        app.send(&root, Method::Patch, &record, &json!({"email": "a@b.co"})).await.status,
        200,
        "it can be corrected"
    );
    app.clock.advance(6 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    let root = app.signed_in(&root).await;
    assert_eq!(app.send(&root, Method::Delete, &path, &json!({})).await.status, 204);
    assert_eq!(app.get(&root, &path).await.status, 404);
    let ada_now = app.stored(ada.id()).await;
    assert_eq!((ada_now.is_active, ada_now.email.as_str()), (true, "a@b.co"));
    app.clock.advance(30 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(app.stored(ada.id()).await, ada_now, "nothing is left of it");
    let actions: Vec<_> = trail(&app).await.into_iter().map(|entry| entry.action).collect();
    for action in ["erasure_requested", "erasure_cancelled"] {
        assert_eq!(actions.iter().filter(|other| *other == action).count(), 1, "{actions:?}");
    }
}

#[apply(on_both)]
async fn lg_7_who_was_inactive_before_stays_so_when_an_erasure_is_cancelled(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "inactive").await);
    assert_eq!(ask(&app, &root, ada.id(), "ada", "free").await.status, 202);
    let path = format!("/v1/users/{}/erase", ada.id());
    assert_eq!(app.send(&root, Method::Delete, &path, &json!({})).await.status, 204);
    assert!(!app.stored(ada.id()).await.is_active);
}

#[apply(on_both)]
async fn lg_7_no_superuser_erases_themselves_and_no_token_or_old_password_erases_anyone(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "superuser").await);
    assert_eq!(code(&ask(&app, &root, root.id(), "root", "free").await), (409, "erases_self".into()));
    let token = app.session(root.user.id, usher::model::session::Credential::ApiToken).await;
    let by_token = Person { bearer: format!("usher_{}", token.secret.to_text()), ..root.clone() };
    assert_eq!(code(&ask(&app, &by_token, ada.id(), "ada", "free").await), (403, "sign_in_required".into()));
    app.clock.advance(Duration::from_mins(6));
    let root = app.signed_in(&root).await;
    app.clock.advance(Duration::from_mins(4));
    app.clock.advance(Duration::from_mins(2));
    let late = ask(&app, &root, ada.id(), "ada", "free").await;
    assert!(late.status == 401 || code(&late) == (403, "confirmation_required".into()), "{}", late.body);
    assert!(app.stored(ada.id()).await.is_active);
}

#[apply(on_both)]
async fn lg_7_what_is_left_of_an_erased_user_is_a_key_that_nothing_changes(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "staff").await);
    let record = format!("/v1/users/{}", ada.id());
    let edited = app.send(&root, Method::Patch, &record, &json!({"first_name": "Grace"})).await;
    let tag = edited.header("ETag").unwrap().to_owned();
    let body = json!({"action": "deactivate", "ids": [ada.id()]});
    let run = app.send(&root, Method::Post, "/v1/users/bulk", &body).await.json()["batch"].clone();
    let entry = trail(&app).await.iter().find(|entry| entry.action == "user_changed").unwrap().id;
    erase(&app, &root, &ada, "free").await;

    let left = app.get(&root, &record).await;
    assert_eq!(left.status, 200);
    assert_ne!(left.header("ETag"), Some(tag.as_str()));
    assert_eq!(
        left.json(),
        json!({
            "pk": ada.id(), "username": format!("erased:{}", ada.id()), "first_name": "", "last_name": "", "email": "",
            "is_active": false, "is_staff": false, "is_superuser": false, "last_login": null,
            "date_joined": "2026-03-01T09:00:00.123456Z",
        })
    );
    let whole = json!({"username": "other", "password": "another long password", "first_name": "", "last_name": "", "email": ""});
    for (method, path, body) in [
        (Method::Patch, record.clone(), json!({"is_active": true})),
        (Method::Put, record.clone(), whole),
        (Method::Delete, record.clone(), json!({})),
        (Method::Post, format!("{record}/notes"), json!({"note": "a note"})),
        (Method::Post, format!("{record}/link"), json!({})),
        (Method::Post, format!("{record}/unlock"), json!({})),
        (Method::Post, format!("{record}/tokens"), json!({"name": "a", "read_only": true})),
        (Method::Delete, format!("{record}/factors"), json!({"reason": "lost"})),
        (Method::Delete, format!("{record}/sessions"), json!({})),
        (Method::Delete, format!("{record}/erase"), json!({})),
        (
            Method::Post,
            format!("{record}/erase"),
            json!({"confirm_username": format!("erased:{}", ada.id()), "username_after": "free"}),
        ),
    ] {
        let refused = app.send(&root, method, &path, &body).await;
        assert_eq!(code(&refused), (409, "erased".into()), "{method} {path}: {}", refused.body);
    }
    let undone = app.send(&root, Method::Post, &format!("/v1/audit/{entry}/undo"), &json!({})).await;
    assert_eq!(code(&undone), (409, "values_erased".into()));
    let undone = app.send(&root, Method::Post, &format!("/v1/users/bulk/{run}/undo"), &json!({})).await;
    assert!(undone.status == 200 && undone.body.contains("values_erased"), "{}", undone.body);
    let body = json!({"action": "reactivate", "ids": [ada.id()]});
    let run = app.send(&root, Method::Post, "/v1/users/bulk", &body).await;
    assert!(run.body.contains("\"erased\"") || run.body.contains("not_found"), "{}", run.body);

    let body = json!({"expressions": [], "include_inactive": true});
    let list = app.send(&root, Method::Post, "/v1/users/list", &body).await;
    assert!(list.status == 200 && !list.body.contains("erased:"), "{}", list.body);
    assert_eq!(app.get(&root, &format!("/v1/users/erased:{}", ada.id())).await.status, 404);
    let made = app.person("ada", "").await;
    assert_ne!(made.id(), ada.id(), "the name is free, the key is not given again");
    let report = audit::verify(&app.usher).await.unwrap();
    assert!(report.erased > 0 && report.fault.is_none(), "{report:?}");
}
