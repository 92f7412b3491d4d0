//! Which path is which route.

use rocket::http::Method::{Delete, Get, Patch, Post, Put};
use serde_json::json;

use super::*;

#[apply(on_both)]
async fn a_trailing_slash_is_answered_directly_on_every_route(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let tokens = app.obtain("admin", PASSWORD).await.json();
    let credentials = json!({"username": "admin", "password": PASSWORD});
    let id = target.id();
    for (method, path, body, status) in [
        (Post, "/v1/auth/obtain/".to_owned(), credentials, 200),
        (Post, "/v1/auth/refresh/".to_owned(), json!({"refresh": tokens["refresh"]}), 200),
        (Post, "/v1/auth/verify/".to_owned(), json!({"token": tokens["access"]}), 200),
        (Post, "/v1/users/list/".to_owned(), json!({}), 200),
        (Post, "/v1/users/create/".to_owned(), whole("new"), 201),
        (Get, format!("/v1/users/{id}/"), json!(null), 200),
        (Get, "/v1/users/ada/".to_owned(), json!(null), 200),
        (Put, format!("/v1/users/{id}/"), whole("ada"), 200),
        (Patch, format!("/v1/users/{id}/"), json!({"first_name": "Ada"}), 200),
        (Delete, format!("/v1/users/{id}/"), json!(null), 204),
    ] {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = ask(&app, method, &path, bearer(&admin), &[JSON], body).await;
        assert_eq!((answer.status, answer.header("Location").is_some()), (status, status == 201), "{path}");
    }
    assert!(!app.stored(id).await.is_active);
}

#[apply(on_both)]
async fn list_and_create_are_always_those_routes(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    // Rows that only an import can have made.
    for name in ["list", "create"] {
        app.person(name, "ordinary").await;
        for path in [format!("/v1/users/{name}"), format!("/v1/users/{name}/")] {
            for method in [Get, Put, Patch, Delete] {
                let answer = ask(&app, method, &path, bearer(&admin), &[], "").await;
                assert_eq!((answer.status, answer.header("Allow")), (405, Some("POST, OPTIONS")), "{path}");
            }
        }
    }
    let answer = app.send(&admin, Post, "/v1/users/list", &json!({})).await;
    assert_eq!(answer.json().as_array().map(Vec::len), Some(3));
}

#[apply(on_both)]
async fn digits_are_a_primary_key_however_they_are_written(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for number in 2..=7 {
        app.person(&format!("user-{number}"), "ordinary").await;
    }
    for digits in ["7", "007", "%37", "00000000000000000000000000000000000000007"] {
        let answer = app.get(&admin, &format!("/v1/users/{digits}")).await;
        assert_eq!((answer.status, &answer.json()["pk"]), (200, &json!(7)), "{digits}");
    }
    let answer = app.send(&admin, Patch, "/v1/users/007", &json!({"first_name": "Seven"})).await;
    assert_eq!((answer.status, &answer.json()["pk"]), (200, &json!(7)));
    let beyond = "9".repeat(300);
    let missing = ["0", "8", "9223372036854775807", "9223372036854775808", "18446744073709551623", &beyond];
    for digits in missing {
        let path = format!("/v1/users/{digits}");
        assert_is(&app.get(&admin, &path).await, 404, &no_such_user(), digits);
        assert_is(&app.send(&admin, Patch, &path, &json!({})).await, 404, &no_such_user(), digits);
        let deleted = ask(&app, Delete, &path, bearer(&admin), &[], "").await;
        assert_is(&deleted, 404, &no_such_user(), digits);
    }
    // Only ASCII digits are digits; a sign makes a name.
    for name in ["%D9%A7", "-7", "+7", "7.0", "0x7", "%EF%BC%97"] {
        assert_is(&app.get(&admin, &format!("/v1/users/{name}")).await, 404, &no_such_user(), name);
    }
}

#[apply(on_both)]
async fn names_are_percent_decoded_once_and_a_plus_is_a_plus(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for (number, name) in ["ada+l@example.org", "ada", "Élodie", "名前", "a-b_c.d"].iter().enumerate() {
        app.person(name, "ordinary").await;
        assert_eq!(
            app.stored(i64::try_from(number).expect("a small number") + 2).await.username.as_str(),
            *name
        );
    }
    for (path, pk) in [
        ("ada+l@example.org", 2),
        ("ada%2Bl%40example.org", 2),
        ("%61%64%61", 3),
        ("%C3%89lodie", 4),
        // Decomposed, as some systems send it.
        ("E%CC%81lodie", 4),
        ("%E5%90%8D%E5%89%8D", 5),
        ("a%2Db%5Fc%2Ed", 6),
    ] {
        let answer = app.get(&admin, &format!("/v1/users/{path}")).await;
        assert_eq!((answer.status, &answer.json()["pk"]), (200, &json!(pk)), "{path}");
    }
    for path in
        ["ada%20l@example.org", "a%2Fda", "..%2F1", "ada%2F", "%2561da", "ada%00", "%FF", "%ED%A0%80", "%"]
    {
        let answer = app.get(&admin, &format!("/v1/users/{path}")).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {} {}", answer.status, answer.body);
        assert!(answer.json()["detail"].is_string(), "{path}: {}", answer.body);
    }
    for path in ["ada%2Fx", "ada%00"] {
        assert_is(&app.get(&admin, &format!("/v1/users/{path}")).await, 404, &no_such_user(), path);
    }
}

#[apply(on_both)]
async fn a_name_is_found_in_any_letter_case_and_compatibility_form(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("Straße.ÉLAN", "inactive").await;
    for name in ["Straße.ÉLAN", "straße.élan", "STRASSE.ÉLAN", "%EF%BC%B3traße.e%CC%81lan"] {
        let path = format!(
            "/v1/users/{}",
            name.replace('ß', "%C3%9F").replace('É', "%C3%89").replace('é', "%C3%A9")
        );
        let answer = app.get(&admin, &path).await;
        assert_eq!((answer.status, &answer.json()["pk"]), (200, &json!(2)), "{name}: {}", answer.body);
    }
}

#[apply(on_both)]
async fn what_does_not_exist_is_404_for_every_action(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for (method, body) in
        [(Get, String::new()), (Put, whole("x").to_string()), (Patch, "{}".into()), (Delete, String::new())]
    {
        let answer = ask(&app, method, "/v1/users/99", bearer(&admin), &[JSON], body).await;
        assert_is(&answer, 404, &no_such_user(), method.as_str());
    }
    assert_is(&app.get(&admin, "/v1/users/nobody").await, 404, &no_such_user(), "by name");
}

#[apply(on_both)]
async fn unknown_paths_are_json_whatever_is_accepted(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let not_found = json!({"detail": "Not found."});
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/users",
        "/v1/users/",
        "/v1/auth",
        "/v1/auth/nothing",
        "/v1/users/1/x",
        "/v1/users/1/x.css",
    ] {
        for method in
            [Get, Post, Put, Patch, Delete, rocket::http::Method::Options, rocket::http::Method::Trace]
        {
            for accept in ["text/html", "application/json", "*/*", "image/png"] {
                for who in [ANONYMOUS, bearer(&admin)] {
                    let answer = ask(&app, method, path, who, &[("Accept", accept)], "").await;
                    assert_is(&answer, 404, &not_found, &format!("{method} {path} {accept}"));
                }
            }
        }
    }
}

#[apply(on_both)]
#[with([("get_by_name", json!("array"))])]
async fn get_by_name_answers_an_array_of_no_or_one_record(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let person = app.person("Ada", "ordinary").await;
    app.person("gone", "inactive").await;
    let record = app.get(&admin, "/v1/users/2").await;
    assert!(record.body.starts_with('{'), "by primary key it is an object all the same");
    for path in ["/v1/users/ada", "/v1/users/ADA/"] {
        for who in [&admin, &person] {
            let answer = app.get(who, path).await;
            assert_eq!((answer.status, &answer.body), (200, &format!("[{}]", record.body)), "{path}");
            assert_eq!(answer.header("Content-Type"), Some("application/json"));
            assert_eq!(answer.header("ETag"), record.header("ETag"));
        }
    }
    assert_is(&app.get(&admin, "/v1/users/nobody").await, 200, &json!([]), "a missing name");
    assert_eq!(app.get(&admin, "/v1/users/gone").await.json()[0]["is_active"], json!(false));
    assert_is(&app.get(&admin, "/v1/users/99").await, 404, &no_such_user(), "a missing key");
    for path in ["/v1/users/admin", "/v1/users/nobody"] {
        assert_is(&app.get(&person, path).await, 403, &denied("admin_required"), path);
    }
}
