//! `/v1/users/{pk}/notes`.

use rocket::http::Status;
use rocket::post;
use rocket::response::content::RawJson;
use rocket::response::status::Custom;
use serde::Deserialize;

use super::body::JsonBody;
use super::list::put;
use super::users::{Id, Routed};
use crate::http::guards::AcceptsJson;
use crate::model::audit::EntryRecord;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::ManageUsers;
use crate::model::raw::Raw;
use crate::operations::{Can, notes};

/// What the body has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewNote {
    note: Raw,
}

/// Adds a note of staff; the answer is its entry of the audit log.
#[post("/users/<id>/notes", data = "<body>")]
pub(super) async fn add(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    body: JsonBody<NewNote>,
) -> Result<Custom<RawJson<Vec<u8>>>> {
    let mut errors = FieldErrors::default();
    let note = body.0.note.required_text(notes::NOTE, &mut errors, |text| Ok(text.to_owned()));
    errors.into_result()?;
    let told = notes::add(&can, id.0, &note.unwrap_or_default()).await?;
    let mut json = Vec::new();
    put(&EntryRecord::from(&told), &mut json);
    Ok(Custom(Status::Created, RawJson(json)))
}
