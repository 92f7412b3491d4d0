//! User names: which there can be, and which are taken.

use rocket::http::Method::{Get, Patch, Post, Put};
use rocket::tokio::join;
use serde_json::json;

use super::*;

const TAKEN: &str = "A user with that username already exists.";

#[apply(on_both)]
async fn a_username_has_letters_and_digits_of_any_script_and_five_signs(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    for name in [
        "a",
        "_",
        "@.+-_",
        "Zoë",
        "олег",
        "名前",
        "سارة",
        "नर",
        "x٣",
        "ada@example.org",
        "7a",
        "lists",
        "...",
    ] {
        let answer = app.send(&admin, Patch, "/v1/users/2", &json!({ "username": name })).await;
        assert_eq!((answer.status, &answer.json()["username"]), (200, &json!(name)), "{name}");
        let encoded = format!("/v1/users/{}", form_encoded(name));
        assert_eq!(app.get(&admin, &encoded).await.json()["pk"], json!(2), "{name} can be fetched");
    }
    let message =
        "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.";
    for name in [
        "a b",
        "a/b",
        "a'b",
        "a,b",
        "a;b",
        "a%b",
        "a\"b",
        "a<b",
        "a\\b",
        "a:b",
        "a!b",
        "🙂",
        "a\u{200d}b",
        "a\u{ad}b",
        "a\u{200e}b",
    ] {
        for (method, path) in [(Post, "/v1/users/create"), (Put, "/v1/users/2"), (Patch, "/v1/users/2")] {
            let answer = app.send(&admin, method, path, &whole(name)).await;
            assert_is(&answer, 400, &json!({"username": [message]}), name);
        }
    }
}

#[apply(on_both)]
async fn a_username_is_stored_as_given(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    for name in ["AdA", "ＡＤＡ", "Straße", "ﬁona", "ÅNGSTRÖM"] {
        let answer = app.send(&admin, Patch, "/v1/users/2", &json!({ "username": name })).await;
        assert_eq!((answer.status, &answer.json()["username"]), (200, &json!(name)), "{name}");
    }
}

#[apply(on_both)]
async fn names_that_could_never_be_fetched_are_refused_for_new_users(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    for name in
        ["0", "7", "007", "99999999999999999999999", "list", "LIST", "create", "Create", ".", "..", " 42 "]
    {
        for (method, path) in [(Post, "/v1/users/create"), (Put, "/v1/users/2"), (Patch, "/v1/users/2")] {
            let answer = app.send(&admin, method, path, &whole(name)).await;
            assert_eq!(answer.status, 400, "{method} {name}: {}", answer.body);
            let messages = answer.json();
            assert_eq!(messages["username"].as_array().map(Vec::len), Some(1), "{name}: {messages}");
            assert_eq!(messages.as_object().map(serde_json::Map::len), Some(1), "{name}: {messages}");
        }
    }
    // Who came with such a name from elsewhere keeps it.
    let imported = app.person("42", "ordinary").await;
    let path = path_of(&imported);
    for (method, body) in [(Patch, json!({"first_name": "Arthur"})), (Put, whole("42"))] {
        let answer = app.send(&admin, method, &path, &body).await;
        assert_eq!((answer.status, &answer.json()["username"]), (200, &json!("42")), "{}", answer.body);
    }
}

#[apply(on_both)]
async fn pw_5_a_name_is_taken_in_every_letter_case_and_compatibility_form(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("other", "ordinary").await;
    app.person("Straße.É.fi", "ordinary").await;
    app.person("Gone", "inactive").await;
    for name in [
        "Straße.É.fi",
        "STRASSE.É.FI",
        "strasse.e\u{301}.fi",
        "straße.é.ﬁ",
        "ＳＴＲＡＳＳＥ.É.fi",
        "  Straße.É.fi\u{3000}",
        "gone",
        "GONE",
        "ｇｏｎｅ",
    ] {
        let expected = json!({"username": [TAKEN]});
        for (method, path) in [(Post, "/v1/users/create"), (Put, "/v1/users/2"), (Patch, "/v1/users/2")] {
            assert_is(&app.send(&admin, method, path, &whole(name)).await, 400, &expected, name);
        }
    }
    assert_eq!(usernames(&app, &admin).await.len(), 4);
}

#[apply(on_both)]
async fn a_user_may_keep_their_own_name_in_another_form(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    for name in ["ADA", "Ada", "ａｄａ", "ada"] {
        let answer = app.send(&admin, Patch, "/v1/users/2", &json!({ "username": name })).await;
        assert_eq!((answer.status, &answer.json()["username"]), (200, &json!(name)), "{}", answer.body);
        let by_name = ask(&app, Get, "/v1/users/aDa", bearer(&admin), &[], "").await;
        assert_eq!(by_name.json()["username"], json!(name));
    }
    let answer = app.send(&admin, Put, "/v1/users/2", &whole("ADA")).await;
    assert_eq!((answer.status, &answer.json()["username"]), (200, &json!("ADA")), "{}", answer.body);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn of_two_racing_creates_of_one_name_one_wins(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let other = app.another_instance().await;
    for round in 0..3 {
        let (upper, lower) = (whole(&format!("RACER-{round}")), whole(&format!("racer-{round}")));
        let (one, two) = join!(
            app.send(&admin, Post, "/v1/users/create", &upper),
            other.send(&admin, Post, "/v1/users/create", &lower),
        );
        let (won, lost) = if one.status == 201 { (one, two) } else { (two, one) };
        assert_eq!(won.status, 201, "{}", won.body);
        assert_is(&lost, 400, &json!({"username": [TAKEN]}), "the one that lost");
    }
    assert_eq!(usernames(&app, &admin).await.len(), 4);
}

#[apply(on_both)]
async fn of_two_racing_renames_to_one_name_one_wins(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("one", "ordinary").await;
    app.person("two", "ordinary").await;
    for round in 0..10 {
        let body = json!({"username": format!("racer-{round}")});
        let (one, two) = join!(
            app.send(&admin, Patch, "/v1/users/2", &body),
            app.send(&admin, Patch, "/v1/users/3", &body),
        );
        let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
        assert_eq!(won.status, 200, "{}", won.body);
        assert_is(&lost, 400, &json!({"username": [TAKEN]}), "the one that lost");
    }
}
