//! Compressed pages and assets.
//!
//! Pages are an eighth of their size when compressed, which is what a slow line notices. What they echo of
//! a request stands beside no secret that stays the same: the token in a form differs in every answer,
//! so that its length gives nothing away. JSON is sent as it is: it is read by programs nearby. What of it is public
//! says so by [`allow`].

use std::convert::Infallible;
use std::io::{Cursor, Write};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{ContentType, Header};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::Response;

/// Shorter bodies, in bytes, fit into one packet anyway.
const SHORTEST: usize = 1000;
/// Of flate2's 0 to 9. For pages most of the gain for little of the time; assets are fetched once.
const PAGES: u32 = 5;
const ASSETS: u32 = 9;
/// Of brotli's 0 to 11, for pages: a tenth smaller than gzip's. Below it brotli gains nothing.
const BROTLI: i32 = 5;
/// The window of brotli, as a power of 2 of bytes: longer than any page but a list of 100.
const WINDOW: i32 = 16;

/// Compresses what is text for people, for clients that accept it.
pub(crate) struct Pages;

#[rocket::async_trait]
impl Fairing for Pages {
    fn info(&self) -> Info {
        Info { name: "compression", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let is_public = request.local_cache(|| Public(false)).0;
        if !is_public && !response.content_type().is_some_and(|kind| is_for_people(&kind)) {
            return;
        }
        response.adjoin_header(Header::new("Vary", "Accept-Encoding"));
        let long = response.body().preset_size().is_some_and(|size| size >= SHORTEST);
        let is_done = response.headers().contains("Content-Encoding");
        let is_page = response.content_type().is_some_and(|kind| kind.is_html());
        let coding = match (is_page && accepts_brotli(request), accepts_gzip(request)) {
            _ if is_done || !long => return,
            (true, _) => "br",
            (false, true) => "gzip",
            (false, false) => return,
        };
        // The body is in memory already; if it cannot be read the answer stays without one.
        let Ok(plain) = response.body_mut().to_bytes().await else { return };
        let level = if is_page { PAGES } else { ASSETS };
        let compressed = if coding == "br" { brotli(&plain) } else { gzip(&plain, level) };
        let body = match compressed {
            Ok(compressed) => {
                response.set_header(Header::new("Content-Encoding", coding));
                compressed
            }
            Err(_) => plain,
        };
        response.set_sized_body(body.len(), Cursor::new(body));
    }
}

/// Whether the answer to a request may be compressed though it is JSON.
struct Public(bool);

/// Has the answer to this request compressed: it echoes nothing of it, and holds no secret.
pub(crate) fn allow(request: &Request<'_>) {
    request.local_cache(|| Public(true));
}

fn is_for_people(kind: &ContentType) -> bool {
    kind.is_html() || kind.is_css() || kind.is_javascript() || kind.is_svg()
}

fn gzip(plain: &[u8], level: u32) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::new(level));
    encoder.write_all(plain)?;
    encoder.finish()
}

fn brotli(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let parameters = BrotliEncoderParams {
        quality: BROTLI,
        lgwin: WINDOW,
        size_hint: plain.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::with_capacity(plain.len() / 4);
    brotli::BrotliCompress(&mut &*plain, &mut compressed, &parameters)?;
    Ok(compressed)
}

fn accepts_gzip(request: &Request<'_>) -> bool {
    request
        .headers()
        .get("Accept-Encoding")
        .any(|header| accepts(header, "gzip").or(accepts(header, "*")) == Some(true))
}

/// Only by its name: of what accepts anything too little is known.
fn accepts_brotli(request: &Request<'_>) -> bool {
    request.headers().get("Accept-Encoding").any(|header| accepts(header, "br") == Some(true))
}

/// Whether the client accepts brotli.
#[derive(Clone, Copy)]
pub(crate) struct AcceptsBrotli(pub(crate) bool);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for AcceptsBrotli {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        Outcome::Success(Self(accepts_brotli(request)))
    }
}

/// Whether one `Accept-Encoding` header accepts what it names; `None` if it does not name that (RFC 9110, 12.5.3).
fn accepts(header: &str, wanted: &str) -> Option<bool> {
    header.split(',').find_map(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        let is_zero = |weight: &str| weight.parse() == Ok(0.0_f32);
        let is_refused = |part: &str| part.to_ascii_lowercase().strip_prefix("q=").is_some_and(is_zero);
        is_named.then(|| !parts.any(is_refused))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_accepted_by_its_own_name_before_any() {
        for header in ["gzip", "deflate, gzip;q=0.5, br", "GZIP"] {
            assert_eq!(accepts(header, "gzip"), Some(true), "{header}");
        }
        for header in ["", "br", "identity", "x-gzip2", "*"] {
            assert_eq!(accepts(header, "gzip"), None, "{header}");
        }
        for header in ["gzip;q=0", "gzip;q=0, *", "gzip; Q=0.0"] {
            assert_eq!(accepts(header, "gzip"), Some(false), "{header}");
        }
        assert_eq!(accepts("br;q=0, *", "*"), Some(true));
    }
}
