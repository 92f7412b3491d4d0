//! The policy for new passwords, as it is answered.

use std::time::Duration;

use rocket::http::Method::{Patch, Post, Put};
use rocket::tokio::time::Instant;
use serde_json::json;
use usher::operations::dearest_hash;

use super::*;

const COMMON: &str = "This password is too common.";
const LONG: &str = "Ensure this field has no more than 128 characters.";

fn too_short(least: usize) -> String {
    format!("This password is too short. It must contain at least {least} characters.")
}

#[apply(on_both)]
async fn pw_7_pw_8_an_unfit_password_is_refused_with_its_messages(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let names = json!({"username": "kestrel.b", "first_name": "Beatrix", "last_name": "Otterly", "email": "b.otter@mail.example"});
    let similar = |label: &str| format!("The password is too similar to the {label}.");
    for (password, messages) in [
        ("zq7 wuv".to_owned(), vec![too_short(8)]),
        ("é🦦é🦦é🦦é".to_owned(), vec![too_short(8)]),
        ("♞".to_owned(), vec![too_short(8)]),
        ("🦦".repeat(129), vec![LONG.to_owned()]),
        ("x".repeat(129), vec![LONG.to_owned()]),
        ("x".repeat(5_000), vec![LONG.to_owned()]),
        ("password123".to_owned(), vec![COMMON.to_owned()]),
        ("QwertyUIOP".to_owned(), vec![COMMON.to_owned()]),
        ("monkey".to_owned(), vec![too_short(8), COMMON.to_owned()]),
        ("Kestrel.B".to_owned(), vec![similar("username")]),
        ("kestrel.b2026!".to_owned(), vec![similar("username")]),
        ("B.Otter@mail.example".to_owned(), vec![similar("email address")]),
        ("beatrix1234".to_owned(), vec![similar("first name")]),
        ("otterly9999".to_owned(), vec![similar("last name")]),
        (" ".repeat(10), vec!["This field may not be blank.".to_owned()]),
    ] {
        let mut body = names.clone();
        body["password"] = json!(password);
        let case: String = password.chars().take(30).collect();
        for (method, path) in [(Post, "/v1/users/create"), (Put, "/v1/users/2"), (Patch, "/v1/users/2")] {
            let answer = app.send(&admin, method, path, &body).await;
            assert_is(&answer, 400, &json!({"password": messages}), &case);
        }
    }
    assert!(app.is_signed_in(&target, By::Bearer).await, "a refused password ends no session");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn pw_7_a_password_is_taken_whole(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    let longest = "🦦x".repeat(64);
    for (password, others) in [
        ("  zq7 wuvx  ", ["zq7 wuvx", "  zq7 wuvx", "  ZQ7 wuvx  "]),
        ("e\u{301}lan vital", ["elan vital", "\u{c9}lan vital", "e\u{301}lan vital "]),
        (&longest, [&longest[..longest.len() - 1], "x", "🦦x"]),
    ] {
        let answer = app.send(&admin, Patch, "/v1/users/2", &json!({ "password": password })).await;
        assert_eq!(answer.status, 200, "{password}: {}", answer.body);
        for other in others {
            assert_eq!(app.obtain("ada", other).await.status, 401, "{password:?}, {other:?}");
        }
        assert_eq!(app.obtain("ada", password).await.status, 200, "{password}");
    }
}

#[apply(on_both)]
async fn pw_8_a_password_is_compared_with_the_names_that_the_change_gives(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("wintergreen", "ordinary").await;
    let similar = json!({"password": ["The password is too similar to the username."]});
    let body = json!({"password": "wintergreen"});
    assert_is(&app.send(&admin, Patch, "/v1/users/2", &body).await, 400, &similar, "the name it has");
    let body = json!({"password": "summergreen", "username": "summergreen"});
    assert_is(&app.send(&admin, Patch, "/v1/users/2", &body).await, 400, &similar, "the name it gets");
    let body = json!({"password": "wintergreen", "username": "summergreen"});
    assert_eq!(app.send(&admin, Patch, "/v1/users/2", &body).await.status, 200, "the name it had");
}

#[apply(on_both)]
async fn pw_6_no_part_of_a_password_comes_back(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    for password in ["seeded-9317", "s3e-9x", &"seeded-9317".repeat(12)] {
        for (method, path) in [(Post, "/v1/users/create"), (Put, "/v1/users/2"), (Patch, "/v1/users/2")] {
            let body = whole_with("ada", json!({"password": password, "email": "x"}));
            let answer = app.send(&admin, method, path, &body).await;
            assert_eq!(answer.status, 400);
            assert!(!answer.body.contains(password), "{}", answer.body);
        }
    }
    let answer = app.send(&admin, Patch, "/v1/users/2", &json!({"password": "seeded-9317"})).await;
    assert_eq!(
        (answer.status, answer.body.contains("seeded"), answer.body.contains("password")),
        (200, false, false)
    );
}

#[apply(on_both)]
#[with([("password_min_length", json!(15))])]
async fn pw_7_the_shortest_length_is_a_setting(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    let answer = app.send(&admin, Patch, "/v1/users/2", &json!({"password": "zq7 wuvx kyt 1"})).await;
    assert_is(&answer, 400, &json!({"password": [too_short(15)]}), "14");
    let answer = app.send(&admin, Patch, "/v1/users/2", &json!({"password": "zq7 wuvx kyt 12"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[apply(on_both)]
#[with([("password_min_length", json!(1))])]
async fn pw_7_the_shortest_length_may_be_one(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    assert_eq!(app.send(&admin, Patch, "/v1/users/2", &json!({"password": "♞"})).await.status, 200);
    assert_eq!(app.obtain("ada", "♞").await.status, 200);
}

/// Imported from another system, it takes longer to check than a hash of ours.
const DEAR: &str = "pbkdf2_sha256$400000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[apply(on_both)]
async fn pw_2_a_dear_imported_hash_does_not_tell_by_the_time_that_the_account_exists(app: TestApp) {
    // The look at the start is over before there is a user.
    dearest_hash::look_first(&app.usher).await;
    let ada = app.person("ada", "ordinary").await;
    assert_eq!(app.usher.dearest_hash.floor(), Duration::ZERO, "all hashes cost alike");
    app.sql(&format!("UPDATE users SET password = '{DEAR}' WHERE id = {}", ada.id())).await;
    // It starts after the import, and the other one finds users who were added while it runs.
    let other = app.another_instance().await;
    dearest_hash::look(&app.usher).await.expect("a look");
    for instance in [&app, &other] {
        let floor = instance.usher.dearest_hash.floor();
        assert!(floor > Duration::from_millis(50), "{floor:?}");
        for name in ["nobody", "ada"] {
            let begun = Instant::now();
            assert_eq!(instance.obtain(name, "wrong").await.status, 401);
            assert!(begun.elapsed() >= floor, "{name} by the API");
            let begun = Instant::now();
            assert_eq!(sign_in_by_page(instance, name, "wrong").await.status, 422);
            assert!(begun.elapsed() >= floor, "{name} by the page");
        }
    }
}

#[apply(on_both)]
async fn pw_2_of_each_kind_of_hash_the_dearest_is_found_wherever_it_is(app: TestApp) {
    dearest_hash::look_first(&app.usher).await;
    for number in 0..4 {
        app.person(&format!("user-{number}"), "ordinary").await;
    }
    let cheap = "pbkdf2_sha256$1$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (id, hash) in [(1, cheap), (2, DEAR), (3, "!"), (4, cheap)] {
        app.sql(&format!("UPDATE users SET password = '{hash}' WHERE id = {id}")).await;
    }
    let operations = app.usher.hasher.operations();
    dearest_hash::look(&app.usher).await.expect("a look");
    assert!(app.usher.dearest_hash.floor() > Duration::from_millis(50));
    assert_eq!(app.usher.hasher.operations(), operations, "no sign-in has done it");
}

#[apply(on_both)]
#[with([("password_words", json!(["Acme Corp", "tintenfass"]))])]
async fn pw_8_dressed_up_words_are_refused_at_every_door_and_the_operators_own_too(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let ada = app.person("ada", "ordinary").await;
    let refused = json!({"password": [COMMON]});
    for password in ["P@ssw0rd1", "Password123!", "Welcome2026", "ACME CORP 2026", "T1ntenfa$$!"] {
        for (method, path) in [(Post, "/v1/users/create"), (Put, "/v1/users/2"), (Patch, "/v1/users/2")] {
            let body = whole_with("ada", json!({ "password": password }));
            let answer = app.send(&admin, method, path, &body).await;
            let body = answer.json();
            assert_eq!(
                (answer.status, &body["password"]),
                (400, &refused["password"]),
                "{password} {method}"
            );
        }
        let own = json!({"current_password": PASSWORD, "new_password": password});
        let answer = app.send(&ada, Post, "/v1/account/password", &own).await;
        assert_is(&answer, 400, &json!({"new_password": [COMMON]}), password);
        let fields = [("current_password", PASSWORD), ("new_password", password)];
        let path = "/account/password";
        let (answer, _) = crate::console::send_from(&app, &ada, path, path, &fields).await;
        assert!(answer.status == 422 && answer.body.contains("lists of common passwords"), "{password}");
    }
    let answer =
        app.send(&admin, Patch, "/v1/users/2", &json!({"password": "acme corps of tintenfass"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
