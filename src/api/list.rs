//! Many records as an answer, of whatever resource.

use rocket::http::{ContentType, Header};
use rocket::request::Request;
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder, Response};

use crate::Usher;
use crate::db::select::Table;
use crate::filter::{Filter, ListRequest};
use crate::lists::{self, List};
use crate::page::Place;

/// One record as JSON.
type Print<T> = fn(&T) -> String;

/// A page of a list, or all of it, streamed.
pub(super) struct Records<T: Table> {
    pub(super) app: Usher,
    pub(super) request: ListRequest<T>,
    /// The beginning.
    pub(super) list: List<T::Record>,
    pub(super) print: Print<T::Record>,
}

impl<'r, T: Table> Responder<'r, 'r> for Records<T> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let Self { app, request: asked, list, print } = self;
        let mut response = match (list.next, asked.limit) {
            (Some(place), None) => {
                pieces(app, asked.filter, list.records, place, print).respond_to(request)?
            }
            (next, _) => {
                let mut response = Response::new();
                if let Some(place) = next {
                    let link = format!("<{}/{}/list>; rel=\"next\"", super::BASE, T::NAME);
                    response.set_header(Header::new("Link", link));
                    response.set_header(Header::new("X-Next-Cursor", place.encode(&asked.filter)));
                }
                let json = format!("[{}]", separated(&list.records, print));
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

/// Records separated by commas.
fn separated<T>(records: &[T], print: Print<T>) -> String {
    let mut json = String::with_capacity(records.len() * 256);
    for record in records {
        if !json.is_empty() {
            json.push(',');
        }
        json.push_str(&print(record));
    }
    json
}

/// A whole list, piece by piece, each fetched when the one before has been taken.
fn pieces<T: Table>(
    app: Usher,
    filter: Filter<T>,
    first: Vec<T::Record>,
    place: Place,
    print: Print<T::Record>,
) -> ByteStream![String] {
    ByteStream! {
        yield format!("[{}", separated(&first, print));
        drop(first);
        let mut next = Some(place);
        while let Some(place) = next {
            match lists::next_batch(&app, &filter, &place).await {
                Ok((records, following)) => {
                    if !records.is_empty() {
                        yield format!(",{}", separated(&records, print));
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
        yield "]".to_owned();
    }
}
