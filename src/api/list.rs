//! Many records as an answer, of whatever resource.
//!
//! A list is asked for with POST. Its next page has an address of its own, which carries the whole request, so that a
//! client which follows links finds it with GET.

use rocket::http::{ContentType, Header, RawStr};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::db::select::Listed;
use crate::http::json;
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Result};
use crate::model::filter::{Filter, ListRequest, Resource};
use crate::model::permission::ManageUsers;
use crate::operations::Can;
use crate::operations::lists::{self, List};

/// Adds one record as JSON.
type Print<T> = fn(&T, &mut Vec<u8>);

/// Longest address of a next page, in bytes: clients and proxies take longer ones not everywhere.
const LONGEST_LINK: usize = 4000;

/// A page of a list, or all of it, streamed.
pub(super) struct Records<L: Listed> {
    can: Can<ManageUsers>,
    request: ListRequest<L::Table>,
    /// The request as it came.
    members: Map<String, Value>,
    /// The beginning.
    list: List<L>,
    print: Print<L>,
}

impl<L: Listed> Records<L> {
    /// The list that a client asks for.
    pub(super) async fn listed(
        can: Can<ManageUsers>,
        members: Map<String, Value>,
        print: Print<L>,
    ) -> Result<Self> {
        let request = ListRequest::parse(members.clone()).map_err(Error::Malformed)?;
        let list = lists::begin(&can, &request).await?;
        Ok(Self { can, request, members, list, print })
    }
}

/// The request for a next page, in the query of its address: every member as JSON, but for the cursor, which is itself.
pub(super) struct NextPage(pub(super) Map<String, Value>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for NextPage {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let mut members = Map::new();
        for (name, text) in request.uri().query().into_iter().flat_map(|query| query.segments()) {
            let value = if name == "after" { Ok(text.into()) } else { json::parse_value(text) };
            let refusal = match value {
                Err(reason) => format!("{name}: JSON parse error - {reason}"),
                Ok(_) if members.contains_key(name) => format!("{name}: is there twice"),
                Ok(value) => {
                    members.insert(name.to_owned(), value);
                    continue;
                }
            };
            return Outcome::Error((Error::Malformed(refusal).stash(request), ()));
        }
        Outcome::Success(Self(members))
    }
}

/// The address of the page after `cursor`, unless it would be too long.
fn next_page<R: Resource>(members: &Map<String, Value>, cursor: &str) -> Option<String> {
    let mut address = format!("{}/{}/list/next?after={cursor}", super::BASE, R::NAME);
    for (name, value) in members.iter().filter(|(name, value)| *name != "after" && !value.is_null()) {
        let value = value.to_string();
        address.extend(["&", name.as_str(), "=", RawStr::new(&value).percent_encode().as_str()]);
    }
    (address.len() <= LONGEST_LINK).then_some(address)
}

impl<'r, L: Listed + 'static> Responder<'r, 'r> for Records<L> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let Self { can, request: asked, members, list, print } = self;
        let mut response = match (list.next, asked.limit) {
            (Some(place), None) => {
                pieces(can.detached(), asked.filter, list.records, place, print).respond_to(request)?
            }
            (next, _) => {
                let mut response = Response::new();
                if let Some(place) = next {
                    let cursor = place.encode(&asked.filter);
                    if let Some(address) = next_page::<L::Table>(&members, &cursor) {
                        response.set_header(Header::new("Link", format!("<{address}>; rel=\"next\"")));
                    }
                    response.set_header(Header::new("X-Next-Cursor", cursor));
                }
                let mut json = separated(b"[", &list.records, print);
                json.push(b']');
                response.set_sized_body(json.len(), std::io::Cursor::new(json));
                response
            }
        };
        response.set_header(ContentType::JSON);
        if let Some(count) = list.count {
            response.set_header(Header::new("X-Total-Count", count.to_string()));
        }
        Ok(response)
    }
}

/// Adds a record. Writing strings, numbers, booleans and maps of strings to memory cannot fail.
pub(super) fn put(record: &impl Serialize, json: &mut Vec<u8>) {
    drop(serde_json::to_writer(json, record));
}

/// Records separated by commas, after `before`.
fn separated<T>(before: &[u8], records: &[T], print: Print<T>) -> Vec<u8> {
    /// Bytes of most records.
    const RECORD: usize = 320;
    let mut json = Vec::with_capacity(records.len() * RECORD);
    json.extend_from_slice(before);
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        print(record, &mut json);
    }
    json
}

/// A whole list, piece by piece, each fetched when the one before has been taken.
fn pieces<L: Listed>(
    can: Can<ManageUsers>,
    filter: Filter<L::Table>,
    first: Vec<L>,
    place: Cursor,
    print: Print<L>,
) -> ByteStream![Vec<u8>] {
    ByteStream! {
        yield separated(b"[", &first, print);
        drop(first);
        let mut next = Some(place);
        while let Some(place) = next {
            match lists::next_batch(&can, &filter, &place).await {
                Ok((records, following)) => {
                    if !records.is_empty() {
                        yield separated(b",", &records, print);
                    }
                    next = following;
                }
                Err(error) => {
                    // The status is sent already. Without its closing bracket the list is no JSON, so
                    // no client takes the part for the whole.
                    log::error!("a list broke off: {error}");
                    return;
                }
            }
        }
        yield b"]".to_vec();
    }
}
