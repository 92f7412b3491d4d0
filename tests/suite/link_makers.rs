//! Links that die with the right of who made them, and whose secret is in no request line.

use std::time::Duration;

use rocket::http::{ContentType, Header, Method};
use serde_json::json;

use crate::app::{Answer, By, Person, TestApp};
use crate::console::page;
use crate::links::{NEW_PASSWORD, open, redeem, secret};

/// Makes a link for a user through the API; its address.
async fn made(app: &TestApp, by: &Person, user: &Person) -> String {
    let path = format!("/v1/users/{}/link", user.id());
    let answer = app.send(by, Method::Post, &path, &json!({})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["url"].as_str().expect("an address").to_owned()
}

/// Sends the form that asks for a link, with what was pasted.
async fn paste(app: &TestApp, pasted: &str) -> Answer {
    let pasted = rocket::http::RawStr::new(pasted).percent_encode().to_string();
    open(app, &pasted).await.0
}

#[apply(on_both)]
async fn pw_10_a_link_ends_when_its_maker_is_deactivated_or_demoted(app: TestApp) {
    let root = app.person("root", "superuser").await;
    for (number, change) in [json!({"is_active": false}), json!({"is_staff": false})].into_iter().enumerate()
    {
        let maker = app.person(&format!("maker-{number}"), "staff").await;
        let ada = app.person(&format!("ada-{number}"), "").await;
        let invitation =
            json!({"username": format!("bob-{number}"), "first_name": "", "last_name": "", "email": ""});
        let invited = app.send(&maker, Method::Post, "/v1/users/invite", &invitation).await.json();
        let by_peer = app.person(&format!("eva-{number}"), "").await;
        let links = [made(&app, &maker, &ada).await, invited["url"].as_str().unwrap().to_owned()];
        let other = made(&app, &root, &by_peer).await;
        for link in &links {
            assert_eq!(paste(&app, link).await.status, 200);
        }
        let path = format!("/v1/users/{}", maker.id());
        assert_eq!(app.send(&root, Method::Patch, &path, &change).await.status, 200);
        for link in &links {
            assert_eq!(paste(&app, link).await.status, 410, "{change}");
            assert_eq!(redeem(&app, &secret(link), NEW_PASSWORD).await, 410, "{change}");
        }
        let html = page(&app, &root, &format!("/users/{}", ada.id())).await.body;
        assert!(!html.contains("chooses a password works until"), "none is out any more: {html}");
        assert_eq!(paste(&app, &other).await.status, 200, "those of others stay");
        let back = json!({"is_active": true, "is_staff": true});
        assert_eq!(app.send(&root, Method::Patch, &path, &back).await.status, 200);
        assert_eq!(paste(&app, &links[0]).await.status, 410, "it does not come back with the right");
    }
}

#[apply(on_both)]
async fn pw_10_a_link_does_not_work_after_the_last_day_of_its_maker(app: TestApp) {
    let (root, maker) = (app.person("root", "superuser").await, app.person("maker", "staff").await);
    let ada = app.person("ada", "").await;
    let link = made(&app, &maker, &ada).await;
    let end = app.clock.now().plus(Duration::from_mins(5)).to_string();
    let path = format!("/v1/users/{}", maker.id());
    assert_eq!(app.send(&root, Method::Patch, &path, &json!({ "valid_until": end })).await.status, 200);
    assert_eq!(paste(&app, &link).await.status, 200, "until then it works");
    app.clock.advance(Duration::from_mins(5));
    assert_eq!(paste(&app, &link).await.status, 410);
    assert_eq!(redeem(&app, &secret(&link), NEW_PASSWORD).await, 410);
}

#[apply(on_both)]
async fn pw_10_the_secret_of_a_link_stands_where_browsers_send_it_to_no_server(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let link = made(&app, &staff, &ada).await;
    let (address, secret) = link.split_once('#').expect("a fragment");
    assert!(address.ends_with("/set-password") && secret.len() == 43, "{link}");
    let user = format!("/users/{}", ada.id());
    let form = crate::console::token(&page(&app, &staff, &user).await.body);
    let request = app.request(Method::Post, &format!("{user}/link"), Some((&staff, By::Cookie)));
    let response = request.header(ContentType::Form).body(format!("token={form}")).dispatch().await;
    assert_eq!(response.status().code, 303);
    assert!(page(&app, &staff, &user).await.body.contains("/set-password#"), "nor in the console's");
}

#[apply(on_both)]
async fn pw_10_without_scripts_the_link_is_pasted_and_old_links_still_work(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let link = made(&app, &staff, &ada).await;
    let secret = secret(&link);
    let asked = Answer::of(app.client.get("/set-password").dispatch().await).await;
    assert_eq!(asked.status, 200);
    assert!(
        asked.body.contains("name=\"link\"") && !asked.body.contains("name=\"password\""),
        "{}",
        asked.body
    );
    for pasted in [link.clone(), format!(" {link}\n"), secret.clone(), format!("#{secret}")] {
        let opened = paste(&app, &pasted).await;
        assert_eq!(opened.status, 200, "{pasted:?}");
        for told in
            ["Choose a password for ada", "name=\"password\"", &format!("name=\"link\" value=\"{secret}\"")]
        {
            assert!(opened.body.contains(told), "{told}: {}", opened.body);
        }
    }
    for pasted in ["", "nonsense", "https://users.example.org/set-password#"] {
        assert_eq!(paste(&app, pasted).await.status, 410, "{pasted:?}");
    }
    let old = Answer::of(app.client.get(format!("/set-password?token={secret}")).dispatch().await).await;
    assert!(old.status == 200 && old.body.contains("Choose a password for ada"), "{}", old.body);
    let elsewhere = app.client.post("/set-password").header(ContentType::Form).body(format!("link={secret}"));
    let elsewhere = elsewhere.header(Header::new("Sec-Fetch-Site", "cross-site")).dispatch().await;
    assert_eq!(elsewhere.status().code, 403, "cs_1");
    assert_eq!(redeem(&app, &secret, NEW_PASSWORD).await, 303, "looking at it was no use of it");
    assert_eq!(app.obtain("ada", NEW_PASSWORD).await.status, 200);
}
