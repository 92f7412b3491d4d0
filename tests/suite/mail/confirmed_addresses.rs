//! Addresses that users give themselves: they count once a link that was sent to them was opened.

use super::*;
use crate::app::PASSWORD;
use crate::console::{hidden, send_from};

const OLD: &str = "ada@example.org";
const NEW: &str = "new@example.org";

/// The messages to an address.
fn to(sink: &Sink, address: &str) -> Vec<Received> {
    sink.received().into_iter().filter(|message| message.to == [address]).collect()
}

/// The newest code for an address, when so many messages were received in all.
async fn code(sink: &Sink, count: usize, address: &str) -> String {
    sink.wait_for(count).await;
    let message = to(sink, address).pop().expect("a message");
    let text = message.text.replace("=\n", "").replace("=3D", "=");
    assert!(text.contains("Subject: Confirm your email address"), "{text}");
    let start = text.split("https://users.example.org/confirm-address#").nth(1).expect("a link");
    start.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
}

/// Sends the form of the page behind the link.
async fn confirm(app: &TestApp, code: &str) -> Answer {
    let opened = app.client.get("/confirm-address").dispatch().await;
    let cookie = opened.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
    let form = token(&opened.into_string().await.unwrap());
    let request = app.client.post("/confirm-address").header(ContentType::Form);
    let request = request.header(cookie_header("__Host-pre-0a1b2c3d", &cookie));
    Answer::of(request.body(format!("token={form}&code={code}")).dispatch().await).await
}

/// Changes the caller's own address, by the API or in the console.
async fn change(app: &TestApp, ada: &Person, email: &str, in_console: bool) -> Answer {
    if in_console {
        let version = hidden(&page(app, ada, "/account").await.body, "version");
        let fields = [("version", version.as_str()), ("first_name", ""), ("last_name", ""), ("email", email)];
        send_from(app, ada, "/account", "/account", &fields).await.0
    } else {
        app.json(Method::Patch, "/v1/account", Some((ada, By::Cookie)), &json!({ "email": email })).await
    }
}

#[apply(on_both_with_mail)]
async fn ml_2_ones_own_address_counts_once_its_link_was_opened(app: TestApp, sink: Sink) {
    for (in_console, name) in [(false, "ada"), (true, "bob")] {
        let count = sink.received().len();
        let old = format!("{name}@example.org");
        let new = format!("{name}@example.net");
        let ada = with_address(&app, name, "", &old).await;
        let answer = change(&app, &ada, &new, in_console).await;
        assert!(matches!(answer.status, 200 | 303), "{}", answer.body);
        assert_eq!(app.stored(ada.id()).await.email, new, "it is shown at once");
        let code = code(&sink, count + 2, &new).await;
        assert!(to(&sink, &old)[0].text.contains("Subject: Your email address was changed"));
        let shown = page(&app, &ada, "/account").await.body;
        assert!(shown.contains(&format!("Until then mail for you goes to {old}.")), "{shown}");
        // Neither the new address finds the account, nor does any link go to it.
        for (typed, sent) in [(new.as_str(), 0), (old.as_str(), 1), (name, 2)] {
            forgotten(&app, typed, "192.0.2.1").await;
            sink.wait_for(count + 2 + sent).await;
        }
        assert_eq!((to(&sink, &new).len(), to(&sink, &old).len()), (1, 3));
        let confirmed = confirm(&app, &code).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        assert!(confirmed.body.contains("Your address is confirmed"), "{}", confirmed.body);
        assert!(!page(&app, &ada, "/account").await.body.contains("Until then mail"));
        sink.wait_for(count + 5).await;
        let told = &to(&sink, &old)[3].text;
        assert!(told.contains("Subject: Your email address was confirmed"), "{told}");
        forgotten(&app, &new, "192.0.2.1").await;
        sink.wait_for(count + 6).await;
        forgotten(&app, &old, "192.0.2.1").await;
        assert_eq!((to(&sink, &new).len(), to(&sink, &old).len()), (2, 4));
        let trail = trail(&app).await;
        let entry = trail.iter().rev().find(|entry| entry.action == "address_confirmed").expect("an entry");
        assert_eq!((entry.target_id, entry.actor_id), (Some(ada.id()), None));
        assert!(!entry.details.contains(&code), "{}", entry.details);
    }
}

#[apply(on_both_with_mail)]
async fn ml_2_the_address_of_another_user_brings_no_mail_for_two_accounts(app: TestApp, sink: Sink) {
    with_address(&app, "victim", "", "victim@example.org").await;
    let eve = with_address(&app, "eve", "", "eve@example.org").await;
    assert_eq!(change(&app, &eve, "victim@example.org", false).await.status, 200);
    sink.wait_for(2).await;
    forgotten(&app, "victim@example.org", "192.0.2.1").await;
    let received = sink.wait_for(3).await;
    assert!(received[2].text.contains("Your user name at Usher is v"), "{}", received[2].text);
    assert_eq!(requests(&app, 1).await, [""], "one request, one account");
    // Nor do staff send Eve's links there.
    let staff = app.person("staff", "staff").await;
    app.send(&staff, Method::Post, &format!("/v1/users/{}/link", eve.id()), &json!({})).await;
    assert_eq!(sink.wait_for(4).await[3].to, ["eve@example.org"]);
}

#[apply(on_both_with_mail)]
async fn ml_2_a_code_works_once_and_for_a_day_and_for_the_newest_address(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", OLD).await;
    change(&app, &ada, "first@example.org", false).await;
    let first = code(&sink, 2, "first@example.org").await;
    change(&app, &ada, NEW, false).await;
    let second = code(&sink, 4, NEW).await;
    assert!(to(&sink, OLD).len() == 2 && to(&sink, "first@example.org").len() == 1, "told where mail went");
    for wrong in ["", "x", &first, &second[1..]] {
        let refused = confirm(&app, wrong).await;
        assert!(refused.status == 422 && refused.body.contains("The code does not work."), "{wrong}");
    }
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(confirm(&app, &second).await.status, 422, "a day later");
    let ada = Person { cookie: fresh(&app, &ada).await, ..ada };
    change(&app, &ada, OLD, false).await;
    assert!(
        !page(&app, &ada, "/account").await.body.contains("Until then mail"),
        "the one from before counts"
    );
    change(&app, &ada, NEW, false).await;
    let third = code(&sink, sink.received().len().max(7), NEW).await;
    assert_eq!((confirm(&app, &third).await.status, confirm(&app, &third).await.status), (200, 422));
    let other = app.client.post("/confirm-address").header(ContentType::Form);
    let other = other.header(Header::new("Sec-Fetch-Site", "cross-site")).body("code=x");
    assert_eq!(other.dispatch().await.status().code, 403);
}

/// The cookie of a new session.
async fn fresh(app: &TestApp, person: &Person) -> String {
    app.session(person.user.id, usher::model::session::Credential::Cookie).await.secret.to_text()
}

#[apply(on_both_with_mail)]
async fn ml_2_staff_answer_for_others_and_not_for_themselves(app: TestApp, sink: Sink) {
    let staff = with_address(&app, "staff", "staff", "staff@example.org").await;
    let ada = with_address(&app, "ada", "", OLD).await;
    let (own, others) = (format!("/v1/users/{}", staff.id()), format!("/v1/users/{}", ada.id()));
    change(&app, &ada, NEW, false).await;
    code(&sink, 2, NEW).await;
    // What staff give counts at once, and is told where mail went before.
    let answer = app.send(&staff, Method::Patch, &others, &json!({"email": "given@example.org"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(sink.wait_for(3).await[2].to, [OLD]);
    forgotten(&app, "given@example.org", "192.0.2.1").await;
    assert_eq!(sink.wait_for(4).await[3].to, ["given@example.org"]);
    let by = Some((&staff, By::Cookie));
    let body = json!({"email": "staff@example.net"});
    assert_eq!(app.json(Method::Patch, &own, by, &body).await.status, 200);
    let code = code(&sink, 6, "staff@example.net").await;
    forgotten(&app, "staff", "192.0.2.1").await;
    assert_eq!(sink.wait_for(7).await[6].to, ["staff@example.org"]);
    assert_eq!(confirm(&app, &code).await.status, 200);
}

#[apply(on_both_with_mail)]
async fn ml_2_until_then_the_owner_is_told_everything_at_the_address_from_before(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", OLD).await;
    change(&app, &ada, NEW, false).await;
    code(&sink, 2, NEW).await;
    let body = json!({"current_password": PASSWORD, "new_password": "a wholly different phrase"});
    let by = Some((&ada, By::Bearer));
    assert_eq!(app.json(Method::Post, "/v1/account/password", by, &body).await.status, 204);
    let told = sink.wait_for(3).await;
    assert_eq!(told[2].to, [OLD]);
    assert!(told[2].text.contains("Subject: Your password was changed"), "{}", told[2].text);
}

#[apply(on_both_with_mail)]
async fn ml_2_nobody_sends_messages_to_many_addresses_by_changing_theirs(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", OLD).await;
    let mut statuses = Vec::new();
    for number in 0..8 {
        statuses.push(change(&app, &ada, &format!("n{number}@example.net"), number % 2 == 1).await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    let refused = change(&app, &ada, "typed@example.net", true).await;
    assert_eq!(refused.status, 429);
    assert!(refused.body.contains("typed@example.net"), "what was typed stays: {}", refused.body);
    let kept = app.stored(ada.id()).await.email;
    let taken = statuses.iter().filter(|status| matches!(status, 200 | 303)).count();
    assert_eq!(kept, format!("n{}@example.net", taken - 1), "{statuses:?}");
    assert_eq!(sink.wait_for(2 * taken).await.len(), 2 * taken);
}

#[apply(on_both_with_mail)]
async fn ml_2_an_address_written_in_another_way_is_as_unconfirmed_as_before(app: TestApp, sink: Sink) {
    let (eve, victim) = (with_address(&app, "eve", "", OLD).await, "victim@example.org");
    with_address(&app, "victim", "", victim).await;
    for (count, written) in [(2, victim), (2, "victim@EXAMPLE.org")] {
        assert_eq!(change(&app, &eve, written, false).await.status, 200);
        sink.wait_for(count).await;
        assert!(
            page(&app, &eve, "/account")
                .await
                .body
                .contains(&format!("Until then mail for you goes to {OLD}."))
        );
    }
    for (count, typed, recipient) in [(3, victim, victim), (4, "eve", OLD)] {
        forgotten(&app, typed, "192.0.2.1").await;
        assert_eq!(sink.wait_for(count).await[count - 1].to, [recipient]);
    }
    assert_eq!(requests(&app, 2).await, ["", ""], "one request, one account");
}

#[apply(on_both_with_mail)]
async fn ml_2_another_password_ends_the_link_to_a_new_address(app: TestApp, sink: Sink) {
    let (staff, ada) = (app.person("staff", "staff").await, with_address(&app, "ada", "", OLD).await);
    change(&app, &ada, NEW, false).await;
    let code = code(&sink, 2, NEW).await;
    let body = json!({ "password": "a wholly different phrase" });
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&staff, Method::Patch, &path, &body).await.status, 200);
    assert_eq!(confirm(&app, &code).await.status, 422);
    assert_eq!(sink.wait_for(3).await[2].to, [OLD]);
    forgotten(&app, "ada", "192.0.2.1").await;
    assert_eq!(sink.wait_for(4).await[3].to, [OLD], "the address stays unconfirmed");
}

#[apply(on_both_with_mail)]
async fn ml_2_another_link_is_sent_on_request_and_ends_the_one_before(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", OLD).await;
    let (sent, flash) = send_from(&app, &ada, "/account", "/account/confirm-address", &[]).await;
    assert!(sent.status == 303 && flash.contains("No address has to be confirmed."), "{flash}");
    change(&app, &ada, NEW, true).await;
    let first = code(&sink, 2, NEW).await;
    app.clock.advance(Duration::from_hours(25));
    let ada = Person { cookie: fresh(&app, &ada).await, ..ada };
    app.clock.advance(Duration::from_mins(10));
    let again = async |password: &str| {
        let fields = [("current_password", password)];
        send_from(&app, &ada, "/account", "/account/confirm-address", &fields).await.0.status
    };
    assert_eq!(again("").await, 422, "a stale session sends nothing");
    assert_eq!(again(PASSWORD).await, 303);
    let second = code(&sink, 3, NEW).await;
    assert_ne!(first, second);
    assert_eq!(confirm(&app, &first).await.status, 422);
    assert_eq!(confirm(&app, &second).await.status, 200);
    assert!(!page(&app, &ada, "/account").await.body.contains("Send another link"));
}

#[apply(on_both_with_mail)]
async fn ml_2_many_unconfirmed_addresses_keep_no_mail_from_their_owner(app: TestApp, sink: Sink) {
    let mut count = 0;
    for number in 0..11 {
        let name = format!("eve{number}");
        let eve = with_address(&app, &name, "", &format!("{name}@example.org")).await;
        assert_eq!(change(&app, &eve, "victim@example.org", false).await.status, 200);
        count += 2;
        sink.wait_for(count).await;
    }
    with_address(&app, "victim", "", "victim@example.org").await;
    forgotten(&app, "victim@example.org", "192.0.2.1").await;
    assert_eq!(sink.wait_for(count + 1).await[count].to, ["victim@example.org"]);
    assert_eq!(requests(&app, 1).await, [""]);
}

#[apply(on_both_with_mail)]
async fn ml_2_an_export_has_the_address_that_counts(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", OLD).await;
    change(&app, &ada, NEW, false).await;
    sink.wait_for(2).await;
    let whole =
        usher::db::users::whole_after(&app.usher.db, usher::model::user::UserId(0), 10).await.unwrap();
    assert_eq!(whole.iter().map(|whole| whole.user.email.as_str()).collect::<Vec<_>>(), [OLD]);
}

#[apply(on_both_with_mail)]
async fn ml_2_of_guesses_no_unconfirmed_address_is_told(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", OLD).await;
    let root = with_address(&app, "root", "superuser", "root@example.org").await;
    app.sql(&format!("UPDATE sessions SET confirmed_at = {}", app.clock.now().micros())).await;
    change(&app, &ada, NEW, false).await;
    change(&app, &root, "other@example.org", false).await;
    sink.wait_for(4).await;
    app.obtain("ada", "wrong").await;
    app.sql("UPDATE throttles SET consecutive = 99 WHERE consecutive = 1").await;
    app.obtain("ada", "wrong").await;
    let told: Vec<_> = sink.wait_for(6).await[4..].iter().map(|message| message.to.clone()).collect();
    assert!(
        told.contains(&vec![OLD.to_owned()]) && told.contains(&vec!["root@example.org".to_owned()]),
        "{told:?}"
    );
}
