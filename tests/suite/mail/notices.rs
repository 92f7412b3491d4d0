//! Messages that tell of something, without a link for one use.

use crate::TestApp;
use crate::mail::{Sink, start, with_address};

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
