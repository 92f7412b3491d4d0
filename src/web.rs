//! The HTML door: pages with forms. Thin handlers below, one catcher here.
//!
//! To add a page: a handler in a module below, a context in `view` with its samples, a template of
//! that name, and its row in the permission matrix of the tests.

mod account;
mod assets;
mod audit;
mod failure;
mod forgotten;
mod form;
mod frame;
mod password_choice;
mod pre_session;
mod set_password;
mod sign_in;
mod trail;
mod users;
mod view;

use rocket::http::{Header, Method, Status};
use rocket::request::Request;
use rocket::response::{Redirect, Responder, Response};
use rocket::{Catcher, Route, catch, catchers, routes};

use crate::error::{Error, Rendered};

pub use self::view::{Pages, pages};

/// The routes of the pages.
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut routes = routes![
        account::home,
        account::page,
        audit::page,
        sign_in::form,
        sign_in::submit,
        sign_in::sign_out,
        set_password::form,
        set_password::submit,
        forgotten::form,
        forgotten::submit,
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

/// Renders whatever went wrong on a page. Somebody who is not signed in is asked to, if they wanted to
/// read; an unsafe request is never repeated on its own.
#[catch(default)]
async fn error<'r>(status: Status, request: &'r Request<'_>) -> Rendered<'r> {
    let stashed = Error::stashed(request);
    if let Some(Error::NotAuthenticated(_)) = stashed
        && request.method() == Method::Get
    {
        let page = sign_in::path_for(request.uri().path().as_str());
        if let Ok(response) = Redirect::to(page).respond_to(request) {
            return Rendered(response);
        }
    }
    if let Some(Error::Internal(cause)) = stashed {
        log::error!("internal error: {cause}");
    }
    let (status, page) = failure::page(status, stashed, request).await;
    let mut response = view::render(request, &page).unwrap_or_else(|_| Response::new());
    response.set_status(status);
    if let Some(seconds) = stashed.and_then(Error::retry_after) {
        response.set_header(Header::new("Retry-After", seconds.to_string()));
    }
    Rendered(response)
}
