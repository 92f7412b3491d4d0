//! Notes of staff on a user.

use rocket::form::FromForm;
use rocket::{get, post};

use super::history::{Position, beside};
use super::lookup::find;
use crate::db::audit::reading::{About, Start};
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::ManageUsers;
use crate::model::user::UserId;
use crate::operations::{audit, notes};
use crate::web::audit_entries;
use crate::web::form::{Field, FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::view::{Answer, NotesPage};

/// Notes on a page.
const ROWS: i64 = 25;

/// What the form sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct NoteForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    note: String,
}

async fn page_of(
    console: &ConsoleSession<'_, ManageUsers>,
    id: i64,
    start: Start,
    typed: &str,
    errors: &FieldErrors,
) -> Result<NotesPage> {
    let user = find(console, id).await?;
    let zone = console.zone();
    let page = audit::about(&console.can, user.id, About::Notes, start, ROWS).await?;
    let field = Field::new(notes::NOTE, "Note", "text", typed.to_owned(), errors);
    Ok(NotesPage {
        layout: console.layout("users"),
        id,
        name: user.display_name(),
        form: FormState::of(vec![field], errors),
        pages: beside(&format!("/users/{id}/notes"), &page),
        rows: page.records.iter().map(|told| audit_entries::row(told, &zone)).collect(),
    })
}

/// All notes, the newest first, and the form for one more.
#[get("/users/<id>/notes?<position..>")]
pub(in crate::web) async fn page(
    id: i64,
    position: Position,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<NotesPage>> {
    let page = page_of(&console, id, position.start(), "", &FieldErrors::default()).await?;
    Ok(Answer::page(page))
}

/// Adds a note.
#[post("/users/<id>/notes", data = "<form>")]
pub(in crate::web) async fn add(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<NoteForm>,
) -> Result<Answer<NotesPage>> {
    if console.is_stale(&form.token) {
        let mut page = page_of(&console, id, Start::Newest, &form.note, &FieldErrors::default()).await?;
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    match notes::add(&console.can, UserId(id), &form.note).await {
        Ok(_) => {
            console.flash("The note was added.", None);
            Ok(Answer::Redirect(format!("/users/{id}/notes")))
        }
        Err(error) => {
            let errors = field_errors(error)?;
            Ok(Answer::refused(page_of(&console, id, Start::Newest, &form.note, &errors).await?))
        }
    }
}
