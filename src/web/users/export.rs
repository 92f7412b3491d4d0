//! The users that the list shows, as a CSV file.

use rocket::form::FromForm;
use rocket::http::ContentType;
use rocket::{get, post};

use super::bulk::{ids, users};
use super::lookup::know_locked;
use super::query::ListQuery;
use super::search_results::COUNTED;
use super::selection;
use crate::model::bulk::Chosen;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::filter::Filter;
use crate::model::permission::ManageUsers;
use crate::model::record::NAMES;
use crate::model::user::User;
use crate::operations::{bulk, csv, export, users};
use crate::web::download::{BYTE_ORDER_MARK, Download, Export, Writing};
use crate::web::form::field_errors;
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication;
use crate::web::text::thousands;
use crate::web::view::{Answer, ConfirmationPage};
use crate::web::with_query::WithQuery;

/// What to export of a list: these users, or all of it. The form sends it, too.
#[derive(Debug, FromForm)]
pub(in crate::web) struct ExportForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    current_password: String,
    id: Vec<String>,
    /// The same as many `id`s.
    #[field(default = "")]
    ids: String,
}

impl WithQuery<ExportForm, ListQuery> {
    async fn chosen(&self, console: &ConsoleSession<'_, ManageUsers>) -> Result<Chosen> {
        let ids = ids(self.id.iter().map(String::as_str).chain(self.ids.split_ascii_whitespace()));
        if !ids.is_empty() {
            return Ok(Chosen::Ids(ids));
        }
        let mut list = self.list();
        know_locked(console, &mut list).await?;
        Ok(Chosen::Filter(selection::filter(&list, console.app().clock.now())))
    }
}

/// Asks whether to export, and for the password before very many. A page, so that reading it writes nothing.
#[get("/users/export?<query..>")]
pub(in crate::web) async fn page(
    query: WithQuery<ExportForm, ListQuery>,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<ConfirmationPage>> {
    Ok(Answer::page(question(&console, &query, &FieldErrors::default()).await?))
}

async fn question(
    console: &ConsoleSession<'_, ManageUsers>,
    form: &WithQuery<ExportForm, ListQuery>,
    errors: &FieldErrors,
) -> Result<ConfirmationPage> {
    let chosen = form.chosen(console).await?;
    let parameters = form.list().parameters();
    let (count, words, hidden) = match chosen {
        Chosen::Filter(filter) => {
            let count = users::count_up_to(&console.can, &filter, COUNTED + 1).await?;
            let words = match usize::try_from(count) {
                Ok(count) if count <= 10_000 => users(count),
                _ => format!("more than {} users", thousands(COUNTED)),
            };
            (count, words, parameters.clone())
        }
        Chosen::Ids(_) => {
            let ids = bulk::freeze(&console.can, chosen).await?;
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
            (count, users(ids.len()), vec![("ids", texts.join(" "))])
        }
    };
    Ok(ConfirmationPage {
        layout: console.layout("users"),
        title: format!("Export {words}"),
        text: "A CSV file with the fields of each user, without passwords. The export is recorded.",
        action: "/users/export".into(),
        hidden,
        button: "Export CSV".into(),
        form: reauthentication::form(console, count > export::MOST_UNASKED, errors),
        back: selection::path("/users", &parameters),
        stays: true,
    })
}

/// Exports.
#[post("/users/export", data = "<form>")]
pub(in crate::web) async fn download(
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<WithQuery<ExportForm, ListQuery>>,
) -> Result<Export<User>> {
    if console.is_stale(&form.token) {
        let mut page = question(&console, &form, &FieldErrors::default()).await?;
        page.form = page.form.stale();
        return Ok(Export::Question(Answer::refused(page)));
    }
    let mut chosen = form.chosen(&console).await?;
    if let Chosen::Ids(_) = chosen {
        chosen = Chosen::Ids(bulk::freeze(&console.can, chosen).await?);
    }
    let told = selection::path("/users", &form.list().parameters());
    let (exported, told) = (&chosen, &told);
    let begin = |can| async move { export::begin(&can, exported, told).await };
    match reauthentication::with(&mut console, &form.current_password, begin).await {
        Ok(list) => {
            let filter = match chosen {
                Chosen::Filter(filter) => filter,
                Chosen::Ids(_) => <Filter>::default(),
            };
            Ok(Export::File(Box::new(Download {
                can: console.can,
                filter,
                list,
                name: "users".to_owned(),
                ending: "csv",
                writing: writing(),
            })))
        }
        Err(error) => {
            let page = question(&console, &form, &field_errors(error)?).await?;
            Ok(Export::Question(Answer::refused(page)))
        }
    }
}

/// The lines of a CSV file, after its header.
fn writing() -> Writing<User> {
    let begin = format!("{BYTE_ORDER_MARK}{}\r\n", NAMES.join(","));
    Writing { kind: ContentType::CSV, begin, records: |users, _| lines(users), end: "" }
}

fn lines(users: &[User]) -> std::io::Result<Vec<u8>> {
    let mut lines = Vec::with_capacity(users.len());
    for user in users {
        lines.push(csv::cells(user)?);
    }
    csv::lines(lines)
}
