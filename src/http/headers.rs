//! What every request passes on its way in, and every answer on its way out.

use std::sync::Arc;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Header, Method};
use rocket::request::Request;
use rocket::response::Response;

use crate::config::Settings;
use crate::http::guards;
use crate::http::request_id::RequestId;
use crate::http::traffic::Traffic;
use crate::operations::App;

/// Bodies leave in pieces of this size, in bytes. Rocket's own 4 KiB cost a list two thirds of its
/// throughput.
const CHUNK: usize = 64 * 1024;

const HTML_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
    frame-ancestors 'none'";
const OTHER_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Security headers, caching, CORS for the origins that are allowed, and the size of the pieces.
pub(crate) struct Headers;

#[rocket::async_trait]
impl Fairing for Headers {
    fn info(&self) -> Info {
        Info { name: "headers", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        add(request, response);
    }
}

/// Adds the headers to an answer.
pub(crate) fn add(request: &Request<'_>, response: &mut Response<'_>) {
    let html = response.content_type().is_some_and(|kind| kind.is_html());
    let fixed = [
        ("Content-Security-Policy", if html { HTML_POLICY } else { OTHER_POLICY }),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
    ];
    for (name, value) in fixed {
        response.set_header(Header::new(name, value));
    }
    if response.headers().get_one("Cache-Control").is_none() {
        response.set_header(Header::new("Cache-Control", "no-store"));
        response.adjoin_header(Header::new("Vary", "Sec-Fetch-Site, Origin, Cookie"));
    }
    if let Some(app) = request.rocket().state::<App>() {
        if app.settings.public_origin.starts_with("https://") {
            // Below a path the host is that of other programs, too; its subdomains are for them to decide on.
            let is_alone = app.settings.base_path.is_empty();
            let value = if is_alone { "max-age=63072000; includeSubDomains" } else { "max-age=63072000" };
            response.set_header(Header::new("Strict-Transport-Security", value));
        }
        cross_origin(request, response, &app.settings);
    }
    if let Some(seconds) = guards::app(request).ok().and_then(|app| app.db.age()) {
        // RFC 9111 has dropped the second one, which clients still know.
        response.set_header(Header::new("Age", seconds.to_string()));
        response.set_header(Header::new("Warning", "110 - \"Response is Stale\""));
    }
    response.set_header(Header::new("X-Request-Id", RequestId::of(request).to_string()));
    // Proxies leave before the connections are closed.
    if request.rocket().state::<Arc<Traffic>>().is_some_and(|traffic| traffic.is_stopping()) {
        response.set_header(Header::new("Connection", "close"));
    }
    response.set_max_chunk_size(CHUNK);
}

/// What pages of other origins may read beside what they always may; each header that `openapi.json` names is among them.
const EXPOSED: &str = "Age, Allow, ETag, Link, Location, Retry-After, Warning, WWW-Authenticate, X-Next-Cursor, \
                       X-Request-Id, X-Total-Count";

/// CORS: exact origins only, and never with cookies.
fn cross_origin(request: &Request<'_>, response: &mut Response<'_>, settings: &Settings) {
    let Some(origin) = request.headers().get_one("Origin") else { return };
    if !guards::is_api(request) || !settings.cors_origins.iter().any(|known| known == origin) {
        return;
    }
    response.set_header(Header::new("Access-Control-Allow-Origin", origin.to_owned()));
    response.set_header(Header::new("Cross-Origin-Resource-Policy", "cross-origin"));
    response.set_header(Header::new("Access-Control-Expose-Headers", EXPOSED));
    if request.method() == Method::Options {
        let methods = response.headers().get_one("Allow").unwrap_or_default().to_owned();
        response.set_header(Header::new("Access-Control-Allow-Methods", methods));
        let ours = ["authorization", "content-type", "if-match", "if-none-match"].into_iter();
        let headers: Vec<&str> = ours.chain(settings.cors_headers.iter().map(String::as_str)).collect();
        let headers = headers.join(", ");
        response.set_header(Header::new("Access-Control-Allow-Headers", headers));
        response.set_header(Header::new("Access-Control-Max-Age", "600"));
    }
}
