//! The audit log and the history of a user as files.

use std::time::Duration;

use rocket::http::ContentType;
use rocket::http::Method::{Patch, Post};
use serde_json::{Value, json};

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::audit::trail;
use crate::console::{page, token};

const HEADER: &str = "\u{feff}id,at,action,actor_pk,actor,target_pk,target,changes,details,door,address,request_id,\
                      batch,undoes,undone_by";

async fn post(app: &TestApp, by: &Person, path: &str, fields: &[(&str, &str)]) -> Answer {
    let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let request = app.request(Post, path, Some((by, By::Cookie)));
    let response = request.header(ContentType::Form).body(body.join("&")).dispatch().await;
    app.note_renewal(by, &response);
    Answer::of(response).await
}

/// Sends the form of the export's page.
async fn export(app: &TestApp, by: &Person, path: &str, fields: &[(&str, &str)]) -> Answer {
    let token = token(&page(app, by, path).await.body);
    let mut all = vec![("token", token.as_str())];
    all.extend(fields);
    post(app, by, path, &all).await
}

async fn change(app: &TestApp, by: &Person, of: &Person, body: Value) {
    assert_eq!(app.send(by, Patch, &format!("/v1/users/{}", of.id()), &body).await.status, 200);
}

#[apply(on_both)]
async fn the_audit_log_is_exported_with_its_filter_and_that_is_recorded(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let bob = app.person("bob", "").await;
    change(&app, &staff, &ada, json!({"first_name": "Zoë", "email": "a@example.org"})).await;
    change(&app, &staff, &bob, json!({"first_name": "Bob"})).await;
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    let log = page(&app, &staff, "/audit?user=ada").await.body;
    for format in ["csv", "json"] {
        assert!(log.contains(&format!("href=\"/audit/export?user=ada&format={format}\"")), "{log}");
    }
    let before = trail(&app).await.len();
    let question = page(&app, &staff, "/audit/export?user=ada&format=json").await.body;
    assert!(question.contains("<h1>Export 2 entries of the audit log</h1>"), "{question}");
    assert_eq!(trail(&app).await.len(), before, "cs_3: reading the page writes nothing");

    let fields = [("user", "ada"), ("format", "csv")];
    let csv = export(&app, &staff, "/audit/export", &fields).await;
    assert_eq!((csv.status, csv.header("Content-Type")), (200, Some("text/csv; charset=utf-8")));
    assert_eq!(csv.header("Content-Disposition"), Some("attachment; filename=\"audit-log-2026-03-01.csv\""));
    let lines: Vec<&str> = csv.body.split("\r\n").collect();
    assert_eq!((lines.len(), lines[0], lines[3]), (4, HEADER, ""));
    assert!(lines[1].contains(",sign_in,") && lines[2].contains(",user_changed,"), "{}", csv.body);
    assert!(
        lines[2].contains("Zoë") && lines[2].contains(&format!(",{},staff,{},ada,", staff.id(), ada.id()))
    );

    let filter = json!({"expressions": [{"type": "exact", "field": "target_pk", "value": ada.id()}]});
    let listed = app.send(&staff, Post, "/v1/audit/list", &filter).await.json();
    let fields = [("user", "ada"), ("format", "json")];
    let json = export(&app, &staff, "/audit/export", &fields).await;
    assert_eq!((json.status, json.header("Content-Type")), (200, Some("application/json")));
    assert_eq!(json.json(), listed, "as the API shows them");
    let recorded: Vec<(String, Value)> = trail(&app)
        .await
        .into_iter()
        .filter(|entry| entry.action == "exported")
        .map(|entry| (entry.actor_name, serde_json::from_str(&entry.details).unwrap()))
        .collect();
    let of = |format: &str| ("staff".to_owned(), json!({"format": format, "filter": "/audit?user=ada"}));
    assert_eq!(recorded, [of("csv"), of("json")]);
}

#[apply(on_both)]
async fn the_history_of_a_user_is_exported_as_its_page_shows_it(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    for n in 0..3 {
        change(&app, &staff, &ada, json!({"first_name": format!("Ada{n}")})).await;
        assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    }
    change(&app, &staff, &staff, json!({"first_name": "Other"})).await;
    let path = format!("/users/{}/history", ada.id());
    assert!(page(&app, &staff, &path).await.body.contains(&format!("href=\"{path}/export?format=json\"")));
    let answer = export(&app, &staff, &format!("{path}/export"), &[("format", "json")]).await;
    let name = format!("attachment; filename=\"history-{}-2026-03-01.json\"", ada.id());
    assert_eq!((answer.status, answer.header("Content-Disposition")), (200, Some(name.as_str())));
    let entries = answer.json();
    let told: Vec<(&str, &str)> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (entry["action"].as_str().unwrap(), entry["changes"]["first_name"]["new"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [("user_changed", "Ada2"), ("user_changed", "Ada1"), ("user_changed", "Ada0")]);
    let details: Value = serde_json::from_str(&trail(&app).await.pop().unwrap().details).unwrap();
    assert_eq!(details, json!({"format": "json", "filter": path}));
    let nothing = page(&app, &staff, "/users/999/history/export").await;
    assert_eq!(nothing.status, 404);
}

/// Entries that say nothing.
async fn many(app: &TestApp, count: u32) {
    app.sql(&format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
         INSERT INTO audit_entries (happened_at, action, actor_name, target_name, changes, details, door, address, \
         request_id, actor_folded, target_folded) \
         SELECT n, 'sign_out', '', '', '{{}}', '{{}}', 'api', '=1+1', '', '', '' FROM numbers"
    ))
    .await;
}

#[apply(on_both)]
async fn ou_2_a_long_log_is_exported_whole_and_no_cell_of_it_is_a_formula(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    many(&app, 2500).await;
    let json = export(&app, &staff, "/audit/export", &[("format", "json")]).await.json();
    let ids: Vec<i64> = json.as_array().unwrap().iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 2500);
    assert!(ids.is_sorted_by(|one, next| one > next), "each once, the newest first");
    let csv = export(&app, &staff, "/audit/export", &[("action", "sign_out")]).await.body;
    assert_eq!(csv.lines().count(), 2501);
    assert!(csv.lines().skip(1).all(|line| line.contains(",'=1+1,")), "{csv}");
}

#[apply(on_both)]
async fn se_6_exporting_more_than_a_hundred_entries_asks_for_the_password(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    many(&app, 100).await;
    app.clock.advance(Duration::from_mins(6));
    let question = page(&app, &staff, "/audit/export").await.body;
    assert!(question.contains("Export 100 entries") && !question.contains("current_password"), "{question}");
    many(&app, 1).await;
    assert!(page(&app, &staff, "/audit/export").await.body.contains("name=\"current_password\""));
    for (typed, problem) in
        [("", "Enter your password to go on."), ("wrong", "Your current password is wrong.")]
    {
        let answer = export(&app, &staff, "/audit/export", &[("current_password", typed)]).await;
        assert!(answer.status == 422 && answer.body.contains(problem), "{}", answer.body);
    }
    let answer = export(&app, &staff, "/audit/export", &[("current_password", PASSWORD)]).await;
    assert!(answer.status == 200 && answer.body.starts_with(HEADER), "{}", answer.body);
}

#[apply(on_both)]
async fn cs_1_no_entry_is_exported_without_the_token(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let foreign = token(&page(&app, &other, "/audit/export").await.body);
    for path in ["/audit/export".to_owned(), format!("/users/{}/history/export", other.id())] {
        for token in ["", "AAAA", &foreign] {
            let answer = post(&app, &staff, &path, &[("token", token)]).await;
            assert!(answer.status == 422 && !answer.body.contains("actor_pk"), "{}", answer.body);
        }
        let ordinary = app.person(&format!("ordinary{}", path.len()), "").await;
        assert_eq!(post(&app, &ordinary, &path, &[]).await.status, 403);
    }
    assert!(trail(&app).await.iter().all(|entry| entry.action == "refused"));
}
