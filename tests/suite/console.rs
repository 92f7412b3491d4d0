//! The users pages, as a browser without scripts uses them.

use rocket::http::{ContentType, Header, Method};

use crate::app::{Answer, By, Person, TestApp, cookie_header};

/// A page as a user sees it.
pub(crate) async fn page(app: &TestApp, person: &Person, path: &str) -> Answer {
    let mut answer =
        Answer::of(app.request(Method::Get, path, Some((person, By::Cookie))).dispatch().await).await;
    answer.body = answer
        .body
        .replace("&#x2F;", "/")
        .replace("&#x27;", "'")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    answer
}

pub(crate) fn token(html: &str) -> String {
    let start = html.split("name=\"token\" value=\"").nth(1).expect("a token");
    start.split('"').next().unwrap().to_owned()
}

pub(crate) fn hidden(html: &str, name: &str) -> String {
    let start = html.split(&format!("name=\"{name}\" value=\"")).nth(1).expect(name);
    start.split('"').next().unwrap().to_owned()
}

/// The user names in the rows of a list.
pub(crate) fn names(html: &str) -> Vec<String> {
    html.split("<small class=\"cut\">")
        .skip(1)
        .map(|part| part.split("</small>").next().unwrap().replace("<mark>", "").replace("</mark>", ""))
        .collect()
}

/// The path behind a link's text.
pub(crate) fn link(html: &str, text: &str) -> String {
    let before = html.split(&format!(">{text}</a>")).next().unwrap();
    before.rsplit("href=\"").next().unwrap().split('"').next().unwrap().to_owned()
}

/// Sends a form from a page of the same origin. The answer, and the message that the next page shows.
pub(crate) async fn send(
    app: &TestApp,
    person: &Person,
    path: &str,
    fields: &[(&str, &str)],
) -> (Answer, String) {
    let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let request = app.request(Method::Post, path, Some((person, By::Cookie)));
    let request = request.header(ContentType::Form).body(body.join("&"));
    let response = request.dispatch().await;
    // Another password gives a browser another session, which is not that person's any more.
    if path != "/account/password" {
        app.note_renewal(person, &response);
    }
    let flash = response.cookies().get("__Host-flash-0a1b2c3d").cloned();
    let answer = Answer::of(response).await;
    let message = match (flash, answer.header("Location")) {
        (Some(flash), Some(next)) => {
            let request = app.request(Method::Get, next, Some((person, By::Cookie)));
            let request = request.header(cookie_header(flash.name(), flash.value()));
            let html = request.dispatch().await.into_string().await.unwrap_or_default();
            let note = html.split("role=\"status\"><p>").nth(1).unwrap_or_default();
            note.split("</p>").next().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    (answer, message)
}

/// Sends a form with the token of the page that it stands on.
pub(crate) async fn send_from(
    app: &TestApp,
    person: &Person,
    page_path: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> (Answer, String) {
    let token = token(&page(app, person, page_path).await.body);
    let mut all = vec![("token", token.as_str())];
    all.extend(fields);
    send(app, person, path, &all).await
}

#[apply(on_both)]
async fn a_user_is_added_and_what_was_typed_comes_back_when_it_does_not_fit(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let typed = [
        ("username", "Ada Lovelace"),
        ("email", "ada@"),
        ("first_name", "Ada"),
        ("last_name", "Lovelace"),
        ("password", "short"),
    ];
    let (answer, _) = send_from(&app, &staff, "/users/new", "/users/new", &typed).await;
    assert_eq!(answer.status, 422);
    for part in [
        "<title>Error: Add user",
        "id=\"errors\"",
        "href=\"#username\"",
        "href=\"#password\"",
        "value=\"ada@\"",
        "aria-invalid=\"true\"",
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert!(!answer.body.contains("short\""), "a password never comes back");

    let typed = [
        ("username", "ada"),
        ("email", ""),
        ("first_name", "Ada"),
        ("last_name", "Lovelace"),
        ("password", "quite a long one"),
        ("is_staff", "1"),
    ];
    let (answer, message) = send_from(&app, &staff, "/users/new", "/users/new", &typed).await;
    assert_eq!(answer.status, 303);
    assert_eq!(message, "Added Ada Lovelace.");
    assert_eq!(app.obtain("ADA", "quite a long one").await.status, 200);
    let id = answer.header("Location").unwrap().rsplit('/').next().unwrap().parse().unwrap();
    assert!(app.stored(id).await.is_staff);
    let (again, _) = send_from(&app, &staff, "/users/new", "/users/new", &typed).await;
    assert!(again.body.contains("The username “ada” is taken. Choose another."), "{}", again.body);
}

#[apply(on_both)]
async fn an_edit_says_what_it_changed_and_the_form_and_the_api_refuse_alike(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ada = app.person("ada", "").await;
    let path = format!("/users/{}", ada.id());
    let version = hidden(&page(&app, &staff, &path).await.body, "version");
    let fields = [
        ("version", version.as_str()),
        ("username", "ada"),
        ("email", "ada@example.org"),
        ("first_name", "Ada"),
        ("last_name", ""),
        ("access", "1"),
    ];
    let (answer, message) = send_from(&app, &staff, &path, &path, &fields).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some(path.as_str())));
    assert_eq!(message, "Saved. Changed Email and First name.");
    assert_eq!(app.stored(ada.id()).await.email, "ada@example.org");

    let version = hidden(&page(&app, &staff, &path).await.body, "version");
    // Each in its own words: what the page says, and what programs know.
    for (field, value, console, programs) in [
        (
            "username",
            "a b!",
            "Username can only have letters, digits and . _ - + @. Remove spaces and “!”.",
            "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.",
        ),
        ("username", "", "Enter a username.", "This field may not be blank."),
        (
            "username",
            "Staff",
            "The username “Staff” is taken. Choose another.",
            "A user with that username already exists.",
        ),
        (
            "username",
            "4711",
            "This username is reserved. Choose one that is not a number, “list” or “create”.",
            "This name is reserved. It could not be fetched by name: choose one that is not a number, \"list\" \
             or \"create\".",
        ),
        (
            "email",
            "nowhere",
            "Enter an email address in the format name@example.org.",
            "Enter a valid email address.",
        ),
        (
            "first_name",
            &"x".repeat(151),
            "First name must have 150 characters or fewer. You entered 151.",
            "Ensure this field has no more than 150 characters.",
        ),
    ] {
        let mut fields = vec![
            ("version", version.as_str()),
            ("username", "ada"),
            ("email", ""),
            ("first_name", ""),
            ("last_name", ""),
        ];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let (form, _) = send_from(&app, &staff, &path, &path, &fields).await;
        let api = app
            .send(
                &staff,
                Method::Patch,
                &format!("/v1/users/{}", ada.id()),
                &serde_json::json!({ field: value }),
            )
            .await;
        assert_eq!((form.status, api.status), (422, 400), "{field}");
        assert_eq!(api.json()[field], serde_json::json!([programs]), "{field}");
        let link = format!("<a href=\"#{field}\">{console}</a>");
        assert!(form.body.contains(&link), "{link}: {}", form.body);
        assert!(form.body.contains(&format!("Error: </span>{console}</p>")), "{console}: {}", form.body);
    }
}

#[apply(on_both)]
async fn az_9_two_people_editing_one_user_overwrite_nothing_silently(app: TestApp) {
    let (one, two) = (app.person("one", "staff").await, app.person("two", "staff").await);
    let ada = app.person("ada", "").await;
    let path = format!("/users/{}", ada.id());
    let version = hidden(&page(&app, &one, &path).await.body, "version");
    let typed = |email| {
        [
            ("version", version.as_str()),
            ("username", "ada"),
            ("email", email),
            ("first_name", "Ada"),
            ("last_name", ""),
        ]
    };
    assert_eq!(send_from(&app, &two, &path, &path, &typed("two@example.org")).await.0.status, 303);
    let (conflict, _) = send_from(&app, &one, &path, &path, &typed("one@example.org")).await;
    assert_eq!(conflict.status, 412);
    assert!(conflict.body.contains("two@example.org") && conflict.body.contains("one@example.org"));
    assert!(!conflict.body.contains("keep_first_name"), "only what differs is asked");
    let who = "<b>two</b> changed it on <time datetime=\"2026-03-01T09:00Z\">1 Mar 2026, 09:00</time>";
    assert!(conflict.body.contains(who), "{}", conflict.body);
    assert_eq!(app.stored(ada.id()).await.email, "two@example.org", "nothing was overwritten");

    let now = hidden(&conflict.body, "version");
    let choose = |keep| {
        [
            ("version", now.as_str()),
            ("username", "ada"),
            ("email", "one@example.org"),
            ("first_name", "Ada"),
            ("last_name", "L."),
            ("keep_email", keep),
        ]
    };
    assert_eq!(send_from(&app, &one, &path, &path, &choose("theirs")).await.0.status, 303);
    let stored = app.stored(ada.id()).await;
    assert_eq!((stored.email.as_str(), stored.last_name.as_str()), ("two@example.org", "L."));
}

#[apply(on_both)]
async fn a_stale_form_comes_back_with_everything_typed(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let ada = app.person("ada", "").await;
    let path = format!("/users/{}", ada.id());
    let old = token(&page(&app, &other, "/users/new").await.body);
    let fields = [
        ("token", old.as_str()),
        ("version", "1"),
        ("username", "ada"),
        ("email", "ada@example.org"),
        ("first_name", "Ada"),
    ];
    for path in [path.as_str(), "/users/new"] {
        let (answer, _) = send(&app, &staff, path, &fields).await;
        assert_eq!(answer.status, 422, "{path}");
        assert!(answer.body.contains("This page was open for a long time."), "{path}");
        assert!(answer.body.contains("value=\"ada@example.org\""), "{path}: {}", answer.body);
    }
    assert_eq!(app.stored(ada.id()).await, ada.user, "nothing was saved");
    let (answer, _) = send(&app, &staff, &path, &fields).await;
    let fresh = token(&answer.body);
    let again = fields.map(|(name, value)| (name, if name == "token" { fresh.as_str() } else { value }));
    assert_eq!(send(&app, &staff, &path, &again).await.0.status, 303, "sent again, it is saved");
    assert_eq!(app.stored(ada.id()).await.email, "ada@example.org");
}

#[apply(on_both)]
async fn deactivating_is_done_at_once_and_can_be_undone(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    let (answer, message) = send_from(&app, &staff, &path, &format!("{path}/deactivate"), &[]).await;
    assert_eq!(answer.status, 303);
    assert_eq!(message, "ada was deactivated and signed out of 2 devices.");
    assert!(!app.stored(ada.id()).await.is_active);
    assert!(!app.is_signed_in(&ada, By::Cookie).await, "se_2");
    assert!(page(&app, &staff, &path).await.body.contains("Reactivate"));
    let (_, message) = send_from(&app, &staff, &path, &format!("{path}/reactivate"), &[]).await;
    assert_eq!(message, "ada was reactivated.");
    assert!(app.stored(ada.id()).await.is_active);
    let own = format!("/users/{}", staff.id());
    assert!(page(&app, &staff, &own).await.body.contains("You cannot deactivate yourself."));
    assert_eq!(send_from(&app, &staff, &own, &format!("{own}/deactivate"), &[]).await.0.status, 409);
}

#[apply(on_both)]
async fn a_password_is_reset_and_never_shown(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}/password", ada.id());
    let version = hidden(&page(&app, &staff, &path).await.body, "version");
    let (answer, _) =
        send_from(&app, &staff, &path, &path, &[("version", &version), ("password", "password")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("This password is on lists of common passwords. Choose another."));
    let fields = [("version", version.as_str()), ("password", "a brand new password")];
    let (answer, message) = send_from(&app, &staff, &path, &path, &fields).await;
    assert_eq!(answer.status, 303);
    assert_eq!(message, "Password reset. ada was signed out everywhere.");
    assert!(!app.is_signed_in(&ada, By::Bearer).await);
    assert_eq!(app.obtain("ada", "a brand new password").await.status, 200);
}

#[apply(on_both)]
async fn what_the_viewer_may_not_do_is_shown_with_its_reason(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let seen = page(&app, &staff, &format!("/users/{}", root.id())).await;
    assert_eq!(seen.status, 200);
    assert!(seen.body.contains("Only a superuser can change this account."));
    assert!(!seen.body.contains("Save changes") && !seen.body.contains(">Deactivate<"));
    let ordinary = app.person("ordinary", "").await;
    let refused = page(&app, &ordinary, "/users").await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("Only staff and superusers may do this."));
    let (answer, _) =
        send_from(&app, &staff, "/users/new", &format!("/users/{}/deactivate", root.id()), &[]).await;
    assert_eq!(answer.status, 403, "az_3");
    assert!(app.stored(root.id()).await.is_active);
}

#[apply(on_both)]
async fn cs_1_a_form_without_its_token_or_from_another_site_changes_nothing(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let other = app.person("other", "staff").await;
    let path = format!("/users/{}/deactivate", ada.id());
    let foreign = token(&page(&app, &other, "/users/new").await.body);
    for token in ["", "AAAA", &foreign] {
        let (answer, _) = send(&app, &staff, &path, &[("token", token)]).await;
        let back = format!("<a href=\"/users/{}\">Back to the user</a>", ada.id());
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("a page that was open for a long time"), "{}", answer.body);
        assert!(answer.body.replace("&#x2F;", "/").contains(&back), "{}", answer.body);
    }
    assert!(app.stored(ada.id()).await.is_active && app.is_signed_in(&ada, By::Cookie).await);
    let own = token(&page(&app, &staff, "/users/new").await.body);
    assert_eq!(send(&app, &staff, "/sign-out", &[("token", &foreign)]).await.0.status, 403);
    assert!(app.is_signed_in(&staff, By::Cookie).await);
    for site in ["cross-site", "same-site", "none"] {
        let request = app.client.post(path.clone()).header(ContentType::Form).body(format!("token={own}"));
        let request = request
            .header(cookie_header("__Host-sid-0a1b2c3d", &staff.cookie))
            .header(Header::new("Sec-Fetch-Site", site));
        assert_eq!(request.dispatch().await.status().code, 403, "{site}");
    }
    assert!(app.stored(ada.id()).await.is_active);
}

#[test]
fn every_page_has_its_address_in_the_documentation() {
    let document = include_str!("../../docs/console.md");
    let rows: Vec<(&str, &str)> =
        document.lines().filter_map(|line| line.strip_prefix("| `/")?.split_once(" | ")).collect();
    for route in usher::web::routes() {
        let path = route.uri.path().replace("<id>", "{pk}").replace("<batch>", "{batch}");
        if route.method != Method::Get || path.starts_with("/static/") {
            continue;
        }
        let (page, part) = path.rsplit_once('/').unwrap();
        let has = |addresses: &str, path: &str| format!("`/{addresses}").contains(&format!("`{path}`"));
        let is_told = rows.iter().any(|(addresses, text)| {
            has(addresses, &path) || has(addresses, page) && text.contains(&format!("`/{part}`"))
        });
        assert!(is_told, "docs/console.md has no row for {path}");
    }
}
