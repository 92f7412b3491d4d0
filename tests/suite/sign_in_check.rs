//! "Why can't they sign in?", on both channels.

use rocket::http::Method;
use serde_json::{Value, json};

use crate::app::{Person, TestApp};
use crate::console::{page, send_from};

async fn check(app: &TestApp, staff: &Person, id: i64) -> Value {
    let answer = app.get(staff, &format!("/v1/users/{id}/sign-in-check")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[apply(on_both)]
async fn the_first_gate_that_fails_is_named_through_both_doors(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let good = check(&app, &staff, ada.id()).await;
    assert_eq!((&good["can_sign_in"], &good["first_failing"]), (&json!(true), &Value::Null));
    let gates: Vec<&str> =
        good["gates"].as_array().unwrap().iter().map(|gate| gate["gate"].as_str().unwrap()).collect();
    assert_eq!(
        gates,
        [
            "exists",
            "active",
            "dates",
            "not_locked",
            "password_set",
            "hash_known",
            "second_factor",
            "no_forced_change"
        ]
    );
    let path = format!("/users/{}", ada.id());
    assert!(page(&app, &staff, &path).await.body.contains("Yes. Active, password set, not locked."));

    for (assignment, gate, words) in [
        ("must_change_password = TRUE", "no_forced_change", "Yes. They can do nothing until"),
        ("password = 'md5$a$b'", "hash_known", "No. The stored password is of a kind"),
        ("password = '!'", "password_set", "No. No password is set."),
        ("valid_until = 5", "dates", "No. The account ended on 1 Jan 1970, 00:00."),
        ("is_active = FALSE", "active", "No. The account is deactivated."),
    ] {
        app.sql(&format!("UPDATE users SET {assignment} WHERE id = {}", ada.id())).await;
        let found = check(&app, &staff, ada.id()).await;
        assert_eq!(found["first_failing"], json!(gate));
        assert_eq!(found["can_sign_in"], json!(gate == "no_forced_change"));
        let line = page(&app, &staff, &path).await.body;
        assert!(line.contains(words) && line.contains("sign-in-check"), "{words}: {line}");
        let whole = page(&app, &staff, &format!("{path}/sign-in-check")).await;
        assert_eq!(whole.status, 200);
        assert!(whole.body.contains(words), "{}", whole.body);
    }
    let told = check(&app, &staff, ada.id()).await;
    assert_eq!(told["valid_until"], json!("1970-01-01T00:00:00.000005Z"));
    assert_eq!((&told["valid_from"], &told["must_change_password"]), (&Value::Null, &json!(true)));
}

#[apply(on_both)]
async fn the_last_end_of_a_session_is_told_with_its_reason(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    assert_eq!(check(&app, &staff, ada.id()).await["last_session_end"], Value::Null);
    let path = format!("/users/{}", ada.id());
    let nothing = page(&app, &staff, &format!("{path}/sign-in-check")).await.body;
    assert!(nothing.contains("No session of this user was ended early."), "{nothing}");
    send_from(&app, &staff, &path, &format!("{path}/deactivate"), &[]).await;
    let end = check(&app, &staff, ada.id()).await["last_session_end"].clone();
    let now = app.clock.now().to_string();
    assert_eq!(end, json!({"at": now, "by": "staff", "action": "user_deactivated", "reason": "Deactivated"}));
    send_from(&app, &staff, &path, &format!("{path}/reactivate"), &[]).await;
    app.send(&staff, Method::Patch, &format!("/v1{path}"), &json!({"first_name": "Ada"})).await;
    assert_eq!(check(&app, &staff, ada.id()).await["last_session_end"], end, "an edit ends none");
    let told = page(&app, &staff, &format!("{path}/sign-in-check")).await.body;
    assert!(told.contains("Deactivated (staff)."), "{told}");

    let tokens = app.obtain("ada", crate::app::PASSWORD).await;
    assert_eq!(tokens.status, 200);
    app.send(&staff, Method::Post, &format!("/v1{path}/link"), &json!({})).await;
    let end = check(&app, &staff, ada.id()).await["last_session_end"].clone();
    assert_eq!((&end["action"], &end["by"]), (&json!("link_made"), &json!("staff")));
}

#[apply(on_both)]
async fn what_the_check_says_is_what_signing_in_does(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    for _ in 0..9 {
        app.obtain("ada", "wrong").await;
    }
    let blocked = check(&app, &staff, ada.id()).await;
    assert_eq!((&blocked["can_sign_in"], &blocked["first_failing"]), (&json!(false), &json!("not_locked")));
    assert_eq!(app.obtain("ada", crate::app::PASSWORD).await.status, 401);
    app.clock.advance(std::time::Duration::from_mins(15));
    let staff = app.person("later", "staff").await;
    assert_eq!(check(&app, &staff, ada.id()).await["can_sign_in"], json!(true));
    assert_eq!(app.obtain("ada", crate::app::PASSWORD).await.status, 200);
}
