//! A file of a whole list, written while it is sent: each piece is fetched when the one before has been taken.

use std::io;

use rocket::http::{ContentType, Header};
use rocket::request::Request;
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder};

use super::view::{Answer, ConfirmationPage};
use crate::db::select::Listed;
use crate::model::cursor::Cursor;
use crate::model::error::Error;
use crate::model::filter::Filter;
use crate::model::permission::ManageUsers;
use crate::operations::Can;
use crate::operations::lists::{self, List};

/// What a spreadsheet needs at the beginning of a CSV file to take it for UTF-8.
pub(super) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What stands at the end of a file that could not be written to its end: the status is sent already.
const BROKEN_OFF: &str = "THE EXPORT BROKE OFF HERE\r\n";

/// How records are written.
pub(super) struct Writing<R> {
    pub(super) kind: ContentType,
    pub(super) begin: String,
    /// Some of the records; whether they are the first ones.
    pub(super) records: fn(&[R], bool) -> io::Result<Vec<u8>>,
    pub(super) end: &'static str,
}

/// All records of a list.
pub(super) struct Download<L: Listed> {
    pub(super) can: Can<ManageUsers>,
    pub(super) filter: Filter<L::Table>,
    /// Where it begins.
    pub(super) list: List<L>,
    /// The name of the file, less the day and the ending.
    pub(super) name: String,
    pub(super) ending: &'static str,
    pub(super) writing: Writing<L>,
}

/// The file, or the question again.
pub(super) enum Export<L: Listed> {
    Question(Answer<ConfirmationPage>),
    File(Box<Download<L>>),
}

impl<'r, L: Listed + 'static> Responder<'r, 'r> for Export<L> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        match self {
            Self::Question(page) => page.respond_to(request),
            Self::File(download) => download.respond_to(request),
        }
    }
}

impl<L: Listed + 'static> Download<L> {
    fn respond_to<'r>(self, request: &'r Request<'_>) -> response::Result<'r> {
        let Self { can, filter, list, name, ending, writing } = self;
        let now = can.app().clock.now().to_string();
        let day = now.get(..10).unwrap_or_default();
        let disposition = format!("attachment; filename=\"{name}-{day}.{ending}\"");
        let kind = writing.kind.clone();
        let mut response =
            pieces(can.detached(), filter, list.records, list.next, writing).respond_to(request)?;
        response.set_header(kind);
        response.set_header(Header::new("Content-Disposition", disposition));
        Ok(response)
    }
}

/// The file piece by piece.
fn pieces<L: Listed>(
    can: Can<ManageUsers>,
    filter: Filter<L::Table>,
    first: Vec<L>,
    place: Option<Cursor>,
    writing: Writing<L>,
) -> ByteStream![Vec<u8>] {
    ByteStream! {
        yield writing.begin.into_bytes();
        let mut batch = Ok((first, place));
        let mut is_first = true;
        loop {
            let written = match batch {
                Ok((records, next)) => (writing.records)(&records, is_first)
                    .map(|text| (text, next))
                    .map_err(Error::internal),
                Err(error) => Err(error),
            };
            is_first = false;
            match written {
                Ok((text, next)) => {
                    yield text;
                    let Some(place) = next else { break };
                    batch = lists::next_batch(&can, &filter, &place).await;
                }
                Err(error) => {
                    log::error!("an export broke off: {error}");
                    yield BROKEN_OFF.as_bytes().to_vec();
                    return;
                }
            }
        }
        yield writing.end.as_bytes().to_vec();
    }
}
