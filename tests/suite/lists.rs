//! Lists: filters, orders and pages.

pub(crate) mod population;
mod spoken;
mod typed;
mod walks;
mod worlds;

use rocket::http::Method;
use serde_json::{Value, json};
use usher::model::user::{User, UserId};

use crate::app::{Answer, Person, TestApp};
use population::{insert_all, named};

/// Asks for a list as JSON.
async fn list(app: &TestApp, admin: &Person, body: &Value) -> Answer {
    app.send(admin, Method::Post, "/v1/users/list", body).await
}

/// The records of a list that must be answered.
async fn records(app: &TestApp, admin: &Person, body: &Value) -> Vec<Value> {
    let answer = list(app, admin, body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    match answer.json() {
        Value::Array(records) => records,
        other => panic!("{other} is not an array"),
    }
}

/// All pages of a list, by its cursors; `between` is done before each page but the first, and told
/// which user came last.
async fn walk(
    app: &TestApp,
    admin: &Person,
    request: &Value,
    limit: usize,
    mut between: impl AsyncFnMut(i64),
) -> Vec<Value> {
    let mut request = request.clone();
    request["limit"] = json!(limit);
    let mut walked = Vec::new();
    loop {
        let page = list(app, admin, &request).await;
        assert_eq!(page.status, 200, "{request}: {}", page.body);
        let records = page.json().as_array().expect("an array").clone();
        let cursor = page.header("X-Next-Cursor");
        assert_eq!(page.header("Link").is_some(), cursor.is_some());
        assert!(records.len() == limit || records.len() < limit && cursor.is_none(), "{page:?}");
        walked.extend(records);
        assert!(walked.len() < 100_000, "the pages do not end");
        let Some(cursor) = cursor else { return walked };
        request["after"] = json!(cursor);
        between(pks(&walked).last().copied().expect("a page before the next")).await;
    }
}

fn pks(records: &[Value]) -> Vec<i64> {
    records.iter().map(|record| record["pk"].as_i64().expect("a primary key")).collect()
}

/// Users from primary key 100 on.
fn crowd(count: i64, each: impl Fn(i64, User) -> User) -> Vec<User> {
    (0..count)
        .map(|index| each(index, User { id: UserId(100 + index), ..named(&format!("user-{index:04}")) }))
        .collect()
}

#[apply(on_all)]
async fn a_whole_list_of_many_users_streams_in_order_and_equals_its_pages(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    // Ties, in an order that is not that of the keys.
    let users = crowd(2500, |index, user| User { last_name: format!("{}", index * 7919 % 9), ..user });
    insert_all(&app.usher.db, &users).await.expect("users");
    let mut sorted: Vec<&User> = users.iter().collect();
    sorted.sort_by_key(|user| (std::cmp::Reverse(&user.last_name), user.id));
    let mut expected: Vec<i64> = sorted.iter().map(|user| user.id.0).collect();
    expected.push(admin.id());

    let request = json!({"order_by": [{"field": "last_name", "ascending": false}]});
    let answer = list(&app, &admin, &request).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")));
    assert_eq!((answer.header("X-Next-Cursor"), answer.header("Link")), (None, None));
    let whole = answer.json().as_array().expect("an array").clone();
    assert_eq!(pks(&whole), expected);
    assert_eq!(walk(&app, &admin, &request, 1000, async |_| ()).await, whole);
    assert_eq!(walk(&app, &admin, &request, 417, async |_| ()).await, whole);
}

/// The address in `Link` with `rel="next"`.
fn next_of(page: &Answer) -> Option<String> {
    let address = page.header("Link")?.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(address.to_owned())
}

#[apply(on_all)]
async fn a_client_that_follows_links_comes_to_the_end_of_the_list(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let users = crowd(25, |index, user| User { last_name: format!("é&+ {}", index % 4), ..user });
    insert_all(&app.usher.db, &users).await.expect("users");
    for request in [
        json!({}),
        json!({"order_by": [{"field": "last_name", "ascending": false}], "include_inactive": true, "after": null}),
        json!({"count": true, "expressions": [
            {"type": "contains", "field": "last_name", "sub_string": "É&+ ", "case_insensitive": true}]}),
    ] {
        let whole = list(&app, &admin, &request).await;
        let mut first = request.clone();
        first["limit"] = json!(7);
        let mut page = list(&app, &admin, &first).await;
        let mut walked = Vec::new();
        loop {
            assert_eq!(page.status, 200, "{request}: {}", page.body);
            walked.extend(page.json().as_array().expect("an array").clone());
            assert!(walked.len() < 100, "{request}: the links do not end");
            assert_eq!(page.header("X-Total-Count"), whole.header("X-Total-Count"), "{request}");
            let Some(next) = next_of(&page) else { break };
            page = app.get(&admin, &next).await;
        }
        assert_eq!(Value::from(walked), whole.json(), "{request}");
    }
    // The log has it, too, and a long request is left to its cursor.
    let page = app.send(&admin, rocket::http::Method::Post, "/v1/audit/list", &json!({"limit": 1})).await;
    assert_eq!(next_of(&page), None, "{page:?}");
    let long = json!({"type": "exact", "field": "email", "value": "x".repeat(4000), "invert": true});
    let page = list(&app, &admin, &json!({"limit": 1, "expressions": [long]})).await;
    assert_eq!((next_of(&page), page.header("X-Next-Cursor").is_some()), (None, true));
}

#[apply(on_all)]
async fn in_2_an_address_of_a_next_page_that_cannot_be_read_is_400(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    for (query, refusal) in [
        ("after=x", "after: is not a cursor of this filter and order"),
        ("limit=x", "limit: JSON parse error - expected value at line 1 column 1"),
        ("limit=0", "limit: must be a whole number from 1 to 1000"),
        ("limit=1&limit=2", "limit: is there twice"),
        ("expressions=%5B%7B%22type%22:%22x%22%7D%5D", "expressions[0].type: unknown expression \"x\""),
        (
            "expressions=%5B%7B%22a%22:1,%22a%22:1%7D%5D",
            "expressions: JSON parse error - the member \"a\" is there twice",
        ),
        ("password=1", "password: unknown member"),
        ("=", ": JSON parse error - EOF while parsing a value at line 1 column 0"),
    ] {
        let answer = app.get(&admin, &format!("/v1/users/list/next?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        let detail = answer.json()["detail"].as_str().expect("a sentence").to_owned();
        assert!(detail.starts_with(refusal), "{query}: {detail}");
    }
}

#[apply(on_all)]
async fn a_cursor_is_only_given_when_more_exists(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    insert_all(&app.usher.db, &crowd(9, |_, user| user)).await.expect("users");
    for (limit, more) in [(1, true), (9, true), (10, false), (11, false), (1000, false)] {
        let page = list(&app, &admin, &json!({"limit": limit})).await;
        assert_eq!(page.header("X-Next-Cursor").is_some(), more, "{limit}");
        assert_eq!(page.header("Link").is_some(), more, "{limit}");
        assert_eq!(page.json().as_array().expect("an array").len(), limit.min(10));
    }
    let mut cursors = 0;
    let walked = walk(&app, &admin, &json!({}), 5, async |_| cursors += 1).await;
    assert_eq!((walked.len(), cursors), (10, 1), "no cursor leads to an empty page");
    let none = json!({"limit": 5, "expressions": [{"type": "exact", "field": "pk", "value": 0}]});
    let page = list(&app, &admin, &none).await;
    assert_eq!((page.body.as_str(), page.header("X-Next-Cursor"), page.header("Link")), ("[]", None, None));
}

#[apply(on_all)]
async fn a_cursor_of_another_list_is_refused(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    insert_all(&app.usher.db, &crowd(9, |_, user| user)).await.expect("users");
    let request = json!({"limit": 2, "order_by": [{"field": "email"}]});
    let page = list(&app, &admin, &request).await;
    let cursor = page.header("X-Next-Cursor").expect("more").to_owned();
    let with = |name: &str, value: Value| {
        let mut request = request.clone();
        request["after"] = json!(cursor);
        request[name] = value;
        request
    };
    for same in
        [with("limit", json!(1000)), with("count", json!(true)), with("include_inactive", json!(false))]
    {
        assert_eq!(list(&app, &admin, &same).await.status, 200, "{same}");
    }
    for other in [
        with("include_inactive", json!(true)),
        with("order_by", json!([{"field": "email", "ascending": false}])),
        with("order_by", json!([{"field": "first_name"}])),
        with("order_by", json!([])),
        with("expressions", json!([{"type": "exact", "field": "is_staff", "value": false}])),
        with("after", json!(format!("{cursor}x"))),
        with("after", json!(&cursor[..cursor.len() - 4])),
        with("after", json!("")),
        with("after", json!("100")),
    ] {
        let answer = list(&app, &admin, &other).await;
        assert_eq!(
            (answer.status, answer.json()),
            (400, json!({"detail": "after: is not a cursor of this filter and order"})),
            "{other}"
        );
    }
}

#[apply(on_all)]
async fn the_number_of_all_matches_comes_when_asked_for(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let users = crowd(1500, |index, user| User { is_active: index % 2 == 0, is_staff: index < 10, ..user });
    insert_all(&app.usher.db, &users).await.expect("users");
    let staff = json!([{"type": "exact", "field": "is_staff", "value": true}]);
    for (request, count) in [
        (json!({}), None),
        (json!({"count": false, "limit": 3}), None),
        (json!({"count": true}), Some("751")),
        (json!({"count": true, "include_inactive": true}), Some("1501")),
        (json!({"count": true, "limit": 3}), Some("751")),
        (json!({"count": true, "limit": 3, "expressions": staff}), Some("5")),
        (json!({"count": true, "expressions": staff, "include_inactive": true}), Some("10")),
    ] {
        let answer = list(&app, &admin, &request).await;
        assert_eq!(answer.header("X-Total-Count"), count, "{request}");
    }
}

#[apply(on_all)]
async fn inactive_users_are_listed_only_on_request(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let users = crowd(4, |index, user| User { is_active: index % 2 == 0, ..user });
    insert_all(&app.usher.db, &users).await.expect("users");
    let inactive = json!([{"type": "exact", "field": "is_active", "value": false}]);
    for (request, expected) in [
        (json!({}), vec![admin.id(), 100, 102]),
        (json!({"include_inactive": false}), vec![admin.id(), 100, 102]),
        (json!({"include_inactive": true}), vec![admin.id(), 100, 101, 102, 103]),
        (json!({"expressions": inactive}), vec![]),
        (json!({"expressions": inactive, "include_inactive": true}), vec![101, 103]),
    ] {
        assert_eq!(pks(&records(&app, &admin, &request).await), expected, "{request}");
    }
    let nothing = app.request(Method::Post, "/v1/users/list", Some((&admin, crate::app::By::Bearer)));
    let answer = Answer::of(nothing.dispatch().await).await;
    assert_eq!(answer.status, 200, "no body is no filter: {}", answer.body);
    assert_eq!(answer.json().as_array().expect("an array").len(), 3);
}

#[apply(on_all)]
async fn a_wrong_filter_is_refused_in_one_line_that_names_the_member(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let leaf = json!({"type": "exact", "field": "pk", "value": 1});
    for (request, start) in [
        (json!({"filter": []}), "filter: "),
        (
            json!({"expressions": [{"type": "exact", "field": "password", "value": "x"}]}),
            "expressions[0].field: ",
        ),
        (
            json!({"expressions": [leaf, {"type": "exact", "field": "line\nbreak", "value": 1}]}),
            "expressions[1].field: ",
        ),
        (json!({"expressions": [{"type": "exact", "field": "pk", "value": null}]}), "expressions[0].value: "),
        (
            json!({"expressions": [{"type": "or", "sub_expressions": [leaf, {"type": "or"}]}]}),
            "expressions[0].sub_expressions[1].type: ",
        ),
        (json!({"expressions": vec![leaf.clone(); 501]}), "expressions: "),
        (json!({"order_by": [{"field": "version"}]}), "order_by[0].field: "),
        (json!({"limit": 1001}), "limit: "),
        (json!({"after": 7}), "after: "),
        (json!({"count": 1}), "count: "),
    ] {
        let answer = list(&app, &admin, &request).await;
        assert_eq!(answer.status, 400, "{request}");
        let refusal = answer.json();
        let detail = refusal["detail"].as_str().expect("a detail");
        assert_eq!(refusal, json!({ "detail": detail }), "nothing else");
        assert!(detail.starts_with(start) && detail.lines().count() == 1, "{detail:?}");
    }
    assert_eq!(list(&app, &admin, &json!({"expressions": vec![leaf; 300]})).await.status, 200);
}
