//! What the owner of a passkey is told of a copy of it.

use super::*;
use crate::app::PASSWORD;
use crate::second_factor::authenticator::Authenticator;
use crate::second_factor::passkeys::{ORIGIN, add, answer_to};
use crate::second_factor::{first_step, session_in};

#[apply(on_both_with_mail)]
async fn mf_12_a_device_that_counts_backwards_is_refused_and_its_owner_told(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", "ada@example.org").await;
    let mut device = Authenticator::new(ORIGIN);
    device.count = 7;
    add(&app, &ada, &mut device, "security key").await;
    assert!(sink.wait_for(1).await[0].text.contains("Subject: A second factor was added"));
    // The copy counts for itself.
    device.count = 5;
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    let refused = half.show(&app, &answer_to(&mut device, &half.answer.body)).await;
    assert_eq!((refused.status, session_in(&refused)), (422, None));
    let told = &sink.wait_for(2).await[1];
    assert_eq!(told.to, ["ada@example.org"]);
    assert!(told.text.contains("Subject: A passkey was refused"), "{}", told.text);
    let entries = trail(&app).await;
    let entry = entries.iter().find(|entry| entry.action == "passkey_refused").expect("an entry");
    assert!(entry.target_id == Some(ada.id()) && entry.details.contains("security key"), "{}", entry.details);
    assert!(entries.iter().any(|entry| entry.action == "sign_in_failed"));
    device.count = 7;
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    assert_eq!(half.show(&app, &answer_to(&mut device, &half.answer.body)).await.status, 303, "the original");
}
