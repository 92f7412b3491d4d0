//! Whether a browser and this server are on one machine, with nothing between them.
//!
//! Nothing can listen there but that machine, so that cookies do without TLS. Safari keeps no `Secure` cookie on plain
//! `http://localhost`. Whatever hints at a proxy, which may well speak for browsers elsewhere, speaks against it.

use std::net::IpAddr;

use rocket::http::uri::Host;
use rocket::request::Request;

use super::guards;
use crate::config::Settings;

/// The headers by which proxies say for whom they ask.
const FORWARDED: [&str; 6] =
    ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Via"];

/// Whether a request came over plain HTTP from this machine, for a host that is always this machine.
pub(super) fn is_local(request: &Request<'_>, settings: &Settings) -> bool {
    let headers = request.headers();
    let is_origin = |origin: &str| origin.strip_prefix("http://").is_some_and(is_loopback);
    request.remote().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        && guards::origin(request).address.is_some_and(|client| client.is_loopback())
        && headers.get_one("Host").is_some_and(is_loopback)
        && headers.get("Origin").all(is_origin)
        && !FORWARDED.iter().any(|name| headers.contains(name))
        && !settings.public_origin.starts_with("https://")
}

/// Whether a host, with or without a port, is always the machine that asks.
fn is_loopback(host: &str) -> bool {
    let Ok(host) = Host::parse(host) else { return false };
    let name = host.domain().as_str();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn se_10_only_names_and_addresses_that_never_leave_the_machine_are_loopback() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:8000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "usher.lan:8000",
            "localhost.example.org",
            "localhost.",
            "127.0.0.1.example.org",
            "10.0.0.7",
            "0.0.0.0",
            "[::]",
            "[::2]:8000",
            "user@localhost",
            "localhost/",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
