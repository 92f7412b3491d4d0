//! The file of all that is stored about a person, as JSON that is written while it is sent.

use rocket::http::{ContentType, Header};
use rocket::request::Request;
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder};

use crate::model::audit::{EntryId, EntryRecord, ListedEntry};
use crate::operations::personal_data::PersonalFile;

/// The file as an answer.
pub(crate) struct PersonalFileAnswer(pub(crate) PersonalFile);

impl<'r> Responder<'r, 'r> for PersonalFileAnswer {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let Self(file) = self;
        let made_at = file.data.made_at.to_string();
        let day = made_at.get(..10).unwrap_or_default();
        let disposition = format!("attachment; filename=\"data-{}-{day}.json\"", file.user().id);
        let mut response = pieces(file).respond_to(request)?;
        response.set_header(ContentType::JSON);
        response.set_header(Header::new("Content-Disposition", disposition));
        Ok(response)
    }
}

/// The members of the data, and then the entries, each part fetched when the one before has been taken.
fn pieces(file: PersonalFile) -> ByteStream![Vec<u8>] {
    ByteStream! {
        let mut json = serde_json::to_vec(&file.data).unwrap_or_default();
        json.pop();
        json.extend_from_slice(b",\"entries\":[");
        yield json;
        let mut last = EntryId(0);
        loop {
            match file.entries_after(last).await {
                Ok(entries) => {
                    let Some(newest) = entries.last() else { break };
                    let written = objects(&entries, last == EntryId(0));
                    last = EntryId(newest.entry.id);
                    yield written;
                }
                Err(error) => {
                    // The status is sent already. Without its end the file is no JSON, so no client takes it for whole.
                    log::error!("the file of a person broke off: {error}");
                    return;
                }
            }
        }
        yield b"]}".to_vec();
    }
}

/// An object an entry, each after a comma but the first of all.
fn objects(entries: &[ListedEntry], are_first: bool) -> Vec<u8> {
    let mut json = Vec::new();
    for (told, n) in entries.iter().zip(0..) {
        if !are_first || n > 0 {
            json.push(b',');
        }
        // Writing strings, numbers and maps of them to memory cannot fail.
        drop(serde_json::to_writer(&mut json, &EntryRecord::from(told)));
    }
    json
}
