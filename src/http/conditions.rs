//! Conditional requests: `If-Match` and `If-None-Match` (RFC 9110, 13).

use rocket::http::Method;
use rocket::request::{FromRequest, Outcome, Request};

use crate::model::precondition::Precondition;

/// `If-Match` and `If-None-Match`: the version of the record that the change is for (RFC 9110, 13.1).
#[derive(Debug)]
pub(crate) struct IfMatch(pub(crate) Precondition);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IfMatch {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let (wanted, unwanted) = (Tags::of(request, "If-Match"), Tags::of(request, "If-None-Match"));
        // `If-Match` compares strongly: a weak or foreign tag never matches.
        let wanted = wanted.versions(version_of);
        let unwanted = unwanted.versions(|tag| version_of(opaque(tag)));
        Outcome::Success(Self(match (wanted, unwanted) {
            // There is a record, so that "none at all" never holds.
            (_, Versions::All) => Precondition::OneOf(Vec::new()),
            (Versions::Unsaid | Versions::All, Versions::Unsaid) => Precondition::Any,
            (Versions::Unsaid | Versions::All, Versions::Some(unwanted)) => Precondition::NoneOf(unwanted),
            (Versions::Some(wanted), Versions::Unsaid) => Precondition::OneOf(wanted),
            (Versions::Some(wanted), Versions::Some(unwanted)) => Precondition::OneOf(
                wanted.into_iter().filter(|version| !unwanted.contains(version)).collect(),
            ),
        }))
    }
}

/// The entity tags in one of the headers for conditions.
struct Tags<'r>(Vec<&'r str>);

/// A tag without the mark of weak ones.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// What the tags of a header mean for a record's version.
enum Versions {
    /// The client did not send the header.
    Unsaid,
    /// `*`
    All,
    /// These versions.
    Some(Vec<i64>),
}

impl<'r> Tags<'r> {
    fn of(request: &'r Request<'_>, header: &str) -> Self {
        Self(request.headers().get(header).flat_map(|header| header.split(',')).map(str::trim).collect())
    }

    fn versions(&self, read: impl Fn(&str) -> Option<i64>) -> Versions {
        match &self.0[..] {
            [] => Versions::Unsaid,
            tags if tags.contains(&"*") => Versions::All,
            tags => Versions::Some(tags.iter().filter_map(|tag| read(tag)).collect()),
        }
    }
}

/// What the conditions of a GET come to for an answer with this entity tag (RFC 9110, 13.2.2).
pub(crate) fn condition(request: &Request<'_>, tag: &str) -> Condition {
    let (wanted, known) = (Tags::of(request, "If-Match").0, Tags::of(request, "If-None-Match").0);
    // `If-Match` compares strongly: a weak tag, ours included, never matches. `If-None-Match` compares weakly.
    let is_wanted = |wanted: &&str| *wanted == "*" || *wanted == tag && !tag.starts_with("W/");
    let is_known = |known: &&str| *known == "*" || opaque(known) == opaque(tag);
    if request.method() != Method::Get {
        Condition::Holds
    } else if !wanted.is_empty() && !wanted.iter().any(is_wanted) {
        Condition::Fails
    } else if known.iter().any(is_known) {
        Condition::Unchanged
    } else {
        Condition::Holds
    }
}

/// What the conditions of a GET come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The answer is sent: 200.
    Holds,
    /// The client has it already: 304.
    Unchanged,
    /// It is not the one that the client asks for: 412.
    Fails,
}

/// The version in an `ETag` of ours: `"<version>-<last sign-in>"`. The tag names the whole record, and
/// so changes with a sign-in; the condition is about edits, and so only about the version.
fn version_of(tag: &str) -> Option<i64> {
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    let (version, last_login) = inner.split_once('-')?;
    last_login.parse::<i64>().ok()?;
    version.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strong_tags_of_ours_name_a_version() {
        assert_eq!(version_of("\"7-0\""), Some(7));
        assert_eq!(version_of("\"7-1700000000000000\""), Some(7));
        for tag in ["W/\"7-0\"", "7-0", "\"7\"", "\"x-0\"", "\"7-x\"", "\"\""] {
            assert_eq!(version_of(tag), None, "{tag}");
        }
    }
}
