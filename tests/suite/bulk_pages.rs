//! One action on many users, as a browser without scripts does it.

use std::time::Duration;

use rocket::http::Method;

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::audit::trail;
use crate::bulk::crowd;
use crate::console::{hidden, names, page, send, send_from, token};

/// The hidden fields of the form, and the token.
fn form(html: &str) -> Vec<(&'static str, String)> {
    let mut fields = vec![("token", token(html.split("action=\"/users/bulk\"").nth(1).expect("the form")))];
    fields.extend(["do", "ids", "back"].map(|name| (name, hidden(html, name))));
    fields
}

async fn submit(app: &TestApp, by: &Person, html: &str, more: &[(&str, &str)]) -> (Answer, String) {
    let form = form(html);
    let mut fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend(more);
    send(app, by, "/users/bulk", &fields).await
}

#[apply(on_both)]
async fn the_list_has_boxes_and_a_bar_that_work_without_scripts(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let crowd = crowd(&app, 30).await;
    let html = page(&app, &staff, "/users?q=crowd&per=25&sort=-name").await.body;
    assert_eq!(html.matches("class=\"pick\" name=\"id\"").count(), 25);
    assert!(html.contains(&format!("value=\"{}\" aria-label=\"Select crowd0029\"", crowd[29])), "{html}");
    assert!(html.contains("name=\"all\" value=\"1\">All 30 that match"));
    assert!(!html.contains(" checked>"));
    for (name, value) in [("q", "crowd"), ("sort", "-name")] {
        assert!(
            html.contains(&format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")),
            "{name}"
        );
    }
    let next = "/users?q=crowd&sort=-name&per=25&select=page";
    assert!(html.contains(&format!("<noscript><a href=\"{next}\">")), "{html}");
    let chosen = page(&app, &staff, next).await.body;
    assert_eq!(chosen.matches("\" checked></label>").count(), 25);
    assert_eq!(names(&chosen), names(&html));
    assert!(!page(&app, &staff, "/users?q=crowd").await.body.contains("that match</label>"), "all are shown");
}

#[apply(on_both)]
async fn without_a_choice_of_what_to_do_the_users_that_were_chosen_are_kept(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let (ada, bob) = (app.person("ada", "").await, app.person("bob", "").await);
    let path = format!("/users/bulk?q=a&do=more&more=&id={}&id={}", ada.id(), bob.id());
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("<h1>Choose what to do</h1>") && html.contains("You chose 2 users."), "{html}");
    for id in [ada.id(), bob.id()] {
        assert!(html.contains(&format!("name=\"id\" value=\"{id}\"")), "{html}");
    }
    assert!(html.contains("name=\"q\" value=\"a\"") && html.contains("name=\"do\" value=\"remove_staff\""));
    let all = page(&app, &staff, "/users/bulk?do=more&more=&all=1&q=a").await.body;
    assert!(
        all.contains("You chose all users that match.") && all.contains("name=\"all\" value=\"1\""),
        "{all}"
    );
    let none = page(&app, &staff, "/users/bulk?do=more&more=").await.body;
    assert!(none.contains("Choose users in the list first."), "{none}");
}

#[apply(on_both)]
async fn users_are_chosen_confirmed_done_and_taken_back(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let (ada, bob) = (app.person("ada", "").await, app.person("bob", "").await);
    let (off, id) = (app.person("off", "inactive").await, |person: &Person| person.id());
    let path = format!(
        "/users/bulk?q=a&do=deactivate&id={}&id={}&id={}&id={}",
        id(&ada),
        id(&bob),
        id(&off),
        id(&staff)
    );
    let question = page(&app, &staff, &path).await;
    assert_eq!(question.status, 200);
    let html = question.body;
    for part in [
        "<h1>Deactivate 2 users?</h1>",
        "They are signed out straight away",
        "<small>ada</small>",
        "<small>bob</small>",
        "<b>1 user was left out:</b> There is nothing to change.",
        "<b>1 user was left out:</b> You cannot deactivate yourself.",
        ">Deactivate 2 users</button>",
        "href=\"/users?q=a\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("name=\"number\"") && !html.contains("name=\"current_password\""));
    assert!(app.stored(ada.id()).await.is_active && trail(&app).await.is_empty());
    assert_eq!(page(&app, &staff, "/users/bulk/1").await.status, 404, "the question stores nothing");

    let (answer, message) = submit(&app, &staff, &html, &[]).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/users/bulk/1")));
    assert_eq!(message, "2 users deactivated.");
    assert!(!app.stored(ada.id()).await.is_active && !app.is_signed_in(&bob, By::Cookie).await);
    let html = page(&app, &staff, "/users/bulk/1").await.body;
    for part in [
        "<h1>2 users deactivated</h1>",
        "By staff, <time",
        &format!("<a href=\"/users/{}\">ada</a></th><td>Done</td>", ada.id()),
        "action=\"/users/bulk/1/undo\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let (answer, message) = send_from(&app, &staff, "/users/bulk/1", "/users/bulk/1/undo", &[]).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/users/bulk/2")));
    assert_eq!(message, "2 users put back as before.");
    assert!(app.stored(ada.id()).await.is_active && app.stored(bob.id()).await.is_active);
    let html = page(&app, &staff, "/users/bulk/1").await.body;
    assert!(
        html.contains("It was <a href=\"/users/bulk/2\">undone</a>") && !html.contains("/users/bulk/1/undo")
    );
    let (again, _) = send_from(&app, &staff, "/users/bulk/1", "/users/bulk/1/undo", &[]).await;
    assert_eq!(again.status, 409);
}

#[apply(on_both)]
async fn what_is_confirmed_is_what_is_done_whatever_matches_by_then(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let crowd = crowd(&app, 25).await;
    let html = page(&app, &staff, "/users/bulk?q=crowd&do=more&more=give_staff&all=1&per=25").await.body;
    assert!(html.contains("<h1>Give staff access to 25 users?</h1>"), "{html}");
    assert!(html.contains("and 5 more"));
    let late = app.person("crowd-late", "").await;
    app.sql(&format!("UPDATE users SET username = 'gone' WHERE id = {}", crowd[3])).await;
    let (_, message) = submit(&app, &staff, &html, &[]).await;
    assert_eq!(message, "25 users given staff access.");
    assert!(app.stored(crowd[3]).await.is_staff && !app.stored(late.id()).await.is_staff);
}

#[apply(on_both)]
async fn many_users_are_done_only_after_their_number_is_typed(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let crowd = crowd(&app, 120).await;
    let html = page(&app, &staff, "/users/bulk?q=crowd&do=deactivate&all=1").await.body;
    assert!(html.contains("Type 120 to go on"), "{html}");
    for number in ["", "12", "yes"] {
        let (answer, _) = submit(&app, &staff, &html, &[("number", number)]).await;
        assert_eq!(answer.status, 422, "{number}");
        assert!(answer.body.contains("Type the number of users to go on."));
        assert!(answer.body.contains("<title>Error: Deactivate 120 users"));
    }
    assert!(app.stored(crowd[0]).await.is_active);
    let (answer, message) = submit(&app, &staff, &html, &[("number", " 120 ")]).await;
    assert_eq!((answer.status, message.as_str()), (303, "120 users deactivated."));
    let html = page(&app, &staff, "/users/bulk/1").await.body;
    assert!(html.contains("and 20 more, done") && !app.stored(crowd[119]).await.is_active);
}

#[apply(on_both)]
async fn se_6_signing_several_out_asks_for_the_password_in_the_same_form(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let (ada, bob) = (app.person("ada", "").await, app.person("bob", "").await);
    let path = format!("/users/bulk?do=end_sessions&id={}&id={}", ada.id(), bob.id());
    assert!(!page(&app, &staff, &path).await.body.contains("name=\"current_password\""), "just signed in");
    app.clock.advance(Duration::from_mins(6));
    let html = page(&app, &staff, &path).await.body;
    assert!(
        html.contains("<h1>Sign out 2 users everywhere?</h1>") && html.contains("name=\"current_password\"")
    );
    for (password, problem) in
        [("", "Enter your password to go on."), ("wrong", "Your current password is wrong.")]
    {
        let (answer, _) = submit(&app, &staff, &html, &[("current_password", password)]).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(problem) && answer.body.contains("id=\"current_password-error\""));
        assert!(app.is_signed_in(&ada, By::Cookie).await);
    }
    let (answer, message) = submit(&app, &staff, &html, &[("current_password", PASSWORD)]).await;
    assert_eq!((answer.status, message.as_str()), (303, "2 users signed out everywhere."));
    assert!(!app.is_signed_in(&ada, By::Cookie).await);
    assert!(!page(&app, &staff, "/users/bulk/1").await.body.contains("/undo\""));
}

#[apply(on_both)]
async fn az_6_whom_one_may_not_touch_is_left_out_and_refused(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let ada = app.person("ada", "").await;
    let path = format!("/users/bulk?do=deactivate&id={}&id={}", root.id(), ada.id());
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("<h1>Deactivate 1 user?</h1>"));
    assert!(html.contains("Only a superuser can change this account.") && !html.contains("<small>root"));
    let token = token(&html);
    let ids = format!("{} {}", root.id(), ada.id());
    let fields = [("token", token.as_str()), ("do", "deactivate"), ("ids", &ids)];
    let (_, message) = send(&app, &staff, "/users/bulk", &fields).await;
    assert_eq!(message, "1 user deactivated, 1 not.");
    assert_eq!(app.stored(root.id()).await, root.user);
    let html = page(&app, &staff, "/users/bulk/1").await.body;
    assert!(html.contains("<td>Not done</td><td>Only a superuser can change this account.</td>"), "{html}");
    let nothing = page(&app, &staff, &format!("/users/bulk?do=deactivate&id={}", root.id())).await.body;
    assert!(nothing.contains("<h1>Nothing to do</h1>") && !nothing.contains("action=\"/users/bulk\""));
}

#[apply(on_both)]
async fn cs_1_nothing_is_done_without_the_token_and_a_stale_page_comes_back(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let ada = app.person("ada", "").await;
    let html = page(&app, &staff, &format!("/users/bulk?do=deactivate&id={}", ada.id())).await.body;
    let (answer, _) = submit(&app, &other, &html, &[]).await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.body.contains("This page was open for a long time.")
            && answer.body.contains("Deactivate 1 user")
    );
    assert!(app.stored(ada.id()).await.is_active);
    submit(&app, &staff, &html, &[]).await;
    for token in ["", "AAAA"] {
        assert_eq!(send(&app, &staff, "/users/bulk/1/undo", &[("token", token)]).await.0.status, 403);
    }
    assert!(!app.stored(ada.id()).await.is_active);
}

#[apply(on_both)]
async fn odd_addresses_lead_back_to_the_list(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for (path, back) in [
        ("/users/bulk", "/users"),
        ("/users/bulk?do=explode&q=a+b", "/users?q=a%20b"),
        ("/users/bulk?do=more&more=&status=active", "/users?status=active"),
    ] {
        let html = page(&app, &staff, path).await.body;
        assert!(html.contains(&format!("href=\"{back}\">Back to users")), "{path}: {html}");
        assert!(html.contains("Choose users in the list first."), "{path}");
    }
    for (path, location) in [
        ("/users/bulk?do=more&more=export&id=1&id=2&q=x", "/users/export?q=x&id=1&id=2"),
        ("/users/bulk?do=more&more=export&id=1&all=1&q=x", "/users/export?q=x"),
    ] {
        let answer = page(&app, &staff, path).await;
        assert_eq!((answer.status, answer.header("Location")), (303, Some(location)), "{path}");
    }
    let empty = page(&app, &staff, "/users/bulk?do=deactivate").await;
    assert!(empty.body.contains("Choose users in the list first."));
    let strange = page(&app, &staff, "/users/bulk?do=deactivate&id=x&id=99999999999999999999").await;
    assert!(strange.body.contains("There is no such user."), "{}", strange.body);
    for path in ["/users/bulk/abc", "/users/bulk/0", "/users/bulk/99999999999999999999"] {
        assert_eq!(page(&app, &staff, path).await.status, 404, "{path}");
    }
    crowd(&app, 1001).await;
    let many = page(&app, &staff, "/users/bulk?do=deactivate&all=1").await;
    assert_eq!(many.status, 400);
    assert!(many.body.contains("Narrow the filter: at most 1,000 users at once."));
    let request = app.request(Method::Head, "/users/bulk?do=deactivate&id=1", Some((&staff, By::Cookie)));
    assert_eq!(request.dispatch().await.status().code, 200);
}
