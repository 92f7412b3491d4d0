//! Request guards: who makes the request, what they may do, what they accept.
//!
//! A handler's signature is its policy: `can: Can<ManageUsers>` is the check. The credential is looked
//! up once per request, whichever carried it.

use std::net::IpAddr;

use rocket::http::Method;
use rocket::request::{FromRequest, Outcome, Request};

use crate::config::Settings;
use crate::http::arrival;
use crate::http::cookies::{CookieName, Cookies, Sent};
use crate::http::path::RequestPath;
use crate::http::request_id::RequestId;
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::network::reported_address;
use crate::model::origin::{self, Channel, Origin};
use crate::model::permission::Permission;
use crate::model::rules::Denial;
use crate::model::session::{Credential, Secret};
use crate::model::user::UserId;
use crate::operations::authentication::{self, Actor, Authorization};
use crate::operations::{App, Can};

/// The installation that serves this request, in the time that a request has.
pub fn app<'r>(request: &'r Request<'_>) -> Result<&'r App> {
    let app: &Option<App> = request.local_cache(|| request.rocket().state().map(App::for_request));
    app.as_ref().ok_or_else(|| Error::internal("the installation is not managed"))
}

/// Ends a guard with an error that the catcher will render.
fn fail<T>(request: &Request<'_>, error: Error) -> Outcome<T, ()> {
    Outcome::Error((error.stash(request), ()))
}

/// Has a browser carry the secret of its session.
pub(crate) fn carry(jar: Cookies<'_>, secret: &Secret) {
    jar.set(CookieName::Session, secret.to_text());
}

/// Whose credential came with the request, looked up once; whether it may be used for it is not asked.
pub(crate) async fn authenticated<'r>(request: &'r Request<'_>) -> &'r Result<Actor> {
    request
        .local_cache_async(Box::pin(async {
            let app = app(request)?;
            let credential = credential(request)?;
            let (origin, subject) = (origin(request), subject(request));
            if RequestPath::of(request).reads_users(request.method()) {
                app.db.allow_old();
            }
            let actor = authentication::authenticate_and_read(app, credential, origin, subject).await?;
            // Whatever renders a page finds them here.
            request.local_cache(|| actor.session().preferences.clone());
            Ok(actor)
        }))
        .await
}

/// The user whose record the request only reads, by the primary key in its path.
fn subject(request: &Request<'_>) -> Option<UserId> {
    if request.method() == Method::Get { RequestPath::of(request).user_alone() } else { None }
}

/// Where the request comes from, found out once.
pub(crate) fn origin<'r>(request: &'r Request<'_>) -> &'r Origin {
    request.local_cache(|| Origin {
        channel: match RequestPath::of(request) {
            path if path.is_scim() => Channel::Scim,
            path if path.is_api() => Channel::Api,
            _ => Channel::Console,
        },
        address: app(request).ok().and_then(|app| client_address(request, &app.settings)),
        device: origin::device(request.headers().get_one("User-Agent").unwrap_or_default()),
        request_id: RequestId::of(request).to_string(),
    })
}

/// The proof of a permission: the only place that makes one.
async fn proof<P: Permission>(request: &Request<'_>) -> Result<Can<P>> {
    let actor = authenticated(request).await.as_ref().map_err(Error::clone)?;
    require_allowed(request, actor)?;
    Can::check(actor)
}

/// Whether the credential may be used for this request.
fn require_allowed(request: &Request<'_>, actor: &Actor) -> Result<()> {
    let session = actor.session();
    if session.read_only && !only_reads(request) {
        return Err(Error::Forbidden(Denial::ReadOnlyToken));
    }
    if session.credential == Credential::Cookie && !is_safe(request.method()) {
        let api = is_api(request);
        match site(request, &actor.app().settings) {
            Site::Same => {}
            // A page's form also carries a token, which its handler checks.
            Site::Unknown if !api => {}
            Site::Unknown | Site::Other => return Err(Error::Forbidden(Denial::CrossSite)),
        }
        if api {
            require_json(request)?;
        }
    }
    Ok(())
}

/// Whether the request is for the API.
pub(crate) fn is_api(request: &Request<'_>) -> bool {
    RequestPath::of(request).is_api()
}

/// The one credential that counts: a bearer token if there is one, good or bad, else the cookie.
fn credential<'r>(request: &'r Request<'_>) -> Result<Authorization<'r>> {
    let mut headers = request.headers().get("Authorization");
    let header = headers.next().unwrap_or_default();
    // Of two it is unknown which one a proxy has looked at.
    if headers.next().is_some() {
        return Err(Error::NotAuthenticated(AuthenticationFailure::SeveralAuthorizationHeaders));
    }
    let mut parts = header.split_ascii_whitespace();
    if parts.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer")) {
        return match (parts.next(), parts.next()) {
            (Some(token), None) => Ok(Authorization::Bearer(token)),
            _ => Err(Error::NotAuthenticated(AuthenticationFailure::BadAuthorizationHeader)),
        };
    }
    // No browser provisions users.
    if RequestPath::of(request).is_scim() {
        return Err(Error::NotAuthenticated(AuthenticationFailure::NoCredentials));
    }
    match Cookies::of(request).sent(CookieName::Session) {
        Sent::One(value) => Ok(Authorization::Cookie(value)),
        Sent::Nothing => Err(Error::NotAuthenticated(AuthenticationFailure::NoCredentials)),
        Sent::Several => Err(Error::NotAuthenticated(AuthenticationFailure::SeveralCookies)),
    }
}

/// Whether a request changes nothing: by its method, or because it asks for one of the API's lists.
pub(crate) fn only_reads(request: &Request<'_>) -> bool {
    is_safe(request.method()) || request.method() == Method::Post && RequestPath::of(request).is_api_list()
}

fn is_safe(method: Method) -> bool {
    matches!(method, Method::Get | Method::Head | Method::Options)
}

/// Where a request comes from, as far as the browser says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// A page of this server.
    Same,
    /// A page of another one.
    Other,
    /// The client does not say.
    Unknown,
}

/// Browsers say where a request comes from by `Sec-Fetch-Site`, older ones by `Origin`.
#[must_use]
pub fn site(request: &Request<'_>, settings: &Settings) -> Site {
    let same = match (request.headers().get_one("Sec-Fetch-Site"), request.headers().get_one("Origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => is_own_origin(request, settings, origin),
        (None, None) => return Site::Unknown,
    };
    if same { Site::Same } else { Site::Other }
}

/// No page of another site sent this form, as far as the browser says. For forms that are sent before there is a session:
/// with one, [`Can`] asks the same.
#[derive(Debug)]
pub struct NotCrossSite;

/// Whether a person will see the answer: what is shown once is shown only then. Not for HEAD, which Rocket
/// answers by the routes of GET, nor for requests that a page of another site caused.
#[derive(Debug, Clone, Copy)]
pub struct MayRevealOnce(pub bool);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for MayRevealOnce {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let site = request.headers().get_one("Sec-Fetch-Site");
        let is_led = matches!(site, Some("cross-site" | "same-site"));
        Outcome::Success(Self(arrival::asked(request) == Some(Method::Get) && !is_led))
    }
}

/// Whether only the headers of the answer are asked for: HEAD, which Rocket answers by the routes of GET.
#[derive(Debug, Clone, Copy)]
pub struct OnlyHeaders(pub bool);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for OnlyHeaders {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        Outcome::Success(Self(arrival::asked(request) == Some(Method::Head)))
    }
}

fn is_own_origin(request: &Request<'_>, settings: &Settings, origin: &str) -> bool {
    if !settings.public_origin.is_empty() {
        return origin == settings.public_origin;
    }
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.is_some() && host == request.headers().get_one("Host")
}

/// A cookie never stands behind a body that a plain form of another site could send.
fn require_json(request: &Request<'_>) -> Result<()> {
    let given = request.headers().get_one("Content-Type");
    match request.content_type() {
        Some(kind) if kind.is_json() => Ok(()),
        None if given.is_none() && request.method() == Method::Delete => Ok(()),
        _ => Err(Error::UnsupportedMediaType(given.unwrap_or_default().to_owned())),
    }
}

#[rocket::async_trait]
impl<'r, P: Permission> FromRequest<'r> for Can<P> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match proof(request).await {
            Ok(can) => Outcome::Success(can),
            // What was typed in a form is not lost with the session: the console has a route for it.
            Err(error @ Error::NotAuthenticated(_))
                if !is_api(request) && request.method() == Method::Post =>
            {
                Outcome::Forward(error.stash(request))
            }
            Err(error) => fail(request, error),
        }
    }
}

/// The client accepts JSON. Stands first in every handler of the API: nothing is done for a client
/// that could not read the answer.
#[derive(Debug)]
pub struct AcceptsJson;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for AcceptsJson {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let mut headers = request.headers().get("Accept").peekable();
        if headers.peek().is_none() || headers.any(|header| accepts(header, &JSON)) {
            Outcome::Success(Self)
        } else {
            fail(request, Error::NotAcceptable)
        }
    }
}

/// What a client accepts that can read JSON.
const JSON: [&str; 3] = ["*/*", "application/*", "application/json"];

/// Whether one `Accept` header has room for one of these kinds.
pub(crate) fn accepts(header: &str, kinds: &[&str]) -> bool {
    header.trim().is_empty()
        || header.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|parameter| {
                parameter
                    .split_once('=')
                    .is_some_and(|(name, value)| name.trim() == "q" && value.trim().parse() == Ok(0.0_f32))
            });
            !refused && kinds.iter().any(|known| kind.eq_ignore_ascii_case(known))
        })
}

/// The client's address: the peer's, unless that is a proxy of ours; then what Rocket's `ip_header` says, or without
/// that setting the right-most address of `X-Forwarded-For` that is no proxy of ours.
fn client_address(request: &Request<'_>, settings: &Settings) -> Option<IpAddr> {
    let peer = request.remote().map(|remote| remote.ip().to_canonical());
    let trusted = |address: &IpAddr| settings.trusted_proxies.iter().any(|proxy| proxy.contains(*address));
    if !peer.as_ref().is_some_and(trusted) {
        return peer;
    }
    let headers = request.headers();
    if let Some(name) = &request.rocket().config().ip_header {
        return headers.get_one(name.as_str()).and_then(reported_address).or(peer);
    }
    let forwarded: Vec<&str> = headers.get("X-Forwarded-For").flat_map(|header| header.split(',')).collect();
    let mut reported = forwarded.iter().rev().map_while(|address| reported_address(address));
    reported.find(|address| !trusted(address)).or(peer)
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for &'r Origin {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        Outcome::Success(origin(request))
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for &'r App {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match app(request) {
            Ok(app) => Outcome::Success(app),
            Err(error) => fail(request, error),
        }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for NotCrossSite {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match app(request).map(|app| site(request, &app.settings)) {
            Ok(Site::Same | Site::Unknown) => Outcome::Success(Self),
            Ok(Site::Other) => fail(request, Error::Forbidden(Denial::CrossSite)),
            Err(error) => fail(request, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_headers_are_read_as_http_says() {
        for header in [
            "*/*",
            "application/json",
            "application/*;q=0.1",
            "text/html, */*;q=0.8",
            "",
            "APPLICATION/JSON; charset=utf-8",
        ] {
            assert!(accepts(header, &JSON), "{header}");
        }
        for header in
            ["text/html", "application/xml", "application/json;q=0", "text/*, application/json; q=0.000"]
        {
            assert!(!accepts(header, &JSON), "{header}");
        }
    }
}
