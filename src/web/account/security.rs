//! The user's own second factors and recovery codes.

use rocket::form::FromForm;
use rocket::{get, post};

use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::{MayEnrol, SignedIn};
use crate::model::second_factor::FactorId;
use crate::operations::factors::{self, NewTotp};
use crate::operations::{known_browsers, passkeys};
use crate::web::form::{Field, FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::qr::Qr;
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{
    AddFactorPage, Answer, ConfirmationPage, FactorRow, RecoveryCodesPage, SecurityPage, Time,
};

pub(super) const PATH: &str = "/account/security";

/// What the form for another factor sends.
#[derive(Debug, Default, FromForm)]
pub(super) struct AddForm {
    #[field(default = "")]
    token: String,
    /// The secret that the page shows.
    #[field(default = "")]
    state: String,
    #[field(default = "")]
    name: String,
    #[field(default = "")]
    code: String,
    #[field(default = "")]
    current_password: String,
}

/// The user's factors.
#[get("/account/security")]
pub(super) async fn page(console: ConsoleSession<'_>) -> Result<Answer<SecurityPage>> {
    let own = factors::own(&console.can).await?;
    Ok(Answer::page(SecurityPage {
        layout: console.layout("account"),
        factors: own.factors.into_iter().map(FactorRow::from).collect(),
        codes_left: own.recovery_codes_left,
        offers_passkeys: passkeys::relying_party(console.app()).is_some(),
        known_browsers: known_browsers::own(&console.can).await?.into_iter().map(Time::from).collect(),
        has_password: console.can.session().has_password,
        signs_in_alone: passkeys::sign_in_alone(&console.can).await?,
    }))
}

/// The page with the secret of a new factor, in a picture and as text.
fn add_page(
    console: &ConsoleSession<'_, MayEnrol>,
    new: NewTotp,
    form: &AddForm,
    errors: &FieldErrors,
) -> AddFactorPage {
    let name = Field::new("name", "Name", "text", form.name.clone(), errors);
    let mut fields = vec![
        Field {
            hint: "The six digits that the app shows now.".into(),
            ..Field::new("code", "Code", "text", String::new(), errors)
        },
        Field { hint: "Such as “my phone”.".into(), optional: true, ..name },
    ];
    fields.extend(reauthentication::field(console, "Needed because it changes how you sign in.", errors));
    let uri = new.uri(&console.can);
    AddFactorPage {
        layout: console.layout("account"),
        secret: new.text(),
        qr: Qr::of(&uri),
        uri,
        state: new.sealed,
        is_first: !console.can.user().has_factor,
        is_demanded: console.can.also::<SignedIn>().is_none(),
        codes: Vec::new(),
        form: FormState::of(fields, errors),
    }
}

/// The page for a new factor.
#[get("/account/security/add")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn add(console: ConsoleSession<'_, MayEnrol>) -> Result<Answer<AddFactorPage>> {
    let new = NewTotp::begin(&console.can)?;
    Ok(Answer::page(add_page(&console, new, &<AddForm as Default>::default(), &FieldErrors::default())))
}

/// Adds it. Recovery codes stand in this answer and nowhere else; sent again, the form is refused for its name.
#[post("/account/security/add", data = "<form>")]
pub(super) async fn submit(
    mut console: ConsoleSession<'_, MayEnrol>,
    form: FormBody<AddForm>,
) -> Result<Answer<AddFactorPage>> {
    let resumed = NewTotp::resume(&console.can, &form.state);
    let Some(new) = resumed.filter(|_| !console.is_stale(&form.token)) else {
        let mut page = add_page(&console, NewTotp::begin(&console.can)?, &form, &FieldErrors::default());
        page.form = page.form.with_problem(
            "This page was open for a long time. Scan the new picture, and remove the entry before from the app.".into(),
        );
        return Ok(Answer::refused(page));
    };
    let (typed, shown) = (&form, &new);
    let add = |can| async move { factors::add(&can, shown, &typed.name, &typed.code).await };
    match reauthentication::with(&mut console, &form.current_password, add).await {
        Ok(codes) => {
            if codes.is_empty() {
                console.flash("Added the second factor.", None);
                return Ok(Answer::Redirect(PATH.to_owned()));
            }
            let page = add_page(&console, new, &form, &FieldErrors::default());
            Ok(Answer::page(AddFactorPage { codes, ..page }))
        }
        Err(error) => Ok(Answer::refused(add_page(&console, new, &form, &field_errors(error)?))),
    }
}

/// Asks before new recovery codes are made.
#[get("/account/security/codes")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn ask_for_codes(console: ConsoleSession<'_>) -> Answer<RecoveryCodesPage> {
    Answer::page(codes_page(&console, Vec::new(), &FieldErrors::default()))
}

fn codes_page(console: &ConsoleSession<'_>, codes: Vec<String>, errors: &FieldErrors) -> RecoveryCodesPage {
    let form = reauthentication::form(console, codes.is_empty(), errors);
    RecoveryCodesPage { layout: console.layout("account"), codes, form }
}

/// Makes new recovery codes: they stand in this answer and nowhere else.
#[post("/account/security/codes", data = "<form>")]
pub(super) async fn make_codes(
    mut console: ConsoleSession<'_>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<RecoveryCodesPage>> {
    console.check(&form.token)?;
    let make = |can| async move { factors::make_codes(&can).await };
    match reauthentication::with(&mut console, &form.current_password, make).await {
        Ok(codes) => Ok(Answer::page(codes_page(&console, codes, &FieldErrors::default()))),
        Err(error) => Ok(Answer::refused(codes_page(&console, Vec::new(), &field_errors(error)?))),
    }
}

/// Removes a factor.
#[post("/account/security/<id>/remove", data = "<form>")]
pub(super) async fn remove(
    id: i64,
    mut console: ConsoleSession<'_>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let remove = |can| async move { factors::remove_own(&can, FactorId(id)).await };
    match reauthentication::with(&mut console, &form.current_password, remove).await {
        Ok(removed) => {
            let name = removed.first().map_or("", |factor| factor.name.as_str());
            console.flash(format!("Removed the second factor “{name}”."), None);
            Ok(Answer::Redirect(PATH.to_owned()))
        }
        Err(error) => {
            let question = Question {
                title: "Remove a second factor of yours?",
                text: "It no longer signs in. With the last one go your recovery codes.",
                button: "Remove",
                action: format!("{PATH}/{id}/remove"),
                back: PATH.into(),
            };
            question.after(error, &console, "account")
        }
    }
}
