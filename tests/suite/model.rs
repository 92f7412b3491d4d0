//! Random users do random operations on random channels, and the rules hold after each of them.
//!
//! To add a channel or an operation: a variant of [`Deed`], and its request in [`attempt`].

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rocket::http::{ContentType, Header, Method};
use rocket::tokio::runtime::Builder;
use serde_json::{Value, json};
use usher::db;
use usher::model::session::Credential;
use usher::model::user::{User, UserId};
use usher::operations::sign_in;

use crate::app::{Backend, By, Person, TestApp};

/// Who is there at the beginning.
const CAST: [(&str, &str); 8] = [
    ("root-1", "superuser"),
    ("root-2", "superuser"),
    ("root-3", "staff superuser"),
    ("staff-1", "staff"),
    ("staff-2", "staff"),
    ("ada", "ordinary"),
    ("bob", "ordinary"),
    ("eve", "inactive staff"),
];

/// What one user tries to do to another.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Patch(&'static str, bool),
    Put,
    Delete,
    /// PATCH in a form's clothes.
    Override,
    FormEdit {
        is_staff: bool,
        is_superuser: bool,
    },
    FormDeactivate,
    FormReactivate,
    Bulk(&'static str),
}

fn deed() -> impl Strategy<Value = Deed> {
    let flag = prop::sample::select(vec!["is_active", "is_staff", "is_superuser"]);
    let action = prop::sample::select(vec!["deactivate", "reactivate", "give_staff", "remove_staff"]);
    prop_oneof![
        4 => (flag, any::<bool>()).prop_map(|(flag, value)| Deed::Patch(flag, value)),
        1 => Just(Deed::Put),
        3 => Just(Deed::Delete),
        1 => Just(Deed::Override),
        3 => (any::<bool>(), any::<bool>())
            .prop_map(|(is_staff, is_superuser)| Deed::FormEdit { is_staff, is_superuser }),
        2 => Just(Deed::FormDeactivate),
        2 => Just(Deed::FormReactivate),
        3 => action.prop_map(Deed::Bulk),
    ]
}

/// Actor, target, deed, and whether the actor comes with a cookie.
type Step = (usize, usize, Deed, bool);

async fn all_users(app: &TestApp) -> Vec<User> {
    let ids: Vec<UserId> = (1..=20).map(UserId).collect();
    let mut users = db::users::by_ids(&app.usher.db, &ids).await.expect("a database");
    users.sort_by_key(|user| user.id);
    users
}

/// The actor with fresh credentials: earlier steps may have ended the old ones.
async fn fresh(app: &TestApp, user: &User) -> Person {
    let tokens = app.session(user.id, Credential::Jwt).await;
    let pair = sign_in::tokens(&app.usher, &tokens);
    let cookie = app.session(user.id, Credential::Cookie).await.secret.to_text();
    Person { user: user.clone(), bearer: pair.access, refresh: pair.refresh, cookie }
}

/// Sends a form with the token of the actor's own page and the version of the target.
async fn form(app: &TestApp, actor: &Person, path: &str, fields: &str) {
    let page = app.request(Method::Get, "/account", Some((actor, By::Cookie))).dispatch().await;
    let html = page.into_string().await.unwrap_or_default();
    let token = html.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let body = format!("token={}&{fields}", token.unwrap_or_default());
    let request = app.request(Method::Post, path, Some((actor, By::Cookie)));
    request.header(ContentType::Form).body(body).dispatch().await;
}

async fn attempt(app: &TestApp, actor: &Person, target: &User, deed: Deed, by: By) {
    let path = format!("/v1/users/{}", target.id);
    let who = Some((actor, by));
    let send = async |method, path: &str, body: Value| drop(app.json(method, path, who, &body).await);
    match deed {
        Deed::Patch(flag, value) => send(Method::Patch, &path, json!({ flag: value })).await,
        Deed::Put => {
            let whole = json!({"username": target.username.as_str(), "password": "another long password",
                "first_name": "Changed", "last_name": "", "email": "", "is_superuser": true});
            send(Method::Put, &path, whole).await;
        }
        Deed::Delete => send(Method::Delete, &path, Value::Null).await,
        Deed::Override => {
            let request = app.request(Method::Post, &path, who).header(ContentType::Form);
            request.body("_method=delete&is_superuser=true").dispatch().await;
        }
        Deed::FormEdit { is_staff, is_superuser } => {
            let mut fields = format!(
                "version={}&username={}&email=&first_name=&last_name=&access=1",
                target.version,
                target.username.as_str()
            );
            for (name, is_ticked) in [("is_staff", is_staff), ("is_superuser", is_superuser)] {
                if is_ticked {
                    fields.push('&');
                    fields.push_str(name);
                    fields.push_str("=on");
                }
            }
            form(app, actor, &format!("/users/{}", target.id), &fields).await;
        }
        Deed::FormDeactivate => form(app, actor, &format!("/users/{}/deactivate", target.id), "").await,
        Deed::FormReactivate => form(app, actor, &format!("/users/{}/reactivate", target.id), "").await,
        Deed::Bulk(action) => {
            let ids: Vec<i64> = (1..=8).collect();
            let header = Header::new("Content-Type", "application/json");
            let request = app.request(Method::Post, "/v1/users/bulk", who).header(header);
            request.body(json!({"action": action, "ids": ids}).to_string()).dispatch().await;
        }
    }
}

/// What must hold after every deed.
fn holds(actor: &User, before: &[User], after: &[User], deed: Deed) -> Result<(), TestCaseError> {
    let superusers = after.iter().filter(|user| user.is_active && user.is_superuser).count();
    prop_assert!(superusers >= 1, "AZ-5: no active superuser is left after {deed:?} by {actor:?}");
    prop_assert_eq!(before.len(), after.len(), "nothing is ever deleted");
    for (before, after) in before.iter().zip(after) {
        let what = format!("{deed:?} by {} on {}", actor.username.as_str(), before.username.as_str());
        if before.is_superuser != after.is_superuser {
            prop_assert!(actor.is_superuser && actor.is_active, "AZ-2: {}", what);
        }
        if before == after {
            continue;
        }
        prop_assert!(actor.is_admin(), "{}: without any right", what);
        if before.is_superuser || after.is_superuser {
            prop_assert!(actor.is_superuser, "AZ-3: {}", what);
        }
        if before.id == actor.id {
            prop_assert!(after.is_active, "their own account: {}", what);
            prop_assert!(after.is_staff || !before.is_staff, "their own rights: {}", what);
            prop_assert!(after.is_superuser || !before.is_superuser, "their own rights: {}", what);
        }
    }
    Ok(())
}

async fn play(app: &TestApp, steps: &[Step]) -> Result<(), TestCaseError> {
    for (actor, target, deed, by_cookie) in steps {
        let before = all_users(app).await;
        let actor = fresh(app, &before[*actor]).await;
        let by = if *by_cookie { By::Cookie } else { By::Bearer };
        attempt(app, &actor, &before[*target], *deed, by).await;
        holds(&actor.user, &before, &all_users(app).await, *deed)?;
    }
    Ok(())
}

fn model(backend: Backend) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let steps = prop::collection::vec((0..CAST.len(), 0..CAST.len(), deed(), any::<bool>()), 40);
    let config = Config { cases: 6, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            let app = TestApp::new(backend).await;
            for (name, kind) in CAST {
                app.person(name, kind).await;
            }
            play(&app, &steps).await
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn az_2_az_3_az_5_the_rules_hold_whatever_users_do_on_sqlite() {
    model(Backend::Sqlite);
}

#[test]
fn az_2_az_3_az_5_the_rules_hold_whatever_users_do_on_postgres() {
    model(Backend::Postgres);
}
