//! The user's own sessions and last sign-ins.

use rocket::{get, post};

use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::session::{Credential, LiveSession, SessionId};
use crate::operations::{own_account, sessions};
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, Said};
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{Answer, ConfirmationPage, OwnSignInRow, SessionRow, SessionsPage};

/// Sign-ins on the page.
const SIGN_INS: i64 = 10;

/// What a session is used with, in words.
fn what(session: &LiveSession) -> String {
    let kind = match session.credential {
        Credential::Cookie => "Browser",
        Credential::Jwt => "API client",
        Credential::ApiToken => return format!("API token “{}”", session.name),
    };
    if session.device.is_empty() { kind.to_owned() } else { session.device.clone() }
}

/// The user's own sessions.
#[get("/account/sessions")]
pub(super) async fn page(console: ConsoleSession<'_>) -> Result<Answer<SessionsPage>> {
    let can = &console.can;
    let sessions = sessions::own(can).await?.into_iter().map(|session| SessionRow {
        id: session.id.0,
        what: what(&session),
        address: session.address,
        created_at: session.created_at.into(),
        last_seen_at: session.last_seen_at.map(Into::into),
        current: session.current,
    });
    let sign_ins = own_account::sign_ins(can, Some(SIGN_INS)).await?.into_iter();
    let sign_ins = sign_ins.map(|entry| OwnSignInRow {
        at: entry.at.into(),
        good: entry.result == "signed_in",
        address: entry.address,
        device: entry.device,
    });
    Ok(Answer::page(SessionsPage {
        layout: console.layout("account"),
        sessions: sessions.collect(),
        sign_ins: sign_ins.collect(),
    }))
}

/// Ends one of them, with the password if it is another one than this.
#[post("/account/sessions/<id>/end", data = "<form>")]
pub(super) async fn end(
    id: i64,
    mut console: ConsoleSession<'_>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let end = |can| async move { sessions::end_own(&can, SessionId(id)).await };
    match reauthentication::with(&mut console, &form.current_password, end).await {
        Ok(ended) => {
            console.flash(format!("Signed out: {}.", what(&ended)), None);
            Ok(Answer::Redirect("/account/sessions".into()))
        }
        Err(error) => {
            let question = Question {
                title: "End another session of yours?",
                text: "It is signed out straight away.",
                button: "End the session",
                action: format!("/account/sessions/{id}/end"),
                back: "/account/sessions".into(),
            };
            question.after(error, &console, "account")
        }
    }
}

fn everywhere_else() -> Question {
    Question {
        title: "Sign out everywhere else?",
        text: "All your other sessions end, and all your API tokens.",
        button: "Sign out everywhere else",
        action: "/account/sessions/end".into(),
        back: "/account/sessions".into(),
    }
}

/// Asks before all others end.
#[get("/account/sessions/end")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn ask(console: ConsoleSession<'_>) -> Answer<ConfirmationPage> {
    Answer::page(everywhere_else().page(&console, "account", &FieldErrors::default()))
}

/// Ends all but this one, with the password.
#[post("/account/sessions/end", data = "<form>")]
pub(super) async fn end_others(
    mut console: ConsoleSession<'_>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let end = |can| async move { sessions::end_own_others(&can).await };
    let text = match reauthentication::with(&mut console, &form.current_password, end).await {
        Ok(0) => Said::neutral("There was nothing else to sign out."),
        Ok(1) => "1 other session was ended.".into(),
        Ok(ended) => format!("{ended} other sessions were ended.").into(),
        Err(error) => {
            return everywhere_else().after(error, &console, "account");
        }
    };
    console.flash(text, None);
    Ok(Answer::Redirect("/account/sessions".into()))
}
