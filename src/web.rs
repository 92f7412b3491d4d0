//! The HTML door: pages with forms. Thin handlers below, one catcher here.
//!
//! To add a page: a handler in a module below, a context in `view` with its samples, a template of
//! that name, and its row in the permission matrix of the tests.

mod account;
mod assets;
mod form;
mod frame;
mod sign_in;
mod users;
mod view;

use rocket::http::{Header, Method, Status};
use rocket::request::Request;
use rocket::response::{Redirect, Responder, Response};
use rocket::{Catcher, Route, catch, catchers, routes};

use crate::error::{Error, Rendered};
use crate::request_id::RequestId;

pub use self::view::{Pages, pages};

/// The routes of the pages.
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut routes = routes![
        account::home,
        account::page,
        sign_in::form,
        sign_in::submit,
        sign_in::sign_out,
        assets::file,
    ];
    routes.extend(users::routes());
    routes
}

/// The catcher of the pages.
#[must_use]
pub fn catchers() -> Vec<Catcher> {
    catchers![error]
}

const NO_PAGE: &str = "There is no page at this address.";
const NO_ANSWER: &str = "The request could not be answered.";

/// Renders whatever went wrong on a page. Somebody who is not signed in is asked to, if they wanted to
/// read; an unsafe request is never repeated on its own.
#[catch(default)]
fn error<'r>(status: Status, request: &'r Request<'_>) -> Rendered<'r> {
    let stashed = Error::stashed(request);
    if let Some(Error::NotAuthenticated(_)) = stashed
        && request.method() == Method::Get
    {
        let page = sign_in::path_for(request.uri().path().as_str());
        if let Ok(response) = Redirect::to(page).respond_to(request) {
            return Rendered(response);
        }
    }
    // A path that no route can read, such as /users/abc, is as good as none.
    let unreadable = status == Status::UnprocessableEntity && request.method() == Method::Get;
    let (status, explanation) = match stashed {
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
        // A path that no route can read, such as /users/abc, is as good as none.
        None if status == Status::NotFound || unreadable => (Status::NotFound, NO_PAGE.to_owned()),
        None => (status, NO_ANSWER.to_owned()),
    };
    let title = status.reason_lossy().to_owned();
    let reference = RequestId::of(request).to_string();
    let page = view::ErrorPage { title, explanation, reference };
    let mut response = view::render(request, &page).unwrap_or_else(|_| Response::new());
    response.set_status(status);
    if let Some(seconds) = stashed.and_then(Error::retry_after) {
        response.set_header(Header::new("Retry-After", seconds.to_string()));
    }
    Rendered(response)
}
