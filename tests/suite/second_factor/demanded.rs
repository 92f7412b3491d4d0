//! Where a second factor is demanded, a user without one gets to the page that adds it, and no further.

use usher::model::user::{InputMode, UserPatch};
use usher::operations::operator;

use super::*;
use crate::matrix::{ROWS, Target, ask};
use crate::own_credentials::{denied, verdict};

const REQUIRED: &str = "second_factor_enrolment_required";

/// The routes that are open to a session which may only enrol.
const OPEN: [(Method, &str); 7] = [
    (Method::Get, "/account/security/add"),
    (Method::Post, "/account/security/add"),
    (Method::Get, "/account/security/add-passkey"),
    (Method::Post, "/account/security/add-passkey"),
    (Method::Get, "/account/security/passkey"),
    (Method::Post, "/sign-out"),
    (Method::Post, "/v1/auth/verify"),
];

#[apply(on_both)]
#[with([("second_factor", json!("staff"))])]
async fn mf_9_staff_without_a_factor_reach_no_route_of_the_matrix_but_the_way_to_add_one(app: TestApp) {
    for kind in ["staff", "superuser"] {
        let without = app.person(&format!("without-{kind}"), kind).await;
        let other = app.person(&format!("other-{kind}"), "ordinary").await;
        let mut failures = Vec::new();
        for (row, by) in ROWS.iter().flat_map(|row| [(row, By::Bearer), (row, By::Cookie)]) {
            let needs_session = row.expected[0] != row.expected[3] || row.expected[0] == 401;
            if !needs_session || OPEN.contains(&(row.method, row.route)) {
                continue;
            }
            let target = if row.target == Target::Own { &without } else { &other };
            let (id, name) = (target.id().to_string(), target.user.username.as_str());
            let path = row.route.replace("{id}", &id).replace("{name}", name).replace("{session}", "999999");
            let answer = ask(&app, row, &path, Some((&without, by)), 1).await;
            let is_page = !row.route.starts_with("/v1/");
            let refused = match row.method {
                Method::Get if is_page => answer.header("Location") == Some(ADD),
                _ if is_page => answer.status == 403,
                _ => answer.status == 403 && answer.json()["code"] == json!(REQUIRED),
            };
            if !refused {
                failures.push(format!("{} {path} by {by:?}: {}: {}", row.method, answer.status, answer.body));
            }
        }
        assert!(failures.is_empty(), "{kind}:\n{}", failures.join("\n"));
        assert_eq!(app.stored(other.id()).await, other.user, "nothing was changed");
        assert_eq!(page(&app, &without, ADD).await.status, 200);
    }
}

#[apply(on_both)]
#[with([("second_factor", json!("staff"))])]
async fn mf_9_who_has_to_change_the_password_does_that_first_and_can_only_enrol_then(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    app.sql(&format!("UPDATE users SET must_change_password = TRUE WHERE id = {}", ada.id())).await;
    assert_eq!(
        page(&app, &ada, ADD).await.header("Location"),
        Some("/account/password?next=%2Faccount%2Fsecurity%2Fadd")
    );
    let change = async |who: &Person, current: &str, new: &str| {
        let html = page(&app, who, "/account/password").await;
        let fields = [("current_password", current), ("new_password", new), ("token", &token(&html.body))];
        send(&app, who, "/account/password", &fields).await.0
    };
    let changed = change(&ada, PASSWORD, "a wholly different phrase").await;
    assert_eq!(changed.status, 303, "{}", changed.body);
    let enrolling = Person { cookie: session_in(&changed).expect("another session"), ..ada };
    assert_eq!(page(&app, &enrolling, "/users").await.header("Location"), Some(ADD));
    assert_eq!(page(&app, &enrolling, "/account/password").await.header("Location"), Some(ADD));
    enrol(&app, &enrolling, "phone").await;
    assert_eq!(page(&app, &enrolling, "/account/password").await.status, 200);
}

/// That a sign-in by password gives no rights of staff on either channel.
async fn assert_only_enrols(app: &TestApp, name: &str, password: &str, way: &str) {
    let answer = app.obtain(name, password).await;
    assert_eq!(code_of(&answer), (401, json!(REQUIRED)), "{way}: {}", answer.body);
    let signed_in = first_step(app, name, password, "/users").await.answer;
    assert_eq!(signed_in.status, 303, "{way}: {}", signed_in.body);
    let cookie = session_in(&signed_in).expect("a session to enrol in");
    let list = app.client.get("/users").header(cookie_header(SID, &cookie)).dispatch().await;
    assert_eq!(list.headers().get_one("Location"), Some(ADD), "{way}");
}

#[apply(on_both)]
#[with([("second_factor", json!("staff"))])]
async fn mf_9_no_way_to_become_staff_or_to_sign_in_as_staff_goes_round_it(app: TestApp) {
    let root = app.person("root", "superuser").await;
    enrol(&app, &root, "phone").await;
    let by_cookie = async |method, path: &str, body: Value| {
        app.json(method, path, Some((&root, By::Cookie)), &body).await
    };
    let ada = app.person("ada", "ordinary").await;
    let record = format!("/v1/users/{}", ada.id());
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "of ordinary users nothing is demanded");
    let body = json!({"name": "script", "read_only": false});
    let made = app.json(Method::Post, "/v1/account/tokens", Some((&ada, By::Cookie)), &body).await;
    let script = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    assert!(app.is_signed_in(&script, By::Bearer).await);
    // Promotion, with sessions and tokens from before.
    assert_eq!(by_cookie(Method::Patch, &record, json!({"is_staff": true})).await.status, 200);
    for (who, by) in [(&ada, By::Cookie), (&ada, By::Bearer), (&script, By::Bearer)] {
        let answer = app.json(Method::Post, "/v1/users/list", Some((who, by)), &json!({})).await;
        assert_eq!(verdict(&answer), denied(REQUIRED), "{by:?}");
    }
    let refreshed = app.json(Method::Post, "/v1/auth/refresh", None, &json!({"refresh": ada.refresh})).await;
    let renewed = Person { bearer: refreshed.json()["access"].as_str().unwrap().to_owned(), ..ada.clone() };
    assert_eq!(app.get(&renewed, &record).await.status, 403, "a refresh token gives no more");
    assert_only_enrols(&app, "ada", PASSWORD, "a password").await;
    // A token that a superuser makes for them.
    let made = by_cookie(Method::Post, &format!("{record}/tokens"), json!({"name": "given"})).await;
    let given = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    assert_eq!(app.get(&given, &record).await.status, 403);
    // A link, a password that others set.
    let answer = by_cookie(Method::Post, &format!("{record}/link"), json!({})).await;
    let secret = crate::links::secret(answer.json()["url"].as_str().unwrap());
    assert_eq!(crate::links::redeem(&app, &secret, crate::links::NEW_PASSWORD).await, 303);
    assert_only_enrols(&app, "ada", crate::links::NEW_PASSWORD, "a link").await;
    let patch = UserPatch { password: PASSWORD.into(), ..UserPatch::default() };
    operator::change_password(&app.usher, "ada", &patch.into_input(InputMode::Part)).await.unwrap();
    assert_only_enrols(&app, "ada", PASSWORD, "a password of the operator's").await;
    // Demotion that is taken back.
    assert_eq!(by_cookie(Method::Patch, &record, json!({"is_staff": false})).await.status, 200);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    let entry = trail(&app).await.pop().unwrap();
    let entry = if entry.action == "user_changed" {
        entry
    } else {
        trail(&app).await.into_iter().rfind(|entry| entry.action == "user_changed").unwrap()
    };
    let undone = by_cookie(Method::Post, &format!("/v1/audit/{}/undo", entry.id), json!({})).await;
    assert_eq!(undone.status, 200, "{}", undone.body);
    assert_only_enrols(&app, "ada", PASSWORD, "an undo").await;
    // A new account, and one by the operator.
    let body = json!({"username": "new", "password": PASSWORD, "first_name": "", "last_name": "", "email": "", "is_staff": true});
    assert_eq!(by_cookie(Method::Post, "/v1/users/create", body).await.status, 201);
    assert_only_enrols(&app, "new", PASSWORD, "a new account").await;
    let patch = UserPatch { username: "other".into(), password: PASSWORD.into(), ..UserPatch::default() };
    operator::create_superuser(&app.usher, &patch.into_input(InputMode::Part)).await.unwrap();
    assert_only_enrols(&app, "other", PASSWORD, "the operator's superuser").await;
    // A factor that is removed.
    let gone = by_cookie(Method::Get, "/v1/account/factors", json!({})).await.json();
    let factor = format!("/v1/account/factors/{}", gone["factors"][0]["id"]);
    assert_eq!(by_cookie(Method::Delete, &factor, json!({})).await.status, 204);
    assert_eq!(verdict(&by_cookie(Method::Post, "/v1/users/list", json!({})).await), denied(REQUIRED));
}

#[apply(on_both)]
#[with([("second_factor", json!("staff")), ("second_factor_from", json!("2026-03-02"))])]
async fn mf_9_until_the_time_comes_staff_are_reminded_and_then_each_gets_in_and_enrols(app: TestApp) {
    let mut staff = Vec::new();
    for number in 0..5 {
        staff.push(app.person(&format!("staff{number}"), "staff").await);
    }
    let ordinary = app.person("ordinary", "").await;
    let note = "you need a second factor to sign in";
    assert!(page(&app, &staff[0], "/users").await.body.contains(note));
    assert!(!page(&app, &ordinary, "/account").await.body.contains(note));
    enrol(&app, &staff[0], "phone").await;
    assert!(!page(&app, &staff[0], "/users").await.body.contains(note), "one is there");
    app.clock.advance(Duration::from_hours(15));
    app.sql(&format!("UPDATE sessions SET last_seen_at = {}", app.clock.now().micros())).await;
    for person in &staff[1..] {
        let name = person.user.username.as_str();
        let answer = first_step(&app, name, PASSWORD, "/users").await.answer;
        let entered = Person { cookie: session_in(&answer).expect("a session"), ..person.clone() };
        let led = page(&app, &entered, "/users").await;
        assert_eq!(led.header("Location"), Some(ADD));
        assert!(page(&app, &entered, ADD).await.body.contains("Your account has to have a second factor."));
        let phone = enrol(&app, &entered, "phone").await;
        assert_eq!(page(&app, &entered, "/users").await.status, 200);
        let answer = first_step(&app, name, PASSWORD, "/").await.show(&app, &phone.next_code(&app)).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
    }
    assert_eq!(app.obtain("ordinary", PASSWORD).await.status, 200);
}

/// The day on which the setting is turned, for an installation that had none of it: no member of staff is locked out, with
/// sessions and tokens from before or without, and none works on without a factor.
#[apply(on_both)]
async fn mf_9_when_it_is_turned_on_all_of_fifty_staff_without_factors_get_in_and_enrol(before: TestApp) {
    let mut staff = Vec::new();
    for number in 0..50 {
        let kind = if number == 0 { "superuser" } else { "staff" };
        staff.push(before.person(&format!("staff{number:02}"), kind).await);
    }
    let app = before.another_instance_with(&[("second_factor", json!("staff"))]).await;
    for (number, person) in staff.iter().enumerate() {
        let name = person.user.username.as_str();
        // Half of them have a session from before, the others sign in.
        let entered = if number % 2 == 0 {
            person.clone()
        } else {
            let answer = first_step(&app, name, PASSWORD, "/users").await.answer;
            assert_eq!((answer.status, answer.header("Location")), (303, Some("/users")), "{name}");
            Person { cookie: session_in(&answer).expect("a session"), ..person.clone() }
        };
        let listed = app.json(Method::Post, "/v1/users/list", Some((person, By::Bearer)), &json!({})).await;
        assert_eq!(verdict(&listed), denied(REQUIRED), "{name}");
        assert_eq!(page(&app, &entered, "/users").await.header("Location"), Some(ADD), "{name}");
        let phone = enrol(&app, &entered, "phone").await;
        assert_eq!(phone.recovery_codes.len(), 10, "{name}");
        assert_eq!(page(&app, &entered, "/users").await.status, 200, "{name}");
        let half = first_step(&app, name, PASSWORD, "/users").await;
        assert_eq!(half.show(&app, &phone.code_in(&app, 1)).await.status, 303, "{name}");
        assert!(!app.is_signed_in(person, By::Bearer).await, "{name}: tokens from before are over");
    }
    let html = page(&app, &staff[0], "/users?role=staff&factor=none").await.body;
    assert!(html.contains("No users match."), "{html}");
    assert!(!page(&app, &staff[0], "/").await.body.contains("no second factor"));
}

#[apply(on_both)]
#[with([("second_factor", json!("staff")), ("throttle_account_free", json!(2))])]
async fn mf_9_staff_see_who_has_no_factor_and_what_the_gate_says(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let staff = app.person("sam", "staff").await;
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &root, "phone").await;
    let home = page(&app, &root, "/").await.body;
    assert!(home.contains("1 member of staff has no second factor."), "{home}");
    assert!(!home.contains("superuser has no second factor"), "{home}");
    let without = page(&app, &root, "/users?role=staff&factor=none").await.body;
    assert_eq!(crate::console::names(&without), ["sam"]);
    assert!(without.contains("Without a second factor"), "{without}");
    let with = page(&app, &root, "/users?factor=some").await.body;
    assert_eq!(crate::console::names(&with), ["root"]);
    assert!(
        with.contains("<option value=\"some\" selected>Yes</option>"),
        "a choice among the filters: {with}"
    );
    let body = json!({"expressions": [{"type": "exact", "field": "has_factor", "value": true}]});
    let found = app.json(Method::Post, "/v1/users/list", Some((&root, By::Cookie)), &body).await.json();
    assert_eq!((found.as_array().map(Vec::len), &found[0]["username"]), (Some(1), &json!("root")), "{found}");
    // The column is there for those who choose it.
    assert!(!with.contains("<td class=\"two\">"), "{with}");
    let mut tx = app.usher.db.begin().await.unwrap();
    usher::db::users::set_preferences(&mut tx, root.user.id, "{\"hidden_columns\":[]}").await.unwrap();
    tx.commit().await.unwrap();
    let all = page(&app, &root, "/users").await.body;
    assert!(all.contains("Second factor</th>") && all.contains("<td class=\"two\">Yes</td>"), "{all}");
    assert_eq!(all.matches("<td class=\"two\">None</td>").count(), 2, "{all}");
    let check = async |id: i64| {
        let path = format!("/v1/users/{id}/sign-in-check");
        Answer::of(app.request(Method::Get, &path, Some((&root, By::Cookie))).dispatch().await).await.json()
    };
    for (person, passed, detail) in [
        (&ada, true, "No second factor is asked for."),
        (&staff, false, "They can do nothing until they have added a second factor."),
        (&root, true, "They are asked for a code of their second factor."),
    ] {
        let told = check(person.id()).await;
        let gate =
            told["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "second_factor").unwrap();
        assert_eq!((&gate["passed"], &gate["detail"]), (&json!(passed), &json!(detail)));
        assert_eq!(told["can_sign_in"], json!(true));
    }
    for _ in 0..3 {
        obtain(&app, "root", "000000").await;
    }
    let told = check(root.id()).await;
    assert_eq!(told["can_sign_in"], json!(false), "{told}");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(obtain(&app, "root", &phone.next_code(&app)).await.status, 200);
}
