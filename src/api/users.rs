//! `/v1/users`.

use std::marker::PhantomData;

use rocket::http::{ContentType, Header, Status};
use rocket::request::{FromParam, FromRequest, Outcome, Request};
use rocket::response::{self, Responder, Response};
use rocket::{delete, get, patch, post, put};

use super::body::JsonBody;
use super::list::{NextPage, Records, put};
use crate::config::GetByName;
use crate::http::conditions::{self, Condition, IfMatch};
use crate::http::guards::AcceptsJson;
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::permission::{ManageUsers, SignedIn};
use crate::model::record::{ListedRecord, Record};
use crate::model::user::{InputMode, User, UserId, UserInput, UserPatch};
use crate::operations::{Can, users};

/// The tag of a record: its version, and the last sign-in, which is part of the answer but no edit.
#[must_use]
pub fn etag(user: &User) -> String {
    format!("\"{}-{}\"", user.version, user.last_login.map_or(0, Timestamp::micros))
}

/// What stands after `/users/` when it can only be a primary key.
pub(super) struct Id(pub(super) UserId);

impl Id {
    /// The primary key, of whatever resource.
    pub(super) const fn number(&self) -> i64 {
        self.0.0
    }
}

impl<'r> FromParam<'r> for Id {
    type Error = ();

    fn from_param(segment: &'r str) -> std::result::Result<Self, ()> {
        if segment.is_empty() || !segment.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        // Digits only, so what does not fit is too great: it becomes the greatest key, which no user has.
        Ok(Self(UserId(segment.parse().unwrap_or(i64::MAX))))
    }
}

/// What stands after `/users/` when it may be a name, too.
pub(super) enum IdOrName<'r> {
    Id(Id),
    Name(&'r str),
}

impl<'r> FromParam<'r> for IdOrName<'r> {
    type Error = ();

    fn from_param(segment: &'r str) -> std::result::Result<Self, ()> {
        match segment {
            // Always those routes, which have other methods.
            "list" | "create" => Err(()),
            _ => Ok(Id::from_param(segment).map_or(Self::Name(segment), Self::Id)),
        }
    }
}

/// A segment of the path, by default that after `/users/`, is a `P`; otherwise the route has no such
/// method for any caller. Stands first in a handler: Rocket itself reads parameters only after all guards,
/// credentials included.
pub(super) struct Routed<P, const SEGMENT: usize = 1>(PhantomData<P>);

#[rocket::async_trait]
impl<'r, P: FromParam<'r> + Send, const SEGMENT: usize> FromRequest<'r> for Routed<P, SEGMENT> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match request.param::<P>(SEGMENT) {
            Some(Ok(_)) => Outcome::Success(Self(PhantomData)),
            _ => Outcome::Forward(Status::NotFound),
        }
    }
}

/// One record as an answer.
pub(super) struct One {
    user: Box<User>,
    status: Status,
    as_array: bool,
}

impl One {
    pub(super) fn new(user: User) -> Self {
        Self { user: Box::new(user), status: Status::Ok, as_array: false }
    }
}

impl<'r> Responder<'r, 'static> for One {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let tag = etag(&self.user);
        let mut response = Response::new();
        match conditions::condition(request, &tag) {
            Condition::Fails => return Err(Error::PreconditionFailed.stash(request)),
            Condition::Unchanged => response.set_status(Status::NotModified),
            Condition::Holds => {
                let record = Record::from(&*self.user);
                let json = if self.as_array {
                    serde_json::to_string(&[record])
                } else {
                    serde_json::to_string(&record)
                };
                let json = json.map_err(|error| Error::internal(error).stash(request))?;
                response.set_status(self.status);
                response.set_header(ContentType::JSON);
                response.set_sized_body(json.len(), std::io::Cursor::new(json));
            }
        }
        if self.status == Status::Created {
            response.set_header(Header::new("Location", format!("{}/users/{}", super::BASE, self.user.id)));
        }
        response.set_header(Header::new("ETag", tag));
        Ok(response)
    }
}

/// No record where an array was asked for.
pub(super) enum Found {
    One(One),
    None,
}

impl<'r> Responder<'r, 'static> for Found {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        match self {
            Self::One(one) => one.respond_to(request),
            Self::None => (ContentType::JSON, "[]").respond_to(request),
        }
    }
}

/// Gets a user by primary key or by name.
#[get("/users/<name>")]
pub(super) async fn retrieve(
    _routed: Routed<IdOrName<'_>>,
    name: IdOrName<'_>,
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
) -> Result<Found> {
    let as_array = can.app().settings.get_by_name == GetByName::Array;
    match name {
        IdOrName::Id(Id(id)) => Ok(Found::One(One::new(users::record(&can, id).await?))),
        IdOrName::Name(name) => match users::get_by_name(&can, name).await {
            Ok(user) => Ok(Found::One(One { as_array, ..One::new(user) })),
            Err(Error::NotFound) if as_array => Ok(Found::None),
            Err(error) => Err(error),
        },
    }
}

/// Makes a user.
#[post("/users/create", data = "<body>")]
pub(super) async fn create(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    body: JsonBody<UserPatch>,
) -> Result<One> {
    let user = users::create(&can, &body.0.into_input(InputMode::Whole)).await?;
    Ok(One { status: Status::Created, ..One::new(user) })
}

/// Replaces a user's fields; optional ones that are left out keep their value.
#[put("/users/<id>", data = "<body>")]
pub(super) async fn update(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    expected: IfMatch,
    body: JsonBody<UserPatch>,
) -> Result<One> {
    change(&can, &id, body.0.into_input(InputMode::Whole), &expected).await
}

/// Changes some of a user's fields.
#[patch("/users/<id>", data = "<body>")]
pub(super) async fn partial_update(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    expected: IfMatch,
    body: JsonBody<UserPatch>,
) -> Result<One> {
    change(&can, &id, body.0.into_input(InputMode::Part), &expected).await
}

async fn change(can: &Can<ManageUsers>, id: &Id, input: UserInput, expected: &IfMatch) -> Result<One> {
    Ok(One::new(users::update(can, id.0, &input, &expected.0).await?.user))
}

/// Marks a user as inactive.
#[delete("/users/<id>")]
pub(super) async fn destroy(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    expected: IfMatch,
) -> Result<Status> {
    users::deactivate(&can, id.0, &expected.0).await?;
    Ok(Status::NoContent)
}

/// Lists users: a page of them, or all, streamed.
#[post("/users/list", data = "<body>")]
pub(super) async fn list(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    body: JsonBody,
) -> Result<Records<ListedRecord>> {
    Records::listed(can, body.0, put).await
}

/// The page of a list that the link of the page before leads to.
#[get("/users/list/next")]
pub(super) async fn list_next(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    page: NextPage,
) -> Result<Records<ListedRecord>> {
    Records::listed(can, page.0, put).await
}
