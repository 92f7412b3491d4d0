//! A successor to the secret key.

use std::time::Duration;

use rocket::http::Method;
use serde_json::json;
use usher::operations::keys;

use crate::app::{By, PASSWORD, Person, TestApp};
use crate::console::{page, send, token};

/// All instances look, as they do each minute.
async fn look(instances: [&TestApp; 2]) {
    for instance in instances {
        keys::look_for_successor(&instance.usher).await.expect("keys");
    }
}

/// Whether each instance accepts what was signed: an access token made of a refresh token, and a form.
async fn accepted(instances: [&TestApp; 2], refresh: &str, staff: &Person, form: &str) -> Vec<[bool; 2]> {
    let mut accepted = Vec::new();
    for instance in instances {
        let answer =
            instance.json(Method::Post, "/v1/auth/refresh", None, &json!({"refresh": refresh})).await;
        // A form that is accepted is refused for what it says.
        let fields = [("token", form), ("username", "!")];
        let (made, _) = send(instance, staff, "/users/new", &fields).await;
        accepted.push([answer.status == 200, !made.body.contains("open for a long time")]);
    }
    accepted
}

#[apply(on_both)]
async fn cr_1_a_successor_ends_nothing_before_the_tokens_of_the_one_before_have_run_out(app: TestApp) {
    let other = app.another_instance().await;
    let all = [&app, &other];
    let staff = app.person("staff", "staff").await;
    app.person("ada", "ordinary").await;
    let old = app.obtain("ada", PASSWORD).await.json()["refresh"].as_str().unwrap().to_owned();
    let form = token(&page(&app, &staff, "/users/new").await.body);
    let made = keys::rotate(&app.usher, false).await.expect("a successor");
    let overlapping = keys::rotate(&app.usher, false).await.unwrap_err().to_string();
    assert!(overlapping.contains(&made.ends_at.to_string()), "{overlapping}");
    // One instance has looked already, the other has not.
    keys::look_for_successor(&app.usher).await.unwrap();
    let early = app.obtain("ada", PASSWORD).await.json()["refresh"].as_str().unwrap().to_owned();
    assert_eq!(accepted(all, &early, &staff, &form).await, [[true; 2]; 2], "known to both");
    look(all).await;
    app.clock.advance(Duration::from_mins(4));
    let new = app.obtain("ada", PASSWORD).await.json()["refresh"].as_str().unwrap().to_owned();
    let new_form = token(&page(&app, &staff, "/users/new").await.body);
    for (refresh, form) in [(&old, &form), (&early, &form), (&new, &new_form)] {
        assert_eq!(accepted(all, refresh, &staff, form).await, [[true; 2]; 2]);
    }
    // The sessions live on; only what the old key has signed is over.
    app.clock.advance(Duration::from_hours(8) - Duration::from_secs(61));
    // Or a use of before the clock was advanced is stored after this.
    for instance in all {
        instance.store_uses().await;
    }
    let now = app.clock.now().micros();
    app.sql(&format!("UPDATE sessions SET expires_at = {now} + 86400000000, last_seen_at = {now}")).await;
    assert!(accepted(all, &early, &staff, &form).await[0][1], "until the last second");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(accepted(all, &new, &staff, &new_form).await, [[true; 2]; 2]);
    assert_eq!(accepted(all, &old, &staff, &form).await, [[false; 2]; 2]);
    assert!(app.is_signed_in(&staff, By::Cookie).await);
}

#[apply(on_both)]
async fn cr_1_a_key_that_others_have_is_replaced_at_once(app: TestApp) {
    let other = app.another_instance().await;
    let all = [&app, &other];
    let staff = app.person("staff", "staff").await;
    app.person("ada", "ordinary").await;
    let old = app.obtain("ada", PASSWORD).await.json()["refresh"].as_str().unwrap().to_owned();
    let form = token(&page(&app, &staff, "/users/new").await.body);
    keys::rotate(&app.usher, false).await.expect("a successor");
    keys::rotate(&app.usher, true).await.expect("another one, also in the overlap");
    look(all).await;
    assert_eq!(accepted(all, &old, &staff, &form).await, [[false; 2]; 2]);
    assert!(app.is_signed_in(&staff, By::Cookie).await && !app.is_signed_in(&staff, By::Bearer).await);
    let new = app.obtain("ada", PASSWORD).await.json()["refresh"].as_str().unwrap().to_owned();
    let new_form = token(&page(&app, &staff, "/users/new").await.body);
    assert_eq!(accepted(all, &new, &staff, &new_form).await, [[true; 2]; 2]);
    let entries = crate::audit::trail(&app).await;
    let rotations: Vec<_> = entries.iter().filter(|entry| entry.action == "key_rotated").collect();
    assert_eq!(rotations.len(), 2);
    assert!(
        rotations.iter().all(|entry| entry.door == "command_line" && entry.details.contains("begins_at"))
    );
}
