//! What a request of a provisioning client says: what it accepts, its body, its conditions, and how it asks for a list.

use rocket::data::{Data, FromData, Outcome as DataOutcome};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::{FromForm, http::Header};
use serde_json::{Map, Value};

use super::error::{Kind, Refusal};
use super::resource::{Selection, get, version};
use crate::http::{body, guards, json};
use crate::model::error::{Error, Result};
use crate::model::filter::MAX_LIMIT;
use crate::model::precondition::Precondition;
use crate::operations::provisioning::Pagination;

/// Users of a page, if the client does not say.
const COUNT: i64 = 100;

/// The client accepts SCIM's JSON, or JSON. Stands first in every handler.
pub(super) struct AcceptsScim;

const ACCEPTED: [&str; 4] = ["*/*", "application/*", "application/scim+json", "application/json"];

#[rocket::async_trait]
impl<'r> FromRequest<'r> for AcceptsScim {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let mut headers = request.headers().get("Accept").peekable();
        if headers.peek().is_none() || headers.any(|header| guards::accepts(header, &ACCEPTED)) {
            Outcome::Success(Self)
        } else {
            Outcome::Error((Error::NotAcceptable.stash(request), ()))
        }
    }
}

/// A JSON object; an empty body is an empty object.
pub(super) struct Body(pub(super) Map<String, Value>);

#[rocket::async_trait]
impl<'r> FromData<'r> for Body {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> DataOutcome<'r, Self> {
        match read(request, data).await {
            Ok(members) => DataOutcome::Success(Self(members)),
            Err(error) => DataOutcome::Error((error.stash(request), ())),
        }
    }
}

async fn read(request: &Request<'_>, data: Data<'_>) -> Result<Map<String, Value>> {
    let body = body::read(data, guards::app(request)?.settings.json_limit).await?;
    if body.is_empty() {
        return Ok(Map::new());
    }
    body::require_plain(request)?;
    let kind = request.content_type();
    if !kind.is_some_and(|kind| kind.is_json() || kind.media_type() == super::content_type().media_type()) {
        let given = request.headers().get_one("Content-Type").unwrap_or_default();
        return Err(Error::UnsupportedMediaType(given.to_owned()));
    }
    json::parse_object(&body).map_err(|reason| Error::Malformed(format!("JSON parse error - {reason}")))
}

/// The tags of a conditional header.
fn tags<'r>(request: &'r Request<'_>, name: &str) -> Vec<&'r str> {
    request.headers().get(name).flat_map(|header| header.split(',')).map(str::trim).collect()
}

/// `If-Match`: the version of the user that a change is for. Tags of resources are weak, and match all the same
/// (RFC 7644, 3.14).
pub(super) struct IfMatch(pub(super) Precondition);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IfMatch {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let tags = tags(request, "If-Match");
        let version = |tag: &&str| {
            tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?.parse().ok()
        };
        Outcome::Success(Self(if tags.is_empty() || tags.contains(&"*") {
            Precondition::Any
        } else {
            Precondition::OneOf(tags.iter().filter_map(version).collect())
        }))
    }
}

/// `If-None-Match`: what the client has already.
pub(super) struct IfNoneMatch(Vec<String>);

impl IfNoneMatch {
    /// Whether the client has this version.
    pub(super) fn has(&self, user_version: i64) -> bool {
        let tag = version(user_version);
        self.0.iter().any(|known| *known == "*" || *known == tag || tag.strip_prefix("W/") == Some(known))
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IfNoneMatch {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        Outcome::Success(Self(tags(request, "If-None-Match").into_iter().map(str::to_owned).collect()))
    }
}

/// Which attributes an answer is to have.
#[derive(Debug, FromForm)]
pub(super) struct Attributes<'r> {
    attributes: Option<&'r str>,
    #[field(name = "excludedAttributes")]
    excluded: Option<&'r str>,
}

impl Attributes<'_> {
    pub(super) fn selection(&self) -> std::result::Result<Selection, Refusal> {
        Selection::parse(self.attributes, self.excluded)
    }
}

/// A list as it is asked for in an address.
#[derive(Debug, FromForm)]
pub(super) struct Query<'r> {
    filter: Option<&'r str>,
    #[field(name = "sortBy")]
    sort_by: Option<&'r str>,
    #[field(name = "sortOrder")]
    sort_order: Option<&'r str>,
    #[field(name = "startIndex")]
    start_index: Option<&'r str>,
    count: Option<&'r str>,
    cursor: Option<&'r str>,
    attributes: Option<&'r str>,
    #[field(name = "excludedAttributes")]
    excluded: Option<&'r str>,
}

/// A list as it is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Search {
    pub(super) filter: Option<String>,
    pub(super) sort_by: Option<String>,
    pub(super) sort_order: Option<String>,
    pub(super) pagination: Pagination,
    pub(super) count: i64,
    pub(super) selection: Selection,
}

impl Search {
    /// From an address.
    pub(super) fn of_query(query: &Query<'_>) -> std::result::Result<Self, Refusal> {
        let number = |name: &str, text: Option<&str>| {
            text.map(|text| text.parse().map_err(|_| no_number(name))).transpose()
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self {
            filter: owned(query.filter),
            sort_by: owned(query.sort_by),
            sort_order: owned(query.sort_order),
            pagination: pagination(number("startIndex", query.start_index)?, owned(query.cursor))?,
            count: count(number("count", query.count)?),
            selection: Selection::parse(query.attributes, query.excluded)?,
        })
    }

    /// From the body of `.search`.
    pub(super) fn of_body(body: &Map<String, Value>) -> std::result::Result<Self, Refusal> {
        let text = |name: &str| match get(body, name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refusal::new(Kind::InvalidValue, format!("{name}: must be a text"))),
        };
        let number = |name: &str| match get(body, name)? {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| no_number(name)),
        };
        let names = |name: &str| match get(body, name)? {
            None => Ok(None),
            Some(Value::String(names)) => Ok(Some(names.clone())),
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                Ok(Some(names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")))
            }
            Some(_) => Err(Refusal::new(Kind::InvalidValue, format!("{name}: must be an array of texts"))),
        };
        let (attributes, excluded) = (names("attributes")?, names("excludedAttributes")?);
        Ok(Self {
            filter: text("filter")?,
            sort_by: text("sortBy")?,
            sort_order: text("sortOrder")?,
            pagination: pagination(number("startIndex")?, text("cursor")?)?,
            count: count(number("count")?),
            selection: Selection::parse(attributes.as_deref(), excluded.as_deref())?,
        })
    }
}

fn no_number(name: &str) -> Refusal {
    let kind = if name == "count" { Kind::InvalidCount } else { Kind::InvalidValue };
    Refusal::new(kind, format!("{name}: must be a whole number"))
}

/// An index below 1 is 1. An empty cursor is the beginning.
fn pagination(start_index: Option<i64>, cursor: Option<String>) -> std::result::Result<Pagination, Refusal> {
    match (start_index, cursor) {
        (Some(_), Some(_)) => {
            Err(Refusal::new(Kind::InvalidCursor, "cursor: cannot be used together with startIndex"))
        }
        (start_index, None) => Ok(Pagination::Index(start_index.unwrap_or(1).max(1) - 1)),
        (None, Some(cursor)) => Ok(Pagination::Cursor(Some(cursor).filter(|cursor| !cursor.is_empty()))),
    }
}

fn count(count: Option<i64>) -> i64 {
    count.unwrap_or(COUNT).clamp(0, MAX_LIMIT)
}

/// The tag of a resource as a header.
pub(super) fn etag(user_version: i64) -> Header<'static> {
    Header::new("ETag", version(user_version))
}
