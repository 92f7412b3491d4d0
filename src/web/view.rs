//! Templates, and answers made of them.
//!
//! The templates are in the binary; a debug build reads them from their folder at every answer. To add
//! one: a struct with its [`View`] in `contexts`, and a file of that name that ends in `.html`, or Tera
//! would not escape it.

mod audit;
mod bulk;
mod contexts;
mod documentation;
mod links;
mod own;
mod time;
mod tokens;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rocket::http::{ContentType, Status};
use rocket::request::Request;
use rocket::response::{self, Redirect, Responder, Response};
use rust_embed::RustEmbed;
use serde::Serialize;
use tera::Tera;

pub(super) use self::audit::*;
pub(super) use self::bulk::*;
pub(super) use self::contexts::*;
pub(super) use self::documentation::*;
pub(super) use self::links::*;
pub(super) use self::own::*;
pub(super) use self::time::Time;
pub(super) use self::tokens::*;
use super::assets::ASSETS;
use super::layout::Layout;
use crate::model::error::{Error, Result};
use crate::model::preferences::Preferences;
use crate::model::time_zone::Zone;

#[derive(RustEmbed)]
#[folder = "templates"]
struct Templates;

/// The context of a template.
pub(super) trait View: Serialize + Sized + Send {
    /// The template's name: its file's.
    const NAME: &'static str;

    /// Examples that show all of it; `text` stands wherever a person's text would.
    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self>;
}

/// What a form leads to: a page with a status, or the next place.
pub(super) enum Answer<V> {
    Page(Status, Box<V>),
    /// The page for a user who has to wait so many seconds.
    RetryLater(u64, Box<V>),
    Redirect(String),
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
            Self::RetryLater(seconds, page) => {
                let mut response = render(request, &*page).map_err(|error| error.stash(request))?;
                response.set_status(Status::TooManyRequests);
                response.set_raw_header("Retry-After", seconds.to_string());
                Ok(response)
            }
            Self::Redirect(path) => Redirect::to(path).respond_to(request),
        }
    }
}

/// The parsed templates.
#[derive(Debug)]
pub struct Pages(tera::Result<Arc<Tera>>);

/// Parses the templates.
#[must_use]
pub fn pages() -> Pages {
    Pages(parse())
}

/// The parsed templates; they are parsed anew only where a file is not as it was the last time.
fn parse() -> tera::Result<Arc<Tera>> {
    type Files = BTreeMap<String, String>;
    static LAST: Mutex<Option<(Files, Arc<Tera>)>> = Mutex::new(None);

    let text = |name: &str| Some(String::from_utf8_lossy(&Templates::get(name)?.data).into_owned());
    let files: Files = Templates::iter().filter_map(|name| Some((name.to_string(), text(&name)?))).collect();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, tera)) = &*last
        && *of == files
    {
        return Ok(Arc::clone(tera));
    }
    let mut tera = Tera::default();
    tera.add_raw_templates(files.iter())?;
    let tera = Arc::new(tera);
    *last = Some((files, Arc::clone(&tera)));
    Ok(tera)
}

impl Pages {
    fn html<V: View>(&self, view: &V) -> tera::Result<String> {
        let mut context = tera::Context::from_serialize(view)?;
        if !context.contains_key("layout") {
            context.insert("layout", &None::<Layout>);
        }
        let layout = serde_json::json!({
            "stylesheet": ASSETS.stylesheet, "script": ASSETS.script, "icon": ASSETS.icon,
        });
        context.insert("assets", &layout);
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
    let preferences = request.local_cache(Preferences::default);
    let zone = Zone::named(&preferences.time_zone).unwrap_or(Zone::UTC);
    let html = time::shown_in(zone, || pages.html(view)).map_err(|error| {
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
        assert_escaped::<OwnPasswordPage>();
        assert_escaped::<SessionsPage>();
        assert_escaped::<TokensPage>();
        assert_escaped::<PreferencesPage>();
        assert_escaped::<ShortcutsPage>();
        assert_escaped::<UsersPage>();
        assert_escaped::<NewUserPage>();
        assert_escaped::<UserPage>();
        assert_escaped::<PasswordPage>();
        assert_escaped::<HistoryPage>();
        assert_escaped::<SignInsPage>();
        assert_escaped::<AuditPage>();
        assert_escaped::<BulkPage>();
        assert_escaped::<OutcomePage>();
        assert_escaped::<ConfirmationPage>();
        assert_escaped::<ErrorPage>();
        assert_escaped::<DocumentationPage>();
        assert_escaped::<SetPasswordPage>();
        assert_escaped::<ForgottenPage>();
        assert_escaped::<SignInCheckPage>();
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
}
