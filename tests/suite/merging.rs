//! Two people who edit one user: what only one of them changed is kept without a question.

use rocket::http::Method;
use serde_json::json;

use crate::app::{Person, TestApp};
use crate::console::{hidden, page, send_from};

/// What the form on a user's page sends: what it showed, with some fields typed in.
fn form<'a>(html: &str, typed: &[(&'a str, &'a str)]) -> Vec<(&'a str, String)> {
    let was = html.split("name=\"was\" value=\"").nth(1).and_then(|rest| rest.split("}\"").next());
    let was = format!("{}}}", was.expect("what the form showed").replace("&quot;", "\""));
    let mut fields = vec![("version", hidden(html, "version")), ("was", was)];
    for name in ["username", "email", "first_name", "last_name"] {
        let input = html.split(&format!("name=\"{name}\" ")).nth(1).expect(name);
        let shown = input.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect(name);
        fields.push((name, shown.to_owned()));
    }
    for (name, value) in typed {
        fields.retain(|(known, _)| known != name);
        fields.push((name, (*value).to_owned()));
    }
    fields
}

async fn save(
    app: &TestApp,
    person: &Person,
    path: &str,
    fields: &[(&str, String)],
) -> (crate::app::Answer, String) {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    send_from(app, person, path, path, &fields).await
}

#[apply(on_both)]
async fn az_9_what_only_one_of_two_has_changed_is_merged_without_a_question(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    let opened = page(&app, &staff, &path).await.body;
    let theirs = json!({"email": "theirs@example.org", "is_staff": true, "valid_until": "2027-01-01"});
    let boss = app.person("boss", "superuser").await;
    assert_eq!(app.send(&boss, Method::Patch, &format!("/v1{path}"), &theirs).await.status, 200);

    let (answer, told) = save(&app, &staff, &path, &form(&opened, &[("last_name", "Lovelace")])).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(told, "Saved. Changed Last name. Kept what others changed meanwhile: Email.");
    let stored = app.stored(ada.id()).await;
    assert_eq!([&stored.email, &stored.last_name], ["theirs@example.org", "Lovelace"]);
    assert!(stored.is_staff && stored.valid_until.is_some(), "what the form does not send stays, too");
}

#[apply(on_both)]
async fn az_9_only_what_both_have_changed_is_asked_about_with_who_and_when(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    let opened = page(&app, &staff, &path).await.body;
    let boss = app.person("boss", "superuser").await;
    let theirs = json!({"email": "theirs@example.org", "first_name": "Theirs"});
    assert_eq!(app.send(&boss, Method::Patch, &format!("/v1{path}"), &theirs).await.status, 200);

    let mine = form(&opened, &[("email", "mine@example.org"), ("last_name", "Mine")]);
    let (conflict, _) = save(&app, &staff, &path, &mine).await;
    assert_eq!(conflict.status, 412);
    let html = &conflict.body;
    assert!(html.contains("keep_email") && !html.contains("keep_first_name"), "{html}");
    assert!(html.contains("<b>boss</b> changed it on <time"), "{html}");
    assert!(!html.contains(" checked"), "nothing is decided for the person: {html}");

    let mut again = form(html, &[("ask", "email")]);
    let (unanswered, _) = save(&app, &staff, &path, &again).await;
    assert_eq!(unanswered.status, 422);
    assert!(unanswered.body.contains("Choose which Email to keep."), "{}", unanswered.body);
    assert_eq!(app.stored(ada.id()).await.email, "theirs@example.org");

    again.push(("keep_email", "yours".to_owned()));
    let (saved, told) = save(&app, &staff, &path, &again).await;
    assert_eq!((saved.status, told.as_str()), (303, "Saved. Changed Email and Last name."));
    let stored = app.stored(ada.id()).await;
    assert_eq!(
        [&stored.email, &stored.first_name, &stored.last_name],
        ["mine@example.org", "Theirs", "Mine"]
    );
}
