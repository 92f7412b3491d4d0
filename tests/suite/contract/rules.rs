//! The rules of section 5, as they are answered.

use rocket::http::Method;
use rocket::http::Method::{Delete, Patch, Post, Put};
use rocket::tokio::join;
use serde_json::{Value, json};

use super::*;

#[apply(on_both)]
async fn az_4_users_cannot_set_what_is_not_theirs_to_set(app: TestApp) {
    let ordinary = app.person("ordinary", "").await;
    let before = app.stored(ordinary.id()).await;
    for body in [json!({"first_name": "Me"}), json!({"is_staff": true}), whole("ordinary"), json!({})] {
        for (method, who) in
            [(Patch, bearer(&ordinary)), (Patch, cookie(&ordinary)), (Put, bearer(&ordinary))]
        {
            let answer = app.json(method, &path_of(&ordinary), who, &body).await;
            assert_is(&answer, 403, &denied("admin_required"), "their own record");
        }
    }
    assert_eq!(app.stored(ordinary.id()).await, before);

    let staff = app.person("staff", "staff").await;
    let before = app.stored(staff.id()).await;
    let not_settable = json!({
        "pk": 1, "id": 1, "is_superuser": true, "date_joined": "2000-01-01", "last_login": "2000-01-01",
        "version": 99, "username_key": "root", "password_hash": "!", "searchable": "x",
    });
    let answer = app.send(&staff, Patch, &path_of(&staff), &not_settable).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(app.stored(staff.id()).await, before, "read-only and unknown members are ignored");
}

#[apply(on_both)]
async fn az_3_only_a_superuser_touches_a_superuser_also_to_change_nothing(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let boss = app.person("boss", "superuser").await;
    app.person("former", "inactive superuser").await;
    let other = app.person("other", "staff superuser").await;
    for (name, id) in [("boss", boss.id()), ("former", 3), ("other", other.id())] {
        let path = format!("/v1/users/{id}");
        let before = app.stored(id).await;
        let record = app.get(&admin, &path).await.json();
        assert_eq!(record["pk"], json!(id), "it may be seen");
        for (method, body) in [
            (Patch, json!({})),
            (Patch, record.clone()),
            (Patch, json!({"first_name": ""})),
            (Patch, json!({"unknown": 1})),
            (Patch, json!({"password": "quite another one"})),
            (Patch, json!({"email": "mine@example.org"})),
            (Patch, json!({"is_active": true})),
            (Patch, json!({"is_active": false})),
            (Patch, json!({"is_superuser": false})),
            (Patch, json!({"is_staff": true})),
            (Patch, json!({"email": "not an address"})),
            (Put, whole(name)),
            (Put, record.clone()),
            (Delete, json!({})),
        ] {
            for who in [bearer(&admin), cookie(&admin)] {
                let answer = app.json(method, &path, who, &body).await;
                assert_is(&answer, 403, &denied("superuser_required"), &format!("{method} {body}"));
            }
        }
        assert_eq!(app.stored(id).await, before);
    }
    assert!(app.is_signed_in(&boss, By::Bearer).await && app.is_signed_in(&boss, By::Cookie).await);
    let answer = app.send(&boss, Patch, &path_of(&other), &json!({"first_name": "Touched"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[apply(on_both)]
async fn az_2_no_path_of_the_api_makes_a_superuser(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let boss = app.person("boss", "superuser").await;
    let target = app.person("ada", "ordinary").await;
    for (number, actor) in [&admin, &boss].into_iter().enumerate() {
        for (way, value) in
            [json!(true), json!(1), json!("true"), json!("on"), json!(null), json!([])].iter().enumerate()
        {
            let answer = app.send(actor, Patch, &path_of(&target), &json!({"is_superuser": value})).await;
            assert_eq!((answer.status, &answer.json()["is_superuser"]), (200, &json!(false)), "{value}");
            if way == 0 {
                let body =
                    whole_with(&format!("new-{number}"), json!({"is_superuser": value, "is_staff": true}));
                let answer = app.send(actor, Post, "/v1/users/create", &body).await;
                assert_eq!((answer.status, &answer.json()["is_superuser"]), (201, &json!(false)), "{value}");
                let body = whole_with("ada", json!({"is_superuser": value}));
                let answer = app.send(actor, Put, &path_of(&target), &body).await;
                assert_eq!((answer.status, &answer.json()["is_superuser"]), (200, &json!(false)), "{value}");
            }
        }
        let answer =
            app.send(actor, Patch, &path_of(actor), &json!({"is_superuser": !actor.user.is_superuser})).await;
        assert_eq!(answer.json()["is_superuser"], json!(actor.user.is_superuser), "also on themselves");
    }
}

#[apply(on_both)]
async fn staff_give_and_take_staff_access(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    for is_staff in [true, false] {
        let answer = app.send(&admin, Patch, &path_of(&target), &json!({ "is_staff": is_staff })).await;
        assert_eq!((answer.status, &answer.json()["is_staff"]), (200, &json!(is_staff)));
    }
    let body = whole_with("new", json!({"is_staff": true}));
    let answer = app.send(&admin, Post, "/v1/users/create", &body).await;
    assert_eq!((answer.status, &answer.json()["is_staff"]), (201, &json!(true)));
}

#[apply(on_both)]
#[with([("staff_grants_staff", json!(false))])]
async fn az_2_with_the_setting_only_superusers_give_and_take_staff_access(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let boss = app.person("boss", "superuser").await;
    let plain = app.person("plain", "ordinary").await;
    let staff = app.person("staff", "staff").await;
    let refused: [(Method, &str, Value); 5] = [
        (Patch, "/v1/users/3", json!({"is_staff": true})),
        (Put, "/v1/users/3", whole_with("plain", json!({"is_staff": "yes"}))),
        (Patch, "/v1/users/4", json!({"is_staff": false})),
        (Put, "/v1/users/4", whole_with("staff", json!({"is_staff": 0}))),
        (Post, "/v1/users/create", whole_with("new", json!({"is_staff": true}))),
    ];
    for (method, path, body) in refused {
        let answer = app.send(&admin, method, path, &body).await;
        assert_is(&answer, 403, &denied("superuser_grants_staff"), &format!("{method} {body}"));
    }
    assert_eq!((app.stored(plain.id()).await, app.stored(staff.id()).await), (plain.user, staff.user));
    // Clients send the flag with every PUT: only an actual change is refused.
    for (method, path, body, status) in [
        (Patch, "/v1/users/3", json!({"is_staff": false, "first_name": "A"}), 200),
        (Patch, "/v1/users/4", json!({"is_staff": true, "first_name": "B"}), 200),
        (Put, "/v1/users/4", whole_with("staff", json!({"is_staff": true})), 200),
        (Put, "/v1/users/3", whole("plain"), 200),
        (Post, "/v1/users/create", whole_with("new", json!({"is_staff": false})), 201),
    ] {
        let answer = app.send(&admin, method, path, &body).await;
        assert_eq!(answer.status, status, "{method} {body}: {}", answer.body);
    }
    for is_staff in [true, false] {
        let answer = app.send(&boss, Patch, "/v1/users/3", &json!({ "is_staff": is_staff })).await;
        assert_eq!((answer.status, &answer.json()["is_staff"]), (200, &json!(is_staff)));
    }
}

#[apply(on_both)]
async fn users_cannot_deactivate_or_demote_themselves(app: TestApp) {
    let deactivates = json!({
        "detail": "You cannot deactivate yourself. Ask another administrator to do it.",
        "code": "deactivates_self",
    });
    let demotes = json!({
        "detail": "You cannot remove your own rights. Ask another administrator to do it.",
        "code": "demotes_self",
    });
    app.person("spare", "superuser").await;
    for kind in ["staff", "superuser", "staff superuser"] {
        let name = kind.replace(' ', "-");
        let person = app.person(&name, kind).await;
        let path = path_of(&person);
        for (method, body, conflict) in [
            (Delete, json!({}), &deactivates),
            (Patch, json!({"is_active": false}), &deactivates),
            (Put, whole_with(&name, json!({"is_active": false})), &deactivates),
            (Patch, json!({"is_active": false, "is_staff": false}), &deactivates),
            (Patch, json!({"is_staff": false}), &demotes),
            (Put, whole_with(&name, json!({"is_staff": false})), &demotes),
        ] {
            if conflict == &demotes && !kind.starts_with("staff") {
                continue;
            }
            let answer = app.send(&person, method, &path, &body).await;
            assert_is(&answer, 409, conflict, &format!("{kind}: {method} {body}"));
        }
        assert_eq!(app.stored(person.id()).await, person.user, "{kind}");
        assert!(app.is_signed_in(&person, By::Bearer).await, "{kind}");
    }
}

#[apply(on_both)]
async fn az_5_one_active_superuser_is_always_left(app: TestApp) {
    let mut people = Vec::new();
    for number in 0..8 {
        people.push(app.person(&format!("boss-{number}"), "superuser").await);
    }
    let last = json!({
        "detail": "This is the last active superuser. Make another one first.",
        "code": "last_superuser",
    });
    while let [one, two, ..] = people.as_slice() {
        // Only these two are left active; each ends the other at the same instant.
        let all_but_these = format!("id NOT IN ({}, {})", one.id(), two.id());
        app.sql(&format!("UPDATE users SET is_active = FALSE WHERE {all_but_these}")).await;
        let (end_one, end_two) = (path_of(one), path_of(two));
        let (delete, patch) = (json!({}), json!({"is_active": false}));
        let (by_one, by_two) =
            join!(app.send(one, Delete, &end_two, &delete), app.send(two, Patch, &end_one, &patch));
        let left = [app.stored(one.id()).await, app.stored(two.id()).await];
        assert_eq!(left.iter().filter(|user| user.is_active).count(), 1, "{} {}", by_one.body, by_two.body);
        for answer in [by_one, by_two] {
            // The later one: 401 if it was checked who it is after the end of its sessions.
            if !matches!(answer.status, 200 | 204 | 401) {
                assert_is(&answer, 409, &last, "the later one");
            }
        }
        app.sql("UPDATE users SET is_active = TRUE").await;
        people.drain(..2);
    }
}

#[apply(on_both)]
async fn a_403_always_names_the_missing_right(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let person = app.person("person", "ordinary").await;
    app.person("boss", "superuser").await;
    let cross = [("Sec-Fetch-Site", "cross-site"), JSON];
    let mut request =
        app.client.post("/v1/users/list").header(cookie_header("__Host-sid-0a1b2c3d", &admin.cookie));
    for (name, value) in cross {
        request.add_header(Header::new(name, value));
    }
    for answer in [
        app.send(&person, Post, "/v1/users/list", &json!({})).await,
        app.send(&admin, Patch, "/v1/users/3", &json!({})).await,
        Answer::of(request.dispatch().await).await,
    ] {
        assert_eq!(answer.status, 403);
        let body = answer.json();
        assert_eq!(body["detail"], json!("You do not have permission to perform this action."));
        assert!(body["code"].as_str().is_some_and(|code| !code.is_empty()), "{body}");
    }
}
