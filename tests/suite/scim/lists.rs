//! Lists: filters, orders, pages by number and by cursor.

use std::collections::BTreeMap;

use super::*;
use crate::generate::{Wish, generate};

async fn page(app: &TestApp, who: &Person, query: &str) -> Value {
    let answer = app.get(who, &format!("{USERS}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.json()
}

fn names(page: &Value) -> Vec<&str> {
    page["Resources"].as_array().unwrap().iter().map(|user| user["userName"].as_str().unwrap()).collect()
}

/// A few users: `root`, who asks, and five.
async fn five(app: &TestApp) -> Person {
    let root = app.person("root", "superuser").await;
    for (username, given, active) in [
        ("bob", "Bob", true),
        ("ada", "Ada", true),
        ("Eve", "", false),
        ("dan", "Ada", true),
        ("zoë", "Zoë", true),
    ] {
        let email = if given.is_empty() {
            json!([])
        } else {
            json!([{"value": format!("{}@example.org", given.to_lowercase().replace('ë', "e"))}])
        };
        let body =
            json!({"userName": username, "name": {"givenName": given}, "emails": email, "active": active});
        create(app, &root, &body).await;
    }
    root
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn a_filter_finds_active_and_inactive_users_and_what_it_cannot_ask_for_is_refused(app: TestApp) {
    let root = five(&app).await;
    for (filter, found) in [
        ("userName eq \"EVE\"", &["Eve"][..]),
        ("active eq false", &["Eve"]),
        ("name.givenName eq \"ada\" and active eq true", &["ada", "dan"]),
        ("userName sw \"z\" or userName ew \"B\"", &["bob", "zoë"]),
        ("emails[type eq \"work\" and value co \"ADA\"]", &["ada", "dan"]),
        ("not (emails pr) and not (userName eq \"root\")", &["Eve"]),
        ("userName gt \"dan\" and userName lt \"root\"", &["Eve"]),
        ("name.givenName lt \"b\" and name.givenName ge \"\"", &["ada", "dan"]),
        ("emails lt \"b\" or name.familyName co \"\"", &["ada", "dan"]),
        ("emails.type eq null and not (userName eq \"root\")", &["Eve"]),
        ("userName co \"_\" or userName co \"%\"", &[]),
    ] {
        assert_eq!(find(&app, &root, filter).await, found, "{filter}");
        let query = format!(
            "sortBy=userName&filter={}",
            filter.replace('%', "%25").replace(' ', "%20").replace('"', "%22")
        );
        assert_eq!(names(&page(&app, &root, &query).await), found, "{filter}");
    }
    for filter in ["title pr", "userName", "password eq \"x\"", "groups pr"] {
        let answer =
            send(&app, &root, Method::Post, &format!("{USERS}/.search"), &json!({"filter": filter})).await;
        assert_eq!(error(&answer), (400, Some("invalidFilter".into())), "{filter}");
    }
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn lists_have_an_order_pages_and_the_attributes_that_are_asked_for(app: TestApp) {
    let root = five(&app).await;
    let by_name = page(&app, &root, "sortBy=userName&startIndex=2&count=3").await;
    assert_eq!(names(&by_name), ["bob", "dan", "Eve"]);
    let numbers = |page: &Value| {
        (page["totalResults"].clone(), page["startIndex"].clone(), page["itemsPerPage"].clone())
    };
    assert_eq!(numbers(&by_name), (json!(6), json!(2), json!(3)));
    let descending = page(&app, &root, "sortBy=userName&sortOrder=descending&count=1").await;
    assert_eq!(names(&descending), ["zoë"]);
    assert_eq!(
        names(&page(&app, &root, "sortBy=name.givenName&filter=name.givenName%20pr").await),
        ["ada", "dan", "bob", "zoë"]
    );
    let without = page(&app, &root, "sortBy=emails&filter=not%20(userName%20eq%20%22root%22)").await;
    assert_eq!(names(&without)[0], "Eve", "who has no value");
    let without =
        page(&app, &root, "sortBy=emails&sortOrder=descending&filter=not%20(userName%20eq%20%22root%22)")
            .await;
    assert_eq!(names(&without)[4], "Eve");
    assert_eq!(names(&page(&app, &root, "").await), ["root", "bob", "ada", "Eve", "dan", "zoë"]);
    assert_eq!(numbers(&page(&app, &root, "count=0").await), (json!(6), json!(1), json!(0)));
    assert_eq!(numbers(&page(&app, &root, "startIndex=-5&count=-1").await), (json!(6), json!(1), json!(0)));
    assert_eq!(numbers(&page(&app, &root, "startIndex=7").await), (json!(6), json!(7), json!(0)));
    assert_eq!(
        numbers(&page(&app, &root, "filter=active%20eq%20true&count=2").await),
        (json!(5), json!(1), json!(2))
    );
    let few = page(&app, &root, "attributes=userName&filter=userName%20eq%20%22ada%22").await;
    let few: Vec<&String> = few["Resources"][0].as_object().unwrap().keys().collect();
    assert_eq!(few, ["id", "schemas", "userName"]);
    let answer = app
        .get(&root, &format!("{USERS}/{}?excludedAttributes=meta,emails,name,displayName", root.id()))
        .await;
    let kept: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(kept, ["active", "id", "schemas", "userName"]);
    for (query, kind) in [
        ("sortBy=title", "invalidPath"),
        ("sortBy=userName&sortOrder=up", "invalidValue"),
        ("count=x", "invalidCount"),
        ("startIndex=x", "invalidValue"),
        ("cursor=nonsense", "invalidCursor"),
        (&format!("attributes={}", vec!["userName"; 101].join(",")), "invalidValue"),
        (&format!("excludedAttributes={}", vec!["a"; 101].join(",")), "invalidValue"),
        ("cursor=&startIndex=1", "invalidCursor"),
    ] {
        let answer = app.get(&root, &format!("{USERS}?{query}")).await;
        assert_eq!(error(&answer), (400, Some(kind.into())), "{query}");
    }
    let first = page(&app, &root, "cursor=&count=2").await;
    let next = first["nextCursor"].as_str().unwrap();
    let answer = app.get(&root, &format!("{USERS}?cursor={next}&sortBy=userName")).await;
    assert_eq!(error(&answer), (400, Some("invalidCursor".into())), "a cursor of another list");
}

/// A filter that asks too much of each user is wrong, and the cursor with it is not.
#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn a_filter_that_asks_too_much_is_told_from_a_wrong_cursor(app: TestApp) {
    let root = app.person("root", "superuser").await;
    for name in ["ada", "bob", "carl"] {
        app.person(name, "ordinary").await;
    }
    let part = r#"displayName gt "a" or userName co "b" or name.givenName co "c" or emails.value co "d""#;
    let heavy = vec![part; 100].join(" or ");
    let ask = async |place: &str, value: Value| {
        let body = json!({"filter": heavy, "count": 1, place: value});
        send(&app, &root, Method::Post, &format!("{USERS}/.search"), &body).await
    };
    let first = ask("cursor", json!("")).await;
    assert_eq!(first.status, 200, "of few users it is not too much: {}", first.body);
    let next = first.json()["nextCursor"].clone();
    assert!(next.is_string(), "{}", first.body);
    // As where there are a million users.
    app.sql("UPDATE user_counts SET users = 1000000").await;
    for (place, value) in
        [("cursor", json!("")), ("cursor", next), ("startIndex", json!(1)), ("startIndex", json!(3))]
    {
        let refused = ask(place, value.clone()).await;
        assert_eq!(error(&refused), (400, Some("invalidFilter".into())), "{place} {value}: {}", refused.body);
    }
    assert_eq!(error(&ask("cursor", json!("nonsense")).await), (400, Some("invalidCursor".into())));
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn pv_3_a_walk_by_cursors_loses_and_repeats_no_user_while_others_come_and_go(app: TestApp) {
    const USERS_THERE: u64 = 20_000;
    let root = app.person("root", "superuser").await;
    let wish = Wish { users: USERS_THERE, seed: 7, append: true, password: None };
    assert!(generate(&app.usher, wish).await.unwrap());
    let first_id = root.id() + 1;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut cursor, mut pages) = (String::new(), 0_i64);
    loop {
        let query = format!("cursor={cursor}&count=400&attributes=active");
        let page = page(&app, &root, &query).await;
        for user in page["Resources"].as_array().unwrap() {
            *seen.entry(user["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let Some(next) = page["nextCursor"].as_str() else { break };
        next.clone_into(&mut cursor);
        // After each page one user is deactivated, behind or before the place, and one is created.
        if pages < 50 {
            let gone = format!("{USERS}/{}", first_id + pages * 397);
            patch(&app, &root, &gone, json!([{"op": "replace", "path": "active", "value": false}])).await;
            create(&app, &root, &json!({"userName": format!("new.{pages}")})).await;
        }
        pages += 1;
    }
    assert!(pages >= 50, "{pages}");
    let repeated: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    let lost: Vec<i64> = (root.id()..=root.id() + i64::try_from(USERS_THERE).unwrap())
        .filter(|id| !seen.contains_key(&id.to_string()))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    let total = page(&app, &root, "count=0").await["totalResults"].as_u64();
    assert_eq!(total, Some(USERS_THERE + 1 + 50));
}
