//! The audit log and the history of a user as files, with the filter of the page.

use std::io;

use rocket::form::FromForm;
use rocket::http::ContentType;
use rocket::{get, post};

use super::audit::{AuditQuery, AuditState};
use super::download::{BYTE_ORDER_MARK, Download, Export, Writing};
use super::form::field_errors;
use super::form_body::FormBody;
use super::layout::ConsoleSession;
use super::reauthentication;
use super::text::thousands;
use super::users::find;
use super::view::{Answer, ConfirmationPage};
use super::with_query::WithQuery;
use crate::model::audit::{Entries, EntryRecord, ListedEntry};
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::filter::Filter;
use crate::model::permission::ManageUsers;
use crate::model::user::UserId;
use crate::operations::{csv, export};

/// What the form of either page sends.
#[derive(Debug, Default, FromForm)]
pub(super) struct Sent {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    current_password: String,
    /// `csv` or `json`.
    #[field(default = "")]
    format: String,
}

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

impl Format {
    /// Of that name; what is not known is CSV.
    fn named(name: &str) -> Self {
        if name == "json" { Self::Json } else { Self::Csv }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    fn writing(self) -> Writing<ListedEntry> {
        match self {
            Self::Csv => Writing {
                kind: ContentType::CSV,
                begin: format!("{BYTE_ORDER_MARK}{}\r\n", EntryRecord::NAMES.join(",")),
                records: |entries, _| csv::lines(entries.iter().map(|told| EntryRecord::from(told).cells())),
                end: "",
            },
            Self::Json => {
                Writing { kind: ContentType::JSON, begin: "[".to_owned(), records: objects, end: "\n]\n" }
            }
        }
    }
}

/// An object a line, each after a comma but the first of all.
fn objects(entries: &[ListedEntry], are_first: bool) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    for (told, n) in entries.iter().zip(0..) {
        json.extend_from_slice(if are_first && n == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut json, &EntryRecord::from(told))?;
    }
    Ok(json)
}

/// What is exported, and the pages around it.
struct Subject {
    filter: Filter<Entries>,
    /// The path of the page that shows it, which the audit log records as its filter.
    page: String,
    /// The path of the export itself.
    action: String,
    /// What its form sends besides.
    hidden: Vec<(&'static str, String)>,
    /// What it is, in a title.
    title: &'static str,
    /// The file's name, less day and ending.
    name: String,
    section: &'static str,
}

impl Subject {
    async fn question(
        self,
        console: &ConsoleSession<'_, ManageUsers>,
        format: Format,
        errors: &FieldErrors,
    ) -> Result<ConfirmationPage> {
        let count = export::count_entries(&console.can, &self.filter).await?;
        let words = match count {
            1 => "1 entry".to_owned(),
            count if count > export::COUNTED => format!("more than {} entries", thousands(export::COUNTED)),
            count => format!("{} entries", thousands(count)),
        };
        let mut hidden = self.hidden;
        hidden.push(("format", format.as_str().to_owned()));
        Ok(ConfirmationPage {
            layout: console.layout(self.section),
            title: format!("Export {words} of {}", self.title),
            text: match format {
                Format::Csv => "A CSV file with a line for each entry. The export is recorded.",
                Format::Json => {
                    "A JSON file with an object for each entry, as the API shows it. The export is recorded."
                }
            },
            action: self.action,
            hidden,
            button: format!("Export {}", format.as_str().to_uppercase()),
            form: reauthentication::form(console, count > export::MOST_UNASKED, errors),
            back: self.page,
            stays: true,
        })
    }

    async fn download(
        self,
        mut console: ConsoleSession<'_, ManageUsers>,
        sent: &Sent,
    ) -> Result<Export<ListedEntry>> {
        let format = Format::named(&sent.format);
        if console.is_stale(&sent.token) {
            let mut page = self.question(&console, format, &FieldErrors::default()).await?;
            page.form = page.form.stale();
            return Ok(Export::Question(Answer::refused(page)));
        }
        let (filter, told) = (&self.filter, self.page.as_str());
        let begin = |can| async move { export::begin_entries(&can, filter, format.as_str(), told).await };
        match reauthentication::with(&mut console, &sent.current_password, begin).await {
            Ok(list) => Ok(Export::File(Box::new(Download {
                can: console.can,
                filter: self.filter,
                list,
                name: self.name,
                ending: format.as_str(),
                writing: format.writing(),
            }))),
            Err(error) => {
                let page = self.question(&console, format, &field_errors(error)?).await?;
                Ok(Export::Question(Answer::refused(page)))
            }
        }
    }
}

/// What the page of the audit log sends.
type AuditForm = WithQuery<Sent, AuditQuery>;

async fn audit_log(console: &ConsoleSession<'_, ManageUsers>, query: &AuditQuery) -> Result<Subject> {
    let mut state = AuditState::read(query);
    Ok(Subject {
        filter: state.filter(console).await?,
        page: state.path("", ""),
        action: "/audit/export".to_owned(),
        hidden: state.parameters(),
        title: "the audit log",
        name: "audit-log".to_owned(),
        section: "audit",
    })
}

/// Asks whether to export the audit log: a page, so that reading it writes nothing.
#[get("/audit/export?<form..>")]
pub(super) async fn audit_page(
    form: AuditForm,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<ConfirmationPage>> {
    let subject = audit_log(&console, &form.query).await?;
    Ok(Answer::page(subject.question(&console, Format::named(&form.format), &FieldErrors::default()).await?))
}

/// Exports the audit log.
#[post("/audit/export", data = "<form>")]
pub(super) async fn audit_download(
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<AuditForm>,
) -> Result<Export<ListedEntry>> {
    audit_log(&console, &form.query).await?.download(console, &form).await
}

async fn history(console: &ConsoleSession<'_, ManageUsers>, id: i64) -> Result<Subject> {
    find(console, id).await?;
    Ok(Subject {
        filter: Filter::history_of(UserId(id)),
        page: format!("/users/{id}/history"),
        action: format!("/users/{id}/history/export"),
        hidden: Vec::new(),
        title: "this history",
        name: format!("history-{id}"),
        section: "users",
    })
}

/// Asks whether to export the history of a user.
#[get("/users/<id>/history/export?<query..>")]
pub(super) async fn history_page(
    id: i64,
    query: Sent,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<ConfirmationPage>> {
    let subject = history(&console, id).await?;
    Ok(Answer::page(subject.question(&console, Format::named(&query.format), &FieldErrors::default()).await?))
}

/// Exports the history of a user.
#[post("/users/<id>/history/export", data = "<form>")]
pub(super) async fn history_download(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<Sent>,
) -> Result<Export<ListedEntry>> {
    history(&console, id).await?.download(console, &form).await
}
