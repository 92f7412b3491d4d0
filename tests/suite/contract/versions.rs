//! `ETag`, `If-Match` and `If-None-Match`.

use std::time::Duration;

use rocket::http::Method::{Delete, Get, Head, Patch, Put};
use serde_json::json;

use super::*;

async fn tag(app: &TestApp, admin: &Person, path: &str) -> String {
    app.get(admin, path).await.header("ETag").expect("every record answer carries a tag").to_owned()
}

#[apply(on_both)]
async fn az_9_a_change_of_what_has_changed_since_is_412_and_changes_nothing(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let old = tag(&app, &admin, &path).await;
    let answer = app.send(&admin, Patch, &path, &json!({"first_name": "Ada"})).await;
    let new = answer.header("ETag").expect("a tag").to_owned();
    assert_ne!(old, new);
    let before = app.stored(target.id()).await;
    let changes = [
        (Put, whole("ada").to_string()),
        (Patch, json!({"last_name": "King"}).to_string()),
        (Patch, json!({"password": "quite another one"}).to_string()),
        (Delete, String::new()),
    ];
    for (method, body) in &changes {
        let answer = ask(&app, *method, &path, bearer(&admin), &[JSON, ("If-Match", &old)], body).await;
        let detail = json!({"detail": "The record has changed since it was read."});
        assert_is(&answer, 412, &detail, method.as_str());
    }
    assert_eq!(app.stored(target.id()).await, before);
    assert!(app.is_signed_in(&target, By::Bearer).await, "a refused change ends no session");
    let mut known = new;
    for (method, body) in &changes {
        let answer = ask(&app, *method, &path, bearer(&admin), &[JSON, ("If-Match", &known)], body).await;
        assert!(matches!(answer.status, 200 | 204), "{method}: {}", answer.body);
        known = tag(&app, &admin, &path).await;
    }
    assert!(!app.stored(target.id()).await.is_active);
}

#[apply(on_both)]
async fn az_9_if_match_is_a_star_or_a_list_of_strong_tags(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let unquoted = tag(&app, &admin, &path).await.trim_matches('"').to_owned();
    // The tag of version 1, in the place of `TAG`. No change follows, so that it stays that.
    for (given, status) in [
        ("*", 200),
        ("\"TAG\"", 200),
        ("\"other\", \"TAG\"", 200),
        ("\"TAG\",\"other\"", 200),
        ("W/\"TAG\"", 412),
        ("W/\"TAG\", W/\"other\"", 412),
        ("TAG", 412),
        ("\"other\"", 412),
        ("\"\"", 412),
        ("", 412),
        ("W/*", 412),
    ] {
        let given = given.replace("TAG", &unquoted);
        for (method, body) in [(Patch, "{}"), (Patch, r#"{"first_name":""}"#)] {
            let answer = ask(&app, method, &path, bearer(&admin), &[JSON, ("If-Match", &given)], body).await;
            assert_eq!(answer.status, status, "{given}: {}", answer.body);
        }
    }
    let two = [JSON, ("If-Match", "\"other\""), ("If-Match", &format!("\"{unquoted}\""))];
    assert_eq!(ask(&app, Patch, &path, bearer(&admin), &two, "{}").await.status, 200);
    let missing = ask(&app, Patch, "/v1/users/99", bearer(&admin), &[JSON, ("If-Match", "*")], "{}").await;
    assert_eq!(missing.status, 404);
}

#[apply(on_both)]
async fn az_9_a_sign_in_is_no_edit(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let before = tag(&app, &admin, &path).await;
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    let after = tag(&app, &admin, &path).await;
    assert_ne!(before, after, "the record shows the sign-in");
    let headers = [JSON, ("If-Match", before.as_str())];
    let answer = ask(&app, Patch, &path, bearer(&admin), &headers, r#"{"first_name":"Ada"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[apply(on_both)]
async fn without_if_match_the_last_write_wins(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    for name in ["one", "two", "three"] {
        let answer = app.send(&admin, Patch, &path_of(&target), &json!({"first_name": name})).await;
        assert_eq!((answer.status, &answer.json()["first_name"]), (200, &json!(name)));
    }
}

#[apply(on_both)]
async fn an_unchanged_record_is_not_sent_again(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    for path in [path_of(&target), "/v1/users/ADA".to_owned()] {
        let current = tag(&app, &admin, &path).await;
        let weak = format!("W/{current}");
        let list = format!("\"other\", {current}");
        for (given, status) in [
            (current.as_str(), 304),
            (&weak, 304),
            (&list, 304),
            ("*", 304),
            ("\"other\"", 200),
            ("\"other\",", 200),
            ("\"\"", 200),
            ("", 200),
        ] {
            for method in [Get, Head] {
                let headers = [("If-None-Match", given)];
                let answer = ask(&app, method, &path, bearer(&admin), &headers, "").await;
                assert_eq!(answer.status, status, "{method} {path} {given}");
                assert_eq!(answer.header("ETag"), Some(current.as_str()), "{method} {path} {given}");
                assert_eq!(answer.body.is_empty(), status == 304 || method == Head, "{method} {given}");
            }
        }
        let answer = ask(&app, Get, &path, ANONYMOUS, &[("If-None-Match", &current)], "").await;
        assert_eq!(answer.status, 401, "a tag is no credential");
    }
}

#[apply(on_both)]
async fn az_9_if_none_match_holds_changes_back_as_http_says(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let current = tag(&app, &admin, &path).await;
    let weak = format!("W/{current}");
    for (wanted, unwanted, status) in [
        (None, "*", 412),
        (Some("*"), "*", 412),
        (None, current.as_str(), 412),
        (None, &weak, 412),
        (Some(current.as_str()), &current, 412),
        (None, "\"other\"", 200),
        (Some(current.as_str()), "\"other\"", 200),
    ] {
        let mut headers = vec![JSON, ("If-None-Match", unwanted)];
        headers.extend(wanted.map(|wanted| ("If-Match", wanted)));
        let answer = ask(&app, Patch, &path, bearer(&admin), &headers, "{}").await;
        assert_eq!(answer.status, status, "{wanted:?} {unwanted}: {}", answer.body);
    }
    let headers = [("If-None-Match", "*")];
    assert_eq!(ask(&app, Delete, &path, bearer(&admin), &headers, "").await.status, 412);
    assert_eq!(ask(&app, Delete, "/v1/users/99", bearer(&admin), &headers, "").await.status, 404);
    assert!(app.stored(target.id()).await.is_active);
}

#[apply(on_both)]
async fn if_match_of_a_reader_is_compared_strongly(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    for path in [path_of(&target), "/v1/users/ada".to_owned()] {
        let current = tag(&app, &admin, &path).await;
        let weak = format!("W/{current}");
        let list = format!("\"other\", {current}");
        for (wanted, known, status) in [
            ("*", None, 200),
            (current.as_str(), None, 200),
            (&list, None, 200),
            ("*", Some(current.as_str()), 304),
            (&weak, None, 412),
            ("\"other\"", None, 412),
            ("\"other\"", Some("*"), 412),
        ] {
            for method in [Get, Head] {
                let mut headers = vec![("If-Match", wanted)];
                headers.extend(known.map(|known| ("If-None-Match", known)));
                let answer = ask(&app, method, &path, bearer(&admin), &headers, "").await;
                assert_eq!(answer.status, status, "{method} {path} {wanted} {known:?}: {}", answer.body);
            }
        }
    }
    let missing = ask(&app, Get, "/v1/users/99", bearer(&admin), &[("If-Match", "*")], "").await;
    assert_eq!(missing.status, 404);
}

#[apply(on_both)]
async fn every_edit_gives_another_tag_and_no_edit_the_same(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let mut seen = vec![tag(&app, &admin, &path).await];
    for body in [
        json!({"first_name": "Ada"}),
        json!({"first_name": ""}),
        json!({"is_active": false}),
        json!({"is_active": true}),
        json!({"username": "ADA"}),
        json!({"password": "quite another one"}),
    ] {
        let answer = app.send(&admin, Patch, &path, &body).await;
        let new = answer.header("ETag").expect("a tag").to_owned();
        assert!(!seen.contains(&new), "{body} gave the tag of an earlier state");
        assert_eq!(tag(&app, &admin, &path).await, new);
        seen.push(new);
    }
    let answer = app.send(&admin, Patch, &path, &json!({"username": "ADA", "is_active": true})).await;
    assert_eq!(answer.header("ETag"), seen.last().map(String::as_str), "nothing changed");
}
