//! Notes of staff on a user: entries of the audit log, so that each keeps its author and its time, and none is changed.

use crate::db;
use crate::model::audit::{Action, Entry, ListedEntry};
use crate::model::error::{Error, Result};
use crate::model::field_errors::Message;
use crate::model::permission::ManageUsers;
use crate::model::text;
use crate::model::user::UserId;
use crate::operations::{Can, audit, sessions};

/// Longest note, in characters.
pub const LONGEST: usize = 1_000;

/// The name of a note's field, and of its text among an entry's details.
pub const NOTE: &str = "note";

/// Adds a note: 1 to [`LONGEST`] characters, which may have line breaks. Returns its entry.
///
/// # Errors
/// [`Error::Invalid`] under `note`; [`Error::NotFound`]
pub async fn add(can: &Can<ManageUsers>, id: UserId, typed: &str) -> Result<ListedEntry> {
    let note = checked(typed).map_err(|message| Error::invalid(NOTE, message))?;
    let app = can.app();
    let entry = db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = sessions::lock_target(&mut tx, can, id).await?.user;
        let entry = Entry::new(Action::NoteAdded, can.author()).on(&user).detail(NOTE, note.as_str());
        let id = audit::record(&mut tx, &entry, app.clock.now()).await?;
        tx.commit().await?;
        Ok(id)
    })
    .await?;
    audit::get(can, entry).await
}

/// The note as it is stored, with line breaks of one kind.
fn checked(typed: &str) -> std::result::Result<String, Message> {
    let note = text::tidy(&typed.replace("\r\n", "\n").replace('\r', "\n"));
    let given = note.chars().count();
    if note.is_empty() {
        return Err(Message::Blank);
    }
    if given > LONGEST {
        return Err(Message::TooLong { most: LONGEST, given });
    }
    note.split('\n')
        .find_map(text::refusal)
        .map_or(Ok(note.clone()), |refusal| Err(Message::Character(refusal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_text_of_some_length_on_some_lines() {
        assert_eq!(checked("  called\r\nback "), Ok("called\nback".to_owned()));
        assert_eq!(checked(" \r\n "), Err(Message::Blank));
        assert_eq!(checked(&"é".repeat(1_000)).map(|note| note.chars().count()), Ok(1_000));
        assert_eq!(checked(&"é".repeat(1_001)), Err(Message::TooLong { most: 1_000, given: 1_001 }));
        for odd in ["a\0b", "a\u{1b}[31m", "a\nb\u{202e}c"] {
            assert!(matches!(checked(odd), Err(Message::Character(_))), "{odd:?}");
        }
    }
}
