//! What is stored about a person: a page to read, and the file.

use rocket::request::Request;
use rocket::response::{self, Responder};
use rocket::{Route, get, post, routes};

use super::account::preferences::words;
use super::audit_entries;
use super::form_body::FormBody;
use super::layout::ConsoleSession;
use super::reauthentication::{self, ConfirmedForm, Question};
use super::view::{Answer, ConfirmationPage, DataSection, EntryRow, PersonalDataPage, Time};
use crate::http::personal_data::PersonalFileAnswer;
use crate::model::audit::ListedEntry;
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::permission::{ManageUsers, Permission};
use crate::model::personal_data::PersonalData;
use crate::model::session::Credential;
use crate::model::time_zone::Zone;
use crate::model::user::{User, UserId};
use crate::operations::personal_data::{self, PersonalFile};

/// Entries on the page; the file has all.
const ENTRIES: i64 = 100;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    routes![own, own_file, of_user, take]
}

/// The file, or the question for the password.
enum Taken {
    Question(Answer<ConfirmationPage>),
    File(Box<PersonalFileAnswer>),
}

impl<'r> Responder<'r, 'r> for Taken {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        match self {
            Self::Question(page) => page.respond_to(request),
            Self::File(file) => file.respond_to(request),
        }
    }
}

/// What is stored about the user themselves.
#[get("/account/data")]
async fn own(console: ConsoleSession<'_>) -> Result<Answer<PersonalDataPage>> {
    let file = personal_data::own(&console.can).await?;
    Ok(Answer::page(page(&console, &file, "account", "What is stored about you").await?))
}

/// The same as a file.
#[get("/account/data/file")]
async fn own_file(console: ConsoleSession<'_>) -> Result<PersonalFileAnswer> {
    personal_data::own(&console.can).await.map(PersonalFileAnswer)
}

/// What is stored about a user.
#[get("/users/<id>/data")]
async fn of_user(id: i64, console: ConsoleSession<'_, ManageUsers>) -> Result<Answer<PersonalDataPage>> {
    let file = personal_data::of_user(&console.can, UserId(id)).await?;
    let title = format!("What is stored about {}", file.user().display_name());
    Ok(Answer::page(page(&console, &file, "users", &title).await?))
}

/// The same as a file; recorded.
#[post("/users/<id>/data", data = "<form>")]
async fn take(
    id: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ConfirmedForm>,
) -> Result<Taken> {
    console.check(&form.token)?;
    let take = |can| async move { personal_data::take(&can, UserId(id)).await };
    match reauthentication::with(&mut console, &form.current_password, take).await {
        Ok(file) => Ok(Taken::File(Box::new(PersonalFileAnswer(file)))),
        Err(error) => {
            let question = Question {
                title: "Take all that is stored about this user?",
                text: "A JSON file for the person whose data it is. Taking it is recorded.",
                button: "Take the file",
                action: format!("/users/{id}/data"),
                back: format!("/users/{id}/data"),
            };
            question.after(error, &console, "users").map(Taken::Question)
        }
    }
}

async fn page<P: Permission>(
    console: &ConsoleSession<'_, P>,
    file: &PersonalFile,
    section: &'static str,
    title: &str,
) -> Result<PersonalDataPage> {
    let (zone, id) = (console.zone(), file.user().id);
    let mut entries = file.latest_entries(ENTRIES + 1).await?;
    let has_more = i64::try_from(entries.len()).is_ok_and(|found| found > ENTRIES);
    entries.truncate(usize::try_from(ENTRIES).unwrap_or_default());
    Ok(PersonalDataPage {
        layout: console.layout(section),
        title: title.to_owned(),
        // Of the account's own page no primary key is part of a path.
        id: (section == "users").then_some(id.0),
        name: file.user().display_name(),
        sections: sections(&file.data, &zone),
        rows: entries.iter().map(|told| row(told, id, &zone)).collect(),
        has_more,
    })
}

/// An entry without links: the person may not follow them.
fn row(told: &ListedEntry, person: UserId, zone: &Zone) -> EntryRow {
    let mut row = EntryRow { actor_path: String::new(), batch: None, ..audit_entries::row(told, zone) };
    if told.entry.actor_id.is_some_and(|id| id != person.0) {
        "Staff".clone_into(&mut row.actor);
    }
    if let Some(other) = told.entry.target_id.filter(|id| *id != person.0) {
        row.notes.push(format!("User ID {other}"));
    }
    row
}

fn sections(data: &PersonalData, zone: &Zone) -> Vec<DataSection> {
    let at = |at: Timestamp| Time::from(at).text_in(zone);
    let maybe = |instant: Option<Timestamp>| instant.map(at).unwrap_or_default();
    let browsers = data.known_browsers;
    let mut sections = vec![
        DataSection::facts("Profile", profile(&data.profile, zone)),
        DataSection::facts("Preferences", preferences(data)),
        DataSection::table(
            "Sessions and API tokens",
            &["With", "Address", "Since", "Last used", "Until"],
            data.sessions.iter().map(|session| {
                let kind = match session.credential {
                    Credential::Cookie => "Browser",
                    Credential::Jwt => "API client",
                    Credential::ApiToken => "API token",
                };
                let with = [kind, &session.name, &session.device];
                let with: Vec<&str> = with.into_iter().filter(|part| !part.is_empty()).collect();
                vec![
                    with.join(", "),
                    session.address.clone(),
                    at(session.created_at),
                    maybe(session.last_seen_at),
                    at(session.expires_at),
                ]
            }),
        ),
        DataSection::table(
            "Second factors",
            &["Name", "Kind", "Added", "Last used"],
            data.second_factors.factors.iter().map(|factor| {
                let kind = factor.kind.words().to_owned();
                vec![factor.name.clone(), kind, at(factor.created_at), maybe(factor.last_used_at)]
            }),
        ),
        DataSection::facts(
            "Recovery codes and known browsers",
            vec![
                ("Browsers that signed in before", browsers.count.to_string()),
                ("Last sign-in by one of them", maybe(browsers.last_signed_in_at)),
                ("Recovery codes left", data.second_factors.recovery_codes_left.to_string()),
            ],
        ),
        DataSection::table(
            "One-time links",
            &["For", "Made", "Until"],
            data.links
                .iter()
                .map(|link| vec![link.purpose.clone(), at(link.created_at), at(link.expires_at)]),
        ),
        DataSection::table(
            "Messages of the last 30 days",
            &["For", "To", "State", "Answer of the mail server", "When"],
            data.mails.iter().map(|mail| {
                let texts = [&mail.purpose, &mail.recipient, &mail.state, &mail.response];
                texts.into_iter().cloned().chain([at(mail.created_at)]).collect()
            }),
        ),
        DataSection::table(
            "Names that provisioning clients use",
            &["Client (user ID)", "Name"],
            data.external_ids.iter().map(|name| vec![name.client_pk.to_string(), name.external_id.clone()]),
        ),
    ];
    if let Some(new) = &data.unconfirmed_address {
        let facts = vec![
            ("Address", new.address.clone()),
            ("Mail goes to", new.mail_goes_to.clone()),
            ("Until", at(new.expires_at)),
        ];
        sections.insert(1, DataSection::facts("Address to be confirmed", facts));
    }
    sections
}

fn profile(user: &User, zone: &Zone) -> Vec<(&'static str, String)> {
    let at = |at: Option<Timestamp>| at.map(|at| Time::from(at).text_in(zone)).unwrap_or_default();
    let yes = |is: bool| if is { "Yes" } else { "No" }.to_owned();
    vec![
        ("User ID", user.id.to_string()),
        ("Username", user.username.as_str().to_owned()),
        ("First name", user.first_name.clone()),
        ("Last name", user.last_name.clone()),
        ("Email", user.email.clone()),
        ("Active", yes(user.is_active)),
        ("Staff", yes(user.is_staff)),
        ("Superuser", yes(user.is_superuser)),
        ("Valid from", at(user.valid_from)),
        ("Valid until", at(user.valid_until)),
        ("Must change the password", yes(user.must_change_password)),
        ("Password set", at(user.password_changed_at)),
        ("Created", at(Some(user.date_joined))),
        ("Last sign-in", at(user.last_login)),
        ("Last edited", at(user.modified_at)),
    ]
}

fn preferences(data: &PersonalData) -> Vec<(&'static str, String)> {
    let preferences = &data.preferences;
    let views: Vec<String> =
        preferences.views.iter().map(|view| format!("{} ({})", view.name, view.query)).collect();
    let columns: Vec<&str> = preferences.hidden_columns.iter().map(|column| words(*column)).collect();
    vec![
        ("Theme", format!("{:?}", preferences.theme)),
        ("Density", format!("{:?}", preferences.density)),
        ("Rows on a page", preferences.rows.to_string()),
        ("Time zone", preferences.time_zone.clone()),
        ("Single-key shortcuts", if preferences.shortcuts { "On" } else { "Off" }.to_owned()),
        ("Columns left out", columns.join(", ")),
        ("Saved views", views.join(", ")),
    ]
}
