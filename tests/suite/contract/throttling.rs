//! Guessing passwords: what it costs, and whom.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::http::Method::Post;
use serde_json::json;

use super::*;

pub(super) async fn obtain_from(
    app: &TestApp,
    address: &str,
    forwarded: Option<&str>,
    name: &str,
    password: &str,
) -> Answer {
    let address: IpAddr = address.parse().expect("an address");
    let mut request =
        app.request(Post, "/v1/auth/obtain", ANONYMOUS).remote(SocketAddr::new(address, 40_000));
    request.add_header(Header::new("Content-Type", "application/json"));
    if let Some(forwarded) = forwarded {
        for name in ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP"] {
            request.add_header(Header::new(name, forwarded.to_owned()));
        }
    }
    let body = json!({"username": name, "password": password}).to_string();
    Answer::of(request.body(body).dispatch().await).await
}

async fn fail(app: &TestApp, name: &str, times: usize) {
    for _ in 0..times {
        assert_unauthorized(&app.obtain(name, "wrong").await, &no_active_account(), name);
    }
}

fn later(app: &TestApp, milliseconds: u64) {
    app.clock.advance(Duration::from_millis(milliseconds));
}

#[apply(on_both)]
#[with([("throttle_account_free", json!(2))])]
async fn pw_4_after_the_free_failures_the_right_password_is_refused_until_the_clock_moves_on(app: TestApp) {
    let other = app.another_instance().await;
    app.person("ada", "ordinary").await;
    fail(&app, "ada", 2).await;
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "two failures are free, and then forgotten");
    fail(&app, "ada", 3).await;
    for instance in [&app, &other] {
        let answer = instance.obtain("ada", PASSWORD).await;
        assert_unauthorized(&answer, &no_active_account(), "blocked on every instance");
        let page = sign_in_by_page(instance, "ada", PASSWORD).await;
        assert_eq!((page.status, cookies_of(&page).len()), (422, 0), "blocked on both channels");
    }
    later(&app, 999);
    assert_eq!(other.obtain("ada", PASSWORD).await.status, 401);
    later(&app, 1);
    fail(&app, "ada", 1).await;
    later(&app, 1999);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401, "each failure doubles the time");
    later(&app, 1);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    fail(&app, "ada", 2).await;
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "a success begins anew");
}

#[apply(on_both)]
#[with([("throttle_account_free", json!(2))])]
async fn pw_4_a_new_password_ends_the_block(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    fail(&app, "ada", 3).await;
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401);
    let answer = app
        .send(
            &admin,
            rocket::http::Method::Patch,
            &path_of(&target),
            &json!({"password": "quite another one"}),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(app.obtain("ada", "quite another one").await.status, 200);
}

/// As after a correction of the time, or on a virtual machine that was suspended.
#[apply(on_both)]
#[with([("throttle_account_free", json!(2)), ("throttle_address_burst", json!(3))])]
async fn pw_13_failures_under_a_clock_that_was_ahead_keep_no_client_waiting(app: TestApp) {
    app.person("ada", "ordinary").await;
    let now = app.clock.now();
    later(&app, 40 * 24 * 60 * 60 * 1000);
    for _ in 0..3 {
        assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", "wrong").await.status, 401);
    }
    assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", PASSWORD).await.status, 429, "blocked by then");
    let usher::model::clock::Clock::Manual(clock) = &app.clock else { panic!("a clock to turn back") };
    clock.store(now.micros(), std::sync::atomic::Ordering::SeqCst);
    assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", PASSWORD).await.status, 200);
    assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", "wrong").await.status, 401);
    assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", PASSWORD).await.status, 429, "a full bucket");
    later(&app, 6000);
    assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", PASSWORD).await.status, 200, "and six seconds");
}

#[apply(on_both)]
#[with([("throttle_account_free", json!(2))])]
async fn pw_5_variants_of_a_name_share_one_counter(app: TestApp) {
    app.person("Ada", "ordinary").await;
    app.person("bob", "ordinary").await;
    for variant in ["ADA", "ａｄａ", " \u{3000}ada "] {
        fail(&app, variant, 1).await;
    }
    for variant in ["Ada", "ada", "ＡＤＡ"] {
        assert_eq!(app.obtain(variant, PASSWORD).await.status, 401, "{variant}");
    }
    assert_eq!(app.obtain("bob", PASSWORD).await.status, 200, "others are not concerned");
    later(&app, 1000);
    assert_eq!(app.obtain("aDa", PASSWORD).await.status, 200);
}

#[apply(on_both)]
#[with([("password_threads", json!(1)), ("password_queue", json!(1))])]
async fn pw_3_sign_ins_beyond_the_queue_are_503_with_the_time_to_come_back(app: TestApp) {
    app.person("ada", "ordinary").await;
    let answers = join_all((0..8).map(|_| app.obtain("ada", PASSWORD))).await;
    let mut counts = [0, 0];
    for answer in answers {
        if answer.status == 200 {
            counts[0] += 1;
            continue;
        }
        let detail = json!({"detail": "The service is unavailable. Try again in a moment."});
        assert_is(&answer, 503, &detail, "beyond the queue");
        assert_eq!(answer.header("Retry-After"), Some("2"));
        counts[1] += 1;
    }
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "it passes, and counts as no failure");
}

#[apply(on_both)]
#[with([("throttle_address_burst", json!(3))])]
async fn pw_4_a_sign_in_that_succeeds_costs_nothing(app: TestApp) {
    app.person("ada", "ordinary").await;
    for _ in 0..2 {
        for (password, status) in [(PASSWORD, 200), (PASSWORD, 200), (PASSWORD, 200), ("wrong", 401)] {
            let answer = obtain_from(&app, "192.0.2.1", None, "ada", password).await;
            assert_eq!(answer.status, status, "{password}");
        }
    }
    assert_eq!(
        obtain_from(&app, "192.0.2.1", None, "ada", PASSWORD).await.status,
        200,
        "two failures of three"
    );
}

#[apply(on_both)]
#[with([("throttle_address_burst", json!(3))])]
async fn pw_4_an_address_that_fails_too_often_is_429_for_a_while(app: TestApp) {
    let other = app.another_instance().await;
    app.person("ada", "ordinary").await;
    for number in 0..3 {
        let name = format!("name-{number}");
        assert_eq!(obtain_from(&app, "192.0.2.1", None, &name, "wrong").await.status, 401);
    }
    for (instance, name) in [(&app, "ada"), (&other, "ada"), (&app, "nobody")] {
        let operations = instance.usher.hasher.operations();
        let answer = obtain_from(instance, "192.0.2.1", None, name, PASSWORD).await;
        let detail = json!({"detail": "Request was throttled. Expected available in 6 seconds."});
        assert_is(&answer, 429, &detail, name);
        assert_eq!(answer.header("Retry-After"), Some("6"));
        assert_eq!(instance.usher.hasher.operations(), operations, "nothing is hashed for it");
    }
    assert_eq!(obtain_from(&app, "192.0.2.2", None, "ada", PASSWORD).await.status, 200, "others may");
    assert_eq!(obtain_from(&app, "::ffff:192.0.2.1", None, "ada", PASSWORD).await.status, 429, "the same");
    later(&app, 5999);
    assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", PASSWORD).await.status, 429);
    later(&app, 1);
    assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", PASSWORD).await.status, 200);
    assert_eq!(obtain_from(&app, "192.0.2.1", None, "ada", "wrong").await.status, 401);
    assert_eq!(
        obtain_from(&app, "192.0.2.1", None, "ada", PASSWORD).await.status,
        429,
        "one every six seconds"
    );
}

#[apply(on_both)]
#[with([("throttle_address_burst", json!(3))])]
async fn ip_1_an_ipv6_subscriber_has_one_address(app: TestApp) {
    app.person("ada", "ordinary").await;
    for number in 1..=3 {
        let address = format!("2001:db8:0:7::{number}");
        assert_eq!(obtain_from(&app, &address, None, "nobody", "wrong").await.status, 401);
    }
    assert_eq!(obtain_from(&app, "2001:db8:0:7:ffff::1", None, "ada", PASSWORD).await.status, 429);
    assert_eq!(obtain_from(&app, "2001:db8:0:8::1", None, "ada", PASSWORD).await.status, 200);
}

#[apply(on_both)]
#[with([("throttle_address_burst", json!(3))])]
async fn ip_1_a_header_of_the_client_says_nothing_about_its_address(app: TestApp) {
    app.person("ada", "ordinary").await;
    for number in 0..3 {
        let forwarded = format!("203.0.113.{number}");
        let answer = obtain_from(&app, "192.0.2.1", Some(&forwarded), "nobody", "wrong").await;
        assert_eq!(answer.status, 401);
    }
    let answer = obtain_from(&app, "192.0.2.1", Some("203.0.113.77"), "ada", PASSWORD).await;
    assert_eq!(answer.status, 429, "another header does not help");
    let answer = obtain_from(&app, "203.0.113.1", None, "ada", PASSWORD).await;
    assert_eq!(answer.status, 200, "and no other client is blocked by it");
}

#[apply(on_both)]
#[with([("throttle_address_burst", json!(1)), ("trusted_proxies", json!(["10.0.0.1", "10.0.0.2"]))])]
async fn ip_1_behind_a_proxy_the_last_address_that_is_not_a_proxy_counts(app: TestApp) {
    app.person("ada", "ordinary").await;
    let through = async |forwarded: &str, password: &str| {
        let name = if password == PASSWORD { "ada" } else { "nobody" };
        obtain_from(&app, "10.0.0.1", Some(forwarded), name, password).await.status
    };
    assert_eq!(through("203.0.113.1", "wrong").await, 401);
    for (forwarded, status) in [
        ("203.0.113.1", 429),
        ("198.51.100.9, 203.0.113.1", 429),
        ("203.0.113.1, 10.0.0.2", 429),
        ("203.0.113.1, 198.51.100.9", 200),
        ("198.51.100.9", 200),
    ] {
        assert_eq!(through(forwarded, PASSWORD).await, status, "{forwarded}");
    }
    let direct = obtain_from(&app, "198.51.100.7", Some("203.0.113.1"), "ada", PASSWORD).await;
    assert_eq!(direct.status, 200, "who is no proxy speaks for itself");
}

/// Azure and IIS write the client's port, too; a proxy in a cluster has any address of a network.
#[apply(on_both)]
#[with([("throttle_address_burst", json!(1)), ("trusted_proxies", json!(["10.0.0.0/8", "fd00::/8"]))])]
async fn ip_1_proxies_are_known_by_their_network_and_clients_by_their_address_without_the_port(app: TestApp) {
    app.person("ada", "ordinary").await;
    for (proxy, forwarded, password, status) in [
        ("10.1.2.3", "203.0.113.7:51234", "wrong", 401),
        ("10.200.0.1", "203.0.113.7:51235", PASSWORD, 429),
        ("fd12::1", "203.0.113.7", PASSWORD, 429),
        ("10.1.2.3", "198.51.100.9, 203.0.113.7:1, 10.9.9.9:443, [fd00::2]:80", PASSWORD, 429),
        ("10.1.2.3", "203.0.113.8:51234", PASSWORD, 200),
        ("fd12::1", "[2001:db8::1]:443", "wrong", 401),
        ("fd12::2", "[2001:db8::2]", PASSWORD, 429),
        ("10.1.2.3", "2001:db8:0:1::1", PASSWORD, 200),
        ("11.0.0.1", "203.0.113.7:1", PASSWORD, 200),
    ] {
        let answer = obtain_from(&app, proxy, Some(forwarded), "ada", password).await;
        assert_eq!(answer.status, status, "{proxy} for {forwarded}");
        app.sql("UPDATE throttles SET consecutive = 0, failures = 1").await;
    }
    let entries = crate::audit::trail(&app).await;
    assert!(entries.iter().any(|entry| entry.address == "203.0.113.7"), "the address alone is recorded");
    assert!(
        entries.iter().all(|entry| !entry.address.contains(['[', ']']) && !entry.address.ends_with(":443"))
    );
}
