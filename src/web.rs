//! The HTML channel: pages with forms. Thin handlers below, one catcher here.
//!
//! To add a page: a handler in a module below, a context in `view` with its samples, a template of
//! that name, and its row in the permission matrix of the tests.

mod account;
mod assets;
mod audit;
mod audit_entries;
mod audit_export;
mod chart;
mod confirm_address;
mod device_cookie;
mod documentation;
mod download;
mod ended_session;
mod error_page;
mod first_superuser;
mod forgotten;
mod form;
mod form_body;
mod layout;
mod overview;
mod password_choice;
mod personal_data;
mod pre_session;
mod qr;
mod reauthentication;
mod set_password;
mod sign_in;
mod text;
mod tokens;
mod users;
mod view;
mod with_query;

use rocket::http::{Method, Status};
use rocket::request::Request;
use rocket::response::{Redirect, Responder, Response};
use rocket::{Catcher, Route, catch, catchers, routes};

use self::reauthentication::Renewed;
use crate::http::arrival;
use crate::http::cookies::Cookies;
use crate::http::error::Rendered;
use crate::http::path::RequestPath;
use crate::model::error::Error;
use crate::model::rules::Denial;

pub(crate) use self::assets::Assets;
pub(crate) use self::view::{folder as template_folder, templates};

/// The routes of the pages.
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut routes = routes![
        overview::home,
        audit::page,
        audit_export::audit_page,
        audit_export::audit_download,
        audit_export::history_page,
        audit_export::history_download,
        documentation::page,
        sign_in::form,
        sign_in::submit,
        sign_in::code::submit,
        sign_in::passkey::submit,
        sign_in::sign_out,
        set_password::form,
        set_password::submit,
        first_superuser::form,
        first_superuser::submit,
        confirm_address::form,
        confirm_address::submit,
        forgotten::form,
        forgotten::submit,
        ended_session::sign_in_again,
        assets::file,
    ];
    routes.extend(users::routes());
    routes.extend(account::routes());
    routes.extend(personal_data::routes());
    routes.extend(tokens::routes());
    routes
}

/// The catcher of the pages.
#[must_use]
pub fn catchers() -> Vec<Catcher> {
    catchers![error]
}

/// Renders an error as a page. A request that only reads is redirected to what the user has to do
/// first: sign in, or choose another password. An unsafe request is never repeated on its own.
#[catch(default)]
async fn error<'r>(status: Status, request: &'r Request<'_>) -> Rendered<'r> {
    Renewed::of(request).carry(Cookies::of(request));
    let refused = wrong_method(status, request);
    let stashed = Error::stashed(request).or(refused.as_ref());
    if request.method() == Method::Get
        && let Some(path) = stashed.and_then(|error| detour(error, request))
        && let Ok(response) = Redirect::to(path).respond_to(request)
    {
        return Rendered(response);
    }
    Rendered(render(status, stashed, request).await)
}

/// What went wrong, as a page.
pub(crate) async fn render<'r>(
    status: Status,
    error: Option<&Error>,
    request: &'r Request<'_>,
) -> Response<'r> {
    let (status, page) = error_page::page(status, error, request).await;
    let mut response = view::render(request, &page).unwrap_or_else(|_| Response::new());
    response.set_status(status);
    if let Some(error) = error {
        error.add_headers(&mut response);
    }
    response
}

/// No route fits because the path does not have the method.
fn wrong_method(status: Status, request: &Request<'_>) -> Option<Error> {
    let is_known = arrival::asked(request).is_some();
    if is_known && status != Status::NotFound || Error::stashed(request).is_some() {
        return None;
    }
    let method = if is_known { request.method().as_str() } else { arrival::UNKNOWN_METHOD };
    let Some(allow) = RequestPath::of(request).allowed_methods(request.rocket()) else {
        return (!is_known).then_some(Error::NoSuchPath);
    };
    let is_allowed = allow.split(", ").any(|allowed| allowed == method);
    (!is_allowed).then(|| Error::MethodNotAllowed { method: method.to_owned(), allow })
}

/// The page that has to be gone through before the one that was asked for.
fn detour(error: &Error, request: &Request<'_>) -> Option<String> {
    let wanted = request.uri().to_string();
    match error {
        Error::NotAuthenticated(_) => Some(sign_in::path_for(&wanted).to_string()),
        Error::Forbidden(Denial::PasswordChangeRequired) => {
            Some(format!("/account/password?next={}", text::encode(&wanted)))
        }
        Error::Forbidden(Denial::SecondFactorRequired) => Some("/account/security/add".to_owned()),
        _ => None,
    }
}
