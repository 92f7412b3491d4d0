//! What each member may be, and the message for what it may not.

use rocket::http::Method::{Patch, Post, Put};
use serde_json::{Value, json};

use super::*;

const REQUIRED: &str = "This field is required.";
const BLANK: &str = "This field may not be blank.";
const NULL: &str = "This field may not be null.";
const NOT_A_STRING: &str = "Not a valid string.";
const NOT_A_BOOLEAN: &str = "Must be a valid boolean.";
const TEXTS: [&str; 5] = ["username", "password", "first_name", "last_name", "email"];
const FLAGS: [&str; 2] = ["is_staff", "is_active"];

/// Sends one member in each of the three ways that it can be sent; the answers.
async fn each_way(app: &TestApp, admin: &Person, member: &str, value: &Value) -> [Answer; 3] {
    let mut body = whole("new");
    body[member] = value.clone();
    let mut part = json!({});
    part[member] = value.clone();
    [
        app.send(admin, Post, "/v1/users/create", &body).await,
        app.send(admin, Put, "/v1/users/2", &body).await,
        app.send(admin, Patch, "/v1/users/2", &part).await,
    ]
}

/// That a member is refused with this message alone, however it is sent.
async fn assert_refused(app: &TestApp, admin: &Person, member: &str, value: &Value, message: &str) {
    let expected = json!({ member: [message] });
    for answer in each_way(app, admin, member, value).await {
        assert_is(&answer, 400, &expected, &format!("{member}: {}", short(value)));
    }
}

/// That a member is accepted, and as what it is stored.
async fn assert_stored(app: &TestApp, admin: &Person, member: &str, value: &Value, stored: &Value) {
    let answer = app.send(admin, Patch, "/v1/users/2", &json!({ member: value })).await;
    assert_eq!(answer.status, 200, "{member}: {}: {}", short(value), answer.body);
    assert_eq!(&answer.json()[member], stored, "{member}: {}", short(value));
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

async fn people(app: &TestApp) -> Person {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    admin
}

#[apply(on_both)]
async fn all_bad_fields_are_reported_at_once(app: TestApp) {
    let admin = people(&app).await;
    let body = json!({
        "username": "a b", "first_name": 1, "last_name": null, "email": "nowhere",
        "is_staff": "perhaps", "is_active": null, "unknown": {"is": "ignored"},
    });
    let mut messages = json!({
        "username": ["Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."],
        "first_name": [NOT_A_STRING],
        "last_name": [NULL],
        "email": ["Enter a valid email address."],
        "is_staff": [NOT_A_BOOLEAN],
        "is_active": [NULL],
    });
    assert_is(&app.send(&admin, Patch, "/v1/users/2", &body).await, 400, &messages, "PATCH");
    messages["password"] = json!([REQUIRED]);
    assert_is(&app.send(&admin, Post, "/v1/users/create", &body).await, 400, &messages, "create");
    assert_is(&app.send(&admin, Put, "/v1/users/2", &body).await, 400, &messages, "PUT");
    // What depends on other users or on the whole record is among them.
    let body = whole_with("ADMIN", json!({"password": "short", "email": "@"}));
    let messages = json!({
        "username": ["A user with that username already exists."],
        "password": ["This password is too short. It must contain at least 8 characters."],
        "email": ["Enter a valid email address."],
    });
    assert_is(&app.send(&admin, Post, "/v1/users/create", &body).await, 400, &messages, "taken");
}

#[apply(on_both)]
async fn every_member_has_its_message_for_what_is_missing_blank_or_null(app: TestApp) {
    let admin = people(&app).await;
    for member in TEXTS {
        let mut body = whole("new");
        body.as_object_mut().expect("an object").remove(member);
        let expected = json!({ member: [REQUIRED] });
        for (method, path) in [(Post, "/v1/users/create"), (Put, "/v1/users/2")] {
            assert_is(&app.send(&admin, method, path, &body).await, 400, &expected, member);
        }
        assert_refused(&app, &admin, member, &Value::Null, NULL).await;
    }
    for member in FLAGS {
        assert_refused(&app, &admin, member, &Value::Null, NULL).await;
    }
    for member in ["username", "password"] {
        for blank in ["", " ", "\t\n\u{a0}\u{2003}\u{3000}"] {
            assert_refused(&app, &admin, member, &json!(blank), BLANK).await;
        }
    }
    for member in ["first_name", "last_name", "email"] {
        for blank in ["", " \u{3000}"] {
            assert_stored(&app, &admin, member, &json!(blank), &json!("")).await;
        }
    }
    assert_eq!(app.send(&admin, Patch, "/v1/users/2", &json!({})).await.status, 200);
}

#[apply(on_both)]
async fn every_member_has_its_message_for_the_wrong_type(app: TestApp) {
    let admin = people(&app).await;
    for member in TEXTS {
        for value in
            [json!(7), json!(-1.5), json!(u64::MAX), json!(true), json!(["a"]), json!([]), json!({"a": "b"})]
        {
            assert_refused(&app, &admin, member, &value, NOT_A_STRING).await;
        }
    }
    for member in FLAGS {
        for value in [json!(2), json!(-1), json!(0.5), json!(u64::MAX), json!([true]), json!([]), json!({})] {
            assert_refused(&app, &admin, member, &value, NOT_A_BOOLEAN).await;
        }
    }
}

#[apply(on_both)]
async fn booleans_have_the_spellings_of_old_clients_and_no_others(app: TestApp) {
    let admin = people(&app).await;
    for (meaning, spellings) in [
        (
            true,
            [
                json!(true),
                json!(1),
                json!("true"),
                json!("t"),
                json!("yes"),
                json!("y"),
                json!("on"),
                json!("1"),
            ],
        ),
        (
            false,
            [
                json!(false),
                json!(0),
                json!("false"),
                json!("f"),
                json!("no"),
                json!("n"),
                json!("off"),
                json!("0"),
            ],
        ),
    ] {
        for spelling in &spellings {
            let upper = spelling.as_str().map(|text| json!(text.to_uppercase()));
            let title = spelling.as_str().map(|text| json!(text[..1].to_uppercase() + &text[1..]));
            for spelling in [Some(spelling.clone()), upper, title].into_iter().flatten() {
                for member in FLAGS {
                    assert_stored(&app, &admin, member, &json!(!meaning), &json!(!meaning)).await;
                    assert_stored(&app, &admin, member, &spelling, &json!(meaning)).await;
                }
            }
        }
    }
    for text in ["", " ", "maybe", "truee", "2", "00", "null", "None", "ja", "-1", "1.0"] {
        for member in FLAGS {
            assert_refused(&app, &admin, member, &json!(text), NOT_A_BOOLEAN).await;
        }
    }
}

#[apply(on_both)]
async fn lengths_count_code_points(app: TestApp) {
    let admin = people(&app).await;
    let too_long = |limit: usize| format!("Ensure this field has no more than {limit} characters.");
    let domain = "@example.org";
    // In UTF-8 these characters have 1, 2, 3 and 4 bytes, in UTF-16 the last one has two units.
    for letter in ["a", "é", "名", "𝛼"] {
        for member in ["username", "first_name", "last_name"] {
            let fits = json!(letter.repeat(150));
            assert_stored(&app, &admin, member, &fits, &fits).await;
            assert_refused(&app, &admin, member, &json!(letter.repeat(151)), &too_long(150)).await;
        }
        assert_refused(&app, &admin, "email", &json!(letter.repeat(255)), &too_long(254)).await;
        assert_refused(&app, &admin, "password", &json!(letter.repeat(129)), &too_long(128)).await;
    }
    let address = "a".repeat(254 - domain.len()) + domain;
    assert_stored(&app, &admin, "email", &json!(address), &json!(address)).await;
    assert_refused(&app, &admin, "email", &json!(format!("a{address}")), &too_long(254)).await;
    // What is trimmed does not count.
    let padded = format!("  {}\u{3000}", "a".repeat(150));
    assert_stored(&app, &admin, "first_name", &json!(padded), &json!("a".repeat(150))).await;
}

#[apply(on_both)]
async fn white_space_around_text_is_trimmed(app: TestApp) {
    let admin = people(&app).await;
    let around = [
        "\u{20}", "\t", "\r\n", "\u{a0}", "\u{1680}", "\u{2003}", "\u{2028}", "\u{202f}", "\u{205f}",
        "\u{3000}", "\u{85}",
    ];
    for space in around {
        for (member, text) in
            [("username", "Ada"), ("first_name", "Ada  K."), ("last_name", "King"), ("email", "a@b.example")]
        {
            let given = format!("{space}{text}{space}{space}");
            assert_stored(&app, &admin, member, &json!(given), &json!(text)).await;
        }
    }
    // Composed characters are stored in one form.
    assert_stored(&app, &admin, "first_name", &json!("E\u{301}va"), &json!("\u{c9}va")).await;
    assert_stored(&app, &admin, "username", &json!("E\u{301}va"), &json!("\u{c9}va")).await;
}

#[apply(on_both)]
async fn in_2_characters_that_deceive_or_break_are_refused(app: TestApp) {
    let admin = people(&app).await;
    for member in ["username", "first_name", "last_name", "email"] {
        assert_refused(&app, &admin, member, &json!("a\0b"), "Null characters are not allowed.").await;
        for character in [
            '\u{1}', '\u{8}', '\t', '\n', '\u{1b}', '\u{7f}', '\u{80}', '\u{9f}', '\u{202a}', '\u{202e}',
            '\u{2066}', '\u{2069}',
        ] {
            for answer in each_way(&app, &admin, member, &json!(format!("a{character}b"))).await {
                assert_eq!(answer.status, 400, "{member}: {character:?}: {}", answer.body);
                let messages = answer.json();
                assert_eq!(messages.as_object().map(serde_json::Map::len), Some(1), "{messages}");
                assert_eq!(messages[member].as_array().map(Vec::len), Some(1), "{messages}");
            }
        }
    }
    assert_refused(&app, &admin, "password", &json!("a long one\0"), "Null characters are not allowed.")
        .await;
    // These belong to the way people write.
    for name in ["می\u{200c}خواهم", "O’Neil-Ångström", "李 小龍", "👩\u{200d}🔬"] {
        assert_stored(&app, &admin, "first_name", &json!(name), &json!(name)).await;
    }
}

#[apply(on_both)]
async fn email_is_blank_or_an_address_and_need_not_be_unique(app: TestApp) {
    let admin = people(&app).await;
    for address in
        ["Ada.King+x@Example.ORG", "a@localhost", "a@xn--bcher-kva.example", "o'brien@example.ie", ""]
    {
        for path in ["/v1/users/1", "/v1/users/2"] {
            let answer = app.send(&admin, Patch, path, &json!({ "email": address })).await;
            assert_eq!((answer.status, &answer.json()["email"]), (200, &json!(address)), "{address}");
        }
    }
    for address in [
        "ada",
        "ada@",
        "@example.org",
        "a b@example.org",
        "a@b@example.org",
        "a@example..org",
        "a@b",
        "<a@b.example>",
    ] {
        assert_refused(&app, &admin, "email", &json!(address), "Enter a valid email address.").await;
    }
}

#[apply(on_both)]
async fn a_bad_field_changes_nothing(app: TestApp) {
    let admin = people(&app).await;
    let before = app.stored(2).await;
    let body =
        json!({"first_name": "Changed", "is_active": false, "password": "quite another one", "email": "x"});
    assert_eq!(app.send(&admin, Patch, "/v1/users/2", &body).await.status, 400);
    let body = whole_with("changed", json!({"is_staff": "x"}));
    assert_eq!(app.send(&admin, Put, "/v1/users/2", &body).await.status, 400);
    assert_eq!(app.send(&admin, Post, "/v1/users/create", &body).await.status, 400);
    assert_eq!(app.stored(2).await, before);
    assert_eq!(usernames(&app, &admin).await, ["admin", "ada"]);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}
