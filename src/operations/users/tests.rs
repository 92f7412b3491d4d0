//! The operations on an SQLite file, without the web server. What both databases and channels must do
//! alike is tested from outside, in `tests/suite`.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::model::clock::{Clock, Timestamp};
use crate::model::filter::ListRequest;
use crate::model::origin::Origin;
use crate::model::rules::{Conflict, Denial};
use crate::model::session::{Credential, NewSession, Secret};
use crate::model::user::{InputMode, UserPatch};
use crate::operations::authentication::{Authorization, authenticate};
use crate::operations::lists;

struct Installation {
    app: App,
    _directory: TempDir,
}

impl Installation {
    async fn new() -> Self {
        let (figment, directory) = db::testing::sqlite().await;
        let clock = Clock::manual(Timestamp::from_micros(1_000_000));
        Self { app: App::open(&figment, clock).await.unwrap(), _directory: directory }
    }

    /// Stores a user of a kind said in words.
    async fn user(&self, username: &str, kind: &str) -> User {
        let mut user = input(json!({"username": username})).changes.apply(&User::blank(self.app.clock.now()));
        user.is_staff = kind.contains("staff");
        user.is_superuser = kind.contains("superuser");
        let mut tx = self.app.db.begin().await.unwrap();
        user.id = db::users::insert(&mut tx, &user, &PasswordHash::unusable()).await.unwrap();
        tx.commit().await.unwrap();
        user
    }

    /// The proof that a user may manage users, by a session of theirs.
    async fn can(&self, user: &User) -> Can<ManageUsers> {
        let (now, origin) = (self.app.clock.now(), Origin::command_line());
        let (secret, credential) = (Secret::random(), Credential::Cookie);
        let expires_at = now.plus(Duration::from_hours(1));
        let new = NewSession {
            credential,
            expires_at,
            confirmed_at: now,
            name: String::new(),
            read_only: false,
            second_factor: false,
        };
        let mut tx = self.app.db.begin().await.unwrap();
        db::sessions::insert(&mut tx, user.id, &new, &secret.hash(), &origin, now).await.unwrap();
        tx.commit().await.unwrap();
        let text = secret.to_text();
        let actor = authenticate(&self.app, Authorization::Cookie(&text), &origin).await.unwrap();
        Can::check(&actor).unwrap()
    }
}

/// Of a JSON object, as a client sends it.
fn input(fields: Value) -> UserInput {
    serde_json::from_value::<UserPatch>(fields).unwrap().into_input(InputMode::Part)
}

#[rocket::async_test]
async fn an_edit_counts_the_version_up_and_one_that_changes_nothing_does_not() {
    let installation = Installation::new().await;
    let (staff, ada) = (installation.user("staff", "staff").await, installation.user("ada", "").await);
    let update = async |value: &str| {
        let input = input(json!({"first_name": value}));
        update(&installation.can(&staff).await, ada.id, &input, &Precondition::Any)
            .await
            .unwrap()
            .user
            .version
    };
    assert_eq!([update("Ada").await, update("Ada").await, update("Augusta").await], [2, 2, 3]);
}

#[rocket::async_test]
async fn az_9_an_edit_of_an_older_version_is_refused_and_changes_nothing() {
    let installation = Installation::new().await;
    let (staff, ada) = (installation.user("staff", "staff").await, installation.user("ada", "").await);
    let ada = db::users::by_id(&installation.app.db, ada.id).await.unwrap().unwrap();
    let expected = Precondition::OneOf(vec![7]);
    let result =
        update(&installation.can(&staff).await, ada.id, &input(json!({"email": "a@b.co"})), &expected).await;
    assert!(matches!(result, Err(Error::PreconditionFailed)));
    let result = deactivate(&installation.can(&staff).await, ada.id, &expected).await;
    assert!(matches!(result, Err(Error::PreconditionFailed)));
    assert_eq!(db::users::by_id(&installation.app.db, ada.id).await.unwrap(), Some(ada));
}

#[rocket::async_test]
async fn all_that_is_wrong_with_an_edit_is_said_at_once() {
    let installation = Installation::new().await;
    let (staff, ada) = (installation.user("staff", "staff").await, installation.user("ada", "").await);
    let input = input(json!({"username": "STAFF", "email": "nowhere", "password": "short"}));
    let result = update(&installation.can(&staff).await, ada.id, &input, &Precondition::Any).await;
    let Err(Error::Invalid(errors)) = result else { panic!("{result:?}") };
    assert_eq!(errors.of("username"), [Message::UsernameTaken("STAFF".into())]);
    assert_eq!(errors.of("email"), [Message::Email]);
    assert_eq!(errors.of("password").len(), 1);
}

#[rocket::async_test]
async fn az_3_staff_cannot_touch_a_superuser_even_to_change_nothing() {
    let installation = Installation::new().await;
    let (staff, root) =
        (installation.user("staff", "staff").await, installation.user("root", "superuser").await);
    let denied = |result: Result<User>| matches!(result, Err(Error::Forbidden(Denial::SuperuserRequired)));
    assert!(denied(
        update(&installation.can(&staff).await, root.id, &input(json!({})), &Precondition::Any)
            .await
            .map(|done| done.user)
    ));
    assert!(denied(
        deactivate(&installation.can(&staff).await, root.id, &Precondition::Any).await.map(|done| done.user)
    ));
}

#[rocket::async_test]
async fn az_5_the_last_superuser_stays() {
    let installation = Installation::new().await;
    let (root, boss) =
        (installation.user("root", "superuser").await, installation.user("boss", "superuser").await);
    let result = deactivate(&installation.can(&root).await, root.id, &Precondition::Any).await;
    assert!(matches!(result, Err(Error::Conflict(Conflict::DeactivatesSelf))));
    // A request of a superuser who is none any more when it comes to the row.
    let can = installation.can(&boss).await;
    let mut tx = installation.app.db.begin().await.unwrap();
    db::users::update(&mut tx, &User { is_superuser: false, ..boss }).await.unwrap();
    tx.commit().await.unwrap();
    let result = deactivate(&can, root.id, &Precondition::Any).await;
    assert!(matches!(result, Err(Error::Conflict(Conflict::LastSuperuser))), "{result:?}");
}

#[rocket::async_test]
async fn a_user_may_keep_a_reserved_name_but_not_take_one() {
    let installation = Installation::new().await;
    let (staff, number) = (installation.user("staff", "staff").await, installation.user("4711", "").await);
    let rename = async |to: &str| {
        update(
            &installation.can(&staff).await,
            number.id,
            &input(json!({"username": to})),
            &Precondition::Any,
        )
        .await
    };
    assert!(rename("4711").await.is_ok());
    assert!(matches!(rename("list").await, Err(Error::Invalid(_))));
    assert_eq!(rename("ada").await.unwrap().user.username.as_str(), "ada");
}

#[rocket::async_test]
async fn a_list_continues_where_the_batch_before_ended() {
    let installation = Installation::new().await;
    let staff = installation.user("staff", "staff").await;
    for name in ["ada", "bob", "eve"] {
        installation.user(name, "").await;
    }
    let can = installation.can(&staff).await;
    let request: ListRequest = ListRequest { limit: Some(3), ..ListRequest::default() };
    let first = lists::begin::<User>(&can, &request).await.unwrap();
    assert_eq!(first.records.len(), 3);
    let place = first.next.expect("more users");
    let (rest, end) = lists::next_batch::<User>(&can, &request.filter, &place).await.unwrap();
    assert_eq!((rest[0].username.as_str(), rest.len(), end), ("eve", 1, None));
}
