//! Reading the audit log: lists of it, one entry, and that all it records is found again.

use rocket::http::Method;
use serde_json::{Value, json};
use usher::db::select;
use usher::model::audit::{Action, Author, Entries, Entry, EntryId, ListedEntry};
use usher::model::clock::Timestamp;
use usher::model::filter::{Filter, ListRequest};
use usher::model::origin::{Channel, Origin};
use usher::model::user::{User, UserId, Username};

use crate::app::{Answer, PASSWORD, Person, TestApp};

async fn list(app: &TestApp, staff: &Person, body: &Value) -> Answer {
    app.send(staff, Method::Post, "/v1/audit/list", body).await
}

async fn entries(app: &TestApp, staff: &Person, body: &Value) -> Vec<Value> {
    let answer = list(app, staff, body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    answer.json().as_array().expect("an array").clone()
}

fn ids(entries: &[Value]) -> Vec<i64> {
    entries.iter().map(|entry| entry["id"].as_i64().expect("an id")).collect()
}

#[apply(on_both)]
async fn an_entry_tells_who_did_what_to_whom_from_where_and_when(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let path = format!("/v1/users/{}", ada.id());
    let body = json!({"email": "a@example.org", "password": "another long password"});
    assert_eq!(app.send(&staff, Method::Patch, &path, &body).await.status, 200);
    assert_eq!(app.obtain("nobody", PASSWORD).await.status, 401);

    let all = entries(&app, &staff, &json!({})).await;
    let [failed, reset] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((&failed["actor"], &failed["target"]), (&Value::Null, &Value::Null));
    assert_eq!(failed["details"], json!({"reason": "unknown_user"}));
    let request_id = reset["request_id"].as_str().expect("a request");
    let expected = json!({
        "id": reset["id"],
        "at": app.clock.now().to_string(),
        "action": "password_reset",
        "actor": {"pk": staff.id(), "username": "staff"},
        "target": {"pk": ada.id(), "username": "ada"},
        "changes": {"email": {"old": "", "new": "a@example.org"}, "password": "changed"},
        "details": {"sessions_ended": 2},
        "door": "api",
        "address": "",
        "request_id": request_id,
        "batch": null,
        "undoes": null,
        "undone_by": null,
    });
    assert_eq!(*reset, expected);
    assert_eq!(request_id.len(), 16);
    let one = app.get(&staff, &format!("/v1/audit/{}", reset["id"])).await;
    assert_eq!((one.status, one.json()), (200, expected));
    for path in ["/v1/audit/999999", "/v1/audit/0", "/v1/audit/99999999999999999999", "/v1/audit/x"] {
        assert_eq!(app.get(&staff, path).await.status, 404, "{path}");
    }
    let order: Vec<_> = one.body.split("\":").map(|part| part.rsplit('"').next().unwrap()).collect();
    assert_eq!(order[..4], ["id", "at", "action", "actor"]);
}

#[apply(on_both)]
async fn lg_2_entries_about_superusers_are_told_to_staff_too(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let path = format!("/v1/users/{}", root.id());
    assert_eq!(app.send(&root, Method::Patch, &path, &json!({"first_name": "R"})).await.status, 200);
    assert_eq!(app.send(&staff, Method::Patch, &path, &json!({"first_name": "S"})).await.status, 403);
    crate::audit::finish_background(&app).await;
    let told = entries(&app, &staff, &json!({})).await;
    let actions: Vec<_> = told.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["refused", "user_changed"]);
    assert!(told.iter().all(|entry| entry["target"] == json!({"pk": root.id(), "username": "root"})));
}

/// An entry of every kind of actor, target and origin, with names that are hard to search for.
async fn varied(app: &TestApp) -> Vec<ListedEntry> {
    let names = ["Ada", "ADA", "École", "éCOLE", "x.y_z", "x-y", "Straße", "STRASSE", "a+b"];
    let user = |n: usize| User {
        id: UserId(i64::try_from(n % 5).unwrap() + 1),
        username: Username::parse(names[n % names.len()]).unwrap(),
        ..User::blank(Timestamp::from_micros(0))
    };
    let mut tx = app.usher.db.begin().await.unwrap();
    for n in 0..90_usize {
        let origin = Origin {
            channel: [Channel::Api, Channel::Console, Channel::CommandLine][n % 3],
            address: [None, Some("192.0.2.1"), Some("2001:db8::a")][n / 3 % 3].map(|at| at.parse().unwrap()),
            device: String::new(),
            request_id: if n % 3 == 2 { String::new() } else { format!("{n:016x}") },
        };
        let author = if n % 4 == 0 { Author::anonymous(&origin) } else { Author::user(&user(n), &origin) };
        let mut entry = Entry::new(Action::NAMES[n * 7 % Action::NAMES.len()].0, author);
        if n % 7 != 0 {
            entry = entry.on(&user(n / 2));
        }
        if n >= 80 {
            entry.undoes = Some(EntryId(i64::try_from(n).unwrap() - 70));
        }
        // The clock is set back now and then, and stands still.
        let at = Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(n / 5 * 37 % 30).unwrap());
        usher::operations::audit::record(&mut tx, &entry, at).await.unwrap();
    }
    tx.commit().await.unwrap();
    select::page(&app.usher.db, &Filter::<Entries>::default(), None, 1000).await.unwrap()
}

fn filters() -> Vec<Value> {
    let leaf = |kind: &str, field: &str, value: Value| json!({"type": kind, "field": field, "value": value});
    let mut leaves = vec![
        leaf("exact", "action", json!("sign_in")),
        leaf("exact", "action", json!("nothing")),
        leaf("exact", "actor", json!("Ada")),
        leaf("exact", "actor", json!("")),
        leaf("exact", "target_pk", json!(3)),
        leaf("exact", "actor_pk", json!("2")),
        leaf("exact", "door", json!("command_line")),
        leaf("exact", "address", json!("2001:db8::a")),
        leaf("exact", "request_id", json!("0000000000000007")),
        leaf("exact", "undoes", json!(12)),
        json!({"type": "isnull", "field": "actor_pk"}),
        json!({"type": "isnull", "field": "target_pk"}),
        json!({"type": "isnull", "field": "undoes"}),
        json!({"type": "isnull", "field": "batch"}),
        json!({"type": "isnull", "field": "at"}),
        json!({"type": "compare", "field": "at", "operator": ">=", "value": "2023-11-14T22:13:20.000012Z"}),
        json!({"type": "compare", "field": "id", "operator": "<", "value": 40.5}),
        json!({"type": "compare", "field": "actor_pk", "operator": ">", "value": 2}),
        json!({"type": "compare", "field": "actor", "operator": "<", "value": "a"}),
    ];
    for (field, part) in [("actor", "STRASSE"), ("target", "ÉCOLE"), ("actor", "ada"), ("door", "CONSOLE")] {
        let mut ignoring = leaf("exact", field, json!(part));
        ignoring["case_insensitive"] = json!(true);
        leaves.push(ignoring);
    }
    for (part, ignoring) in
        [("_", false), ("col", false), ("COL", true), ("'", false), ("%", true), ("ss", true)]
    {
        leaves.push(json!({
            "type": "contains", "field": "target", "sub_string": part, "case_insensitive": ignoring
        }));
    }
    let turned = leaves.iter().cloned().map(|mut leaf| {
        leaf["invert"] = json!(true);
        leaf
    });
    let mut filters: Vec<Value> = leaves.iter().cloned().chain(turned).map(|leaf| json!([leaf])).collect();
    for pair in leaves.windows(2) {
        filters.push(json!([{"type": "or", "sub_expressions": pair}]));
        filters.push(json!([{"type": "and", "sub_expressions": pair, "invert": true}]));
    }
    filters
}

#[apply(on_both)]
async fn the_filter_language_means_the_same_on_the_trail_as_in_plain_rust(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let all = varied(&app).await;
    assert_eq!(all.len(), 90);
    let orders = [
        json!([]),
        json!([{"field": "at"}]),
        json!([{"field": "actor", "ascending": false}, {"field": "target_pk", "nulls_first": true}]),
        json!([{"field": "undoes", "ascending": false, "nulls_first": false}, {"field": "action"}]),
        json!([{"field": "actor_pk"}, {"field": "target_pk", "nulls_first": true}, {"field": "undoes"}]),
        json!([{"field": "id"}]),
    ];
    for (number, expressions) in filters().into_iter().enumerate() {
        let order = &orders[number % orders.len()];
        let mut body = json!({"expressions": expressions, "order_by": order, "count": true});
        let request: ListRequest<Entries> =
            ListRequest::parse(body.as_object().unwrap().clone()).expect("a filter");
        let mut expected: Vec<&ListedEntry> =
            all.iter().filter(|told| request.filter.matches(told)).collect();
        expected.sort_by(|left, right| request.filter.compare(left, right));
        let expected: Vec<i64> = expected.into_iter().map(|told| told.entry.id).collect();
        let whole = list(&app, &staff, &body).await;
        assert_eq!(ids(whole.json().as_array().expect("an array")), expected, "{body}");
        assert_eq!(whole.header("X-Total-Count"), Some(expected.len().to_string().as_str()), "{body}");

        body["limit"] = json!(7);
        let mut walked = Vec::new();
        loop {
            let page = list(&app, &staff, &body).await;
            walked.extend(ids(page.json().as_array().expect("an array")));
            let Some(cursor) = page.header("X-Next-Cursor") else { break };
            let link = page.header("Link").expect("a link").to_owned();
            let address = link.trim_start_matches('<').trim_end_matches(">; rel=\"next\"");
            let next = app.get(&staff, address).await;
            body["after"] = json!(cursor);
            assert_eq!(next.json(), list(&app, &staff, &body).await.json(), "{address}");
        }
        assert_eq!(walked, expected, "{body}");
    }
}

#[apply(on_both)]
async fn a_whole_trail_streams_newest_first_and_equals_its_pages(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let mut tx = app.usher.db.begin().await.unwrap();
    let entry = Entry::new(Action::Exported, Author::user(&staff.user, &Origin::command_line()));
    usher::db::audit::insert_all(&mut tx, &vec![entry; 2500], app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let whole = ids(&entries(&app, &staff, &json!({})).await);
    assert_eq!(whole.len(), 2500);
    assert!(whole.windows(2).all(|pair| pair[0] > pair[1]));
    let page = list(&app, &staff, &json!({"limit": 1000})).await;
    let next = json!({"limit": 1000, "after": page.header("X-Next-Cursor")});
    assert_eq!(ids(&entries(&app, &staff, &next).await), whole[1000..2000]);
}

#[apply(on_both)]
async fn what_is_no_field_of_the_trail_is_refused_by_name(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for (body, line) in [
        (
            json!({"expressions": [{"type": "isnull", "field": "username"}]}),
            "expressions[0].field: unknown field \"username\"",
        ),
        (
            json!({"expressions": [{"type": "isnull", "field": "seal"}]}),
            "expressions[0].field: unknown field \"seal\"",
        ),
        (json!({"order_by": [{"field": "changes"}]}), "order_by[0].field: unknown field \"changes\""),
        (json!({"include_inactive": true}), "include_inactive: unknown member"),
        (
            json!({"expressions": [{"type": "contains", "field": "id", "sub_string": "1"}]}),
            "expressions[0].field: \"contains\" needs a text field",
        ),
        (
            json!({"expressions": [{"type": "exact", "field": "at", "value": 7}]}),
            "expressions[0].value: must be a timestamp such as \"2024-02-29T12:00:00.000000Z\" for this field",
        ),
        (json!({"limit": 1001}), "limit: must be a whole number from 1 to 1000"),
    ] {
        let answer = list(&app, &staff, &body).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (400, Some(line)), "{body}");
    }
}

#[apply(on_both)]
async fn a_cursor_of_the_users_is_none_of_the_trail(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    app.person("ada", "ordinary").await;
    let page = app
        .send(&staff, Method::Post, "/v1/users/list", &json!({"limit": 1, "include_inactive": false}))
        .await;
    let cursor = page.header("X-Next-Cursor").expect("two users");
    let answer = list(&app, &staff, &json!({"after": cursor})).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}
