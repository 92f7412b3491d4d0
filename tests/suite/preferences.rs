//! A user's preferences for the console, and the layout of its pages.

use rocket::http::{Header, Method};

use crate::app::{By, Person, TestApp};
use crate::console::{hidden, page, send, send_from};

const PATH: &str = "/account/preferences";

/// The form with one field changed.
fn with<'a>(name: &str, value: &'a str) -> Vec<(&'static str, &'a str)> {
    let defaults = [
        ("theme", "system"),
        ("density", "comfortable"),
        ("rows", "50"),
        ("time_zone", "UTC"),
        ("shortcuts", "1"),
    ];
    defaults.into_iter().map(|field| if field.0 == name { (field.0, value) } else { field }).collect()
}

#[apply(on_both)]
async fn preferences_are_kept_and_shape_every_page(app: TestApp) {
    let (ada, bob) = (app.person("ada", "staff").await, app.person("bob", "staff").await);
    assert!(page(&app, &ada, "/users").await.body.contains("<html lang=\"en\">"));
    let fields = [
        ("theme", "dark"),
        ("density", "compact"),
        ("rows", "50"),
        ("time_zone", "UTC"),
        ("hide", "second_factor"),
    ];
    let (answer, message) = send_from(&app, &ada, PATH, PATH, &fields).await;
    assert_eq!((answer.status, answer.header("Location"), message.as_str()), (303, Some(PATH), "Saved."));
    for path in ["/users", "/account", "/account/password", "/shortcuts", PATH] {
        let html = page(&app, &ada, path).await.body;
        let root = "<html lang=\"en\" data-theme=\"dark\" data-density=\"compact\" data-keys=\"off\">";
        assert!(html.contains(root), "{path}");
        assert!(page(&app, &bob, path).await.body.contains("<html lang=\"en\">"), "users have their own");
    }
    let html = page(&app, &ada, PATH).await.body;
    assert!(
        html.contains("<option value=\"dark\" selected>")
            && !html.contains("value=\"1\" aria-describedby=\"shortcuts-hint\" checked")
    );
    let (_, message) = send_from(&app, &ada, PATH, PATH, &fields).await;
    assert_eq!(message, "Nothing changed.");
    while usher::operations::audit::seal(&app.usher).await.unwrap() > 0 {}
    let trail = usher::db::audit::sealed_after(&app.usher.db, 0, 100).await.unwrap();
    assert_eq!(trail.len(), 1, "a change is recorded, and nothing else is");
    assert_eq!(trail[0].entry.action, "preferences_changed");
    let changes: serde_json::Value = serde_json::from_str(&trail[0].entry.changes).unwrap();
    assert_eq!(changes["theme"], serde_json::json!({"old": "system", "new": "dark"}));
    assert_eq!(changes.as_object().unwrap().len(), 3);
}

#[apply(on_both)]
async fn times_are_shown_in_the_zone_that_one_chose_and_given_to_programs_in_utc(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let utc = "<time datetime=\"2026-03-01T09:00Z\">1 Mar 2026, 09:00</time>";
    let html = page(&app, &ada, "/account").await.body;
    assert!(html.contains(utc) && html.contains("Times in UTC"));
    let (answer, _) = send_from(&app, &ada, PATH, PATH, &with("time_zone", "Pacific/Kiritimati")).await;
    assert_eq!(answer.status, 303);
    let there = "1 Mar 2026, 23:00";
    for path in [
        "/account".to_owned(),
        "/users".to_owned(),
        format!("/users/{}", ada.id()),
        "/account/sessions".into(),
    ] {
        let html = page(&app, &ada, &path).await.body;
        // In the list the time stands in the title of a relative one.
        assert!(html.contains(there) && !html.contains("1 Mar 2026, 09:00"), "{path}");
        assert!(html.contains("Times in Pacific/Kiritimati"), "{path}");
    }
    let bob = app.person("bob", "staff").await;
    assert!(page(&app, &bob, "/account").await.body.contains(utc));
    assert_eq!(app.get(&ada, "/v1/account").await.json()["date_joined"], "2026-03-01T09:00:00.123456Z");
}

#[apply(on_both)]
async fn no_time_in_the_zone_that_one_chose_is_said_to_be_utc(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    assert_eq!(send_from(&app, &staff, PATH, PATH, &with("time_zone", "Asia/Tokyo")).await.0.status, 303);
    let path = format!("/users/{}", ada.id());
    let made = app.send(&staff, Method::Post, &format!("/v1{path}/link"), &serde_json::json!({})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("1 Mar 2026, 18:30</time> Asia/Tokyo. Already shown."), "{html}");
    let html = page(&app, &staff, &format!("{path}/sign-in-check")).await.body;
    assert!(
        html.contains("was last ended on <time datetime=\"2026-03-01T09:00Z\">1 Mar 2026, 18:00</time>:")
    );
}

#[apply(on_both)]
async fn what_cannot_be_chosen_is_refused(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    for (name, value) in [
        ("theme", "purple"),
        ("density", ""),
        ("rows", "1000000"),
        ("time_zone", "Europe/Nowhere"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "<script>"),
    ] {
        let (answer, _) = send_from(&app, &ada, PATH, PATH, &with(name, value)).await;
        assert_eq!(answer.status, 422, "{name}={value}");
        let said =
            if name == "time_zone" { "There is no such time zone." } else { "Choose one of the list." };
        assert!(answer.body.contains(said) && answer.body.contains(&format!("href=\"#{name}\"")));
        assert!(!answer.body.contains("<script>"));
    }
    let (answer, _) = send_from(&app, &ada, PATH, PATH, &with("time_zone", "Louisville")).await;
    let said = "Type one time zone, for example America/Kentucky/Louisville or America/Louisville.";
    assert!(answer.status == 422 && answer.body.replace("&#x2F;", "/").contains(said), "{}", answer.body);
    let (answer, _) = send_from(&app, &ada, PATH, PATH, &with("time_zone", "new york")).await;
    assert_eq!(answer.status, 303);
    assert!(page(&app, &ada, PATH).await.body.contains("value=\"America/New_York\""));
    let mut stale = with("theme", "light");
    stale.push(("token", "of another session"));
    let (answer, _) = send(&app, &ada, PATH, &stale).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("<option value=\"light\" selected>"), "what was chosen is kept");
    let html = page(&app, &ada, PATH).await.body;
    assert!(html.contains("<html lang=\"en\">") && html.contains("<option value=\"system\" selected>"));
}

#[apply(on_both)]
async fn the_list_has_as_many_rows_as_one_likes(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for n in 0..30 {
        app.person(&format!("user{n:02}"), "").await;
    }
    let rows = |html: &str| html.matches("<th scope=\"row\"").count();
    assert_eq!(rows(&page(&app, &staff, "/users").await.body), 31);
    assert_eq!(send_from(&app, &staff, PATH, PATH, &with("rows", "25")).await.0.status, 303);
    let html = page(&app, &staff, "/users").await.body;
    assert_eq!(rows(&html), 25);
    assert!(html.contains("href=\"/users?per=50\""), "the others can still be asked for");
    assert_eq!(rows(&page(&app, &staff, "/users?per=50").await.body), 31);
}

#[apply(on_both)]
async fn errors_stand_in_the_layout_of_a_signed_in_user(app: TestApp) {
    let (ada, staff) = (app.person("ada", "ordinary").await, app.person("staff", "staff").await);
    for (person, path, status) in
        [(&ada, "/users", 403), (&ada, "/nothing", 404), (&staff, "/users/999999", 404)]
    {
        let answer = page(&app, person, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.contains("action=\"/sign-out\""), "{path}");
        assert_eq!(answer.body.matches("<h1").count(), 1, "{path}");
    }
    let stranger = app.client.get("/nothing").dispatch().await;
    assert_eq!(stranger.status().code, 404);
    assert!(!stranger.into_string().await.unwrap().contains("/sign-out"));
}

#[apply(on_both)]
async fn the_menu_leads_to_everything_of_ones_own(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let html = page(&app, &ada, "/account").await.body;
    let menu = html.split("<details class=\"menu\">").nth(1).unwrap().split("</details>").next().unwrap();
    for path in ["/account", "/account/password", "/account/sessions", "/account/tokens", PATH, "/shortcuts"]
    {
        assert!(menu.contains(&format!("href=\"{path}\"")), "{path}");
        let answer = page(&app, &ada, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body.matches("<h1").count(), 1, "{path}");
    }
    for key in ["/", "n", "e", "?", "Esc", "s"] {
        assert!(page(&app, &ada, "/shortcuts").await.body.contains(&format!("<kbd>{key}</kbd>")), "{key}");
    }
}

#[apply(on_both)]
async fn pages_of_ones_own_are_small(app: TestApp) {
    let ada: Person = app.person("ada", "superuser").await;
    for path in [
        "/account",
        "/account/password",
        "/account/sessions",
        "/account/tokens",
        PATH,
        "/shortcuts",
        "/nothing",
    ] {
        let request = app.request(Method::Get, path, Some((&ada, By::Cookie)));
        let response = request.header(Header::new("Accept-Encoding", "gzip")).dispatch().await;
        assert_eq!(response.headers().get_one("Content-Encoding"), Some("gzip"), "{path}");
        let length = response.into_bytes().await.unwrap().len();
        assert!(length <= 9 * 1024, "{path}: {length} bytes");
    }
}

#[apply(on_both)]
async fn dates_are_typed_and_told_in_the_zone_that_one_chose(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    assert_eq!(send_from(&app, &staff, PATH, PATH, &with("time_zone", "Asia/Tokyo")).await.0.status, 303);
    let path = format!("/users/{}", ada.id());
    let save = async |zone: &str, until: &str| {
        let html = page(&app, &staff, &path).await.body;
        let version = hidden(&html, "version");
        assert_eq!(hidden(&html, "zone"), "Asia/Tokyo");
        let names = [("username", "ada"), ("email", ""), ("first_name", ""), ("last_name", "")];
        let rest =
            [("version", version.as_str()), ("zone", zone), ("valid_from", ""), ("valid_until", until)];
        let fields: Vec<_> = names.into_iter().chain(rest).collect();
        send_from(&app, &staff, &path, &path, &fields).await
    };
    let stored = async || app.stored(ada.id()).await.valid_until.map(|until| until.to_string());
    assert_eq!(save("Asia/Tokyo", "2026-04-01T18:00").await.1, "Saved. Changed Valid until.");
    assert_eq!(stored().await.as_deref(), Some("2026-04-01T09:00:00.000000Z"));
    let html = page(&app, &staff, &path).await.body;
    for shown in [
        "value=\"2026-04-01T18:00\"",
        "In Asia/Tokyo. The account stops working then.",
        "<ins>1 Apr 2026, 18:00</ins>",
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    assert_eq!(save("Asia/Tokyo", "2026-04-01T18:00").await.1, "Nothing changed.");
    // A form that was opened before the zone was changed means the one that it names.
    assert_eq!(save("Europe/Berlin", "2026-04-01T18:00").await.1, "Saved. Changed Valid until.");
    assert_eq!(stored().await.as_deref(), Some("2026-04-01T16:00:00.000000Z"));
    let check = page(&app, &staff, &format!("{path}/sign-in-check")).await.body;
    assert!(check.contains("The account ends on 2 Apr 2026, 01:00.") && !check.contains("UTC."), "{check}");
    let told = app.get(&staff, &format!("/v1{path}/sign-in-check")).await.body;
    assert!(told.contains("The account ends on 2026-04-01 16:00 UTC."), "programs are told in UTC: {told}");
}

#[apply(on_both)]
async fn a_day_of_the_audit_log_is_one_of_the_zone_that_one_chose(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    assert_eq!(send_from(&app, &staff, PATH, PATH, &with("time_zone", "Asia/Tokyo")).await.0.status, 303);
    // 1 March 2026, 18:00 in Tokyo, and 2 March, 00:30.
    let change = async |by: &Person, name: &str| {
        let body = serde_json::json!({ "first_name": name });
        let answer = app.send(by, Method::Patch, &format!("/v1/users/{}", ada.id()), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    change(&staff, "A").await;
    app.clock.advance(std::time::Duration::from_mins(6 * 60 + 30));
    let later = app.person("later", "staff").await;
    assert_eq!(send_from(&app, &later, PATH, PATH, &with("time_zone", "Asia/Tokyo")).await.0.status, 303);
    change(&later, "B").await;
    for (days, inserted) in [("from=2026-03-02", "B"), ("to=2026-03-01", "A")] {
        let html = page(&app, &later, &format!("/audit?{days}&action=user_changed")).await.body;
        assert_eq!(html.matches("<ins>").count(), 1, "{days}: {html}");
        assert!(html.contains(&format!("<ins>{inserted}</ins>")), "{days}");
    }
}
