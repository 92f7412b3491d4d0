//! What the templates are given: one struct per template, with samples.
//!
//! The templates are in the binary; a debug build reads them from their folder at every answer. To add
//! one: a struct with its [`View`], and a file of that name that ends in `.html`, or Tera would not
//! escape it.

use rocket::http::{ContentType, Status};
use rocket::request::Request;
use rocket::response::{self, Redirect, Responder, Response};
use rust_embed::RustEmbed;
use serde::Serialize;
use tera::Tera;

use super::assets::ASSETS;
use super::form::FormState;
use super::frame::Frame;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::user::User;

#[derive(RustEmbed)]
#[folder = "templates"]
struct Templates;

/// What a template is given.
pub(super) trait View: Serialize + Sized + Send {
    /// The template's name: its file's.
    const NAME: &'static str;

    /// Examples that show all of it; `text` stands wherever a person's text would.
    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self>;
}

/// An instant, for people and for programs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Time {
    /// `2026-03-01T09:00Z`
    machine: String,
    /// `1 Mar 2026, 09:00`
    text: String,
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let printed = timestamp.to_string();
        let part = |from: usize, to: usize| printed.get(from..to).unwrap_or_default();
        let month = part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
        let text = format!(
            "{} {} {}, {}",
            part(8, 10).trim_start_matches('0'),
            month.unwrap_or(&""),
            part(0, 4),
            part(11, 16)
        );
        Self { machine: format!("{}Z", part(0, 16)), text }
    }
}

/// The word for a user's rights; empty for none.
pub(super) fn role(user: &User) -> &'static str {
    match (user.is_superuser, user.is_staff) {
        (true, _) => "Superuser",
        (false, true) => "Staff",
        (false, false) => "",
    }
}

/// The page to sign in on.
#[derive(Debug, Serialize)]
pub(super) struct SignInPage {
    pub(super) username: String,
    pub(super) next: String,
    pub(super) token: String,
    pub(super) problem: Option<String>,
    pub(super) needs_superuser: bool,
}

impl View for SignInPage {
    const NAME: &'static str = "sign-in.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |problem: Option<&str>, needs_superuser| Self {
            username: text.to_owned(),
            next: text.to_owned(),
            token: text.to_owned(),
            problem: problem.map(str::to_owned),
            needs_superuser,
        };
        vec![sample(None, true), sample(Some(text), false)]
    }
}

/// One's own account.
#[derive(Debug, Serialize)]
pub(super) struct AccountPage {
    pub(super) frame: Frame,
    pub(super) username: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) role: &'static str,
    pub(super) date_joined: Time,
    pub(super) last_login: Option<Time>,
}

impl View for AccountPage {
    const NAME: &'static str = "account.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self {
            frame: Frame::sample(text),
            username: text.to_owned(),
            name: text.to_owned(),
            email: text.to_owned(),
            role: "Staff",
            date_joined: Timestamp::from_micros(0).into(),
            last_login: None,
        }]
    }
}

/// A text in parts, each with whether the search found it.
pub(super) type Marked = Vec<(String, bool)>;

/// A row of the users list.
#[derive(Debug, Serialize)]
pub(super) struct UserRow {
    pub(super) id: i64,
    pub(super) name: Marked,
    pub(super) username: Marked,
    pub(super) email: Marked,
    pub(super) role: &'static str,
    pub(super) is_active: bool,
    pub(super) last_login: Option<Time>,
    pub(super) date_joined: Time,
}

/// A choice above the list.
#[derive(Debug, Serialize)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value: &'static str,
    /// Value and label.
    pub(super) options: Vec<(&'static str, &'static str)>,
}

/// A column's head.
#[derive(Debug, Serialize)]
pub(super) struct Header {
    pub(super) label: &'static str,
    /// Sorts by the column; empty for one that cannot.
    pub(super) path: String,
    /// `ascending` or `descending` for the column that is sorted by.
    pub(super) sorted: &'static str,
    pub(super) class: &'static str,
}

/// The users list.
#[derive(Debug, Serialize)]
pub(super) struct UsersPage {
    pub(super) frame: Frame,
    pub(super) q: String,
    pub(super) autofocus: bool,
    pub(super) choices: Vec<Choice>,
    /// What the filter form keeps as it is: name and value.
    pub(super) kept: Vec<(&'static str, String)>,
    pub(super) notes: Vec<String>,
    pub(super) summary: String,
    /// What narrows the list: the path without it, and its words.
    pub(super) chips: Vec<(String, String)>,
    /// Ready-made lists: path and name.
    pub(super) views: Vec<(&'static str, &'static str)>,
    pub(super) narrowed: bool,
    pub(super) caption: String,
    pub(super) headers: Vec<Header>,
    pub(super) rows: Vec<UserRow>,
    /// Path, label and relation of the pages around this one.
    pub(super) pages: Vec<(String, &'static str, &'static str)>,
    /// The first and last name on the page.
    pub(super) range: String,
    /// Path, empty for the present one, and number.
    pub(super) rows_per_page: Vec<(String, i64)>,
}

impl View for UsersPage {
    const NAME: &'static str = "users.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let marked = || vec![(text.to_owned(), true), (text.to_owned(), false)];
        let row = |role| UserRow {
            id: 7,
            name: marked(),
            username: marked(),
            email: marked(),
            role,
            is_active: role.is_empty(),
            last_login: Some(Timestamp::from_micros(0).into()),
            date_joined: Timestamp::from_micros(0).into(),
        };
        let sample = |rows, narrowed| Self {
            frame: Frame::sample(text),
            q: text.to_owned(),
            autofocus: true,
            choices: vec![Choice {
                name: "role",
                label: "Role",
                value: "staff",
                options: vec![("staff", "Staff")],
            }],
            kept: vec![("sort", text.to_owned())],
            notes: vec![text.to_owned()],
            summary: text.to_owned(),
            chips: vec![(text.to_owned(), text.to_owned())],
            views: vec![("/users", "All")],
            narrowed,
            caption: text.to_owned(),
            headers: vec![Header { label: "Name", path: text.to_owned(), sorted: "ascending", class: "" }],
            rows,
            pages: vec![(text.to_owned(), "Next", "next")],
            range: text.to_owned(),
            rows_per_page: vec![(String::new(), 50), (text.to_owned(), 100)],
        };
        vec![
            sample(vec![row("Staff"), row("Superuser"), row("")], true),
            sample(vec![], true),
            sample(vec![], false),
        ]
    }
}

/// The form for a new user.
#[derive(Debug, Serialize)]
pub(super) struct NewUserPage {
    pub(super) frame: Frame,
    pub(super) form: FormState,
    pub(super) may_grant_staff: bool,
}

impl View for NewUserPage {
    const NAME: &'static str = "user-new.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self { frame: Frame::sample(text), form: FormState::sample(text), may_grant_staff: true }]
    }
}

/// A field that somebody else changed while it was being edited.
#[derive(Debug, Serialize)]
pub(super) struct FieldConflict {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) theirs: String,
    pub(super) yours: String,
}

/// One user.
#[derive(Debug, Serialize)]
pub(super) struct UserPage {
    pub(super) frame: Frame,
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) version: i64,
    pub(super) is_active: bool,
    pub(super) is_self: bool,
    pub(super) role: &'static str,
    pub(super) date_joined: Time,
    pub(super) last_login: Option<Time>,
    pub(super) form: FormState,
    pub(super) may_grant_staff: bool,
    pub(super) conflicts: Vec<FieldConflict>,
    /// Why the viewer may not change this user; empty if they may.
    pub(super) locked_reason: &'static str,
}

impl View for UserPage {
    const NAME: &'static str = "user.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |conflicts, locked_reason, is_active, is_self| Self {
            frame: Frame::sample(text),
            id: 7,
            name: text.to_owned(),
            version: 3,
            is_active,
            is_self,
            role: "Staff",
            date_joined: Timestamp::from_micros(0).into(),
            last_login: None,
            form: FormState::sample(text),
            may_grant_staff: !is_self,
            conflicts,
            locked_reason,
        };
        let conflict =
            FieldConflict { name: "email", label: "Email", theirs: text.to_owned(), yours: text.to_owned() };
        vec![
            sample(vec![], "", true, false),
            sample(vec![], "", false, false),
            sample(vec![], "", true, true),
            sample(vec![conflict], "", true, false),
            sample(vec![], "Only a superuser can change this account.", true, false),
        ]
    }
}

/// The form for a new password of somebody else.
#[derive(Debug, Serialize)]
pub(super) struct PasswordPage {
    pub(super) frame: Frame,
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) version: i64,
    pub(super) form: FormState,
}

impl View for PasswordPage {
    const NAME: &'static str = "password.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self {
            frame: Frame::sample(text),
            id: 7,
            name: text.to_owned(),
            version: 3,
            form: FormState::sample(text),
        }]
    }
}

/// What could not be answered, and why.
#[derive(Debug, Serialize)]
pub(super) struct ErrorPage {
    pub(super) title: String,
    pub(super) explanation: String,
}

impl View for ErrorPage {
    const NAME: &'static str = "error.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self { title: text.to_owned(), explanation: text.to_owned() }]
    }
}

/// What a form leads to: a page with a status, or the next place.
pub(super) enum Answer<V> {
    Page(Status, Box<V>),
    GoOn(String),
}

impl<V> Answer<V> {
    /// The page as it is asked for.
    pub(super) fn page(view: V) -> Self {
        Self::Page(Status::Ok, Box::new(view))
    }

    /// The page with what is wrong about what was sent.
    pub(super) fn refused(view: V) -> Self {
        Self::Page(Status::UnprocessableEntity, Box::new(view))
    }
}

impl<'r, V: View> Responder<'r, 'r> for Answer<V> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        match self {
            Self::Page(status, page) => {
                let mut response = render(request, &*page).map_err(|error| error.stash(request))?;
                response.set_status(status);
                Ok(response)
            }
            Self::GoOn(path) => Redirect::to(path).respond_to(request),
        }
    }
}

/// The parsed templates.
#[derive(Debug)]
pub struct Pages(tera::Result<Tera>);

/// Parses the templates.
#[must_use]
pub fn pages() -> Pages {
    Pages(parse())
}

fn parse() -> tera::Result<Tera> {
    let mut tera = Tera::default();
    let files: Vec<(String, String)> = Templates::iter()
        .filter_map(|name| {
            let file = Templates::get(&name)?;
            Some((name.into_owned(), String::from_utf8_lossy(&file.data).into_owned()))
        })
        .collect();
    tera.add_raw_templates(files)?;
    Ok(tera)
}

impl Pages {
    fn html<V: View>(&self, view: &V) -> tera::Result<String> {
        let mut context = tera::Context::from_serialize(view)?;
        if !context.contains_key("frame") {
            context.insert("frame", &None::<Frame>);
        }
        let layout = serde_json::json!({
            "stylesheet": ASSETS.stylesheet, "script": ASSETS.script, "icon": ASSETS.icon,
        });
        context.insert("layout", &layout);
        if cfg!(debug_assertions) {
            return parse()?.render(V::NAME, &context);
        }
        match &self.0 {
            Ok(tera) => tera.render(V::NAME, &context),
            Err(error) => Err(tera::Error::msg(error)),
        }
    }
}

/// The page as an answer.
///
/// # Errors
/// [`Error::Internal`] if a template is wrong, which the tests exclude.
pub(super) fn render<'r, V: View>(request: &'r Request<'_>, view: &V) -> Result<Response<'r>> {
    let pages = request.rocket().state::<Pages>().ok_or_else(|| Error::internal("no templates"))?;
    let html = pages.html(view).map_err(|error| {
        // Tera's own text names only the template; the chain below says where and why.
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        Error::internal(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    })?;
    let mut response = Response::new();
    response.set_header(ContentType::HTML);
    response.set_sized_body(html.len(), std::io::Cursor::new(html));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<script>alert(1)</script>\"'&javascript:";

    fn assert_escaped<V: View>() {
        for sample in V::samples(HOSTILE) {
            let html = pages().html(&sample).unwrap_or_else(|error| panic!("{}: {error:?}", V::NAME));
            assert!(!html.contains("<script>alert"), "{} does not escape", V::NAME);
            assert!(!html.contains("\"'&java"), "{} does not escape quotes", V::NAME);
            assert!(html.contains("&lt;script&gt;"), "{} does not show the sample", V::NAME);
        }
    }

    #[test]
    fn ou_1_every_template_escapes_hostile_values() {
        assert_escaped::<SignInPage>();
        assert_escaped::<AccountPage>();
        assert_escaped::<UsersPage>();
        assert_escaped::<NewUserPage>();
        assert_escaped::<UserPage>();
        assert_escaped::<PasswordPage>();
        assert_escaped::<ErrorPage>();
    }

    #[test]
    fn ou_1_templates_avoid_what_tera_does_not_escape() {
        for name in Templates::iter() {
            assert!(name.ends_with(".html"), "{name}: Tera escapes only templates that end in .html");
            let file = Templates::get(&name).unwrap();
            let text = String::from_utf8(file.data.into_owned()).unwrap();
            for output in text.split("{{").skip(1) {
                let output = output.split("}}").next().unwrap();
                for trap in ["~", "safe", "slice", "concat", "default("] {
                    assert!(!output.contains(trap), "{name}: {{{{{output}}}}} uses {trap}");
                }
            }
            for trap in ["<script>", "<style", "style=", "onclick=", "onload=", "={{"] {
                assert!(!text.contains(trap), "{name}: has {trap}");
            }
        }
    }

    #[test]
    fn times_are_shown_in_words_and_for_programs() {
        let time = Time::from(Timestamp::parse("2026-03-01T09:05:59.5Z").unwrap());
        assert_eq!((time.text.as_str(), time.machine.as_str()), ("1 Mar 2026, 09:05", "2026-03-01T09:05Z"));
    }
}
