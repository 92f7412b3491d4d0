//! API tokens: the user's own, and for superusers those of users.

use rocket::form::FromForm;
use rocket::{Route, get, post, routes};

use super::form::{Field, FormState, field_errors};
use super::layout::ConsoleSession;
use super::reauthentication::{self, ConfirmedForm, Question};
use super::view::{Answer, ConfirmationPage, NewToken, TokenRow, TokensPage};
use crate::config::Settings;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::{IsSuperuser, Permission};
use crate::model::raw::Raw;
use crate::model::session::SessionId;
use crate::model::user::{User, UserId};
use crate::operations::api_tokens::{self, ApiToken, MadeToken, TokenInput, TokenRequest};
use crate::operations::users;
use crate::web::form_body::FormBody;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    routes![own, make_own, revoke_own, of_user, make_for, revoke_of]
}

/// What the form sends. A box that is not ticked is not sent.
#[derive(Debug, FromForm)]
struct MakeForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    name: String,
    #[field(default = "")]
    expires_in_days: String,
    full: Option<String>,
    #[field(default = "")]
    current_password: String,
}

impl MakeForm {
    /// The empty form.
    fn new(days: u64) -> Self {
        let empty = String::new;
        let expires_in_days = days.to_string();
        Self { token: empty(), name: empty(), expires_in_days, full: None, current_password: empty() }
    }

    fn input(&self, settings: &Settings) -> TokenInput {
        let request = TokenRequest {
            name: self.name.as_str().into(),
            expires_in_days: self.expires_in_days.as_str().into(),
            read_only: Raw::Bool(self.full.is_none()),
        };
        request.into_input(settings)
    }
}

/// Whose tokens a page shows: its path, the page that it belongs to, and the owner's name; empty for the caller.
struct Holder {
    path: String,
    back: (String, String),
    owner: String,
}

impl Holder {
    fn own() -> Self {
        let back = ("/account".to_owned(), "my account".to_owned());
        Self { path: "/account/tokens".into(), back, owner: String::new() }
    }

    fn of(user: &User) -> Self {
        let (path, name) = (format!("/users/{}", user.id), user.display_name());
        Self { back: (path.clone(), name.clone()), path: format!("{path}/tokens"), owner: name }
    }

    fn page<P: Permission>(
        self,
        console: &ConsoleSession<'_, P>,
        tokens: Vec<ApiToken>,
        form: &MakeForm,
        errors: &FieldErrors,
    ) -> TokensPage {
        let most = console.app().settings.api_token_days;
        let days = form.expires_in_days.clone();
        let name = Field::new("name", "Name", "text", form.name.clone(), errors);
        let days = Field::new("expires_in_days", "Expires in days", "text", days, errors);
        let hint = "Needed because a token acts in its owner's name.";
        let mut fields = vec![
            Field { hint: "What it is for, such as “nightly report”.".into(), ..name },
            Field { hint: format!("From 1 to {most}."), ..days },
        ];
        fields.extend(reauthentication::field(console, hint, errors));
        let row = |token: ApiToken| TokenRow {
            id: token.id.0,
            name: token.name,
            read_only: token.read_only,
            created_at: token.created_at.into(),
            last_used_at: token.last_used_at.map(Into::into),
            expires_at: token.expires_at.into(),
        };
        TokensPage {
            layout: console.layout(if self.owner.is_empty() { "account" } else { "users" }),
            path: self.path,
            back: self.back,
            owner: self.owner,
            tokens: tokens.into_iter().map(row).collect(),
            made: None,
            form: FormState::of(fields, errors),
            full: form.full.is_some(),
        }
    }
}

/// The page after a form was sent. A new token stands in this answer and nowhere else: it is not kept,
/// so there is no page to lead to that could show it. Sent again, the form is refused for its name.
fn after<P: Permission>(
    console: &ConsoleSession<'_, P>,
    holder: Holder,
    tokens: Vec<ApiToken>,
    form: &MakeForm,
    result: Result<MadeToken>,
) -> Result<Answer<TokensPage>> {
    let made = match result {
        Ok(made) => made,
        Err(error) => return Ok(Answer::refused(holder.page(console, tokens, form, &field_errors(error)?))),
    };
    let form = MakeForm::new(api_tokens::default_days(&console.app().settings));
    let page = holder.page(console, tokens, &form, &FieldErrors::default());
    let MadeToken { listed, token } = made;
    let made = NewToken { name: listed.name, token, expires_at: listed.expires_at.into() };
    Ok(Answer::page(TokensPage { made: Some(made), ..page }))
}

/// The form again, for a page that was open for longer than its session.
fn stale<P: Permission>(
    console: &ConsoleSession<'_, P>,
    holder: Holder,
    tokens: Vec<ApiToken>,
    form: &MakeForm,
) -> Answer<TokensPage> {
    let mut page = holder.page(console, tokens, form, &FieldErrors::default());
    page.form = page.form.stale();
    Answer::refused(page)
}

/// The user's own tokens.
#[get("/account/tokens")]
async fn own(console: ConsoleSession<'_>) -> Result<Answer<TokensPage>> {
    let tokens = api_tokens::own(&console.can).await?;
    let form = MakeForm::new(api_tokens::default_days(&console.app().settings));
    Ok(Answer::page(Holder::own().page(&console, tokens, &form, &FieldErrors::default())))
}

/// Makes one for the user.
#[post("/account/tokens", data = "<form>")]
async fn make_own(mut console: ConsoleSession<'_>, form: FormBody<MakeForm>) -> Result<Answer<TokensPage>> {
    if console.is_stale(&form.token) {
        let tokens = api_tokens::own(&console.can).await?;
        return Ok(stale(&console, Holder::own(), tokens, &form));
    }
    let input = &form.input(&console.app().settings);
    let make = |can| async move { api_tokens::make_own(&can, input).await };
    let result = reauthentication::with(&mut console, &form.current_password, make).await;
    let tokens = api_tokens::own(&console.can).await?;
    after(&console, Holder::own(), tokens, &form, result)
}

/// Revokes one of the user's own.
#[post("/account/tokens/<id>/revoke", data = "<form>")]
async fn revoke_own(
    id: i64,
    mut console: ConsoleSession<'_>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let revoke = |can| async move { api_tokens::revoke_own(&can, SessionId(id)).await };
    let result = reauthentication::with(&mut console, &form.current_password, revoke).await;
    after_revoking(&console, result, "/account/tokens", id, "account")
}

/// The user that a page is about.
async fn owner(console: &ConsoleSession<'_, IsSuperuser>, id: i64) -> Result<User> {
    users::get(&console.can.weaken(), UserId(id)).await
}

/// The tokens of a user.
#[get("/users/<id>/tokens")]
async fn of_user(id: i64, console: ConsoleSession<'_, IsSuperuser>) -> Result<Answer<TokensPage>> {
    let user = owner(&console, id).await?;
    let tokens = api_tokens::of_user(&console.can, user.id).await?;
    let form = MakeForm::new(api_tokens::default_days(&console.app().settings));
    Ok(Answer::page(Holder::of(&user).page(&console, tokens, &form, &FieldErrors::default())))
}

/// Makes one for a user.
#[post("/users/<id>/tokens", data = "<form>")]
async fn make_for(
    id: i64,
    mut console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<MakeForm>,
) -> Result<Answer<TokensPage>> {
    let user = owner(&console, id).await?;
    if console.is_stale(&form.token) {
        let tokens = api_tokens::of_user(&console.can, user.id).await?;
        return Ok(stale(&console, Holder::of(&user), tokens, &form));
    }
    let (id, input) = (user.id, &form.input(&console.app().settings));
    let make = |can| async move { api_tokens::make_for(&can, id, input).await };
    let result = reauthentication::with(&mut console, &form.current_password, make).await;
    let tokens = api_tokens::of_user(&console.can, user.id).await?;
    after(&console, Holder::of(&user), tokens, &form, result)
}

/// Revokes one of a user.
#[post("/users/<id>/tokens/<token>/revoke", data = "<form>")]
async fn revoke_of(
    id: i64,
    token: i64,
    mut console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let revoke = |can| async move { api_tokens::revoke_of(&can, UserId(id), SessionId(token)).await };
    let result = reauthentication::with(&mut console, &form.current_password, revoke).await;
    after_revoking(&console, result, &format!("/users/{id}/tokens"), token, "users")
}

/// The page after a token was revoked, or the question for the viewer's password.
fn after_revoking<P: Permission>(
    console: &ConsoleSession<'_, P>,
    result: Result<ApiToken>,
    tokens: &str,
    token: i64,
    section: &'static str,
) -> Result<Answer<ConfirmationPage>> {
    match result {
        Ok(revoked) => {
            console.flash(format!("Revoked the token “{}”.", revoked.name), None);
            Ok(Answer::Redirect(tokens.to_owned()))
        }
        Err(error) => {
            let question = Question {
                title: "Revoke an API token of yours?",
                text: "What uses it is refused from then on. This cannot be undone.",
                button: "Revoke",
                action: format!("{tokens}/{token}/revoke"),
                back: tokens.to_owned(),
            };
            question.after(error, console, section)
        }
    }
}
