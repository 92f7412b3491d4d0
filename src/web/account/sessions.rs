//! The user's own sessions and last sign-ins.

use rocket::{get, post};

use crate::model::error::Result;
use crate::model::session::{Credential, LiveSession, SessionId};
use crate::operations::{own_account, sessions};
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, TokenForm};
use crate::web::view::{Answer, OwnSignInRow, SessionRow, SessionsPage};

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

/// Ends one of them.
#[post("/account/sessions/<id>/end", data = "<form>")]
pub(super) async fn end(
    id: i64,
    console: ConsoleSession<'_>,
    form: FormBody<TokenForm>,
) -> Result<Answer<SessionsPage>> {
    console.check(&form.token)?;
    let ended = sessions::end_own(&console.can, SessionId(id)).await?;
    console.flash(format!("Signed out: {}.", what(&ended)), None);
    Ok(Answer::Redirect("/account/sessions".into()))
}

/// Ends all but this one.
#[post("/account/sessions/end", data = "<form>")]
pub(super) async fn end_others(
    console: ConsoleSession<'_>,
    form: FormBody<TokenForm>,
) -> Result<Answer<SessionsPage>> {
    console.check(&form.token)?;
    let text = match sessions::end_own_others(&console.can).await? {
        0 => "There was nothing else to sign out.".to_owned(),
        1 => "1 other session was ended.".to_owned(),
        ended => format!("{ended} other sessions were ended."),
    };
    console.flash(text, None);
    Ok(Answer::Redirect("/account/sessions".into()))
}
