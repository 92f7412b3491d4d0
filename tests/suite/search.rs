//! Finding a few users among many, and saying how many there are.

use rocket::futures::future::join_all;
use rocket::http::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use usher::db::{Sql, select};
use usher::model::filter::Filter;
use usher::model::user::{User, UserId};
use usher::operations::App;

use crate::app::{Answer, Backend, By, Person, TestApp, figment};
use crate::generate::{Wish, generate};
use crate::lists::population::{insert_all, named};

async fn page(app: &TestApp, person: &Person, path: &str) -> String {
    let answer =
        Answer::of(app.request(Method::Get, path, Some((person, By::Cookie))).dispatch().await).await;
    assert_eq!(answer.status, 200, "{path}");
    answer.body
}

/// The primary keys of the rows, in their order.
fn rows(page: &str) -> Vec<i64> {
    let links = page.split("<th scope=\"row\"><a href=\"/users/").skip(1);
    links.map(|rest| rest.split('"').next().expect("a link").parse().expect("a key")).collect()
}

#[apply(on_both)]
async fn a_few_matches_far_down_the_order_are_found_from_both_ends(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    // More than a walk looks at. The first name is what the list is sorted by.
    let users: Vec<User> = (0..12_000)
        .map(|index| User {
            id: UserId(1000 + index),
            first_name: format!("Anna {:05}", index * 7919 % 12_000),
            last_name: if index % 4000 == 17 { "Quillfeather".into() } else { "Smith".into() },
            is_active: index % 4000 != 18,
            email: format!("anna{index}@example.org"),
            ..named(&format!("user-{index}"))
        })
        .collect();
    insert_all(&app.usher.db, &users).await.expect("users");
    let expected = |fits: fn(&User) -> bool| {
        let mut fitting: Vec<&User> = users.iter().filter(|user| fits(user)).collect();
        fitting.sort_by_key(|user| &user.first_name);
        fitting.iter().map(|user| user.id.0).collect::<Vec<_>>()
    };
    let rare = expected(|user| user.last_name == "Quillfeather");
    assert_eq!(rare.len(), 3);
    let reversed = |keys: &[i64]| keys.iter().rev().copied().collect::<Vec<_>>();
    assert_eq!(rows(&page(&app, &staff, "/users?q=QUILLfea").await), rare);
    assert_eq!(rows(&page(&app, &staff, "/users?q=illf%20anna&before=end").await), rare);
    assert_eq!(rows(&page(&app, &staff, "/users?q=lfeather&sort=-name").await), reversed(&rare));
    // More than a page, too few to walk for: all are found, and counted on the way.
    let some = expected(|user| user.is_active && user.email.starts_with("anna11"));
    let found = page(&app, &staff, "/users?q=anna11&status=active&sort=-name&per=25").await;
    assert_eq!(rows(&found), reversed(&some)[..25]);
    assert!(found.contains("1,111 users match"), "{found}");
    let found = page(&app, &staff, "/users?q=anna11&status=active&sort=email&per=25").await;
    let mut by_email: Vec<&User> = users.iter().filter(|user| some.contains(&user.id.0)).collect();
    by_email.sort_by_key(|user| &user.email);
    assert_eq!(rows(&found), by_email[..25].iter().map(|user| user.id.0).collect::<Vec<_>>());
    let inactive = expected(|user| !user.is_active);
    assert_eq!(rows(&page(&app, &staff, "/users?status=deactivated").await), inactive);
    let common = page(&app, &staff, "/users?q=anna&sort=-name&before=end&per=25").await;
    let all = expected(|_| true);
    assert_eq!(rows(&common), reversed(&all[..25]), "the last page");

    for (field, case_insensitive) in [("last_name", false), ("last_name", true)] {
        let body = json!({"limit": 2, "order_by": [{"field": "first_name"}], "expressions": [
            {"type": "contains", "field": field, "sub_string": "Quillf", "case_insensitive": case_insensitive},
        ]});
        let first = app.send(&staff, Method::Post, "/v1/users/list", &body).await;
        let mut next = body.clone();
        next["after"] = json!(first.header("X-Next-Cursor").expect("another page"));
        let second = app.send(&staff, Method::Post, "/v1/users/list", &next).await;
        let keys: Vec<i64> = [first.json(), second.json()]
            .iter()
            .flat_map(|page| page.as_array().expect("an array").clone())
            .map(|record| record["pk"].as_i64().expect("a key"))
            .collect();
        assert_eq!(keys, rare);
    }
}

#[apply(on_both)]
async fn a_renamed_user_is_found_by_the_new_name_only(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ada = app.person("ada.lovelace", "").await;
    let path = format!("/v1/users/{}", ada.id());
    let found = async |q: &str| rows(&page(&app, &staff, &format!("/users?q={q}")).await);
    assert_eq!(found("lovel").await, [ada.id()]);
    app.send(&staff, Method::Patch, &path, &json!({"username": "ada.byron", "last_name": "Ünïque"})).await;
    assert!(found("lovel").await.is_empty());
    assert_eq!(found("byr%20UNIQ").await, [ada.id()]);
    assert_eq!(found("yr").await, [ada.id()], "two characters");
    assert!(found("%22*%25").await.is_empty(), "nothing is a pattern");
    app.sql(&format!("DELETE FROM users WHERE id = {}", ada.id())).await;
    assert!(found("byron").await.is_empty());
}

#[apply(on_both)]
async fn an_exact_match_stands_first_in_a_group_of_its_own(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let user = |id, name: &str, first_name: &str, email: &str| User {
        id: UserId(id),
        first_name: first_name.to_owned(),
        email: email.to_owned(),
        ..named(name)
    };
    let users = [
        user(4711, "zoe", "Zoe", "zoe@example.org"),
        user(4712, "zoe.k", "Anna", "zoe@example.org.uk"),
        user(4713, "nr-4711", "Carl", "ZOE@example.org"),
        User { is_active: false, ..user(4714, "gone", "Gone", "gone@example.org") },
    ];
    insert_all(&app.usher.db, &users).await.expect("users");
    for (q, keys, groups) in [
        ("ZOE", vec![4711, 4712, 4713], true),
        ("zoe%40Example.org", vec![4713, 4711, 4712], true),
        ("4711", vec![4711, 4713], true),
        ("zoe.k", vec![4712], true),
        ("zoe.", vec![4712], false),
        ("4714&status=active", vec![], false),
        ("4714", vec![4714], true),
    ] {
        let body = page(&app, &staff, &format!("/users?q={q}")).await;
        assert_eq!(rows(&body), keys, "{q}");
        assert_eq!(body.contains("Exact match"), groups, "{q}");
        let words =
            if keys.len() == 1 { "1 user matches".into() } else { format!("{} users match", keys.len()) };
        assert!(body.contains(&words), "{q}: {words}");
    }
}

#[apply(on_both)]
async fn a_count_stops_unless_it_is_asked_to_be_exact(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let users: Vec<User> = (0..10_001)
        .map(|index| User { id: UserId(100 + index), ..named(&format!("user-{index}")) })
        .collect();
    insert_all(&app.usher.db, &users).await.expect("users");
    let all = page(&app, &staff, "/users").await;
    assert!(all.contains("10,002 users") && !all.contains("Count exactly"));
    let some = page(&app, &staff, "/users?q=user-&sort=email").await;
    assert!(some.contains("More than 10,000 users match"));
    let link = "/users?q=user-&amp;sort=email&amp;count=exact";
    assert!(some.replace("&#x2F;", "/").contains(link), "{some}");
    let exact = page(&app, &staff, "/users?q=user-&sort=email&count=exact").await;
    assert!(exact.contains("10,001 users match") && !exact.contains("Count exactly"));
    assert!(page(&app, &staff, "/users?q=user-1000&count=exact").await.contains("2 users match"));
}

#[apply(on_both)]
async fn the_number_of_users_is_kept_through_every_change(app: TestApp) {
    let everything: Filter = Filter { include_inactive: true, ..Filter::default() };
    let kept = async || {
        let (counted,): (i64,) = app
            .usher
            .db
            .optional(Sql::new("SELECT count(*) FROM users"))
            .await
            .expect("a database")
            .expect("a row");
        let kept = select::count(&app.usher.db, &everything).await.expect("a database");
        assert_eq!(kept, counted);
        kept
    };
    assert_eq!(kept().await, 0);
    let admin = app.person("admin", "superuser").await;
    let create = |index| {
        let body = json!({"username": format!("user-{index}"), "password": crate::app::PASSWORD,
            "first_name": "", "last_name": "", "email": ""});
        let (app, admin) = (&app, &admin);
        async move { app.send(admin, Method::Post, "/v1/users/create", &body).await.status }
    };
    let answers = join_all((0..6).map(create)).await;
    assert_eq!(answers, [201; 6]);
    assert_eq!(create(5).await, 400, "the name is taken");
    assert_eq!(kept().await, 7);
    let crowd: Vec<User> =
        (0..120).map(|index| User { id: UserId(500 + index), ..named(&format!("more-{index}")) }).collect();
    insert_all(&app.usher.db, &crowd).await.expect("users");
    let mut given_up = app.usher.db.begin().await.expect("a transaction");
    given_up.execute(Sql::new("DELETE FROM users WHERE id >= 600")).await.expect("a statement");
    drop(given_up);
    app.sql("UPDATE users SET is_active = FALSE WHERE id >= 610").await;
    assert_eq!(kept().await, 127);
    app.sql("DELETE FROM users WHERE id >= 550").await;
    assert_eq!(kept().await, 57);
}

#[apply(on_both)]
async fn made_up_users_are_only_added_to_others_on_request(app: TestApp) {
    let make = async |users, append| {
        let wish = Wish { users, append, seed: 1, password: None };
        generate(&app.usher, wish).await.expect("a database")
    };
    assert!(make(300, false).await);
    let first = select::users(&app.usher.db, &all_users(), None, 1000).await.expect("users");
    assert_eq!(first.len(), 300);
    assert!(!make(10, false).await, "refused");
    assert!(make(10, true).await);
    let all = select::users(&app.usher.db, &all_users(), None, 1000).await.expect("users");
    assert_eq!((all.len(), &all[..300]), (310, &first[..]));
}

fn all_users() -> usher::model::filter::Filter {
    usher::model::filter::Filter { include_inactive: true, ..Default::default() }
}

#[rocket::async_test]
async fn searches_work_in_a_postgresql_that_refuses_the_extension() {
    let app = TestApp::new(Backend::Postgres).await;
    let (server, name) = app.url.rsplit_once('/').expect("a URL with a database");
    let (plain, role) = (format!("{name}_plain"), format!("{name}_role"));
    app.sql(&format!("DROP DATABASE IF EXISTS {plain}")).await;
    app.sql(&format!("DROP ROLE IF EXISTS {role}")).await;
    app.sql(&format!("CREATE DATABASE {plain} TEMPLATE template0")).await;
    app.sql(&format!("CREATE ROLE {role} LOGIN")).await;
    // The owner of the schema, but not of the database, whose right an extension needs.
    let (scheme, address) = server.split_once("://").expect("a URL");
    let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
    let mut connection = PgConnection::connect(&format!("{server}/{plain}")).await.expect("the database");
    let grant = AssertSqlSafe(format!("GRANT ALL ON SCHEMA public TO {role}"));
    sqlx::query(grant).execute(&mut connection).await.expect("a right");
    connection.close().await.expect("a clean end");
    let settings = figment(&format!("{scheme}://{role}@{address}/{plain}"), &[]);
    let usher = App::open(&settings, app.clock.clone()).await.expect("an installation");
    assert!(select::search_is_indexed(&app.usher.db).await.expect("a database"));
    assert!(!select::search_is_indexed(&usher.db).await.expect("a database"));
    insert_all(&usher.db, &[User { id: UserId(1), ..named("quillfeather") }]).await.expect("a user");
    let body = json!({"expressions": [{"type": "contains", "field": "username", "sub_string": "illf"}]});
    let serde_json::Value::Object(body) = body else { unreachable!() };
    let filter = usher::model::filter::ListRequest::parse(body).expect("a filter").filter;
    assert_eq!(select::users(&usher.db, &filter, None, 10).await.expect("users").len(), 1);
    usher.db.close().await;
    app.sql(&format!("DROP DATABASE {plain}")).await;
    app.sql(&format!("DROP ROLE {role}")).await;
}
