//! Messages that the mail server does not take for a passing reason.

use usher::operations::mail::retries::send_due;

use super::*;

const PUT_OFF: &str = "could not be sent yet and is tried again (“";

/// A link for a user whose mail is put off, and its secret as staff are shown it.
async fn put_off(app: &TestApp, staff: &Person, ada: &Person) -> String {
    let answer = app.send(staff, Method::Post, &format!("/v1/users/{}/link", ada.id()), &json!({})).await;
    assert_eq!(answer.json()["mail"], json!("queued"));
    let shown = page_says(app, staff, ada.id(), PUT_OFF).await;
    assert!(shown.contains("4.7.1 Greylisted, come back"), "{shown}");
    secret(answer.json()["url"].as_str().unwrap())
}

/// The same for a new user.
async fn put_off_ada(app: &TestApp) -> (Person, Person, String) {
    let staff = app.person("staff", "staff").await;
    let ada = with_address(app, "ada", "", "later@example.org").await;
    let secret = put_off(app, &staff, &ada).await;
    (staff, ada, secret)
}

#[apply(on_both_with_mail)]
async fn what_is_put_off_is_sent_again_by_any_server_with_another_secret_of_the_same_link(
    app: TestApp,
    sink: Sink,
) {
    let (staff, ada, shown) = put_off_ada(&app).await;
    sink.put_off_no_longer();
    // As after a restart: the first process is gone.
    let other = app.another_instance_with(&settings(&sink)).await;
    send_due(&other.usher).await.unwrap();
    assert!(sink.received().is_empty(), "it is not due yet");
    app.clock.advance(Duration::from_secs(61));
    send_due(&other.usher).await.unwrap();
    let received = sink.wait_for(1).await;
    page_says(&app, &staff, ada.id(), "was accepted by the mail server").await;
    let sent = link_in(&received[0]);
    assert_ne!(sent, shown, "no secret is stored");
    assert_eq!(redeem(&app, &sent, NEW_PASSWORD).await, 303);
    let entries = trail(&app).await;
    let link = |action: &str| {
        let entry = entries.iter().find(|entry| entry.action == action).expect("an entry");
        serde_json::from_str::<Value>(&entry.details).unwrap()["link"].clone()
    };
    assert_eq!(link("link_made"), link("password_reset"), "it is one link");
    assert_ne!(redeem(&app, &shown, NEW_PASSWORD).await, 303, "pw_9 one use is all");
}

#[apply(on_both_with_mail)]
async fn what_staff_were_shown_works_beside_what_was_sent_again(app: TestApp, sink: Sink) {
    let (_, _, shown) = put_off_ada(&app).await;
    sink.put_off_no_longer();
    app.clock.advance(Duration::from_secs(61));
    send_due(&app.usher).await.unwrap();
    let sent = link_in(&sink.wait_for(1).await[0]);
    assert_eq!(redeem(&app, &shown, NEW_PASSWORD).await, 303);
    assert_ne!(redeem(&app, &sent, NEW_PASSWORD).await, 303, "pw_9 one use is all");
}

#[apply(on_both_with_mail)]
async fn servers_that_try_at_once_send_one_message(app: TestApp, sink: Sink) {
    let (_, _, _) = put_off_ada(&app).await;
    sink.put_off_no_longer();
    let others = [
        app.another_instance_with(&settings(&sink)).await,
        app.another_instance_with(&settings(&sink)).await,
    ];
    app.clock.advance(Duration::from_secs(61));
    let tries = others.iter().chain([&app]).map(|app| send_due(&app.usher));
    for done in rocket::futures::future::join_all(tries).await {
        done.unwrap();
    }
    assert_eq!(sink.received().len(), 1);
}

#[apply(on_both_with_mail)]
async fn after_an_hour_a_message_is_refused(app: TestApp, sink: Sink) {
    let (_, ada, _) = put_off_ada(&app).await;
    app.sql(&format!("UPDATE links SET expires_at = expires_at + {}", 2 * 3_600 * 1_000_000_i64)).await;
    let tries = |commands: &[String]| commands.iter().filter(|command| command.starts_with("RCPT")).count();
    for _ in 0..14 {
        app.clock.advance(Duration::from_mins(5));
        send_due(&app.usher).await.unwrap();
    }
    assert_eq!(
        tries(&sink.commands.lock().unwrap()),
        6,
        "at 0, 5, 10, 20, 35 and 50 minutes, and never again"
    );
    // The session of the other one has ended.
    let staff = app.person("late", "staff").await;
    let shown = page_says(&app, &staff, ada.id(), "was refused by the mail server").await;
    assert!(shown.contains("4.7.1 Greylisted, come back"), "{shown}");
    assert!(sink.received().is_empty());
}

#[apply(on_both_with_mail)]
async fn a_message_whose_link_has_ended_or_whose_address_is_another_is_not_sent_again(
    app: TestApp,
    sink: Sink,
) {
    let (staff, ada, shown) = put_off_ada(&app).await;
    let bob = with_address(&app, "bob", "", "bob-later@example.org").await;
    put_off(&app, &staff, &bob).await;
    let eve = with_address(&app, "eve", "", "eve-later@example.org").await;
    put_off(&app, &staff, &eve).await;
    sink.put_off_no_longer();
    assert_eq!(redeem(&app, &shown, NEW_PASSWORD).await, 303);
    let told = sink.wait_for(1).await.len();
    app.sql(&format!("UPDATE users SET email = 'other@example.org' WHERE id = {}", bob.id())).await;
    app.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", eve.id())).await;
    app.clock.advance(Duration::from_secs(61));
    send_due(&app.usher).await.unwrap();
    for person in [&ada, &bob, &eve] {
        page_says(&app, &staff, person.id(), "The link is not valid any more").await;
    }
    assert_eq!(sink.received().len(), told, "but for the notice of ada's new password");
}

#[apply(on_both_with_mail)]
async fn a_notice_is_sent_again_by_its_process(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", "later@example.org").await;
    let body = json!({"current_password": crate::app::PASSWORD, "new_password": "a wholly different phrase"});
    assert_eq!(app.send(&ada, Method::Post, "/v1/account/password", &body).await.status, 204);
    let has_tried = || sink.commands.lock().unwrap().iter().any(|command| command.starts_with("RCPT"));
    for _ in 0..1500 {
        if has_tried() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    sink.put_off_no_longer();
    app.clock.advance(Duration::from_secs(61));
    for _ in 0..1500 {
        send_due(&app.usher).await.unwrap();
        if !sink.received().is_empty() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    let received = sink.wait_for(1).await;
    assert!(received[0].text.contains("Subject: Your password was changed"), "{received:?}");
    send_due(&app.usher).await.unwrap();
    assert_eq!(sink.received().len(), 1);
}
