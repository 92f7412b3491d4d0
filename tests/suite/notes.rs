//! Notes of staff on a user.

use rocket::http::Method;
use serde_json::json;

use crate::app::TestApp;
use crate::audit::trail;
use crate::console::{link, page, send_from};

#[apply(on_both)]
async fn staff_write_notes_that_stay_in_the_audit_log(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let ada = app.person("ada", "").await;
    let path = format!("/users/{}/notes", ada.id());
    assert!(page(&app, &staff, &format!("/users/{}", ada.id())).await.body.contains("Add a note"));
    let typed = [("note", " Called about <b>her</b> telephone.\r\nCalls back. ")];
    let (added, shown) = send_from(&app, &staff, &path, &path, &typed).await;
    assert!(added.status == 303 && shown.contains("The note was added."), "{shown}");
    let body = json!({"note": "Lost the telephone."});
    let added = app.send(&root, Method::Post, &format!("/v1/users/{}/notes", ada.id()), &body).await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(added.json()["action"], "note_added");
    assert_eq!(added.json()["details"], json!({"note": "Lost the telephone."}));
    let notes: Vec<_> = trail(&app).await.into_iter().filter(|entry| entry.action == "note_added").collect();
    assert_eq!(notes.len(), 2);
    assert_eq!((notes[0].actor_name.as_str(), notes[0].target_id), ("staff", Some(ada.id())));
    assert_eq!(
        notes[0].details,
        json!({"note": "Called about <b>her</b> telephone.\nCalls back."}).to_string()
    );
    for path in [path.clone(), format!("/users/{}", ada.id())] {
        let html = page(&app, &staff, &path).await.body;
        let places =
            ["Lost the telephone.", "telephone.\nCalls back."].map(|note| html.find(note).expect(note));
        assert!(places[0] < places[1], "the newest first: {html}");
    }
    for path in [format!("/users/{}/history", ada.id()), "/audit?action=note_added".to_owned()] {
        assert!(page(&app, &staff, &path).await.body.contains("Lost the telephone."), "{path}");
    }
    let own = app.get(&ada, "/v1/account").await.body + &page(&app, &ada, "/account").await.body;
    assert!(!own.contains("telephone"), "the user does not see it");
}

#[apply(on_both)]
async fn a_note_that_cannot_be_taken_is_not_lost(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}/notes", ada.id());
    let long = format!("kept{}", "x".repeat(997));
    let (refused, _) = send_from(&app, &staff, &path, &path, &[("note", &long)]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Note must have 1000 characters or fewer. You entered 1001."));
    assert!(refused.body.contains(&long));
    let (refused, _) = send_from(&app, &staff, &path, &path, &[("note", " ")]).await;
    assert!(refused.status == 422 && refused.body.contains("id=\"note-error\""), "{}", refused.body);
    let (stale, _) = crate::console::send(&app, &staff, &path, &[("token", "old"), ("note", "kept")]).await;
    assert!(stale.status == 422 && stale.body.contains(">kept</textarea>"), "{}", stale.body);
    let api = format!("/v1/users/{}/notes", ada.id());
    for body in [json!({}), json!({"note": ""}), json!({"note": 5}), json!({"note": "a\u{0}"})] {
        let refused = app.send(&staff, Method::Post, &api, &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.body);
    }
    assert!(trail(&app).await.iter().all(|entry| entry.action != "note_added"));
}

#[apply(on_both)]
async fn many_notes_are_gone_through(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    for number in 0..30 {
        let body = json!({"note": format!("Note number {number}.")});
        app.send(&staff, Method::Post, &format!("/v1/users/{}/notes", ada.id()), &body).await;
    }
    let path = format!("/users/{}/notes", ada.id());
    let first = page(&app, &staff, &path).await.body;
    assert_eq!(first.matches("Note number").count(), 25);
    let second = page(&app, &staff, &link(&first, "Older")).await.body;
    assert!(second.matches("Note number").count() == 5 && second.contains("Note number 0."), "{second}");
}
