//! Guessing codes: what it costs, and that no code is good twice.

use rocket::futures::future::join_all;
use usher::model::user::{InputMode, UserPatch};
use usher::operations::operator;

use super::*;

#[apply(on_both)]
#[with([("throttle_account_free", json!(200)), ("throttle_address_burst", json!(1000))])]
async fn mf_2_of_a_hundred_tries_of_one_code_on_two_instances_one_is_accepted(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    let other = app.another_instance().await;
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    for code in [phone.next_code(&app), phone.recovery_codes[0].clone()] {
        let tries = (0..100).map(|number| {
            let (instance, half, code) = ([&app, &other][number % 2], &half, code.clone());
            async move {
                if number % 4 == 3 {
                    obtain(instance, "ada", &code).await.status
                } else {
                    half.show(instance, &code).await.status
                }
            }
        });
        let statuses = join_all(tries).await;
        let accepted = statuses.iter().filter(|status| [200, 303].contains(status)).count();
        assert_eq!(accepted, 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 303, 401, 422, 503].contains(status)), "{statuses:?}");
        app.sql("DELETE FROM throttles").await;
    }
}

#[apply(on_both)]
async fn mf_2_a_code_is_good_for_a_step_before_and_after_and_never_again(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    app.clock.advance(Duration::from_mins(10));
    for (steps, status) in [(-2, 401), (2, 401), (-1, 200), (-1, 401), (1, 200), (0, 401), (1, 401)] {
        assert_eq!(obtain(&app, "ada", &phone.code_in(&app, steps)).await.status, status, "{steps}");
        app.sql("DELETE FROM throttles").await;
    }
}

/// The codes of another program, as of an authenticator app, from the key that the page shows.
#[apply(on_both)]
async fn mf_2_a_second_implementation_shows_the_codes_that_are_accepted(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let html = page(&app, &ada, ADD).await.body;
    let key =
        html.split("<code class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().replace(' ', "");
    let uri = html.split("otpauth:").nth(1).expect("an address for apps").split('"').next().unwrap();
    assert!(uri.contains(&format!("secret={key}")), "{uri}");
    let shown = |steps: i64| {
        let seconds = app.clock.now().seconds() + 30 * steps;
        let output = std::process::Command::new("oathtool")
            .args([
                "--totp",
                "--base32",
                "--digits=6",
                "--time-step-size=30s",
                "--now",
                &format!("@{seconds}"),
                &key,
            ])
            .output()
            .expect("oathtool, of the package of that name");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (form, state, code) = (token(&html), hidden(&html, "state"), shown(0));
    let fields = [("token", form.as_str()), ("state", &state), ("name", "oathtool"), ("code", &code)];
    let added = send(&app, &ada, ADD, &fields).await.0;
    assert_eq!(added.status, 200, "{}", added.body);
    assert_eq!(obtain(&app, "ada", &code).await.status, 401, "once");
    for _ in 0..20 {
        app.clock.advance(Duration::from_secs(4321));
        assert_eq!(obtain(&app, "ada", &shown(0)).await.status, 200);
        assert_eq!(obtain(&app, "ada", &shown(3)).await.status, 401, "of another time");
    }
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    assert_eq!(half.show(&app, &shown(1)).await.status, 303);
}

#[apply(on_both)]
#[with([("throttle_account_free", json!(2))])]
async fn mf_4_a_wrong_code_counts_against_the_account_like_a_wrong_password(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    assert_eq!(code_of(&obtain(&app, "ada", "000000").await), (401, json!("second_factor_wrong")));
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    assert_eq!(half.answer.status, 200, "a right password forgets nothing of it");
    assert_eq!(half.show(&app, "nonsense").await.status, 422);
    assert_eq!(half.show(&app, "000000").await.status, 422);
    let code = phone.code_in(&app, 1);
    assert_eq!(half.show(&app, &code).await.status, 422, "blocked: the right one is not looked at");
    assert_eq!(code_of(&obtain(&app, "ada", &code).await), (401, Value::Null), "nor the right password");
    let entries = trail(&app).await;
    assert!(entries.iter().any(|entry| entry.action == "account_blocked"));
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(
        obtain(&app, "ada", &code).await.status,
        200,
        "it lifts by itself, and the code is not used up"
    );
}

#[apply(on_both)]
#[with([("throttle_account_free", json!(2))])]
async fn mf_4_wrong_codes_are_counted_by_themselves_so_that_another_password_gives_no_more_guesses(
    app: TestApp,
) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    for _ in 0..2 {
        assert_eq!(obtain(&app, "ada", "000000").await.status, 401);
    }
    let patch = UserPatch { password: PASSWORD.into(), ..UserPatch::default() };
    operator::change_password(&app.usher, "ada", &patch.into_input(InputMode::Part)).await.unwrap();
    assert_eq!(code_of(&obtain(&app, "ada", "000000").await), (401, json!("second_factor_wrong")));
    let code = phone.code_in(&app, 1);
    assert_eq!(code_of(&obtain(&app, "ada", &code).await), (401, json!("second_factor_wrong")), "the third");
    let last = trail(&app).await.pop().unwrap();
    assert!(last.details.contains("codes_blocked"), "{}", last.details);
    operator::unlock(&app.usher, "ada").await.unwrap();
    assert_eq!(obtain(&app, "ada", &code).await.status, 200, "the operator ends it");
}

#[apply(on_both)]
async fn mf_4_no_token_gives_more_guesses_by_unlocking(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "ordinary").await);
    let phone = enrol(&app, &ada, "phone").await;
    assert_eq!(obtain(&app, "ada", "000000").await.status, 401);
    app.clock.advance(Duration::from_mins(10));
    let path = format!("/v1/users/{}/unlock", ada.id());
    let unlock = async || app.json(Method::Post, &path, Some((&root, By::Cookie)), &json!({})).await;
    assert_eq!(unlock().await.json()["code"], json!("confirmation_required"));
    let body = json!({ "password": PASSWORD });
    let confirmed = app.json(Method::Post, "/v1/account/confirm", Some((&root, By::Cookie)), &body).await;
    assert_eq!(confirmed.status, 204, "{}", confirmed.body);
    let unlocked = unlock().await;
    assert_eq!(
        (unlocked.status, unlocked.json()),
        (200, json!({"failures": 2})),
        "the account's and the codes'"
    );
    assert!(trail(&app).await.iter().any(|entry| entry.action == "account_unblocked"));
    assert_eq!(obtain(&app, "ada", &phone.next_code(&app)).await.status, 200);
}

#[apply(on_both)]
async fn mf_2_after_a_clock_that_was_ahead_codes_are_accepted_again_and_once(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    // As after codes at a clock that was an hour ahead.
    app.sql("UPDATE factors SET last_step = last_step + 120").await;
    let code = phone.next_code(&app);
    assert_eq!(obtain(&app, "ada", &code).await.status, 200);
    assert_eq!(obtain(&app, "ada", &code).await.status, 401, "once");
    assert_eq!(obtain(&app, "ada", &phone.next_code(&app)).await.status, 200);
}

#[apply(on_both)]
async fn mf_5_without_the_key_no_code_is_a_fault_and_recovery_codes_work(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    app.person("bob", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    let other =
        "UPDATE installation SET value = (SELECT value FROM installation WHERE name = 'domains_in_ascii')";
    app.sql(&format!("{other} WHERE name = 'factor_key'")).await;
    let refused = obtain(&app, "ada", &phone.next_code(&app)).await;
    assert_eq!(code_of(&refused), (401, json!("second_factor_wrong")));
    assert_eq!(obtain(&app, "bob", "123456").await.status, 200, "an account without a factor");
    assert_eq!(obtain(&app, "ada", &phone.recovery_codes[0]).await.status, 200);
}
