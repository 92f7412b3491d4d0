//! What the templates are given: one struct per template, with samples.
//!
//! The templates are in the binary; a debug build reads them from their folder at every answer. To add
//! one: a struct with its [`View`], and a file of that name that ends in `.html`, or Tera would not
//! escape it.

use rocket::http::ContentType;
use rocket::request::Request;
use rocket::response::Response;
use rust_embed::RustEmbed;
use serde::Serialize;
use tera::Tera;

use super::assets::ASSETS;
use crate::error::{Error, Result};

#[derive(RustEmbed)]
#[folder = "templates"]
struct Templates;

/// What a template is given.
pub(super) trait View: Serialize + Sized {
    /// The template's name: its file's.
    const NAME: &'static str;

    /// Examples that show all of it; `text` stands wherever a person's text would.
    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self>;
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

/// The start page.
#[derive(Debug, Serialize)]
pub(super) struct HomePage {
    pub(super) username: String,
    pub(super) access: String,
    pub(super) token: String,
}

impl View for HomePage {
    const NAME: &'static str = "home.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self { username: text.to_owned(), access: text.to_owned(), token: text.to_owned() }]
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
        let layout = serde_json::json!({ "stylesheet": ASSETS.stylesheet, "icon": ASSETS.icon });
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
            let html = pages().html(&sample).unwrap();
            assert!(!html.contains("<script>alert"), "{} does not escape", V::NAME);
            assert!(!html.contains("\"'&java"), "{} does not escape quotes", V::NAME);
            assert!(html.contains("&lt;script&gt;"), "{} does not show the sample", V::NAME);
        }
    }

    #[test]
    fn ou_1_every_template_escapes_hostile_values() {
        assert_escaped::<SignInPage>();
        assert_escaped::<HomePage>();
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
}
