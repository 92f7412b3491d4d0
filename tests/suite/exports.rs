//! The export of what the list shows.

use std::time::Duration;

use rocket::http::ContentType;
use rocket::http::Method::Post;
use serde_json::{Value, json};

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::audit::trail;
use crate::bulk::crowd;
use crate::console::{page, token};

/// Sends the form of the page.
async fn export(app: &TestApp, by: &Person, page_path: &str, fields: &[(&str, &str)]) -> Answer {
    let token = token(&page(app, by, page_path).await.body);
    post(app, by, &token, fields).await
}

async fn post(app: &TestApp, by: &Person, token: &str, fields: &[(&str, &str)]) -> Answer {
    let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
    let body: String = fields.iter().fold(format!("token={}", encode(token)), |body, (name, value)| {
        format!("{body}&{name}={}", encode(value))
    });
    let request = app.request(Post, "/users/export", Some((by, By::Cookie)));
    Answer::of(request.header(ContentType::Form).body(body).dispatch().await).await
}

#[apply(on_both)]
async fn what_the_list_shows_is_exported_in_its_order_and_recorded(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    app.person("ada", "").await;
    app.person("bob", "inactive").await;
    let path = "/users/export?q=a&sort=-name";
    let question = page(&app, &staff, path).await;
    assert_eq!(question.status, 200);
    assert!(question.body.contains("<h1>Export 2 users</h1>"), "{}", question.body);
    assert!(!question.body.contains("name=\"current_password\""));
    assert!(trail(&app).await.is_empty(), "cs_3: reading the page writes nothing");

    let answer = export(&app, &staff, path, &[("q", "a"), ("sort", "-name")]).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/csv; charset=utf-8")));
    assert_eq!(answer.header("Content-Disposition"), Some("attachment; filename=\"users-2026-03-01.csv\""));
    let lines: Vec<&str> = answer.body.split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "\u{feff}username,pk,last_login,is_superuser,first_name,last_name,email,is_staff,is_active,date_joined",
            "staff,1,,false,,,,true,true,2026-03-01T09:00:00.123456Z",
            "ada,2,,false,,,,false,true,2026-03-01T09:00:00.123456Z",
            "",
        ]
    );
    let entry = trail(&app).await.pop().unwrap();
    assert_eq!((entry.action.as_str(), entry.actor_id), ("exported", Some(staff.id())));
    let details: Value = serde_json::from_str(&entry.details).unwrap();
    assert_eq!(details, json!({"format": "csv", "filter": "/users?q=a&sort=-name"}));
}

#[apply(on_both)]
async fn ou_2_cells_that_a_spreadsheet_would_compute_are_guarded(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let body = json!({"first_name": "=HYPERLINK(\"http://evil\")", "last_name": "a, b", "username": "@ada"});
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&staff, rocket::http::Method::Patch, &path, &body).await.status, 200);
    let answer = export(&app, &staff, "/users/export?q=ada", &[("q", "ada")]).await;
    assert!(answer.body.contains("\r\n'@ada,2,"), "{}", answer.body);
    assert!(answer.body.contains("\"'=HYPERLINK(\"\"http://evil\"\")\",\"a, b\""), "{}", answer.body);
    assert!(!answer.body.contains("argon2"));
}

#[apply(on_both)]
async fn se_6_exporting_more_than_a_hundred_asks_for_the_password(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ids: Vec<String> = crowd(&app, 101).await.iter().map(ToString::to_string).collect();
    let ids = ids.join(" ");
    app.clock.advance(Duration::from_mins(6));
    for (path, fields) in [
        ("/users/export", vec![]),
        ("/users/export?sort=email", vec![("sort", "email"), ("ids", " ")]),
        ("/users/export?status=invited", vec![("status", "invited")]),
        ("/users/export?q=crowd", vec![("q", "crowd")]),
        (&format!("/users/export?ids={}", ids.replace(' ', "+")), vec![("ids", ids.as_str())]),
    ] {
        assert!(page(&app, &staff, path).await.body.contains("name=\"current_password\""), "{path}");
        for (typed, problem) in
            [("", "Enter your password to go on."), ("wrong", "Your current password is wrong.")]
        {
            let mut fields = fields.clone();
            fields.push(("current_password", typed));
            let answer = export(&app, &staff, "/users/export", &fields).await;
            assert_eq!(answer.status, 422, "{path}: {}", answer.body);
            assert!(answer.body.contains(problem) && !answer.body.contains("username,pk"), "{}", answer.body);
        }
        // So that so many wrong ones lock no user out.
        app.sql("DELETE FROM throttles").await;
    }
    assert!(trail(&app).await.iter().all(|entry| entry.action != "exported"));
    let fields = [("status", "invited"), ("current_password", PASSWORD)];
    let answer = export(&app, &staff, "/users/export", &fields).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with("\u{feff}username,pk,"));
    assert!(
        !page(&app, &staff, "/users/export").await.body.contains("name=\"current_password\""),
        "only once"
    );
}

#[apply(on_both)]
async fn se_6_a_hundred_are_exported_without_it(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ids: Vec<String> = crowd(&app, 100).await.iter().map(ToString::to_string).collect();
    let (ids, twice) = (ids.join(" "), format!("{} {}", ids.join(" "), ids.join(" ")));
    app.clock.advance(Duration::from_mins(6));
    for fields in [("q", "crowd"), ("ids", &ids), ("ids", &twice)] {
        let answer = export(&app, &staff, "/users/export?q=crowd", &[fields]).await;
        assert_eq!((answer.status, answer.body.lines().count()), (200, 101), "{}", answer.body);
    }
    assert!(!page(&app, &staff, "/users/export?q=crowd").await.body.contains("name=\"current_password\""));
}

#[apply(on_both)]
async fn users_that_were_chosen_are_exported_by_themselves(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let crowd = crowd(&app, 5).await;
    let path = format!("/users/export?id={}&id={}&id=999", crowd[3], crowd[1]);
    let question = page(&app, &staff, &path).await.body;
    let ids = format!("{} {} 999", crowd[3], crowd[1]);
    assert!(question.contains(&format!("name=\"ids\" value=\"{ids}\"")), "{question}");
    let answer = export(&app, &staff, &path, &[("ids", &ids)]).await;
    let names: Vec<&str> = answer.body.split("\r\n").map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, ["\u{feff}username", "crowd0001", "crowd0003", ""]);
    let details: Value = serde_json::from_str(&trail(&app).await.pop().unwrap().details).unwrap();
    assert_eq!(details["pks"], json!([crowd[3], crowd[1], 999]));
}

#[apply(on_both)]
async fn a_long_export_has_every_user_once(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    crowd(&app, 2500).await;
    let answer = export(&app, &staff, "/users/export?q=crowd", &[("q", "crowd")]).await;
    let mut names: Vec<&str> = answer
        .body
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names.len(), 2500);
    assert!(names.is_sorted());
    names.dedup();
    assert_eq!(names.len(), 2500);
}

#[apply(on_both)]
async fn cs_1_nothing_is_exported_without_the_token(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let foreign = token(&page(&app, &other, "/users/export").await.body);
    for token in ["", "AAAA", &foreign] {
        let answer = post(&app, &staff, token, &[("q", "staff")]).await;
        assert_eq!(answer.status, 422);
        assert!(!answer.body.contains("username,pk"));
    }
    assert!(trail(&app).await.is_empty());
    let ordinary = app.person("ordinary", "").await;
    assert_eq!(post(&app, &ordinary, "", &[]).await.status, 403);
}

#[apply(on_both)]
async fn what_the_console_exports_can_be_imported_again(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let body = json!({"first_name": "Zoë", "last_name": "山田", "email": "zoe@example.org"});
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&staff, rocket::http::Method::Patch, &path, &body).await.status, 200);
    let csv = export(&app, &staff, "/users/export", &[]).await.body;
    assert!(csv.starts_with('\u{feff}') && csv.contains("Zoë,山田"), "{csv}");
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("users.csv"), csv).unwrap();
    let file = folder.path().join("users.csv");
    let output = crate::import::usher(&app, &["import", file.to_str().unwrap()]).await;
    let said = crate::import::summary(&output);
    assert!(output.status.success() && said.contains("2 unchanged"), "{said}");
}
