//! `/v1/users/invite`, and `link`, `sign-in-check` and `unlock` of `/v1/users/{pk}`.

use rocket::http::{ContentType, Header, Status};
use rocket::response::{self, Responder, Response};
use rocket::serde::json::Json;
use rocket::{get, post};
use serde::Serialize;

use super::body::JsonBody;
use super::users::{Id, Routed};
use crate::http::conditions::IfMatch;
use crate::http::guards::AcceptsJson;
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::mail::MailState;
use crate::model::permission::{IsSuperuser, ManageUsers};
use crate::model::precondition::Precondition;
use crate::model::record::Record;
use crate::model::user::{InputMode, UserPatch};
use crate::operations::Can;
use crate::operations::password_links::{self, Made};
use crate::operations::sign_in_diagnosis::{self, Diagnosis};
use crate::operations::unlock;

/// A link as an answer; with the record of a user that was made for it.
pub(super) struct Link {
    made: Made,
    with_user: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Record<'a>>,
    url: &'a str,
    expires_at: Timestamp,
    /// Of the message with the link; null if it is not sent by mail.
    mail: Option<&'static str>,
}

impl<'r> Responder<'r, 'static> for Link {
    fn respond_to(self, request: &'r rocket::Request<'_>) -> response::Result<'static> {
        let Made { user, url, expires_at, mailed } = &self.made;
        let body = Body {
            user: self.with_user.then(|| Record::from(user)),
            url,
            expires_at: *expires_at,
            mail: mailed.then_some(MailState::Queued.as_str()),
        };
        let json = serde_json::to_string(&body).map_err(|error| Error::internal(error).stash(request))?;
        let mut response = Response::new();
        response.set_status(Status::Created);
        response.set_header(ContentType::JSON);
        response.set_sized_body(json.len(), std::io::Cursor::new(json));
        if self.with_user {
            response.set_header(Header::new("Location", format!("{}/users/{}", super::BASE, user.id)));
        }
        Ok(response)
    }
}

/// Makes a user who chooses the password by a link.
#[post("/users/invite", data = "<body>")]
pub(super) async fn invite(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    body: JsonBody<UserPatch>,
) -> Result<Link> {
    let input = body.0.into_input(InputMode::Invitation);
    Ok(Link { made: password_links::invite(&can, &input, None).await?, with_user: true })
}

/// Makes a link with which a user chooses another password.
#[post("/users/<id>/link", data = "<_body>")]
pub(super) async fn make(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    expected: IfMatch,
    _body: JsonBody,
) -> Result<Link> {
    let expected: &Precondition = &expected.0;
    Ok(Link { made: password_links::make(&can, id.0, expected, None).await?, with_user: false })
}

/// Why a user can or cannot sign in.
#[get("/users/<id>/sign-in-check")]
pub(super) async fn check(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
) -> Result<Json<Diagnosis>> {
    Ok(Json(sign_in_diagnosis::check(&can, id.0, &sign_in_diagnosis::in_utc).await?))
}

/// How many failures in a row were forgotten.
#[derive(Serialize)]
pub(super) struct Forgotten {
    failures: i64,
}

/// Ends a block after failed sign-ins.
#[post("/users/<id>/unlock", data = "<_body>")]
pub(super) async fn end_block(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<IsSuperuser>,
    _body: JsonBody,
) -> Result<Json<Forgotten>> {
    let failures = unlock::account(&can, id.0).await?.failures;
    Ok(Json(Forgotten { failures }))
}
