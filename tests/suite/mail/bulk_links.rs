//! Links sent to many users at once who have no password.

use super::*;

/// A user without a password.
async fn invited(app: &TestApp, name: &str, kind: &str, email: &str) -> Person {
    let person = with_address(app, name, kind, email).await;
    let unusable = "UPDATE users SET password = '!', password_changed_at = NULL WHERE id = ";
    app.sql(&format!("{unusable}{}", person.id())).await;
    person
}

#[apply(on_both_with_mail)]
async fn those_without_a_password_are_sent_links_and_others_are_not(app: TestApp, sink: Sink) {
    let staff = app.person("staff", "staff").await;
    let ada = invited(&app, "ada", "", "ada@example.org").await;
    let bea = invited(&app, "bea", "", "bea@example.org").await;
    let mute = invited(&app, "mute", "", "").await;
    let gone = invited(&app, "gone", "inactive", "gone@example.org").await;
    let root = invited(&app, "root", "superuser", "root@example.org").await;
    let has = with_address(&app, "has", "", "has@example.org").await;
    let ids: Vec<i64> = [&ada, &bea, &mute, &gone, &root, &has].iter().map(|user| user.id()).collect();
    let body = json!({"action": "send_links", "ids": ids, "preview": true});
    let preview = app.send(&staff, Method::Post, "/v1/users/bulk", &body).await.json();
    let codes = |answer: &Value| -> Vec<Value> {
        answer["users"].as_array().unwrap().iter().map(|user| user["code"].clone()).collect()
    };
    let expected = [
        Value::Null,
        Value::Null,
        json!("no_address"),
        json!("inactive"),
        json!("superuser_required"),
        json!("has_password"),
    ];
    assert_eq!(codes(&preview), expected);
    assert!(sink.received().is_empty());

    let body = json!({"action": "send_links", "ids": ids});
    let done = app.send(&staff, Method::Post, "/v1/users/bulk", &body).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(codes(&done.json()), expected);
    assert_eq!(done.json()["done"], json!(2));
    let mut to: Vec<String> = sink.wait_for(2).await.into_iter().flat_map(|message| message.to).collect();
    to.sort_unstable();
    assert_eq!(to, ["ada@example.org", "bea@example.org"]);
    let batch = done.json()["batch"].as_i64().unwrap();
    let undo = app.send(&staff, Method::Post, &format!("/v1/users/bulk/{batch}/undo"), &json!({})).await;
    assert_eq!((undo.status, undo.json()["code"].clone()), (409, json!("not_undoable")));
    assert_eq!(trail(&app).await.iter().filter(|entry| entry.action == "link_made").count(), 2);

    // Sent again in the console: the links from before end, and these work.
    let path = format!("/users/bulk?do=send_links&id={}&id={}", ada.id(), bea.id());
    let asked = page(&app, &staff, &path).await.body;
    assert!(asked.contains("Send links to 2 users?"), "{asked}");
    let ids = format!("{} {}", ada.id(), bea.id());
    let fields = [("do", "send_links"), ("ids", ids.as_str()), ("back", "/users?status=invited")];
    assert_eq!(crate::console::send_from(&app, &staff, &path, "/users/bulk", &fields).await.0.status, 303);
    let links: Vec<(Vec<String>, String)> = sink
        .wait_for(4)
        .await
        .into_iter()
        .map(|message| {
            let text = message.text.replace("=\n", "").replace("=3D", "=");
            let start = text.split("/set-password#").nth(1).expect("a link").to_owned();
            let is_of_secret = |c: &char| c.is_ascii_alphanumeric() || "-_".contains(*c);
            (message.to, start.chars().take_while(is_of_secret).collect())
        })
        .collect();
    let to_ada: Vec<&String> =
        links.iter().filter(|(to, _)| to == &["ada@example.org"]).map(|(_, secret)| secret).collect();
    assert_ne!(redeem(&app, to_ada[0], NEW_PASSWORD).await, 303);
    assert_eq!(redeem(&app, to_ada[1], NEW_PASSWORD).await, 303);
}

#[apply(on_both)]
async fn without_a_mail_server_there_are_no_links_to_send(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ada = invited(&app, "ada", "", "ada@example.org").await;
    assert!(!page(&app, &staff, "/users").await.body.contains("send_links"));
    let body = json!({"action": "send_links", "ids": [ada.id()]});
    let done = app.send(&staff, Method::Post, "/v1/users/bulk", &body).await.json();
    assert_eq!((done["users"][0]["code"].clone(), done["done"].clone()), (json!("no_mail"), json!(0)));
}
