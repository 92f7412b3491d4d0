//! The seven actions on users, when all goes well.

use std::time::Duration;

use rocket::http::Method::{Delete, Get, Head, Patch, Post, Put};
use serde_json::{Value, json};

use super::*;

const MEMBERS: [&str; 10] = [
    "username",
    "pk",
    "last_login",
    "is_superuser",
    "first_name",
    "last_name",
    "email",
    "is_staff",
    "is_active",
    "date_joined",
];

#[apply(on_both)]
async fn a_record_is_ten_members_in_this_order_compact_and_unescaped(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    // The clock stands at ...00.123456; a fraction that ends in zeros keeps them.
    app.clock.advance(Duration::from_micros(376_544));
    let names = json!({"first_name": "O'Neil \"<b>", "last_name": "naïve/é 🦉", "email": "Zoe@Example.org", "is_staff": true});
    let created = app.send(&admin, Post, "/v1/users/create", &whole_with("Zoë.名前", names)).await;
    let record = |last_login: &str, is_active: bool| {
        format!(
            "{{\"username\":\"Zoë.名前\",\"pk\":2,\"last_login\":{last_login},\"is_superuser\":false,\
             \"first_name\":\"O'Neil \\\"<b>\",\"last_name\":\"naïve/é 🦉\",\"email\":\"Zoe@Example.org\",\
             \"is_staff\":true,\"is_active\":{is_active},\"date_joined\":\"2026-03-01T09:00:00.500000Z\"}}"
        )
    };
    assert_eq!((created.status, created.body), (201, record("null", true)));
    app.clock.advance(Duration::from_millis(500));
    assert_eq!(app.obtain("zoë.名前", PASSWORD).await.status, 200);
    let expected = record("\"2026-03-01T09:00:01.000000Z\"", true);
    for path in ["/v1/users/2", "/v1/users/Zo%C3%AB.%E5%90%8D%E5%89%8D"] {
        let answer = app.get(&admin, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expected.as_str()), "{path}");
        assert_eq!(answer.header("Content-Type"), Some("application/json"), "{path}");
    }
    let changed = app.send(&admin, Patch, "/v1/users/2", &json!({"is_active": false})).await;
    let expected = record("\"2026-03-01T09:00:01.000000Z\"", false);
    assert_eq!((changed.status, changed.body), (200, expected.clone()));
    let filter =
        json!({"include_inactive": true, "expressions": [{"type": "exact", "field": "pk", "value": 2}]});
    let list = app.send(&admin, Post, "/v1/users/list", &filter).await;
    assert_eq!((list.status, list.body.clone()), (200, format!("[{expected}]")));
    assert_eq!(list.header("Content-Type"), Some("application/json"));
}

#[apply(on_both)]
async fn create_answers_201_with_the_place_and_the_tag(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let answer = app.send(&admin, Post, "/v1/users/create", &whole("ada")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.header("Location"), Some("/v1/users/2"));
    let tag = answer.header("ETag").expect("a tag").to_owned();
    let record = app.get(&admin, "/v1/users/2").await;
    assert_eq!(record.header("ETag"), Some(tag.as_str()));
    assert_eq!(record.body, answer.body);
    let record = record.json();
    for (member, value) in [("is_active", true), ("is_staff", false), ("is_superuser", false)] {
        assert_eq!(record[member], json!(value), "the default of {member}");
    }
}

#[apply(on_both)]
async fn every_action_answers_the_record_as_it_then_is(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let names =
        json!({"first_name": "Ada", "last_name": "King", "email": "ada@example.org", "is_staff": true});
    for (method, body) in [
        (Put, whole_with("Countess", names)),
        (Patch, json!({"last_name": "Lovelace"})),
        (Patch, json!({"is_staff": false, "is_active": false})),
        (Patch, json!({})),
    ] {
        let answer = app.send(&admin, method, &path, &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        for (member, value) in body.as_object().expect("an object") {
            if member != "password" {
                assert_eq!(&answer.json()[member], value, "{member}");
            }
        }
        let now = app.get(&admin, &path).await;
        assert_eq!((now.body, now.status), (answer.body.clone(), 200));
        let now = app.get(&admin, &path).await;
        assert_eq!(now.header("ETag"), answer.header("ETag"));
    }
}

#[apply(on_both)]
async fn delete_deactivates_and_answers_204_however_often(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    for _ in 0..2 {
        let answer = ask(&app, Delete, &path_of(&target), bearer(&admin), &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!(answer.header("Content-Type"), None);
    }
    let record = app.get(&admin, &path_of(&target)).await;
    assert_eq!(record.json()["is_active"], json!(false), "nothing is ever deleted");
    assert_eq!(app.get(&admin, "/v1/users/ada").await.status, 200, "inactive users are found by name");
    assert_eq!(usernames(&app, &admin).await, ["admin", "ada"]);
    let active = app.send(&admin, Post, "/v1/users/list", &json!({})).await.json();
    assert_eq!(active.as_array().map(Vec::len), Some(1), "a list has only active users by default");
}

#[apply(on_both)]
async fn patch_reinstates(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    assert_eq!(ask(&app, Delete, &path, bearer(&admin), &[], "").await.status, 204);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401);
    let answer = app.send(&admin, Patch, &path, &json!({"is_active": true})).await;
    assert_eq!((answer.status, &answer.json()["is_active"]), (200, &json!(true)));
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn put_keeps_the_flags_that_are_left_out(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    for (kind, number) in [("ordinary", 1), ("staff", 2), ("inactive", 3), ("inactive staff", 4)] {
        let target = app.person(&format!("target-{number}"), kind).await;
        let answer =
            app.send(&admin, Put, &path_of(&target), &whole_with(&format!("t{number}"), json!({}))).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.body);
        let stored = app.stored(target.id()).await;
        assert_eq!(stored.is_staff, kind.contains("staff"), "{kind}");
        assert_eq!(stored.is_active, !kind.contains("inactive"), "{kind}");
    }
}

#[apply(on_both)]
async fn whole_records_may_be_sent_back(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let target = app.person("ada", "staff").await;
    let path = path_of(&target);
    let before = app.get(&admin, &path).await;
    let mut record = before.json();
    let answer = app.send(&admin, Patch, &path, &record).await;
    assert_eq!((answer.status, &answer.body), (200, &before.body));
    record["password"] = json!("quite another password");
    let answer = app.send(&admin, Put, &path, &record).await;
    assert_eq!((answer.status, &answer.body), (200, &before.body));
}

#[apply(on_both)]
async fn what_a_client_may_not_set_is_ignored(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let target = app.person("ada", "ordinary").await;
    let not_to_be_set = json!({
        "pk": 999, "id": "999", "last_login": "1999-01-01", "date_joined": 17, "is_superuser": true,
        "version": 99, "groups": [1, {"a": null}], "password_hash": "x", "_method": "delete",
    });
    let created = app.send(&admin, Post, "/v1/users/create", &whole_with("new", not_to_be_set.clone())).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let record = created.json();
    assert_eq!(record.as_object().map(serde_json::Map::len), Some(MEMBERS.len()));
    for member in MEMBERS {
        assert!(record.get(member).is_some(), "{member}");
    }
    let expected = json!({"pk": 3, "last_login": null, "is_superuser": false, "date_joined": "2026-03-01T09:00:00.123456Z"});
    for (member, value) in expected.as_object().expect("an object") {
        assert_eq!(&record[member], value, "{member}");
    }
    let before = app.get(&admin, &path_of(&target)).await;
    let mut body = not_to_be_set.clone();
    for (method, body) in [(Patch, not_to_be_set), (Put, whole_with("ada", body.take()))] {
        let answer = app.send(&admin, method, &path_of(&target), &body).await;
        assert_eq!((answer.status, &answer.body), (200, &before.body), "{method}");
    }
}

#[apply(on_both)]
async fn primary_keys_begin_at_1_and_are_never_reused(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    assert_eq!((admin.id(), target.id()), (1, 2));
    app.sql("DELETE FROM users WHERE id = 2").await;
    assert_eq!(app.person("bob", "ordinary").await.id(), 3);
}

#[apply(on_both)]
async fn last_login_is_written_by_each_successful_sign_in(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let last_login = async || app.get(&admin, &path_of(&target)).await.json()["last_login"].clone();
    assert_eq!(last_login().await, Value::Null);
    assert_eq!(app.obtain("ada", "not the password").await.status, 401);
    assert_eq!(last_login().await, Value::Null, "a failure is no sign-in");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    assert_eq!(last_login().await, json!("2026-03-01T09:00:00.123456Z"));
    app.clock.advance(Duration::from_secs(61));
    assert_eq!(sign_in_by_page(&app, "ada", PASSWORD).await.status, 303);
    assert_eq!(last_login().await, json!("2026-03-01T09:01:01.123456Z"));
}

#[apply(on_both)]
async fn a_user_sees_their_own_record_by_key_and_by_any_form_of_the_name(app: TestApp) {
    let person = app.person("Ada.L", "ordinary").await;
    app.person("other", "ordinary").await;
    for path in
        ["/v1/users/1", "/v1/users/001/", "/v1/users/Ada.L", "/v1/users/aDA.l/", "/v1/users/%EF%BC%A1da.L"]
    {
        let answer = app.get(&person, path).await;
        assert_eq!((answer.status, &answer.json()["pk"]), (200, &json!(1)), "{path}: {}", answer.body);
    }
    for path in ["/v1/users/2", "/v1/users/other", "/v1/users/missing", "/v1/users/99"] {
        assert_is(&app.get(&person, path).await, 403, &denied("admin_required"), path);
    }
}

#[apply(on_both)]
async fn head_is_get_without_the_body(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for path in ["/v1/users/1", "/v1/users/ADMIN", "/v1/users/99", "/v1/users/list", "/v1/nothing", "/livez"]
    {
        let get = ask(&app, Get, path, bearer(&admin), &[], "").await;
        let head = ask(&app, Head, path, bearer(&admin), &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.lasting_headers(), get.lasting_headers(), "{path}");
    }
    let head = ask(&app, Head, "/v1/users/1", ANONYMOUS, &[], "").await;
    assert_eq!((head.status, head.header("WWW-Authenticate")), (401, Some("Bearer realm=\"api\"")));
}
