//! The user's own account.

mod address;
mod passkeys;
mod password;
pub(super) mod preferences;
mod security;
mod sessions;

use rocket::form::{FromForm, Strict};
use rocket::http::Status;
use rocket::{Route, get, post, routes};

use super::form::{Field, FormState, field_errors};
use super::layout::{ConsoleSession, Said};
use super::reauthentication;
use super::sign_in::too_many_tries;
use super::view::{AccountPage, Answer, ShortcutsPage, role};
use crate::model::address::Unconfirmed;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::precondition::Precondition;
use crate::model::user::{InputMode, UserInput, UserPatch};
use crate::operations::{addresses, own_account};
use crate::web::form_body::FormBody;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    routes![
        page,
        save,
        shortcuts,
        address::send_again,
        password::form,
        password::change,
        password::remove,
        sessions::ask,
        sessions::page,
        sessions::end,
        sessions::end_others,
        security::page,
        security::add,
        security::submit,
        security::ask_for_codes,
        security::make_codes,
        security::remove,
        passkeys::to_confirm,
        passkeys::add,
        passkeys::submit,
        preferences::page,
        preferences::save,
    ]
}

/// The keys that do something.
#[get("/shortcuts")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
fn shortcuts(console: ConsoleSession<'_>) -> Answer<ShortcutsPage> {
    Answer::page(ShortcutsPage { layout: console.layout("") })
}

/// What the form sends. In a strict form only an option may be missing.
#[derive(Debug, Clone, FromForm)]
struct AccountForm {
    token: String,
    version: i64,
    first_name: String,
    last_name: String,
    email: String,
    current_password: Option<String>,
}

impl AccountForm {
    fn stored(console: &ConsoleSession<'_>) -> Self {
        let user = console.can.user();
        Self {
            token: String::new(),
            version: user.version,
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email: user.email.clone(),
            current_password: None,
        }
    }

    fn input(&self) -> UserInput {
        let patch = UserPatch {
            first_name: self.first_name.as_str().into(),
            last_name: self.last_name.as_str().into(),
            email: self.email.as_str().into(),
            ..UserPatch::default()
        };
        patch.into_input(InputMode::Part)
    }

    /// The page with this form on it.
    async fn page(&self, console: &ConsoleSession<'_>, errors: &FieldErrors) -> Result<AccountPage> {
        let user = console.can.user();
        let optional = |name, label, kind, value: &String| Field {
            optional: true,
            ..Field::new(name, label, kind, value.clone(), errors)
        };
        let mut fields = vec![
            optional("first_name", "First name", "text", &self.first_name),
            optional("last_name", "Last name", "text", &self.last_name),
            optional("email", "Email", "email", &self.email),
        ];
        let password = reauthentication::field(console, "Only needed to change your email address.", errors);
        fields.extend(password.map(|field| Field { optional: true, ..field }));
        let unconfirmed = addresses::unconfirmed(&console.can).await?;
        Ok(AccountPage {
            layout: console.layout("account"),
            form: FormState::of(fields, errors),
            version: self.version,
            username: user.username.as_str().to_owned(),
            role: role(user),
            date_joined: user.date_joined.into(),
            last_login: user.last_login.map(Into::into),
            password_changed_at: user.password_changed_at.map(Into::into),
            unconfirmed: unconfirmed.map(|new| to_confirm(&new)),
        })
    }
}

/// What is said of an address that is not confirmed.
fn to_confirm(new: &Unconfirmed) -> String {
    let meanwhile = match new.mail_to.as_str() {
        "" => "Until then no mail is sent to you.".to_owned(),
        before => format!("Until then mail for you goes to {before}."),
    };
    format!(
        "Confirm your address: open the link that was sent to {} within 24 hours. {meanwhile}",
        new.address
    )
}

/// The user's own account.
#[get("/account")]
async fn page(console: ConsoleSession<'_>) -> Result<Answer<AccountPage>> {
    Ok(Answer::page(AccountForm::stored(&console).page(&console, &FieldErrors::default()).await?))
}

/// Saves the user's own names and e-mail address. A form with any other field is not ours, and is refused.
#[post("/account", data = "<form>")]
async fn save(
    mut console: ConsoleSession<'_>,
    form: FormBody<Strict<AccountForm>>,
) -> Result<Answer<AccountPage>> {
    if console.is_stale(&form.token) {
        let mut page = form.page(&console, &FieldErrors::default()).await?;
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    match update(&mut console, &form).await {
        Ok(changed) => {
            console.flash(if changed { "Saved.".into() } else { Said::neutral("Nothing changed.") }, None);
            Ok(Answer::Redirect("/account".into()))
        }
        Err(Error::PreconditionFailed) => {
            let mut errors = FieldErrors::default();
            let message =
                "Your account was changed elsewhere meanwhile. Check what you typed and save again.";
            errors.add("non_field_errors", message);
            let form = AccountForm { version: console.can.user().version, ..(**form).clone() };
            Ok(Answer::Page(Status::PreconditionFailed, Box::new(form.page(&console, &errors).await?)))
        }
        Err(Error::Throttled(seconds)) => {
            let mut errors = FieldErrors::default();
            errors.add("email", too_many_tries(seconds));
            Ok(Answer::RetryLater(seconds, Box::new(form.page(&console, &errors).await?)))
        }
        Err(error) => Ok(Answer::refused(form.page(&console, &field_errors(error)?).await?)),
    }
}

/// Saves; whether anything is different. Another address needs the password, names do not.
async fn update(console: &mut ConsoleSession<'_>, form: &AccountForm) -> Result<bool> {
    let (input, expected) = (&form.input(), &Precondition::OneOf(vec![form.version]));
    let before = console.can.user().version;
    let typed = form.current_password.as_deref().unwrap_or_default();
    let update = |can| async move { own_account::update(&can, input, expected).await };
    Ok(reauthentication::with(console, typed, update).await?.version != before)
}
