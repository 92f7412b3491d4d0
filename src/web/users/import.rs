//! Imports: the upload, what would become of each row, the run, its outcome, the undo.

mod review;
mod run;

use std::fs::File;
use std::io;
use std::sync::Arc;

use rocket::form::FromForm;
use rocket::http::{ContentType, Header, Status};
use rocket::request::Request;
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder};
use rocket::{Route, get, post, routes};

use crate::http::upload::Uploaded;
use crate::model::error::{Error, Result};
use crate::model::permission::IsSuperuser;
use crate::operations::import::{DateOrder, is_told_by_others};
use crate::operations::uploads::{self, Choices, MOST_ROWS, Upload};
use crate::web::form::{FormState, STALE};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::text::thousands;
use crate::web::view::{Answer, ImportPage, ImportReviewPage};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    routes![page, upload, choose, discard, report, run::run, run::outcome, run::undo]
}

/// The upload of the caller.
fn held(console: &ConsoleSession<'_, IsSuperuser>) -> Option<Arc<Upload>> {
    console.app().uploads.of(console.can.user().id, console.app().clock.now())
}

/// The form for files, or what was uploaded already.
enum Page {
    Form(Answer<ImportPage>),
    Review(Answer<ImportReviewPage>),
}

impl<'r> Responder<'r, 'r> for Page {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        match self {
            Self::Form(page) => page.respond_to(request),
            Self::Review(page) => page.respond_to(request),
        }
    }
}

#[get("/users/import")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
fn page(console: ConsoleSession<'_, IsSuperuser>) -> Page {
    match held(&console) {
        Some(upload) => Page::Review(Answer::page(review::page(&console, &upload, FormState::empty()))),
        None => Page::Form(Answer::page(form(&console, None))),
    }
}

/// Leads on from a form about an upload that is not held any more.
fn gone(console: &ConsoleSession<'_, IsSuperuser>) -> Answer<ImportPage> {
    console.flash("The files of that page are no longer here.", None);
    Answer::Redirect("/users/import".into())
}

fn form(console: &ConsoleSession<'_, IsSuperuser>, problem: Option<String>) -> ImportPage {
    let app = console.app();
    let last = app.uploads.run_of(console.can.user().id, app.clock.now());
    let mut form = FormState::empty();
    form.problems.extend(problem.map(|text| ("file", text)));
    ImportPage {
        layout: console.layout("users"),
        form,
        limit: size(app.settings.import_limit),
        most: thousands(i64::try_from(MOST_ROWS).unwrap_or(i64::MAX)),
        last: last.map(|run| run.batch.0),
    }
}

/// Bytes in words.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes {
        MIB.. => format!("{} MiB", bytes / MIB),
        _ => format!("{} bytes", thousands(i64::try_from(bytes).unwrap_or(i64::MAX))),
    }
}

/// Takes files, and says what would become of them.
#[post("/users/import", data = "<uploaded>")]
async fn upload(console: ConsoleSession<'_, IsSuperuser>, uploaded: Uploaded) -> Result<Answer<ImportPage>> {
    let Uploaded { token, files, problem } = uploaded;
    let problem = if console.is_stale(&token) {
        Some(STALE.to_owned())
    } else if files.is_empty() && problem.is_none() {
        Some("Choose at least one file.".to_owned())
    } else {
        problem
    };
    if let Some(problem) = problem {
        return Ok(Answer::refused(form(&console, Some(problem))));
    }
    uploads::add(&console.can, files, Choices::default()).await?;
    Ok(Answer::Redirect("/users/import".into()))
}

/// How the files are to be read. A box that is not ticked is not sent.
#[derive(Debug, FromForm)]
struct ChoicesForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    number: String,
    /// The names of a table's columns, in their order, and the field of each.
    name: Vec<String>,
    field: Vec<String>,
    /// The same as a text.
    #[field(default = "")]
    columns: String,
    #[field(default = "")]
    encoding: String,
    #[field(default = "")]
    hash: String,
    #[field(default = "")]
    dates: String,
    #[field(default = "")]
    part: String,
    #[field(default = "")]
    staff_role: String,
    new_keys: Option<String>,
    no_weak_hashes: Option<String>,
    no_broken_hashes: Option<String>,
}

impl ChoicesForm {
    fn choices(&self) -> Choices {
        let typed = self.columns.lines().filter_map(|line| line.rsplit_once('='));
        let typed = typed.map(|(name, field)| (name.trim().to_owned(), field.trim().to_owned()));
        // What columns hold because of those beside them is found anew.
        let chosen = self.name.iter().cloned().zip(self.field.iter().cloned());
        let chosen = chosen.filter(|(_, field)| !is_told_by_others(field));
        Choices {
            columns: chosen.chain(typed).collect(),
            hash: self.hash.trim().to_owned(),
            encoding: self.encoding.trim().to_owned(),
            dates: match self.dates.as_str() {
                "dmy" => Some(DateOrder::DayFirst),
                "mdy" => Some(DateOrder::MonthFirst),
                _ => None,
            },
            part: self.part.trim().to_owned(),
            staff_role: self.staff_role.trim().to_owned(),
            new_keys: self.new_keys.is_some(),
            no_weak_hashes: self.no_weak_hashes.is_some(),
            no_broken_hashes: self.no_broken_hashes.is_some(),
        }
    }
}

/// Judges the same files again, read in another way.
#[post("/users/import/choices", data = "<form>")]
async fn choose(console: ConsoleSession<'_, IsSuperuser>, form: FormBody<ChoicesForm>) -> Result<Page> {
    if console.is_stale(&form.token) {
        let Some(upload) = held(&console).filter(|upload| upload.number == form.number) else {
            return Ok(refused(&console));
        };
        let page = review::with_choices(&console, &upload, &form.choices(), FormState::empty().stale());
        return Ok(Page::Review(Answer::refused(page)));
    }
    match uploads::choose(&console.can, &form.number, form.choices()).await {
        Ok(()) => Ok(Page::Form(Answer::Redirect("/users/import".into()))),
        Err(Error::PreconditionFailed) => Ok(Page::Form(gone(&console))),
        Err(error) => Err(error),
    }
}

/// What a button about an upload sends.
#[derive(Debug, FromForm)]
struct NumberForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    number: String,
}

/// Throws the files away.
#[post("/users/import/discard", data = "<form>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
fn discard(console: ConsoleSession<'_, IsSuperuser>, form: FormBody<NumberForm>) -> Page {
    if console.is_stale(&form.token) {
        return refused(&console);
    }
    uploads::discard(&console.can, &form.number);
    console.flash("The files are deleted.", None);
    Page::Form(Answer::Redirect("/users/import".into()))
}

/// The page anew, for one that was open for longer than its session.
fn refused(console: &ConsoleSession<'_, IsSuperuser>) -> Page {
    match held(console) {
        Some(upload) => {
            Page::Review(Answer::refused(review::page(console, &upload, FormState::empty().stale())))
        }
        None => Page::Form(Answer::refused(form(console, Some(STALE.to_owned())))),
    }
}

/// The verdict on every row: of the upload, or else of the import that the caller began last.
#[get("/users/import/report")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
fn report(console: ConsoleSession<'_, IsSuperuser>) -> Result<Report> {
    let app = console.app();
    let rehearsed = held(&console)
        .and_then(|upload| upload.rehearsal.as_ref().ok().map(|rehearsal| Arc::clone(&rehearsal.report)));
    let run = || app.uploads.run_of(console.can.user().id, app.clock.now());
    let imported = || run().filter(|run| !run.is_running()).and_then(|run| run.report.clone());
    rehearsed.or_else(imported).map(Report).ok_or(Error::NoSuchPath)
}

/// A CSV file that is sent piece by piece.
struct Report(Arc<File>);

impl<'r> Responder<'r, 'r> for Report {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let mut response = pieces(self.0).respond_to(request)?;
        response.set_status(Status::Ok);
        response.set_header(ContentType::CSV);
        response.set_header(Header::new("Content-Disposition", "attachment; filename=\"import-report.csv\""));
        Ok(response)
    }
}

fn pieces(report: Arc<File>) -> ByteStream![Vec<u8>] {
    ByteStream! {
        let mut place = 0;
        loop {
            let piece: io::Result<Vec<u8>> = uploads::piece(Arc::clone(&report), place).await;
            match piece {
                Ok(piece) if piece.is_empty() => return,
                Ok(piece) => {
                    place += piece.len() as u64;
                    yield piece;
                }
                Err(error) => {
                    log::error!("the report of an import broke off: {error}");
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_words() {
        assert_eq!((size(64 * 1024 * 1024).as_str(), size(2000).as_str()), ("64 MiB", "2,000 bytes"));
    }
}
