//! The user's own passkeys: one is added, and one is asked for where the password is asked for again.

use rocket::form::FromForm;
use rocket::serde::json::Json;
use rocket::{get, post};

use super::security::PATH;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::{HasSession, MayEnrol, SignedIn};
use crate::operations::factors;
use crate::operations::passkeys::{self, NOT_OFFERED, NewPasskey, Question};
use crate::web::form::{Field, FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication;
use crate::web::view::{AddPasskeyPage, Answer, PasskeyAsked};

/// What the form for another passkey sends.
#[derive(Debug, Default, FromForm)]
pub(super) struct AddForm {
    #[field(default = "")]
    token: String,
    /// What the device was asked.
    #[field(default = "")]
    state: String,
    /// What it has answered, from the script.
    #[field(default = "")]
    passkey: String,
    #[field(default = "")]
    name: String,
    #[field(default = "")]
    current_password: String,
}

/// The question for a passkey of the user's, for the script of a form that asks for the password again; `null` if they
/// have none.
#[get("/account/security/passkey")]
pub(super) async fn to_confirm(console: ConsoleSession<'_, HasSession>) -> Result<Json<Option<Question>>> {
    passkeys::to_confirm(&console.can).await.map(Json)
}

/// The page for a new passkey.
#[get("/account/security/add-passkey")]
pub(super) async fn add(console: ConsoleSession<'_, MayEnrol>) -> Result<Answer<AddPasskeyPage>> {
    let form = <AddForm as Default>::default();
    Ok(Answer::page(fresh_page(&console, &form, &FieldErrors::default()).await?))
}

/// The page with a question of its own.
async fn fresh_page(
    console: &ConsoleSession<'_, MayEnrol>,
    form: &AddForm,
    errors: &FieldErrors,
) -> Result<AddPasskeyPage> {
    let asked = NewPasskey::begin(&console.can).await?.map(PasskeyAsked::from);
    Ok(add_page(console, asked, form, errors))
}

fn add_page(
    console: &ConsoleSession<'_, MayEnrol>,
    asked: Option<PasskeyAsked>,
    form: &AddForm,
    errors: &FieldErrors,
) -> AddPasskeyPage {
    let name = Field::new("name", "Name", "text", form.name.clone(), errors);
    let mut fields = vec![Field { hint: "Such as “my laptop”.".into(), optional: true, ..name }];
    fields.extend(reauthentication::field(console, "Needed because it changes how you sign in.", errors));
    AddPasskeyPage {
        layout: console.layout("account"),
        asked,
        why_not: NOT_OFFERED,
        answer: String::new(),
        is_first: !console.can.user().has_factor,
        is_demanded: console.can.also::<SignedIn>().is_none(),
        form: FormState::of(fields, errors),
        codes: Vec::new(),
    }
}

/// Adds it. Recovery codes stand in this answer and nowhere else; sent again, the form is refused.
#[post("/account/security/add-passkey", data = "<form>")]
pub(super) async fn submit(
    mut console: ConsoleSession<'_, MayEnrol>,
    form: FormBody<AddForm>,
) -> Result<Answer<AddPasskeyPage>> {
    let resumed = NewPasskey::resume(&console.can, &form.state);
    let Some(new) = resumed.filter(|_| !console.is_stale(&form.token)) else {
        let mut page = fresh_page(&console, &form, &FieldErrors::default()).await?;
        page.form =
            page.form.with_problem("This page was open for a long time. Add the passkey again.".into());
        return Ok(Answer::refused(page));
    };
    let (typed, shown) = (&form, &new);
    let add = |can| async move { factors::add_passkey(&can, shown, &typed.name, &typed.passkey).await };
    match reauthentication::with(&mut console, &form.current_password, add).await {
        Ok(codes) if codes.is_empty() => {
            console.flash("Added the passkey.", None);
            Ok(Answer::Redirect(PATH.to_owned()))
        }
        Ok(codes) => {
            let page = add_page(&console, None, &form, &FieldErrors::default());
            Ok(Answer::page(AddPasskeyPage { codes, ..page }))
        }
        Err(error) => {
            let errors = field_errors(error)?;
            if errors.iter().any(|(field, _)| field == "passkey") {
                return Ok(Answer::refused(fresh_page(&console, &form, &errors).await?));
            }
            // The device has made the passkey: it is not asked again because of another field.
            let asked = PasskeyAsked { state: form.state.clone(), options: String::new() };
            let page = add_page(&console, Some(asked), &form, &errors);
            Ok(Answer::refused(AddPasskeyPage { answer: form.passkey.clone(), ..page }))
        }
    }
}
