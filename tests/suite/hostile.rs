//! What people with a browser, an account or a stolen session tried beyond the forms, and got by once.

use std::time::Duration;

use rocket::http::{ContentType, Header, Method};
use serde_json::{Value, json};
use usher::model::audit::EntryId;
use usher::model::bulk::{BulkAction, Chosen};
use usher::model::error::Error;
use usher::model::password::Password;
use usher::model::permission::{IsSuperuser, ManageUsers, MayChangePassword, SignedIn};
use usher::model::precondition::Precondition;
use usher::model::preferences::Preferences;
use usher::model::session::SessionId;
use usher::model::user::{InputMode, UserChanges, UserId, UserInput, UserPatch};
use usher::operations::api_tokens::{self, TokenRequest};
use usher::operations::own_account;
use usher::operations::reauthentication::Proof;
use usher::operations::{Can, bulk, export, maintenance, password_links, sessions, sign_in, undo, users};

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::audit::trail;

/// The token in the form of the page to sign in on, for a browser that says what it is bound to.
async fn token_bound_to(app: &TestApp, binding: &str) -> String {
    let request = app.client.get("/sign-in").header(cookie_header("__Host-pre-0a1b2c3d", binding));
    let page = request.dispatch().await.into_string().await.unwrap();
    page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[apply(on_both)]
async fn cs_1_a_token_from_the_page_to_sign_in_on_is_good_for_no_session(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ada = app.person("ada", "ordinary").await;
    for session in 1..=8 {
        let token = token_bound_to(&app, &format!("session {session}")).await;
        // An old browser, which does not say where a form comes from: only the token stands in the way.
        let request = app.client.post(format!("/users/{}/deactivate", ada.id())).header(ContentType::Form);
        let request = request
            .header(cookie_header("__Host-sid-0a1b2c3d", &staff.cookie))
            .body(format!("token={token}"));
        assert_eq!(request.dispatch().await.status().code, 403, "session {session}");
    }
    assert!(app.stored(ada.id()).await.is_active);
}

fn new_user(mode: InputMode, username: &str) -> UserInput {
    let patch = UserPatch {
        username: username.into(),
        password: "a wholly different phrase".into(),
        first_name: "".into(),
        last_name: "".into(),
        email: "".into(),
        ..UserPatch::default()
    };
    patch.into_input(mode)
}

fn first_name(name: &str) -> UserInput {
    UserPatch { first_name: name.into(), ..UserPatch::default() }.into_input(InputMode::Part)
}

#[apply(on_both)]
async fn se_2_a_request_that_waits_while_its_session_ends_changes_nothing(app: TestApp) {
    let rogue = app.person("rogue", "superuser").await;
    let ada = app.person("ada", "ordinary").await;
    let id = UserId(ada.id());
    let usher = &app.usher;
    let manager: Can<ManageUsers> = app.can(&rogue).await;
    let superuser: Can<IsSuperuser> = app.can(&rogue).await;
    let own: Can<SignedIn> = manager.weaken();
    let holder: Can<MayChangePassword> = app.can(&rogue).await;
    // What there is to take back, and to end.
    users::update(&manager, id, &first_name("Ada"), &Precondition::Any).await.unwrap();
    let run = bulk::run(&manager, BulkAction::GiveStaff, vec![id]).await.unwrap();
    let edit = trail(&app).await.first().unwrap().id;
    let kept = app.session(rogue.user.id, usher::model::session::Credential::Jwt).await;
    let kept = Person { bearer: sign_in::tokens(usher, &kept).access, ..rogue.clone() };
    let sessions = app.get(&kept, "/v1/account/sessions").await.json();
    let others = app.get(&kept, &format!("/v1/users/{id}/sessions")).await.json();
    let (own_session, session) =
        (SessionId(sessions[0]["id"].as_i64().unwrap()), SessionId(others[0]["id"].as_i64().unwrap()));
    let before = (app.stored(ada.id()).await, trail(&app).await.len());
    let token = |name: &str| {
        TokenRequest { name: name.into(), ..TokenRequest::default() }.into_input(&usher.settings)
    };
    // They wait for a turn at hashing, or for the database; meanwhile staff sign the rogue out.
    let held = manager.session().id.0;
    app.sql(&format!("DELETE FROM sessions WHERE id = {held}")).await;
    let current = Password::new(PASSWORD.into());
    let proof = Proof { password: ("current_password", current), code: ("otp", None) };
    let new = Password::new("a wholly different phrase".into());
    let compact = Preferences { rows: 100, ..Preferences::default() };
    let all = Chosen::Filter(usher::model::filter::Filter::default());
    let any = &Precondition::Any;
    let results = [
        ("create", users::create(&manager, &new_user(InputMode::Whole, "one")).await.err()),
        ("update", users::update(&manager, id, &first_name("x"), any).await.err()),
        ("deactivate", users::deactivate(&manager, id, any).await.err()),
        (
            "invite",
            password_links::invite(&manager, &new_user(InputMode::Invitation, "two"), None).await.err(),
        ),
        ("link", password_links::make(&manager, id, any, None).await.err()),
        ("own token", api_tokens::make_own(&own, &token("a")).await.err()),
        ("their token", api_tokens::make_for(&superuser, id, &token("b")).await.err()),
        ("sign out", sessions::end_all_of_user(&manager, id).await.err()),
        ("own record", own_account::update(&own, &first_name("x"), any).await.err()),
        ("own password", own_account::change_password(&holder, &proof, &new, true).await.err()),
        ("preferences", own_account::set_preferences(&own, &compact).await.err()),
        ("run", bulk::run(&manager, BulkAction::Deactivate, vec![id]).await.err()),
        ("undo of a run", bulk::undo(&manager, run).await.err()),
        ("undo", undo::undo(&manager, EntryId(edit)).await.err()),
        ("end", sessions::end_of_user(&manager, id, session).await.err()),
        ("end own", sessions::end_own(&own, own_session).await.err()),
        ("end own others", sessions::end_own_others(&own).await.err()),
        ("revoke own", api_tokens::revoke_own(&own, own_session).await.err()),
        ("revoke theirs", api_tokens::revoke_of(&superuser, id, session).await.err()),
        ("export", export::begin(&manager, &all, "").await.err()),
    ];
    for (what, error) in results {
        assert!(matches!(error, Some(Error::NotAuthenticated(_))), "{what}: {error:?}");
    }
    assert_eq!((app.stored(ada.id()).await, trail(&app).await.len()), before);
    assert!(app.is_signed_in(&ada, By::Bearer).await && app.is_signed_in(&ada, By::Cookie).await);
    assert!(!app.is_signed_in(&rogue, By::Cookie).await);
    for who in [&kept, &rogue] {
        assert!(app.is_signed_in(who, By::Bearer).await, "nor was another session of theirs ended");
    }
}

#[apply(on_both)]
async fn az_2_a_session_from_before_a_promotion_does_not_become_a_superuser(app: TestApp) {
    let root = app.person("root", "superuser").await;
    // Staff know the password that they gave, and may have signed in with it.
    let ada = app.person("ada", "staff").await;
    let token = json!({"name": "kept", "read_only": false});
    let made = app.json(Method::Post, "/v1/account/tokens", Some((&ada, By::Cookie)), &token).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let kept = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    let can: Can<ManageUsers> = app.can(&root).await;
    let promote = UserChanges { is_superuser: Some(true), ..UserChanges::default() };
    users::update(&can, UserId(ada.id()), &promote.into(), &Precondition::Any).await.unwrap();
    assert!(app.stored(ada.id()).await.is_superuser);
    for (person, by) in [(&ada, By::Bearer), (&ada, By::Cookie), (&kept, By::Bearer)] {
        assert!(!app.is_signed_in(person, by).await, "{by:?}");
    }
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn tk_4_of_several_authorizations_none_counts(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let path = format!("/v1/users/{}", root.id());
    for others in [["Basic eDp5", "Bearer x"], ["", "Bearer x"], ["Bearer x", "Basic eDp5"]] {
        let mut request = app.request(Method::Get, &path, Some((&root, By::Cookie)));
        for value in others {
            request.add_header(Header::new("Authorization", value));
        }
        assert_eq!(request.dispatch().await.status().code, 401, "{others:?}");
    }
}

#[apply(on_both)]
async fn lg_2_a_long_path_does_not_fill_the_trail(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let path = format!("/v1/users/{}", "x".repeat(50_000));
    assert_eq!(app.get(&ada, &path).await.status, 403);
    crate::audit::finish_background(&app).await;
    let root = app.person("root", "superuser").await;
    let entries = app.send(&root, Method::Post, "/v1/audit/list", &json!({})).await;
    let refused: Vec<Value> = entries.json().as_array().unwrap().clone();
    let refused = refused.iter().find(|entry| entry["action"] == "refused").expect("an entry");
    let request = refused["details"]["request"].as_str().unwrap();
    assert!(request.starts_with("GET /v1/users/xxx") && request.len() < 300, "{} bytes", request.len());
}

#[apply(on_both)]
async fn in_3_a_form_with_a_crooked_way_back_leads_to_the_list(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for back in
        ["/users?%0D%0ASet-Cookie:%20a=b", "/users?a%20b", "/users?%00", "/users?%C3%A9%7F", "//evil.example"]
    {
        let request = app.request(Method::Post, "/users/bulk", Some((&staff, By::Cookie)));
        let body = format!("do=nothing&back={back}");
        let answer = Answer::of(request.header(ContentType::Form).body(body).dispatch().await).await;
        assert_eq!((answer.status, answer.header("Location")), (303, Some("/users")), "{back}");
    }
}

#[apply(on_both)]
async fn pw_4_waiting_a_day_gives_no_further_hundred_tries(app: TestApp) {
    app.person("ada", "ordinary").await;
    assert_eq!(app.obtain("ada", "wrong wrong").await.status, 401);
    // So many would take too long in a test: the failures of an address have none in a row.
    app.sql("UPDATE throttles SET consecutive = 99 WHERE consecutive = 1").await;
    app.clock.advance(Duration::from_hours(30 * 24));
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(app.obtain("ada", "wrong wrong").await.status, 401);
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401, "the hundredth failure was one");
}

#[apply(on_both)]
async fn se_4_a_cookie_that_was_used_in_the_future_does_not_live_for_ever(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let last_use = async || {
        app.store_uses().await;
        let sessions = app.get(&ada, "/v1/account/sessions").await.json();
        let mut sessions = sessions.as_array().unwrap().clone();
        sessions.retain(|session| session["carrier"] == "cookie");
        sessions[0]["last_seen_at"].clone()
    };
    // As after the clock was set back by so much.
    let set = async |ahead: Duration| {
        app.store_uses().await;
        let at = app.clock.now().plus(ahead).micros();
        app.sql(&format!("UPDATE sessions SET last_seen_at = {at} WHERE carrier = 'cookie'")).await;
    };
    set(Duration::from_mins(5)).await;
    assert!(app.is_signed_in(&ada, By::Cookie).await, "a clock that is put right ends no session in use");
    assert_eq!(last_use().await, app.clock.now().to_string(), "which is noted at the time that it is now");
    let idle = app.usher.settings.session_idle();
    set(idle).await;
    assert!(!app.is_signed_in(&ada, By::Cookie).await, "as far away as one that is over");
    set(idle.checked_sub(Duration::from_secs(1)).unwrap()).await;
    app.clock.advance(Duration::from_secs(1));
    assert!(app.is_signed_in(&ada, By::Cookie).await);
    app.store_uses().await;
    app.clock.advance(idle);
    assert!(!app.is_signed_in(&ada, By::Cookie).await, "without use it ends");
}

#[apply(on_both)]
async fn se_6_a_password_that_was_given_in_the_future_counts_for_nothing(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    // Clocks of two instances may differ a little.
    for (ahead, status) in [(31_000_000, 403), (3_600_000_000, 403), (5_000_000, 200), (0, 200)] {
        let at = app.clock.now().micros() + ahead;
        app.sql(&format!("UPDATE sessions SET confirmed_at = {at}")).await;
        for by in [By::Bearer, By::Cookie] {
            let body = json!({"email": format!("ada{by:?}{ahead}@example.org").to_lowercase()});
            let answer = app.json(Method::Patch, "/v1/account", Some((&ada, by)), &body).await;
            assert_eq!(answer.status, status, "{ahead}: {}", answer.body);
        }
    }
}
