//! The users that the list shows, as a CSV file.

use rocket::form::FromForm;
use rocket::http::{ContentType, Header};
use rocket::request::Request;
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder};
use rocket::{get, post};

use super::bulk::{ids, users};
use super::lookup::know_locked;
use super::query::{ListQuery, ListState};
use super::search_results::COUNTED;
use super::selection;
use crate::model::bulk::Chosen;
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::filter::Filter;
use crate::model::permission::ManageUsers;
use crate::model::preferences::Preferences;
use crate::model::record::NAMES;
use crate::model::user::User;
use crate::operations::lists::{self, List};
use crate::operations::{Can, bulk, csv, export, users};
use crate::web::form::field_errors;
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication;
use crate::web::text::thousands;
use crate::web::view::{Answer, ConfirmationPage};

/// What to export: these users, or the list that the rest says. The form sends it, too.
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
    q: Option<String>,
    status: Option<String>,
    role: Option<String>,
    seen: Option<String>,
    ends: Option<String>,
    sort: Option<String>,
}

impl ExportForm {
    fn list(&self) -> ListState {
        let query = ListQuery {
            q: self.q.clone(),
            status: self.status.clone(),
            role: self.role.clone(),
            seen: self.seen.clone(),
            ends: self.ends.clone(),
            sort: self.sort.clone(),
            ..Default::default()
        };
        ListState::read(&query, Preferences::default().rows)
    }

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
    query: ExportForm,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<ConfirmationPage>> {
    Ok(Answer::page(question(&console, &query, &FieldErrors::default()).await?))
}

async fn question(
    console: &ConsoleSession<'_, ManageUsers>,
    form: &ExportForm,
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

/// The file, or the question again.
pub(in crate::web) enum Export {
    Question(Answer<ConfirmationPage>),
    File(Box<Sheet>),
}

impl<'r> Responder<'r, 'r> for Export {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        match self {
            Self::Question(page) => page.respond_to(request),
            Self::File(sheet) => sheet.respond_to(request),
        }
    }
}

/// Exports.
#[post("/users/export", data = "<form>")]
pub(in crate::web) async fn download(
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ExportForm>,
) -> Result<Export> {
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
            let date = console.app().clock.now().to_string();
            let name = format!("users-{}.csv", date.get(..10).unwrap_or_default());
            Ok(Export::File(Box::new(Sheet { can: console.can, filter, list, name })))
        }
        Err(error) => {
            let page = question(&console, &form, &field_errors(error)?).await?;
            Ok(Export::Question(Answer::refused(page)))
        }
    }
}

/// A CSV file that is written while it is sent.
pub(in crate::web) struct Sheet {
    can: Can<ManageUsers>,
    filter: Filter,
    list: List<User>,
    name: String,
}

impl Sheet {
    fn respond_to<'r>(self, request: &'r Request<'_>) -> response::Result<'r> {
        let Self { can, filter, list, name } = self;
        let mut response = pieces(can, filter, list.records, list.next).respond_to(request)?;
        response.set_header(ContentType::CSV);
        let disposition = format!("attachment; filename=\"{name}\"");
        response.set_header(Header::new("Content-Disposition", disposition));
        Ok(response)
    }
}

/// What stands at the end of a file that could not be written to its end: the status is sent already.
const BROKEN_OFF: &str = "THE EXPORT BROKE OFF HERE\r\n";

fn lines(users: &[User]) -> std::io::Result<Vec<u8>> {
    let mut lines = Vec::with_capacity(users.len());
    for user in users {
        lines.push(csv::cells(user)?);
    }
    csv::lines(lines)
}

/// The file piece by piece, each fetched when the one before has been taken.
fn pieces(
    can: Can<ManageUsers>,
    filter: Filter,
    first: Vec<User>,
    place: Option<Cursor>,
) -> ByteStream![Vec<u8>] {
    ByteStream! {
        yield format!("{}\r\n", NAMES.join(",")).into_bytes();
        let mut batch = Ok((first, place));
        loop {
            let written = match batch {
                Ok((users, next)) => lines(&users).map(|lines| (lines, next)).map_err(Error::internal),
                Err(error) => Err(error),
            };
            match written {
                Ok((lines, next)) => {
                    yield lines;
                    let Some(place) = next else { return };
                    batch = lists::next_batch(&can, &filter, &place).await;
                }
                Err(error) => {
                    log::error!("an export broke off: {error}");
                    yield BROKEN_OFF.as_bytes().to_vec();
                    return;
                }
            }
        }
    }
}
