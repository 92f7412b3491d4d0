//! Where a request comes from: the channel, the client's address and device.

use std::net::IpAddr;

/// The ways in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The pages.
    Console,
    /// `/v1`.
    Api,
    /// `/scim/v2`.
    Scim,
    /// A subcommand of the operator's.
    CommandLine,
}

impl Channel {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::Scim => "scim",
            Self::CommandLine => "command_line",
        }
    }
}

/// Where one request, or one run of a subcommand, comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The way in.
    pub channel: Channel,
    /// The client's address, if there is a client.
    pub address: Option<IpAddr>,
    /// What the client runs on, in words; empty if it does not say. See [`device`].
    pub device: String,
    /// The request's number; empty on the command line.
    pub request_id: String,
}

impl Origin {
    /// A subcommand.
    #[must_use]
    pub const fn command_line() -> Self {
        Self {
            channel: Channel::CommandLine,
            address: None,
            device: String::new(),
            request_id: String::new(),
        }
    }

    /// The address as text; empty if there is none.
    #[must_use]
    pub fn address_text(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }
}

/// Browsers by what only they have in their `User-Agent`; those that pretend to be others come first.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems by what only they have in their `User-Agent`; Android says Linux, too.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
];

/// A `User-Agent` in words, such as `Firefox on Linux`; of a program its first word, such as
/// `python-requests/2.32`. At most 40 characters, all printable: it is shown to staff.
#[must_use]
pub fn device(user_agent: &str) -> String {
    let named = |table: &[(&str, &'static str)]| {
        table.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => user_agent
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "/.-_+".contains(*c))
            .take(40)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_told_in_words() {
        for (user_agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("python-requests/2.32.3", "python-requests/2.32.3"),
            ("Apache-HttpClient/4.5 (Java/17)", "Apache-HttpClient/4.5"),
            ("<script>", ""),
            ("", ""),
        ] {
            assert_eq!(device(user_agent), words);
        }
        assert_eq!(device(&"x".repeat(1000)).len(), 40);
    }
}
