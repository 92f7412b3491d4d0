//! The path below which an installation stands that shares its origin with other programs.

use serde::{Deserialize, Serialize};

/// The longest, in bytes: every link on every page begins with it.
const LONGEST: usize = 100;

/// Such as `/usher`; empty where the whole origin is the installation's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BasePath(String);

impl BasePath {
    /// With a slash before it and none behind it, or empty.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Whether the whole origin is the installation's.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A path of ours as browsers ask for it. What does not begin with a slash stays as it is: a fragment, a query, the
    /// address of another server.
    #[must_use]
    pub fn link_to(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.0) } else { path.to_owned() }
    }

    /// A path that a browser asked for as one of ours; `None` if it is not below the base path.
    #[must_use]
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(self.as_str()).filter(|_| !self.is_empty())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }
}

impl From<BasePath> for String {
    fn from(path: BasePath) -> Self {
        path.0
    }
}

impl TryFrom<String> for BasePath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let path = text.trim().trim_matches('/');
        if path.is_empty() {
            return Ok(Self::default());
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_segment =
            |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_plain);
        if path.len() >= LONGEST || !path.split('/').all(is_segment) {
            return Err(
                "must be a path such as /usher, of letters, digits and -._~, up to 100 characters long",
            );
        }
        Ok(Self(format!("/{path}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BasePath {
        BasePath::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_base_path_is_written_in_one_way() {
        for (text, expected) in [
            ("", ""),
            ("/", ""),
            ("/usher", "/usher"),
            ("/usher/", "/usher"),
            ("usher", "/usher"),
            (" /it/~usher_2.0/ ", "/it/~usher_2.0"),
        ] {
            assert_eq!(base(text).as_str(), expected, "{text}");
        }
        for wrong in [
            "//evil//example",
            "/a//b",
            "/..",
            "/a/../b",
            "/a?b",
            "/a#b",
            "/a b",
            "/a%2Fb",
            "/b\u{fc}",
            "/a\"b",
        ] {
            assert!(BasePath::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(BasePath::try_from("x".repeat(100)).is_err());
    }

    #[test]
    fn only_whole_segments_are_the_base_path() {
        let usher = base("/usher");
        for (path, expected) in [
            ("/usher", Some("/")),
            ("/usher/", Some("/")),
            ("/usher/users/7", Some("/users/7")),
            ("/usher/usher", Some("/usher")),
            ("/usher//v1", Some("//v1")),
            ("/ushers", None),
            ("/users/7", None),
            ("/", None),
        ] {
            assert_eq!(usher.strip(path), expected, "{path}");
        }
        assert_eq!(base("").strip("/users"), None);
        for (path, expected) in [
            ("/users?q=a", "/usher/users?q=a"),
            ("/", "/usher/"),
            ("#code", "#code"),
            ("?q=a", "?q=a"),
            ("https://users.example.org/", "https://users.example.org/"),
            ("mailto:ada@example.org", "mailto:ada@example.org"),
        ] {
            assert_eq!(usher.link_to(path), expected, "{path}");
            assert_eq!(base("").link_to(path), path);
        }
    }
}
