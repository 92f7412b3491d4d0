//! Many records as an answer, of whatever resource.

use rocket::http::{ContentType, Header};
use rocket::request::Request;
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder, Response};
use serde::Serialize;

use crate::db::select::Table;
use crate::model::cursor::Cursor;
use crate::model::filter::{Filter, ListRequest};
use crate::model::permission::ManageUsers;
use crate::operations::Can;
use crate::operations::lists::{self, List};

/// Adds one record as JSON.
type Print<T> = fn(&T, &mut Vec<u8>);

/// A page of a list, or all of it, streamed.
pub(super) struct Records<T: Table> {
    pub(super) can: Can<ManageUsers>,
    pub(super) request: ListRequest<T>,
    /// The beginning.
    pub(super) list: List<T::Record>,
    pub(super) print: Print<T::Record>,
}

impl<'r, T: Table> Responder<'r, 'r> for Records<T> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let Self { can, request: asked, list, print } = self;
        let mut response = match (list.next, asked.limit) {
            (Some(place), None) => {
                pieces(can.detached(), asked.filter, list.records, place, print).respond_to(request)?
            }
            (next, _) => {
                let mut response = Response::new();
                if let Some(place) = next {
                    let link = format!("<{}/{}/list>; rel=\"next\"", super::BASE, T::NAME);
                    response.set_header(Header::new("Link", link));
                    response.set_header(Header::new("X-Next-Cursor", place.encode(&asked.filter)));
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
fn pieces<T: Table>(
    can: Can<ManageUsers>,
    filter: Filter<T>,
    first: Vec<T::Record>,
    place: Cursor,
    print: Print<T::Record>,
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
