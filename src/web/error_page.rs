//! What a page says that cannot do what was asked: in plain words, with a way on.

use rocket::http::{Method, Status};
use rocket::outcome::Outcome;
use rocket::request::{FromRequest, Request};

use super::layout::{ConsoleSession, Layout};
use super::view::ErrorPage;
use crate::http::path::RequestPath;
use crate::http::request_id::RequestId;
use crate::model::error::Error;
use crate::model::permission::HasSession;
use crate::model::rules::{Conflict, Denial};

/// A title and what follows it.
type Words = (&'static str, String);

/// The status and page for what went wrong.
pub(super) async fn page(
    status: Status,
    error: Option<&Error>,
    request: &Request<'_>,
) -> (Status, ErrorPage) {
    // A path that no route can read, such as /users/abc, is as good as none.
    let unreadable = status == Status::UnprocessableEntity && request.method() == Method::Get;
    let status = match error {
        Some(Error::Conflict(Conflict::Erased)) if request.method() == Method::Get => Status::Gone,
        Some(error) => error.status(),
        None if unreadable => Status::NotFound,
        None => status,
    };
    let (title, explanation) = match error {
        Some(error) => of_error(error, user_of(request).is_some()),
        None => of_status(status),
    };
    let layout = layout(error, request).await;
    let (next, next_label) = match (error, page_of_button(status, request), &layout) {
        (Some(Error::CutShort(run)), _, _) => (format!("/users/bulk/{run}"), "How far it came"),
        (_, Some(page), Some(_)) => page,
        (_, None, Some(layout)) if layout.is_admin => (layout.list.clone(), "All users"),
        _ => ("/".to_owned(), "Go to the start page"),
    };
    let reference = RequestId::of(request).to_string();
    (status, ErrorPage { layout, title, explanation, next, next_label, reference })
}

/// The layout for a signed-in user. The message of the last change is kept for the next page.
async fn layout(error: Option<&Error>, request: &Request<'_>) -> Option<Layout> {
    // Who it is could not be found out either, or only after another wait.
    if matches!(error, Some(Error::Unavailable | Error::Contended | Error::CutShort(_))) {
        return None;
    }
    match ConsoleSession::<HasSession>::from_request(request).await {
        Outcome::Success(console) => Some(console.layout_without_flash("")),
        _ => None,
    }
}

/// The page that a button or a form is on, which was there when it was sent, and what it is called.
fn page_of_button(status: Status, request: &Request<'_>) -> Option<(String, &'static str)> {
    let is_sent = request.method() == Method::Post && status != Status::NotFound;
    if !is_sent && status != Status::MethodNotAllowed {
        None
    } else if request.uri().path().starts_with("/account/") {
        Some(("/account".to_owned(), "Back to your account"))
    } else if let Some(page) = user_of(request) {
        Some((page, "Back to the user"))
    } else {
        let page = RequestPath::of(request).nearest_page(request.rocket());
        Some((page, "Go back")).filter(|(page, _)| !matches!(page.as_str(), "/" | "/users"))
    }
}

/// The page of the user that the path names.
fn user_of(request: &Request<'_>) -> Option<String> {
    RequestPath::of(request).user().map(|id| format!("/users/{id}"))
}

fn of_error(error: &Error, about_a_user: bool) -> Words {
    match error {
        Error::NotAuthenticated(_) => {
            ("You are not signed in.", "Your session has ended. Sign in to go on.".to_owned())
        }
        Error::Forbidden(Denial::CrossSite) => (
            "Nothing was done.",
            "The button is on a page that was open for a long time, or on one of another site. Go back, \
             look again and press it there."
                .to_owned(),
        ),
        Error::Forbidden(denial) => ("You may not do that.", denial.sentence().to_owned()),
        Error::NotFound if about_a_user => ("No such user.", "It may have been removed.".to_owned()),
        Error::NotFound | Error::NoSuchPath => of_status(Status::NotFound),
        Error::Conflict(Conflict::Erased) => (
            "This user was erased.",
            "Nothing of the person is left here, and nothing can be changed. What happened stands in the audit log, \
             without names."
                .to_owned(),
        ),
        Error::Conflict(conflict) => ("That cannot be done.", conflict.sentence().to_owned()),
        Error::CannotUndo(obstacle) => ("That cannot be undone.", obstacle.to_string()),
        Error::PreconditionFailed => (
            "Someone else changed this first.",
            "This has changed since the page was opened. Nothing was saved. Open it again and look."
                .to_owned(),
        ),
        Error::TooLarge(limit) => {
            ("That is too large.", format!("At most {limit} bytes can be sent here. Nothing was saved."))
        }
        Error::Throttled(seconds) => ("Too many tries.", format!("Wait {}, then try again.", wait(*seconds))),
        Error::Unavailable | Error::Contended => {
            ("Cannot reach the database.", "Nothing was saved. Try again in a minute.".to_owned())
        }
        Error::CutShort(_) => (
            "The action was cut short.",
            "Cannot reach the database. What was done stays done; in a minute you can go on with the rest.".to_owned(),
        ),
        Error::Internal(_) => of_status(Status::InternalServerError),
        Error::MethodNotAllowed { .. } => of_status(Status::MethodNotAllowed),
        Error::Invalid(errors) => {
            let messages: Vec<String> = errors.iter().map(|(_, message)| message.to_string()).collect();
            ("Some of it does not fit.", format!("{} Nothing was saved.", messages.join(" ")))
        }
        Error::Malformed(reason) => (UNREADABLE, format!("{reason} {AGAIN}")),
        Error::UnsupportedMediaType(_) | Error::UnsupportedCoding(_) => of_status(Status::BadRequest),
        Error::Timeout => (
            "The form took too long to arrive.",
            "Nothing was saved. Check your connection, go back and send it again.".to_owned(),
        ),
        Error::NotAcceptable => (
            "Pages come as HTML only.",
            "Your program asked for another format. The API answers in JSON.".to_owned(),
        ),
    }
}

/// What is said of requests that no page here makes.
const UNREADABLE: &str = "What was sent could not be read.";
const AGAIN: &str = "Nothing was saved. Go back, load the page again and try once more.";

fn of_status(status: Status) -> Words {
    match status.code {
        404 => ("There is no such page.", "It may have moved, or the address has a slip in it.".to_owned()),
        405 => (
            "There is nothing to see here.",
            "A button or a form of another page sends to this address. Go on from that page.".to_owned(),
        ),
        413 => ("That is too large.", "Nothing was saved.".to_owned()),
        500.. => ("Something went wrong on our side.", "Nothing was saved.".to_owned()),
        _ => (UNREADABLE, format!("It is not one that a page here sends. {AGAIN}")),
    }
}

/// A time to wait, rounded up.
fn wait(seconds: u64) -> String {
    match seconds {
        0 | 1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_told_in_words_of_the_console() {
        for (error, title, explanation) in [
            (
                Error::Forbidden(Denial::SuperuserRequired),
                "You may not do that.",
                "Only a superuser can change this account.",
            ),
            (Error::NotFound, "No such user.", "It may have been removed."),
            (
                Error::Conflict(Conflict::LastSuperuser),
                "That cannot be done.",
                "This is the last active superuser. Make another one first.",
            ),
            (Error::Throttled(300), "Too many tries.", "Wait 5 minutes, then try again."),
            (
                Error::CutShort(7),
                "The action was cut short.",
                "Cannot reach the database. What was done stays done; in a minute you can go on with the rest.",
            ),
            (
                Error::Malformed("The body cannot be read.".into()),
                UNREADABLE,
                &*format!("The body cannot be read. {AGAIN}"),
            ),
            (
                Error::UnsupportedMediaType("text/plain".into()),
                UNREADABLE,
                &*format!("It is not one that a page here sends. {AGAIN}"),
            ),
            (
                Error::Timeout,
                "The form took too long to arrive.",
                "Nothing was saved. Check your connection, go back and send it again.",
            ),
            (Error::Throttled(1), "Too many tries.", "Wait a second, then try again."),
            (Error::Unavailable, "Cannot reach the database.", "Nothing was saved. Try again in a minute."),
        ] {
            assert_eq!(of_error(&error, true), (title, explanation.to_owned()), "{error}");
        }
    }

    #[test]
    fn er_1_nothing_of_the_cause_is_told() {
        let error = Error::internal("no such table: users at /srv/usher.db");
        let told = of_error(&error, false);
        assert_eq!(told, ("Something went wrong on our side.", "Nothing was saved.".to_owned()));
    }
}
