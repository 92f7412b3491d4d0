//! Tries at the same instant: none of them gets what it would not get after the others.

use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::tokio::time::Instant;
use serde_json::json;
use usher::db::Sql;
use usher::model::throttle::Key;
use usher::operations::audit::hexadecimal;

use super::throttling::obtain_from;
use super::*;
use crate::audit::trail;

/// The reasons of failed sign-ins, in their order.
async fn reasons(app: &TestApp) -> Vec<String> {
    let entries = trail(app).await.into_iter().filter(|entry| entry.action == "sign_in_failed");
    let reason = |details: &str| serde_json::from_str::<Value>(details).unwrap()["reason"].clone();
    entries.map(|entry| reason(&entry.details).as_str().unwrap().to_owned()).collect()
}

/// Tries that are undecided, and rows that say anything, of all counters.
async fn counters(app: &TestApp) -> (i64, i64) {
    let sql = "SELECT CAST(COALESCE(SUM(undecided), 0) AS BIGINT), COUNT(*) FROM throttles";
    app.usher.db.optional(Sql::new(sql)).await.unwrap().unwrap()
}

/// How many sessions there are, and when the one user signed in last.
async fn sign_ins(app: &TestApp) -> (i64, Option<i64>) {
    let sql = "SELECT (SELECT COUNT(*) FROM sessions), last_login FROM users";
    app.usher.db.optional(Sql::new(sql)).await.unwrap().unwrap()
}

/// The answer of a try that is made again for as long as too many passwords wait to be checked.
async fn obtain_in_time(app: &TestApp, address: &str, password: &str) -> Answer {
    for _ in 0..1000 {
        let answer = obtain_from(app, address, None, "ada", password).await;
        if answer.status != 503 {
            return answer;
        }
        rocket::tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("turned away a thousand times");
}

#[apply(on_all)]
async fn pw_4_of_a_burst_on_two_instances_only_the_free_guesses_are_looked_at(app: TestApp) {
    let other = app.another_instance().await;
    app.person("ada", "ordinary").await;
    let tries = (0..24).map(|number| {
        let (instance, address) = ([&app, &other][number % 2], format!("192.0.2.{number}"));
        let password = if number == 23 { PASSWORD } else { "wrong" };
        async move { obtain_in_time(instance, &address, password).await }
    });
    let answers = join_all(tries).await;
    for answer in &answers {
        assert_unauthorized(answer, &no_active_account(), "all look alike");
    }
    let reasons = reasons(&app).await;
    let looked_at = reasons.iter().filter(|reason| *reason == "wrong_password").count();
    assert_eq!(looked_at, 6, "five are free, and the sixth begins the block: {reasons:?}");
    assert_eq!(reasons.len(), 24, "each leaves one entry: {reasons:?}");
    assert_eq!(reasons.iter().filter(|reason| *reason == "blocked").count(), 18);
    assert_eq!(counters(&app).await, (0, 1 + 24), "and each counts against its address");
}

#[apply(on_both)]
#[with([("throttle_address_burst", json!(2))])]
async fn pw_13_right_passwords_at_the_same_instant_do_not_keep_each_other_out(app: TestApp) {
    let other = app.another_instance().await;
    app.person("ada", "ordinary").await;
    let tries = (0..10).map(|number| {
        let instance = [&app, &other][number % 2];
        async move { obtain_from(instance, "192.0.2.1", None, "ada", PASSWORD).await.status }
    });
    let answers = join_all(tries).await;
    assert!(
        answers.contains(&200) && answers.iter().all(|status| [200, 503].contains(status)),
        "{answers:?}"
    );
    assert_eq!(reasons(&app).await, [] as [String; 0]);
    assert_eq!(counters(&app).await, (0, 0), "nothing is left of them");
}

#[apply(on_all)]
async fn pw_3_a_flood_of_sign_ins_to_one_account_leaves_turns_at_hashing_to_the_others(app: TestApp) {
    app.person("greedy", "ordinary").await;
    for n in 0..6 {
        app.person(&format!("user-{n}"), "ordinary").await;
    }
    // Behind one address with the others, and from another one than theirs.
    for address in ["192.0.2.1", "192.0.2.2"] {
        let flood = (0..90).map(async |_| obtain_from(&app, address, None, "greedy", PASSWORD).await.status);
        let others = (0..6)
            .map(async |n| obtain_from(&app, "192.0.2.1", None, &format!("user-{n}"), PASSWORD).await.status);
        let (flood, others) = rocket::tokio::join!(join_all(flood), join_all(others));
        assert_eq!(others, [200; 6], "beside a flood from {address}");
        assert!(flood.iter().filter(|status| **status == 503).count() > 60, "{flood:?}");
    }
    assert_eq!(counters(&app).await, (0, 0), "nothing is left of them");
}

/// Stores that another instance has let so many tries at an account through.
async fn undecided(app: &TestApp, count: i64) {
    let key = hexadecimal(Key::account("ada").as_bytes());
    let key = if app.url.starts_with("sqlite") { format!("x'{key}'") } else { format!("'\\x{key}'") };
    let (now, until) = (app.clock.now().micros(), app.clock.now().plus(Duration::from_secs(30)).micros());
    app.sql(&format!(
        "INSERT INTO throttles (key, failures, consecutive, last_failure_at, blocked_until, undecided, \
         undecided_until) VALUES ({key}, 0, 0, {now}, {now}, {count}, {until})"
    ))
    .await;
}

#[apply(on_both)]
#[with([("throttle_account_free", json!(2))])]
async fn pw_4_a_right_password_among_guesses_waits_for_how_they_end(app: TestApp) {
    app.person("ada", "ordinary").await;
    let now = app.clock.now().micros();
    let failed = format!(
        "UPDATE throttles SET undecided = 0, failures = 3, consecutive = 3, blocked_until = {now} + 1000000"
    );
    for (end, statuses) in [(failed.as_str(), [401, 422]), ("DELETE FROM throttles", [200, 303])] {
        for (by_page, status) in [false, true].into_iter().zip(statuses) {
            app.sql("DELETE FROM throttles").await;
            undecided(&app, 3).await;
            let before = reasons(&app).await.len();
            let decide = async {
                rocket::tokio::time::sleep(Duration::from_millis(300)).await;
                app.sql(end).await;
            };
            let right = async {
                if by_page {
                    sign_in_by_page(&app, "ada", PASSWORD).await.status
                } else {
                    app.obtain("ada", PASSWORD).await.status
                }
            };
            let (answer, ()) = rocket::tokio::join!(right, decide);
            assert_eq!(answer, status, "{end}");
            let refused = &reasons(&app).await[before..];
            assert_eq!(refused, if status > 400 { &["blocked"][..] } else { &[] }, "in the audit log, too");
        }
    }
}

#[apply(on_both)]
#[with([("throttle_account_free", json!(2))])]
async fn pw_13_tries_that_another_instance_took_down_with_it_are_waited_for_briefly_and_then_forgotten(
    app: TestApp,
) {
    app.person("ada", "ordinary").await;
    undecided(&app, 3).await;
    let (operations, begun) = (app.usher.hasher.operations(), Instant::now());
    let answer = app.obtain("ada", PASSWORD).await;
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("2")), "{}", answer.body);
    assert!(begun.elapsed() > Duration::from_secs(1));
    assert_eq!(app.usher.hasher.operations(), operations, "nothing is hashed for it");
    assert_eq!(reasons(&app).await, [] as [String; 0]);
    app.clock.advance(Duration::from_secs(30));
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}

#[apply(on_all)]
async fn pw_4_a_password_that_is_replaced_while_it_is_checked_is_refused_counted_and_recorded(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let other = format!("UPDATE users SET password = '!', version = version + 1 WHERE id = {}", ada.id());
    let hash =
        app.usher.db.optional::<(String,)>(Sql::new("SELECT password FROM users")).await.unwrap().unwrap().0;
    // The statement has to fall into the time of one hash.
    for _ in 0..40 {
        app.clock.advance(Duration::from_secs(1));
        let before = sign_ins(&app).await;
        let replace = async {
            while counters(&app).await.0 == 0 {
                rocket::tokio::time::sleep(Duration::from_millis(1)).await;
            }
            app.sql(&other).await;
        };
        let (status, ()) = rocket::tokio::join!(async { app.obtain("ada", PASSWORD).await.status }, replace);
        let reasons = reasons(&app).await;
        if status == 401 && reasons == ["changed_meanwhile"] {
            assert_eq!(counters(&app).await, (0, 1), "it counts as a failure");
            assert_eq!(sign_ins(&app).await, before, "no sign-in is noted");
            return;
        }
        app.sql("DELETE FROM throttles").await;
        app.sql("DELETE FROM audit_entries").await;
        app.sql(&format!("UPDATE users SET password = '{hash}'")).await;
    }
    panic!("the password was never replaced in time");
}

#[apply(on_all)]
async fn pw_4_a_password_that_is_replaced_while_a_sign_in_waits_for_the_user_is_refused(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    app.clock.advance(Duration::from_secs(1));
    let before = sign_ins(&app).await;
    let mut tx = app.usher.db.begin().await.unwrap();
    usher::db::users::lock(&mut tx, ada.user.id).await.unwrap();
    let replace = async {
        // On SQLite the try waits already to be counted.
        rocket::tokio::time::sleep(Duration::from_millis(300)).await;
        let sql = Sql::new("UPDATE users SET password = '!', version = version + 1 WHERE id = $1");
        tx.execute(sql.bind(ada.user.id.0)).await.unwrap();
        tx.commit().await.unwrap();
    };
    let (status, ()) = rocket::tokio::join!(async { app.obtain("ada", PASSWORD).await.status }, replace);
    assert_eq!(status, 401);
    assert_eq!(sign_ins(&app).await, before);
}

#[apply(on_all)]
async fn pw_13_a_superuser_ends_a_block_on_both_channels_and_the_audit_log_says_so(app: TestApp) {
    let (root, staff) = (app.person("root", "superuser").await, app.person("staff", "staff").await);
    let ada = app.person("ada", "ordinary").await;
    let (api, console) = (format!("/v1/users/{}/unlock", ada.id()), format!("/users/{}", ada.id()));
    let button = format!("action=\"{console}/unlock\"");
    for by_page in [false, true] {
        for _ in 0..6 {
            assert_eq!(app.obtain("ada", "wrong").await.status, 401);
        }
        assert_eq!(app.obtain("ada", PASSWORD).await.status, 401, "blocked");
        assert!(!crate::console::page(&app, &staff, &console).await.body.contains(&button), "not for staff");
        assert!(crate::console::page(&app, &root, &console).await.body.contains(&button));
        if by_page {
            let path = format!("{console}/unlock");
            let (refused, _) = crate::console::send_from(&app, &staff, &console, &path, &[]).await;
            assert_eq!(refused.status, 403);
            let (done, message) = crate::console::send_from(&app, &root, &console, &path, &[]).await;
            assert_eq!(
                (done.status, message.as_str()),
                (303, "The account of ada was unlocked. 6 failures were forgotten.")
            );
        } else {
            let answer = app.send(&root, rocket::http::Method::Post, &api, &json!({})).await;
            assert_eq!((answer.status, answer.json()), (200, json!({"failures": 6})));
        }
        assert!(!crate::console::page(&app, &root, &console).await.body.contains(&button));
        assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
        let entry = trail(&app).await.into_iter().rfind(|entry| entry.action == "account_unblocked").unwrap();
        assert_eq!((entry.actor_id, entry.target_id), (Some(root.id()), Some(ada.id())));
        assert_eq!(
            (entry.details.as_str(), entry.door.as_str()),
            ("{\"failures\":6}", if by_page { "console" } else { "api" })
        );
    }
    let again = app.send(&root, rocket::http::Method::Post, &api, &json!({})).await;
    assert_eq!(again.json(), json!({"failures": 0}));
}
