//! Origins as browsers spell them (RFC 6454).

use crate::model::address;

/// The origin that browsers send for an address as people write it: lower case, the domain in ASCII, without a default
/// port or a path. `None` for what is no `http` or `https` origin.
#[must_use]
pub fn normalized(text: &str) -> Option<String> {
    let (scheme, rest) = text.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/\\?#@%".contains(c)) {
        return None;
    }
    let (name, port) = match host.rsplit_once(':') {
        // A colon within the brackets of an IPv6 address.
        Some((_, after)) if after.contains(']') => (host, None),
        Some((name, port)) => (name, Some(port.parse::<u16>().ok()?)),
        None => (host, None),
    };
    let name = host_in_ascii(name)?;
    Some(match port.filter(|port| *port != default_port) {
        Some(port) => format!("{scheme}://{name}:{port}"),
        None => format!("{scheme}://{name}"),
    })
}

/// A name or an address in brackets.
fn host_in_ascii(name: &str) -> Option<String> {
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let mailbox = format!("x@{name}");
    let ascii = address::canonical(&mailbox).strip_prefix("x@")?.to_ascii_lowercase();
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    (!ascii.is_empty() && ascii.chars().all(is_of_host)).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for (text, expected) in [
            ("https://users.example.org", "https://users.example.org"),
            ("HTTPS://Users.Example.org:443/", "https://users.example.org"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ] {
            assert_eq!(normalized(text).as_deref(), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "users.example.org",
            "ftp://users.example.org",
            "https://",
            "https://users.example.org/path",
            "https://users.example.org?a",
            "https://ada@users.example.org",
            "https://users example.org",
            "https://users.example.org:port",
            "https://users.example.org:99999",
            "https://[::1",
            "null",
        ] {
            assert_eq!(normalized(wrong), None, "{wrong}");
        }
    }
}
