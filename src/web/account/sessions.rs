//! One's own sessions and last sign-ins.

use rocket::form::Form;
use rocket::{get, post};

use crate::error::Result;
use crate::live_sessions;
use crate::own_account;
use crate::session::{Carrier, LiveSession, SessionId};
use crate::web::frame::{TokenForm, Visitor};
use crate::web::view::{Answer, OwnSignInRow, SessionRow, SessionsPage};

/// Sign-ins on the page.
const SIGN_INS: i64 = 10;

/// What a session is used with, in words.
fn what(session: &LiveSession) -> String {
    let kind = match session.carrier {
        Carrier::Cookie => "Browser",
        Carrier::Token => "API client",
        Carrier::Named => return format!("API token “{}”", session.name),
    };
    if session.device.is_empty() { kind.to_owned() } else { session.device.clone() }
}

/// One's own sessions.
#[get("/account/sessions")]
pub(super) async fn page(visitor: Visitor<'_>) -> Result<Answer<SessionsPage>> {
    let (app, can) = (visitor.app, &visitor.can);
    let sessions = live_sessions::own(app, can).await?.into_iter().map(|session| SessionRow {
        id: session.id.0,
        what: what(&session),
        address: session.address,
        created_at: session.created_at.into(),
        last_seen_at: session.last_seen_at.map(Into::into),
        current: session.current,
    });
    let sign_ins = own_account::sign_ins(app, can, Some(SIGN_INS)).await?.into_iter();
    let sign_ins = sign_ins.map(|entry| OwnSignInRow {
        at: entry.at.into(),
        good: entry.result == "signed_in",
        address: entry.address,
        device: entry.device,
    });
    Ok(Answer::page(SessionsPage {
        frame: visitor.frame("account"),
        sessions: sessions.collect(),
        sign_ins: sign_ins.collect(),
    }))
}

/// Ends one of them.
#[post("/account/sessions/<id>/end", data = "<form>")]
pub(super) async fn end(
    id: i64,
    visitor: Visitor<'_>,
    form: Form<TokenForm>,
) -> Result<Answer<SessionsPage>> {
    if visitor.is_stale(&form.token) {
        return Ok(Answer::again(&visitor, "/account/sessions"));
    }
    let ended = live_sessions::end_own(visitor.app, &visitor.can, SessionId(id)).await?;
    visitor.tell(format!("Signed out: {}.", what(&ended)), None);
    Ok(Answer::GoOn("/account/sessions".into()))
}

/// Ends all but this one.
#[post("/account/sessions/end", data = "<form>")]
pub(super) async fn end_others(visitor: Visitor<'_>, form: Form<TokenForm>) -> Result<Answer<SessionsPage>> {
    if visitor.is_stale(&form.token) {
        return Ok(Answer::again(&visitor, "/account/sessions"));
    }
    let text = match live_sessions::end_own_others(visitor.app, &visitor.can).await? {
        0 => "There was nothing else to sign out.".to_owned(),
        1 => "1 other session was ended.".to_owned(),
        ended => format!("{ended} other sessions were ended."),
    };
    visitor.tell(text, None);
    Ok(Answer::GoOn("/account/sessions".into()))
}
