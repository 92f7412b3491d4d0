//! Addresses with a domain that can be written in two ways: in Unicode, and in ASCII as browsers send it.

use super::*;
use crate::console::{hidden, send_from};

const UNICODE: &str = "new@bücher.example";
const ASCII: &str = "new@xn--bcher-kva.example";

/// The user's first name, version, and the names of the fields in the newest entry of the audit log.
async fn last_change(app: &TestApp) -> Vec<String> {
    let trail = trail(app).await;
    let entry = trail.iter().rev().find(|entry| entry.action == "user_changed").expect("a change");
    let changes: Value = serde_json::from_str(&entry.changes).unwrap();
    changes.as_object().unwrap().keys().cloned().collect()
}

#[apply(on_both_with_mail)]
async fn ml_1_what_a_browser_makes_of_an_address_is_no_change_of_it(app: TestApp, _sink: Sink) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let (record, edit) = (format!("/v1/users/{}", ada.id()), format!("/users/{}", ada.id()));
    let set = app.send(&staff, Method::Patch, &record, &json!({ "email": UNICODE })).await;
    assert_eq!((set.status, &set.json()["email"]), (200, &json!(ASCII)), "{}", set.body);
    let link = app.send(&staff, Method::Post, &format!("{record}/link"), &json!({})).await.json();
    let shown = page(&app, &staff, &edit).await.body;
    assert!(shown.contains(&format!("value=\"{ASCII}\"")), "{shown}");
    // The form as a browser sends it after another field was changed, by either kind of form.
    for (first_name, email) in [("Ada", ASCII), ("Augusta", UNICODE)] {
        let version = hidden(&page(&app, &staff, &edit).await.body, "version");
        let fields = [
            ("version", version.as_str()),
            ("username", "ada"),
            ("first_name", first_name),
            ("last_name", ""),
            ("email", email),
        ];
        let (answer, told) = send_from(&app, &staff, &edit, &edit, &fields).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert!(!told.contains("Email"), "{told}");
        assert_eq!(last_change(&app).await, ["first_name"]);
    }
    let version = app.stored(ada.id()).await.version;
    for email in [UNICODE, ASCII, "new@BÜCHER.example"] {
        let same = app.send(&staff, Method::Patch, &record, &json!({ "email": email })).await;
        assert_eq!((same.status, app.stored(ada.id()).await.version), (200, version), "{email}");
    }
    assert_eq!(
        redeem(&app, &secret(link["url"].as_str().unwrap()), NEW_PASSWORD).await,
        303,
        "the link lives"
    );
}

#[apply(on_both_with_mail)]
async fn ml_1_ones_own_address_in_its_other_form_needs_no_password(app: TestApp, _sink: Sink) {
    let ada = with_address(&app, "ada", "", ASCII).await;
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    let by = Some((&ada, By::Cookie));
    for email in [UNICODE, ASCII, "new@XN--BCHER-KVA.example"] {
        let body = json!({"first_name": email.len().to_string(), "email": email});
        let answer = app.json(Method::Patch, "/v1/account", by, &body).await;
        assert_eq!(answer.status, 200, "{email}: {}", answer.body);
    }
    for email in ["New@bücher.example", "new@bucher.example", "new@bücher.example.org"] {
        let answer = app.json(Method::Patch, "/v1/account", by, &json!({ "email": email })).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (403, &json!("confirmation_required")),
            "{email}"
        );
    }
}

#[apply(on_both_with_mail)]
async fn ml_1_filters_and_the_search_find_an_address_by_both_forms(app: TestApp, _sink: Sink) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let body = json!({ "email": UNICODE });
    assert_eq!(app.send(&staff, Method::Patch, &format!("/v1/users/{}", ada.id()), &body).await.status, 200);
    for filter in [
        json!({"type": "exact", "field": "email", "value": UNICODE}),
        json!({"type": "exact", "field": "email", "value": ASCII}),
        json!({"type": "exact", "field": "email", "value": "NEW@BÜCHER.example", "case_insensitive": true}),
        json!({"type": "contains", "field": "email", "sub_string": "@bücher.example"}),
        json!({"type": "contains", "field": "email", "sub_string": "bücher.exam", "case_insensitive": true}),
        json!({"type": "contains", "field": "email", "sub_string": "@xn--bcher-kva"}),
    ] {
        let body = json!({ "expressions": [filter] });
        let answer = app.send(&staff, Method::Post, "/v1/users/list", &body).await;
        assert_eq!(answer.status, 200, "{filter}: {}", answer.body);
        assert!(
            answer.body.contains("\"ada\"") && !answer.body.contains("\"staff\""),
            "{filter}: {}",
            answer.body
        );
    }
    for words in ["b%C3%BCcher", "bucher", "new@b%C3%BCcher.example", "xn--bcher", ASCII] {
        let list = page(&app, &staff, &format!("/users?q={words}")).await.body;
        assert!(list.contains(&format!("href=\"/users/{}\"", ada.id())), "{words}: {list}");
    }
}

#[apply(on_both_with_mail)]
async fn ml_1_mail_goes_to_the_ascii_form_without_an_extension(app: TestApp, sink: Sink) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let body = json!({ "email": UNICODE });
    assert_eq!(app.send(&staff, Method::Patch, &format!("/v1/users/{}", ada.id()), &body).await.status, 200);
    for typed in [UNICODE, ASCII, "New@BÜCHER.EXAMPLE"] {
        assert_eq!(forgotten(&app, typed, "192.0.2.1").await.status, 200);
    }
    assert!(sink.wait_for(3).await.iter().all(|message| message.to == [ASCII]));
    let commands = sink.commands.lock().unwrap().clone();
    assert!(!commands.iter().any(|command| command.contains("UTF8")), "{commands:?}");
    assert_eq!(requests(&app, 3).await, ["", "", ""]);
}

#[apply(on_both_with_mail)]
async fn ml_1_addresses_from_before_get_the_one_form_at_the_next_start(app: TestApp, _sink: Sink) {
    let ada = with_address(&app, "ada", "", UNICODE).await;
    let bob = with_address(&app, "bob", "", "bob@example.org").await;
    let odd = with_address(&app, "odd", "", "odd@-\u{ff0f}.example").await;
    app.sql("DELETE FROM installation WHERE name = 'domains_in_ascii'").await;
    let again = app.another_instance().await;
    for (person, expected) in [(&ada, ASCII), (&bob, "bob@example.org")] {
        let stored = again.stored(person.id()).await;
        assert_eq!((stored.email.as_str(), stored.version), (expected, 1));
    }
    assert!(again.stored(odd.id()).await.email.starts_with("odd@"), "whatever it is");
    let found = usher::db::users::by_email(&again.usher.db, UNICODE, 5).await.unwrap();
    assert_eq!(found.iter().map(|user| user.id).collect::<Vec<_>>(), [ada.user.id]);
}
