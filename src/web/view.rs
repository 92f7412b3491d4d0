//! Templates, and answers made of them.
//!
//! The templates are in the binary; a debug build reads them from their folder, again after each change. To
//! add one: a struct with its [`View`] in the file of its subject, and a template of that name that ends in `.html`, or
//! Tera would not escape it.

mod audit;
mod base_path;
mod bulk;
mod contexts;
mod documentation;
mod erasure;
mod import;
mod links;
mod overview;
mod own;
mod personal_data;
mod security;
mod time;
mod tokens;
mod views;

use std::collections::HashMap;

use rocket::fairing::Fairing;
use rocket::figment::providers::Serialized;
use rocket::http::Status;
use rocket::request::Request;
use rocket::response::{self, Redirect, Responder, Response};
use rocket_dyn_templates::Template;
use rocket_dyn_templates::tera::{self, Tera};
use rust_embed::RustEmbed;
use serde::Serialize;

pub(super) use self::audit::*;
pub(super) use self::bulk::*;
pub(super) use self::contexts::*;
pub(super) use self::documentation::*;
pub(super) use self::erasure::*;
pub(super) use self::import::*;
pub(super) use self::links::*;
pub(super) use self::overview::*;
pub(super) use self::own::*;
pub(super) use self::personal_data::*;
pub(super) use self::security::*;
pub(super) use self::time::Time;
pub(super) use self::tokens::*;
pub(super) use self::views::*;
use super::assets::Assets;
use crate::model::base_path::BasePath;
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::preferences::Preferences;
use crate::model::site::{Purpose, SiteName};
use crate::model::time_zone::Zone;
use crate::operations::App;

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

/// Where Rocket looks for templates of its own, of which there are none: a debug build watches the folder,
/// to parse its files again when one changes; a release build needs only that the path exists.
const FOLDER: &str =
    if cfg!(debug_assertions) { concat!(env!("CARGO_MANIFEST_DIR"), "/templates") } else { "/dev/null" };

/// The setting of Rocket's that the templates need.
pub(crate) fn folder() -> Serialized<&'static str> {
    Serialized::global("template_dir", FOLDER)
}

/// Gives Rocket the templates.
pub(crate) fn templates(site: &SiteName, purpose: Purpose, assets: &Assets, base: &BasePath) -> impl Fairing {
    let (site, assets, base) = (site.clone(), assets.clone(), base.clone());
    Template::try_custom(move |engines| {
        fill(&mut engines.tera, &site, purpose, &assets, &base).map_err(|error| causes(&error).into())
    })
}

/// Gives Tera the templates, and what all of them may use.
fn fill(
    tera: &mut Tera,
    site: &SiteName,
    purpose: Purpose,
    assets: &Assets,
    base: &BasePath,
) -> tera::Result<()> {
    let (site, assets) = (site.as_str().to_owned(), assets.clone());
    // `site_name()`: the name of the installation.
    tera.register_function("site_name", move |_: &HashMap<String, tera::Value>| Ok(site.as_str().into()));
    // `is_demo()`: whether all pages are to say so.
    let is_demo = purpose == Purpose::Demo;
    tera.register_function("is_demo", move |_: &HashMap<String, tera::Value>| Ok(is_demo.into()));
    // `asset(name="app.css")`: the path of a file for browsers.
    tera.register_function("asset", move |arguments: &HashMap<String, tera::Value>| {
        let name = arguments.get("name").and_then(tera::Value::as_str).unwrap_or_default();
        assets
            .path_of(name)
            .map(tera::Value::from)
            .ok_or_else(|| tera::Error::msg(format!("no asset {name:?}")))
    });
    base_path::register(tera, base.clone());
    let files = Templates::iter().filter_map(|name| {
        let file = Templates::get(&name)?;
        Some((name, base_path::below(base, String::from_utf8_lossy(&file.data).into_owned())))
    });
    tera.add_raw_templates(files)
}

/// Tera's own text names only the template; its causes say where and why.
fn causes(error: &tera::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The page as an answer.
///
/// # Errors
/// [`Error::Internal`] if a template is wrong, which the tests exclude. The log has the cause.
pub(super) fn render<'r, V: View>(request: &'r Request<'_>, view: &V) -> Result<Response<'r>> {
    let preferences = request.local_cache(Preferences::default);
    let zone = Zone::named(&preferences.time_zone).unwrap_or(Zone::UTC);
    let now = request.rocket().state::<App>().map_or(Timestamp::from_micros(0), |app| app.clock.now());
    let template = time::shown_in(zone, now, || Template::render(V::NAME, view));
    template
        .respond_to(request)
        .map_err(|_| Error::internal(format!("{} cannot be rendered; the line before says why", V::NAME)))
}

#[cfg(test)]
mod tests {
    use rocket::Config;
    use rocket::figment::Figment;
    use rocket::local::blocking::Client;

    use super::*;
    use crate::model::site::Accent;

    const HOSTILE: &str = "<script>alert(1)</script>\"'&javascript:";

    /// A name that tries what names of users try.
    fn site() -> SiteName {
        SiteName::try_from("<script>alert(1)</script>\"'&java".to_owned()).unwrap()
    }

    fn base() -> BasePath {
        BasePath::try_from("/usher".to_owned()).unwrap()
    }

    /// A server with nothing but the templates, below a path.
    fn server() -> Client {
        let figment = Figment::from(Config::debug_default()).merge(folder());
        let templates = templates(&site(), Purpose::Demo, &Assets::new(Accent::default()), &base());
        Client::untracked(rocket::custom(figment).attach(templates)).unwrap()
    }

    /// Why a template cannot be rendered, which Rocket only logs.
    fn problem<V: View>(view: &V) -> String {
        let mut tera = Tera::default();
        let html = fill(&mut tera, &site(), Purpose::Demo, &Assets::new(Accent::default()), &base())
            .and_then(|()| tera.render(V::NAME, &tera::Context::from_serialize(view)?))
            .map_err(|error| causes(&error));
        format!("{html:?}")
    }

    fn assert_escaped<V: View>(server: &Client) {
        for sample in V::samples(HOSTILE) {
            let html = Template::show(server.rocket(), V::NAME, &sample)
                .unwrap_or_else(|| panic!("{}: {}", V::NAME, problem(&sample)));
            assert!(!html.contains("<script>alert"), "{} does not escape", V::NAME);
            assert!(!html.contains("\"'&java"), "{} does not escape quotes", V::NAME);
            assert!(html.contains("&lt;script&gt;"), "{} does not show the sample", V::NAME);
            let (paths, below) = (html.matches("=\"/").count(), html.matches("=\"/usher/").count());
            assert_eq!(paths, below, "{} has a link that leaves the base path", V::NAME);
        }
    }

    #[test]
    fn ou_1_every_template_escapes_hostile_values() {
        let server = &server();
        assert_escaped::<SignInPage>(server);
        assert_escaped::<AccountPage>(server);
        assert_escaped::<OwnPasswordPage>(server);
        assert_escaped::<SessionsPage>(server);
        assert_escaped::<PersonalDataPage>(server);
        assert_escaped::<SecurityPage>(server);
        assert_escaped::<UserFactorsPage>(server);
        assert_escaped::<ErasePage>(server);
        assert_escaped::<AddFactorPage>(server);
        assert_escaped::<AddPasskeyPage>(server);
        assert_escaped::<RecoveryCodesPage>(server);
        assert_escaped::<TokensPage>(server);
        assert_escaped::<PreferencesPage>(server);
        assert_escaped::<ShortcutsPage>(server);
        assert_escaped::<UsersPage>(server);
        assert_escaped::<NewUserPage>(server);
        assert_escaped::<UserPage>(server);
        assert_escaped::<PasswordPage>(server);
        assert_escaped::<HistoryPage>(server);
        assert_escaped::<SignInsPage>(server);
        assert_escaped::<NotesPage>(server);
        assert_escaped::<ViewsPage>(server);
        assert_escaped::<AuditPage>(server);
        assert_escaped::<BulkChoicePage>(server);
        assert_escaped::<OverviewPage>(server);
        assert_escaped::<BulkPage>(server);
        assert_escaped::<OutcomePage>(server);
        assert_escaped::<RunsPage>(server);
        assert_escaped::<ConfirmationPage>(server);
        assert_escaped::<ImportPage>(server);
        assert_escaped::<ImportReviewPage>(server);
        assert_escaped::<ImportOutcomePage>(server);
        assert_escaped::<ErrorPage>(server);
        assert_escaped::<DocumentationPage>(server);
        assert_escaped::<SetPasswordPage>(server);
        assert_escaped::<FirstSuperuserPage>(server);
        assert_escaped::<ForgottenPage>(server);
        assert_escaped::<ConfirmAddressPage>(server);
        assert_escaped::<SignInCheckPage>(server);
    }

    /// The context of a page of which everything is missing.
    #[derive(Debug, Serialize)]
    struct Nothing {}

    impl View for Nothing {
        const NAME: &'static str = UsersPage::NAME;

        fn samples(_: &str) -> Vec<Self> {
            vec![Self {}]
        }
    }

    #[test]
    fn a_page_that_cannot_be_rendered_is_a_fault_of_ours() {
        let server = server();
        let request = server.get("/");
        assert!(matches!(render(request.inner(), &Nothing {}), Err(Error::Internal(_))));
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
