//! The HTML door: pages with forms. Thin handlers below, one catcher here.
//!
//! To add a page: a handler in a module below, a context in `view` with its samples, a template of
//! that name, and its row in the permission matrix of the tests.

mod account;
mod assets;
mod confirmation;
mod form;
mod frame;
mod sign_in;
mod tokens;
mod users;
mod view;

use rocket::http::{Header, Method, Status};
use rocket::request::Request;
use rocket::response::{Redirect, Responder, Response};
use rocket::{Catcher, Route, catch, catchers, routes};

use self::frame::Frame;
use crate::error::{Error, Rendered};
use crate::rules::Denial;

pub use self::view::{Pages, pages};

/// The routes of the pages.
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut routes = routes![sign_in::form, sign_in::submit, sign_in::sign_out, assets::file,];
    routes.extend(users::routes());
    routes.extend(account::routes());
    routes.extend(tokens::routes());
    routes
}

/// The catcher of the pages.
#[must_use]
pub fn catchers() -> Vec<Catcher> {
    catchers![error]
}

const NO_PAGE: &str = "There is no page at this address.";
const NO_ANSWER: &str = "The request could not be answered.";

/// Renders whatever went wrong on a page. Somebody who wanted to read is led to what they have to do
/// first: sign in, or choose another password. An unsafe request is never repeated on its own.
#[catch(default)]
async fn error<'r>(status: Status, request: &'r Request<'_>) -> Rendered<'r> {
    let stashed = Error::stashed(request);
    if request.method() == Method::Get
        && let Some(path) = stashed.and_then(|error| detour(error, request))
        && let Ok(response) = Redirect::to(path).respond_to(request)
    {
        return Rendered(response);
    }
    let (status, explanation) = explain(status, stashed, request.method());
    // A page about a database that does not answer does not ask it who is there.
    let frame = if status.code < 500 { Frame::around(request).await } else { None };
    let way_on = match stashed {
        Some(Error::Forbidden(Denial::PasswordChangeRequired)) => {
            ("/account/password", "Change your password")
        }
        _ => ("/", "Go to the start page"),
    };
    let page = view::ErrorPage { frame, title: status.reason_lossy().to_owned(), explanation, way_on };
    let mut response = view::render(request, &page).unwrap_or_else(|_| Response::new());
    response.set_status(status);
    if let Some(seconds) = stashed.and_then(Error::retry_after) {
        response.set_header(Header::new("Retry-After", seconds.to_string()));
    }
    Rendered(response)
}

/// The page that has to be gone through before the one that was asked for.
fn detour(error: &Error, request: &Request<'_>) -> Option<String> {
    let wanted = request.uri().to_string();
    match error {
        Error::NotAuthenticated(_) => Some(sign_in::path_for(&wanted).to_string()),
        Error::Forbidden(Denial::PasswordChangeRequired) => {
            Some(format!("/account/password?next={}", users::encode(&wanted)))
        }
        _ => None,
    }
}

/// The status of the answer, and what is said about it.
fn explain(status: Status, error: Option<&Error>, method: Method) -> (Status, String) {
    // A path that no route can read, such as /users/abc, is as good as none.
    let unreadable = status == Status::UnprocessableEntity && method == Method::Get;
    match error {
        Some(error) => {
            if let Error::Internal(cause) = error {
                log::error!("internal error: {cause}");
            }
            let explanation = match error {
                Error::Forbidden(denial) => denial.sentence().to_owned(),
                error => error.to_string(),
            };
            (error.status(), explanation)
        }
        None if status == Status::NotFound || unreadable => (Status::NotFound, NO_PAGE.to_owned()),
        None => (status, NO_ANSWER.to_owned()),
    }
}
