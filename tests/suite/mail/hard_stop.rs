//! What the owner and the superusers are told of a hundredth failure in a row.

use usher::model::throttle::{Failures, Key};

use crate::TestApp;
use crate::app::PASSWORD;
use crate::mail::{Sink, start, with_address};
use crate::second_factor::{enrol, obtain};

/// Soft line breaks of quoted-printable are undone.
fn words(text: &str) -> String {
    text.replace("=\n", "").replace("=3D", "=")
}

#[apply(on_both_with_mail)]
async fn pw_13_of_the_hundredth_failure_in_a_row_the_owner_and_the_superusers_are_told(
    app: TestApp,
    sink: Sink,
) {
    with_address(&app, "ada", "ordinary", "ada@example.org").await;
    let boss = with_address(&app, "boss", "superuser", "boss@example.org").await;
    with_address(&app, "gone", "inactive superuser", "gone@example.org").await;
    app.person("mute", "superuser").await;
    for (name, told) in [("ada", 2), ("boss", 3), ("nobody", 3)] {
        app.obtain(name, "wrong").await;
        // As after 99 failures, which here would take 99 hashes.
        app.sql("UPDATE throttles SET consecutive = 99 WHERE consecutive = 1").await;
        assert_eq!(app.obtain(name, "wrong").await.status, 401);
        assert_eq!(app.obtain(name, "wrong").await.status, 401, "blocked by then");
        sink.wait_for(told).await;
    }
    let received = sink.received();
    assert_eq!(received.len(), 3, "each once");
    let to = |address: &str| -> Vec<String> {
        let messages = received.iter().filter(|message| message.to == [address]);
        messages.map(|message| words(&message.text)).collect()
    };
    let [owner] = &to("ada@example.org")[..] else { panic!("{received:#?}") };
    assert!(owner.contains("100 wrong passwords in a row were given for your account ada"), "{owner}");
    assert!(owner.contains("open https://users.example.org/forgotten-password"), "a way in: {owner}");
    let to_boss = to("boss@example.org");
    assert!(to_boss.iter().any(|text| text.contains("for the account ada") && text.contains("/users/")));
    let page = format!("https://users.example.org/users/{}", boss.id());
    assert!(
        to_boss.iter().any(|text| text.contains("your account boss") && text.contains(&page)),
        "{to_boss:#?}"
    );
}

#[apply(on_both_with_mail)]
async fn mf_4_pw_13_of_the_hundredth_wrong_code_in_a_row_they_are_told_too(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "ordinary", "ada@example.org").await;
    with_address(&app, "boss", "superuser", "boss@example.org").await;
    let phone = enrol(&app, &ada, "phone").await;
    sink.wait_for(1).await;
    // As after 99 wrong codes, with other passwords in between.
    let wrong = Failures { consecutive: 99, ..Failures::none(app.clock.now()) };
    let mut tx = app.usher.db.begin().await.unwrap();
    usher::db::throttles::set(&mut tx, &Key::codes_of(ada.user.id), &wrong).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(obtain(&app, "ada", "000000").await.status, 401);
    let told = sink.wait_for(3).await;
    assert_eq!(obtain(&app, "ada", &phone.next_code(&app)).await.status, 401, "blocked by then");
    let to = |address: &str| {
        let message = told[1..].iter().find(|message| message.to == [address]).expect("a message");
        words(&message.text)
    };
    for (address, part) in [
        ("ada@example.org", "100 wrong codes of the second factor in a row were given for your account ada"),
        ("ada@example.org", "a stranger who knows your password"),
        ("boss@example.org", "100 wrong codes of the second factor in a row were given for the account ada"),
    ] {
        assert!(to(address).contains(part), "{}", to(address));
    }
    assert_eq!(sink.received().len(), 3, "each once");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401);
}
