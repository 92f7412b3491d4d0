//! A form that was sent after its session had ended: the person signs in right there, and the form comes back with
//! everything typed but passwords. Where nothing else was typed, the page comes back that the form or the button is on.
//!
//! What was typed travels in the pages themselves, in no URL, cookie or log. It is sent on without a token, so that
//! the page that it belongs to shows it again instead of saving it.

use rocket::data::{Data, FromData, Limits, Outcome as DataOutcome};
use rocket::http::uri::Absolute;
use rocket::http::{RawStr, Status};
use rocket::post;
use rocket::request::{FromRequest, Outcome, Request};

use super::sign_in;
use super::view::{Answer, SignInPage};
use crate::http::body;
use crate::http::cookies::Cookies;
use crate::http::guards::{Site, app, site};
use crate::http::path::RequestPath;
use crate::model::base_path::BasePath;
use crate::model::error::{Error, Result};
use crate::operations::App;

/// Name and value of each field.
pub(super) type Fields = Vec<(String, String)>;

/// Most fields that are kept: an import of a very wide table has two for each column.
const MOST: usize = 1000;

/// The request is for a page, sends a form, and brings no session that goes on.
pub(super) struct EndedSession {
    /// Where the form was sent.
    path: String,
    /// The page that it is on.
    page: String,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for EndedSession {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let is_form = request.content_type().is_some_and(|kind| kind.is_form() || kind.is_form_data());
        match Error::stashed(request) {
            Some(Error::NotAuthenticated(_)) if is_form => {
                Outcome::Success(Self { path: request.uri().path().to_string(), page: page_of(request) })
            }
            Some(error) => Outcome::Forward(error.status()),
            None => Outcome::Forward(Status::NotFound),
        }
    }
}

/// Whether a page of this server sent a request.
fn is_ours(request: &Request<'_>) -> bool {
    app(request).is_ok_and(|app| site(request, &app.settings) == Site::Same)
}

/// The page that a form is on: the one that has sent it, or else the one nearest to where it was sent.
fn page_of(request: &Request<'_>) -> String {
    if !is_ours(request) {
        return "/".to_owned();
    }
    sender(request).unwrap_or_else(|| RequestPath::of(request).nearest_page(request.rocket()))
}

/// The page that has sent a form. An answer to a form has the form's path, at which there need not be a page.
fn sender(request: &Request<'_>) -> Option<String> {
    let from = Absolute::parse(request.headers().get_one("Referer")?).ok()?;
    let asked = from.path().as_str();
    let path = request.rocket().state::<BasePath>().map_or(Some(asked), |base| base.strip(asked))?;
    let segments = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let page = RequestPath::new(segments).nearest_page(request.rocket());
    let query = from.query().filter(|_| page == path);
    let page = query.map_or_else(|| page.clone(), |query| format!("{page}?{query}"));
    // Signing in leads on from there.
    Some(page).filter(|page| !page.starts_with("/sign-in"))
}

/// What was typed, if a page of this server sent it.
pub(super) struct Typed(Fields);

#[rocket::async_trait]
impl<'r> FromData<'r> for Typed {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> DataOutcome<'r, Self> {
        let limit = request.limits().get("form").unwrap_or(Limits::FORM);
        // Files are not kept, nor anything of a body that cannot be read or is another site's.
        let is_kept = is_ours(request) && request.content_type().is_some_and(|kind| kind.is_form());
        let body = body::read(data, limit.as_u64()).await.ok().filter(|_| is_kept).unwrap_or_default();
        DataOutcome::Success(Self(kept(&body)))
    }
}

/// The fields of a body that may come back: neither passwords and codes nor the token of the session that has ended.
fn kept(body: &[u8]) -> Fields {
    let text = String::from_utf8_lossy(body);
    let decoded = |part: &RawStr| part.url_decode_lossy().into_owned();
    let fields = RawStr::new(&text).split('&').map(|field| field.split_at_byte(b'='));
    let fields = fields.map(|(name, value)| (decoded(name), decoded(value)));
    fields.filter(|(name, _)| may_be_kept(name)).take(MOST).collect()
}

fn may_be_kept(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    !name.is_empty() && is_plain && name != "token" && !name.contains("password") && !name.contains("code")
}

/// The fields as one text that a form carries.
pub(super) fn write(fields: &[(String, String)]) -> String {
    serde_json::to_string(fields).unwrap_or_default()
}

/// The fields of such a text; none, if it is not one of ours.
pub(super) fn read(text: &str) -> Fields {
    let mut fields: Fields = serde_json::from_str(text).unwrap_or_default();
    fields.retain(|(name, _)| may_be_kept(name));
    fields.truncate(MOST);
    fields
}

/// Asks to sign in, with what was typed in the page.
#[post("/<_..>", data = "<typed>", rank = 100)]
pub(super) async fn sign_in_again(
    ended: EndedSession,
    typed: Typed,
    app: &App,
    jar: Cookies<'_>,
) -> Result<Answer<SignInPage>> {
    let page = sign_in::after_end(app, jar, (&ended.path, &ended.page), &typed.0).await?;
    Ok(Answer::Page(Status::Unauthorized, Box::new(page)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_typed_is_kept_but_passwords_and_tokens() {
        let body =
            b"token=abc&username=zo%C3%AB&first_name=A+B&password=x&current_password=y&repeat_password=z\
                     &id=1&id=2&empty=&=nameless&odd.name=1";
        let fields = kept(body);
        let shown: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["username=zoë", "first_name=A B", "id=1", "id=2", "empty="]);
        assert_eq!(read(&write(&fields)), fields);
    }

    #[test]
    fn what_is_no_list_of_fields_is_none() {
        for text in ["", "{}", "[1]", "[[\"a\"]]", "null"] {
            assert_eq!(read(text), [], "{text}");
        }
        let smuggled = write(&[("password".into(), "x".into()), ("action\"".into(), "x".into())]);
        assert_eq!(read(&smuggled), []);
        assert_eq!(read(&write(&vec![("a".into(), "b".into()); MOST + 1])).len(), MOST);
    }
}
