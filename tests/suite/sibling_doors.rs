//! What an own route refuses a stolen session or API token is refused by the route for any user, too, where that user is
//! the caller; and what such a token does to a plain account does not outlast a grant of rights.

use rocket::http::Method::{Delete, Patch, Post};
use serde_json::json;
use usher::db;
use usher::model::throttle::Key;

use crate::app::{By, PASSWORD, Person, TestApp};
use crate::console::{page, send_from};
use crate::links::{NEW_PASSWORD, redeem, secret};
use crate::own_credentials::{administrator, ask, confirm, denied, verdict};

/// The keys of the person's sessions, by what carries them.
async fn key(app: &TestApp, person: &Person, carrier: &str) -> i64 {
    let sessions = app.get(person, "/v1/account/sessions").await.json();
    let of = |session: &&serde_json::Value| session["carrier"] == carrier;
    sessions.as_array().unwrap().iter().find(of).unwrap()["id"].as_i64().unwrap()
}

#[apply(on_both)]
async fn se_6_sessions_of_ones_own_are_ended_by_no_route_without_the_password(app: TestApp) {
    let (root, named) = administrator(&app, "root", "superuser").await;
    let (client, token) = (key(&app, &root, "token").await, key(&app, &root, "named").await);
    let user = format!("/users/{}", root.id());
    let one = (format!("/v1{user}/sessions/{client}"), format!("{user}/sessions/{client}/end"));
    let all = (format!("/v1{user}/sessions"), format!("{user}/sessions/end"));
    let revoked = (format!("/v1{user}/tokens/{token}"), format!("{user}/tokens/{token}/revoke"));
    for (route, form) in [&one, &all, &revoked] {
        let answer = ask(&app, (&root, By::Cookie), Delete, route, &json!({})).await;
        assert_eq!(verdict(&answer), denied("confirmation_required"), "{route}");
        for (typed, problem) in
            [("", "Enter your password to go on."), ("wrong", "Your current password is wrong.")]
        {
            let (answer, _) = send_from(&app, &root, &user, form, &[("current_password", typed)]).await;
            assert!(answer.status == 422 && answer.body.contains(problem), "{form}: {}", answer.body);
        }
    }
    let asked = page(&app, &root, &all.1).await.body;
    for part in ["Sign yourself out everywhere?", "name=\"current_password\""] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    for route in [&one.0, &all.0] {
        let answer = ask(&app, (&named, By::Bearer), Delete, route, &json!({})).await;
        assert_eq!(verdict(&answer), denied("sign_in_required"), "{route}");
    }
    assert!(app.is_signed_in(&root, By::Bearer).await && app.is_signed_in(&named, By::Bearer).await);
    let typed = [("current_password", PASSWORD)];
    for (form, message) in [(&revoked.1, "Revoked the token “script”."), (&one.1, "The session was ended.")]
    {
        app.sql("UPDATE sessions SET confirmed_at = 0").await;
        let (answer, told) = send_from(&app, &root, &user, form, &typed).await;
        assert_eq!((answer.status, told.as_str()), (303, message), "{}", answer.body);
    }
    assert!(!app.is_signed_in(&root, By::Bearer).await && !app.is_signed_in(&named, By::Bearer).await);
}

#[apply(on_both)]
async fn pw_4_a_stolen_session_forgets_no_failures_of_its_own_account_or_a_peers(app: TestApp) {
    let (root, named) = administrator(&app, "root", "superuser").await;
    let (boss, ada) = (app.person("boss", "superuser").await, app.person("ada", "").await);
    for name in ["root", "boss", "ada"] {
        app.obtain(name, "wrong").await;
    }
    let failures = async |name: &str| {
        let counted = db::throttles::get(&app.usher.db, &Key::account(name)).await.unwrap();
        counted.map_or(0, |counted| counted.consecutive)
    };
    for user in [&root, &boss] {
        let (route, form) = (format!("/v1/users/{}/unlock", user.id()), format!("/users/{}", user.id()));
        let answer = ask(&app, (&root, By::Cookie), Post, &route, &json!({})).await;
        assert_eq!(verdict(&answer), denied("confirmation_required"), "{route}");
        let answer = ask(&app, (&named, By::Bearer), Post, &route, &json!({})).await;
        assert_eq!(verdict(&answer), denied("sign_in_required"), "{route}");
        let (answer, _) = send_from(&app, &root, &form, &format!("{form}/unlock"), &[]).await;
        assert!(answer.status == 422 && answer.body.contains("Unlock the account of an administrator?"));
    }
    let answer =
        ask(&app, (&root, By::Bearer), Post, &format!("/v1/users/{}/unlock", root.id()), &json!({})).await;
    assert_eq!(verdict(&answer), denied("confirmation_required"), "the access token of a client, for itself");
    assert_eq!((failures("root").await, failures("boss").await), (1, 1), "nothing is forgotten");
    let answer =
        ask(&app, (&root, By::Cookie), Post, &format!("/v1/users/{}/unlock", ada.id()), &json!({})).await;
    assert_eq!(answer.json(), json!({"failures": 1}), "an ordinary user needs help at once");
    let form = format!("/users/{}", boss.id());
    let typed = [("current_password", PASSWORD)];
    let (answer, message) = send_from(&app, &root, &form, &format!("{form}/unlock"), &typed).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(message, "The account of boss was unlocked. 1 failure was forgotten.");
}

#[apply(on_both)]
async fn se_8_what_an_api_token_plants_on_a_plain_account_does_not_outlast_a_grant(app: TestApp) {
    let (staff, named) = administrator(&app, "staff", "staff").await;
    let (ada, peer) = (app.person("ada", "").await, app.person("peer", "staff").await);
    let link = async |who: (&Person, By), user: &Person| {
        ask(&app, who, Post, &format!("/v1/users/{}/link", user.id()), &json!({})).await
    };
    let made = link((&named, By::Bearer), &ada).await;
    assert_eq!(made.status, 201, "{}", made.body);
    confirm(&app, (&staff, By::Cookie)).await;
    let grant = json!({"is_staff": true});
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(ask(&app, (&staff, By::Cookie), Patch, &path, &grant).await.status, 200);
    let planted = secret(made.json()["url"].as_str().unwrap());
    assert_eq!(redeem(&app, &planted, NEW_PASSWORD).await, 410, "the link ended with the grant");
    // Nor does a token make a plain account of a peer, to plant something before the right comes back.
    let path = format!("/v1/users/{}", peer.id());
    for body in [json!({"is_staff": false}), json!({"is_staff": false, "password": NEW_PASSWORD})] {
        let answer = ask(&app, (&named, By::Bearer), Patch, &path, &body).await;
        assert_eq!(verdict(&answer), denied("sign_in_required"));
    }
    let body = json!({"action": "remove_staff", "ids": [peer.id()]});
    let answer = ask(&app, (&named, By::Bearer), Post, "/v1/users/bulk", &body).await;
    assert_eq!(verdict(&answer), denied("sign_in_required"));
    assert!(app.stored(peer.id()).await.is_staff);
    assert!(page(&app, &staff, &format!("/users/{}", peer.id())).await.status == 200);
}
