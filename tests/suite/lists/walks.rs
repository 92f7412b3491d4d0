//! Walking a list page by page, in every order and while it changes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use usher::model::clock::Timestamp;
use usher::model::user::{User, UserId};

use super::population::{insert_all, named};
use super::{crowd, pks, records, walk};
use crate::app::TestApp;

const FIELDS: [&str; 10] = [
    "pk",
    "username",
    "first_name",
    "last_name",
    "email",
    "is_active",
    "is_staff",
    "is_superuser",
    "date_joined",
    "last_login",
];

/// How two records stand in an order by one field and then by primary key.
fn compare(left: &Value, right: &Value, field: &str, ascending: bool, nulls_first: bool) -> Ordering {
    let by_field = match (&left[field], &right[field]) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) if nulls_first => Ordering::Less,
        (_, Value::Null) if !nulls_first => Ordering::Less,
        (Value::Null, _) | (_, Value::Null) => Ordering::Greater,
        (left, right) => {
            let values = match (left, right) {
                (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
                (Value::Number(left), Value::Number(right)) => left.as_i64().cmp(&right.as_i64()),
                // Timestamps of four-digit years, too.
                _ => left.as_str().cmp(&right.as_str()),
            };
            if ascending { values } else { values.reverse() }
        }
    };
    by_field.then_with(|| left["pk"].as_i64().cmp(&right["pk"].as_i64()))
}

#[apply(on_both)]
async fn pages_by_every_field_and_direction_give_every_user_once_in_order(app: TestApp) {
    let admin = app.person("Admin", "superuser").await;
    let users = crowd(29, |index, user| User {
        first_name: ["", "b", "B", "é"][usize::try_from(index % 4).expect("small")].to_owned(),
        last_name: format!("Name {}", index * 7 % 5),
        email: if index % 3 == 0 { String::new() } else { format!("{}@example.org", index * 11 % 29) },
        is_active: index % 5 != 0,
        is_staff: index % 2 == 0,
        is_superuser: index % 7 == 0,
        date_joined: Timestamp::from_micros(index * 13 % 6 - 3),
        last_login: (index % 4 != 1).then(|| Timestamp::from_micros(index * 17 % 7)),
        ..user
    });
    insert_all(&app.usher.db, &users).await.expect("users");
    let all = records(&app, &admin, &json!({"include_inactive": true})).await;
    assert_eq!(all.len(), 30);
    for field in FIELDS {
        for ascending in [true, false] {
            for nulls_first in [None, Some(true), Some(false)] {
                let mut order = json!({"field": field, "ascending": ascending});
                if let Some(nulls_first) = nulls_first {
                    order["nulls_first"] = json!(nulls_first);
                }
                let request = json!({"order_by": [order], "include_inactive": true});
                let mut expected = all.clone();
                // Left out, a null is the greatest value.
                let nulls_first = nulls_first.unwrap_or(!ascending);
                expected.sort_by(|left, right| compare(left, right, field, ascending, nulls_first));
                let whole = records(&app, &admin, &request).await;
                assert_eq!(pks(&whole), pks(&expected), "{request}");
                let walked = walk(&app, &admin, &request, 7, async |_| ()).await;
                assert_eq!(pks(&walked), pks(&expected), "{request}");
            }
        }
    }
}

#[apply(on_both)]
async fn a_walk_gives_every_user_once_who_is_there_throughout(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let old = crowd(300, |index, user| User {
        last_name: format!("Name {}", index * 7 % 40),
        last_login: (index % 3 != 0).then(|| Timestamp::from_micros(index * 17 % 11)),
        ..user
    });
    insert_all(&app.usher.db, &old).await.expect("users");
    for order_by in
        [json!([]), json!([{"field": "last_name"}]), json!([{"field": "last_login"}, {"field": "email"}])]
    {
        let request = json!({"order_by": order_by});
        let before = pks(&records(&app, &admin, &request).await);
        let mut rounds = 0;
        let walked = walk(&app, &admin, &request, 25, async |last| {
            // Users all over the list, and the one whom the cursor names.
            let scattered = (0..5).map(|index| before[(rounds * 5 + index) * 37 % before.len()].to_string());
            let gone = scattered.chain([last.to_string()]).collect::<Vec<_>>().join(", ");
            app.sql(&format!("DELETE FROM users WHERE id <> {} AND id IN ({gone})", admin.id())).await;
            let created = crowd(5, |index, user| {
                let number = i64::try_from(rounds).expect("few") * 5 + index;
                let id = UserId(before.iter().max().expect("users") + number + 1);
                let last_name = format!("Name {}", number % 40);
                User { last_name, ..User { id, username: named(&format!("new-{id}")).username, ..user } }
            });
            insert_all(&app.usher.db, &created).await.expect("new users");
            rounds += 1;
        })
        .await;
        assert!(rounds >= 10, "{rounds}");
        let after = pks(&records(&app, &admin, &request).await);
        let mut times: BTreeMap<i64, usize> = BTreeMap::new();
        for pk in pks(&walked) {
            *times.entry(pk).or_default() += 1;
        }
        let throughout: Vec<&i64> = before.iter().filter(|pk| after.contains(pk)).collect();
        let (gone, new) = (before.len() - throughout.len(), after.len() - throughout.len());
        assert!(gone >= 50 && new >= 50, "{gone} gone, {new} new");
        for pk in throughout {
            assert_eq!(times.get(pk), Some(&1), "user {pk} in {request}");
        }
        assert!(times.values().all(|count| *count == 1), "no user is listed twice: {times:?}");
    }
}
