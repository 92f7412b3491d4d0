//! What becomes of the user name of an erased user.

use rocket::http::Method;
use serde_json::{Value, json};

use super::{code, erase};
use crate::app::{Answer, Person, TestApp};
use crate::console::{hidden, page, send_from, token};
use crate::import_pages::{check, import};
use crate::scim;

fn new(name: &str) -> Value {
    json!({"username": name, "password": "another long password", "first_name": "", "last_name": "", "email": ""})
}

async fn create(app: &TestApp, by: &Person, name: &str) -> Answer {
    app.send(by, Method::Post, "/v1/users/create", &new(name)).await
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn lg_7_a_blocked_name_is_given_to_no_user_by_any_way_in(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("Ada", "").await);
    let bob = app.person("bob", "").await;
    // A rename that would be taken back later.
    let renamed =
        app.send(&root, Method::Patch, &format!("/v1/users/{}", ada.id()), &json!({"username": "eve"})).await;
    assert_eq!(renamed.status, 200);
    let taken =
        app.send(&root, Method::Patch, &format!("/v1/users/{}", bob.id()), &json!({"username": "ada"})).await;
    assert_eq!(taken.status, 200);
    let entry = crate::audit::trail(&app).await.pop().unwrap();
    let back =
        app.send(&root, Method::Patch, &format!("/v1/users/{}", bob.id()), &json!({"username": "bob"})).await;
    assert_eq!(back.status, 200);
    let ada = Person { user: app.stored(ada.id()).await, ..ada };
    erase(&app, &root, &ada, "block").await;

    let refused = |answer: &Answer| {
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.json()["username"], json!(["This username is blocked. Choose another."]));
    };
    refused(&create(&app, &root, "EVE").await);
    refused(&app.send(&root, Method::Post, "/v1/users/invite", &new("eve")).await);
    let record = format!("/v1/users/{}", bob.id());
    refused(&app.send(&root, Method::Patch, &record, &json!({"username": "Eve"})).await);
    let (answer, _) = send_from(
        &app,
        &root,
        "/users/new",
        "/users/new",
        &[("username", "eve"), ("mode", "password"), ("password", "another long password")],
    )
    .await;
    assert!(answer.status == 422 && answer.body.contains("This username is blocked."), "{}", answer.body);
    let schema = "urn:ietf:params:scim:schemas:core:2.0:User";
    let body = json!({"schemas": [schema], "userName": "eve"});
    let answer = scim::send(&app, &root, Method::Post, "/scim/v2/Users", &body).await;
    assert!((400..500).contains(&answer.status) && answer.body.contains("blocked"), "{}", answer.body);
    let review = check(&app, &root, &[("users.csv", b"username\neve\nmallory\n")]).await;
    assert!(review.contains("This username is blocked."), "{review}");
    let (_, done) = import(&app, &root, &review).await;
    assert!(done.contains("mallory") || done.contains('1'), "{done}");
    assert_eq!(app.get(&root, "/v1/users/eve").await.status, 404);
    assert_eq!(app.get(&root, "/v1/users/mallory").await.status, 200, "the others are imported");
    // The name that bob had for a while is not blocked: only the last one is.
    let undone = app.send(&root, Method::Post, &format!("/v1/audit/{}/undo", entry.id), &json!({})).await;
    assert_eq!(code(&undone).0, 409, "{}", undone.body);
    assert_eq!(create(&app, &root, "ada").await.status, 201);
    assert_eq!(create(&app, &root, "erased:7").await.status, 400);
}

#[apply(on_both)]
async fn lg_7_a_free_name_is_given_again_and_a_key_never(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "").await);
    erase(&app, &root, &ada, "free").await;
    let made = create(&app, &root, "ada").await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_ne!(made.json()["pk"], json!(ada.id()));
    let csv = format!("username,pk\ngrace,{}\n", ada.id());
    let review = check(&app, &root, &[("users.csv", csv.as_bytes())]).await;
    let (token, number) = (token(&review), hidden(&review, "number"));
    assert!(!token.is_empty() && !number.is_empty());
    let (_, done) = import(&app, &root, &review).await;
    let left = app.get(&root, &format!("/v1/users/{}", ada.id())).await.json();
    assert_eq!(left["username"], json!(format!("erased:{}", ada.id())), "{done}");
}

#[apply(on_both)]
async fn lg_7_the_pages_of_an_erased_user_say_so(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    for refused in [
        vec![("confirm_username", "bob"), ("username_after", "free")],
        vec![("confirm_username", "ada"), ("username_after", "kept")],
    ] {
        let (answer, _) =
            send_from(&app, &root, &format!("{path}/erase"), &format!("{path}/erase"), &refused).await;
        assert!(answer.status == 422 && answer.body.contains("There is a problem"), "{}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{}\"", refused[0].1)), "what was typed stays");
    }
    let typed = [("confirm_username", "ada"), ("username_after", "block")];
    let (asked, said) =
        send_from(&app, &root, &format!("{path}/erase"), &format!("{path}/erase"), &typed).await;
    assert!(asked.status == 303 && said.contains("will be erased"), "{said}");
    let html = page(&app, &root, &path).await.body;
    assert!(html.contains("This user will be erased on") && !html.contains(">Reactivate<"), "{html}");
    assert!(!html.contains("Erase this person"), "it is asked for once");
    let staff = app.person("staff", "staff").await;
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("This user will be erased on") && !html.contains("Cancel the erasure"));
    let (cancelled, said) = send_from(&app, &root, &path, &format!("{path}/erase/cancel"), &[]).await;
    assert!(cancelled.status == 303 && said.contains("is active again"), "{said}");
    erase(&app, &root, &ada, "free").await;
    for page_path in
        [path.clone(), format!("{path}/history"), format!("{path}/erase"), format!("{path}/notes")]
    {
        let answer = page(&app, &root, &page_path).await;
        assert!(
            answer.status == 410 && answer.body.contains("This user was erased."),
            "{page_path}: {}",
            answer.body
        );
    }
    let html = page(&app, &root, "/audit").await.body;
    assert!(html.contains(&format!("Erased user {}", ada.id())), "{html}");
}
