//! The clients in the field, each with its habits: section 8.

use std::time::Duration;

use rocket::http::Method;
use rocket::http::Method::{Delete, Get, Patch, Post, Put};
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Python,
    TypeScript,
    Java,
}

/// A client that has signed in once, and keeps its first refresh token as long as it is taken.
struct Client<'a> {
    app: &'a TestApp,
    kind: Kind,
    credentials: Value,
    access: String,
    refresh: String,
    /// The statuses of all answers, in order.
    seen: Vec<u16>,
}

impl<'a> Client<'a> {
    async fn sign_in(app: &'a TestApp, kind: Kind, username: &str, password: &str) -> Self {
        let credentials = json!({"username": username, "password": password});
        let mut client =
            Self { app, kind, credentials, access: String::new(), refresh: String::new(), seen: Vec::new() };
        client.obtain().await;
        client
    }

    fn json_type(&self) -> &'static str {
        match self.kind {
            Kind::Python | Kind::TypeScript => "application/json",
            Kind::Java => "application/json; charset=UTF-8",
        }
    }

    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let headers = [("Content-Type", self.json_type())];
        let answer = ask(self.app, Post, path, ANONYMOUS, &headers, body.to_string()).await;
        self.seen.push(answer.status);
        answer
    }

    async fn obtain(&mut self) {
        let answer = self.post("/v1/auth/obtain", &self.credentials.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut tokens = answer.json();
        let mut take = |name: &str| match tokens[name].take() {
            Value::String(token) => token,
            other => panic!("{name}: {other}"),
        };
        (self.access, self.refresh) = (take("access"), take("refresh"));
    }

    /// Whether there is a new access token.
    async fn refresh(&mut self) -> bool {
        let answer = self.post("/v1/auth/refresh", &json!({"refresh": self.refresh})).await;
        if answer.status == 200 {
            answer.json()["access"].as_str().expect("a token").clone_into(&mut self.access);
        }
        answer.status == 200
    }

    async fn once(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let authorization = format!("Bearer {}", self.access);
        let mut headers = vec![("Authorization", authorization.as_str())];
        match (body, self.kind) {
            (Some(_), _) => headers.push(("Content-Type", self.json_type())),
            (None, Kind::Java) if method == Post => {
                headers.push(("Content-Type", "application/octet-stream"));
            }
            (None, _) => {}
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = ask(self.app, method, path, ANONYMOUS, &headers, body).await;
        self.seen.push(answer.status);
        answer
    }

    /// A request, and what the client does when the answer is 401.
    async fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut answer = self.once(method, path, body).await;
        match self.kind {
            Kind::Python if answer.status == 401 => {
                if !self.refresh().await {
                    self.obtain().await;
                }
                answer = self.once(method, path, body).await;
            }
            Kind::TypeScript => {
                while answer.status == 401 {
                    assert!(self.seen.len() < 100, "this client would go on for ever");
                    if !self.refresh().await {
                        self.obtain().await;
                    }
                    answer = self.once(method, path, body).await;
                }
            }
            Kind::Java if answer.status == 401 => {
                self.refresh().await;
                answer = self.once(method, path, body).await;
                if answer.status == 401 {
                    self.obtain().await;
                    answer = self.once(method, path, body).await;
                }
            }
            Kind::Python | Kind::Java => {}
        }
        answer
    }

    /// A successful answer as the client reads it.
    async fn read(&mut self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answer = self.call(method, path, body).await;
        assert!(answer.status < 400, "{method} {path}: {} {}", answer.status, answer.body);
        answer.json()
    }

    async fn list(&mut self) -> Vec<Value> {
        let Value::Array(records) = self.read(Post, "/v1/users/list", None).await else { panic!("no array") };
        for record in &records {
            self.check(record);
        }
        records
    }

    /// A user by name, each client in its way.
    async fn by_name(&mut self, name: &str) -> Option<Value> {
        let found = match self.kind {
            Kind::Python | Kind::TypeScript => self.read(Get, &format!("/v1/users/{name}"), None).await,
            Kind::Java => {
                let exact = json!({"type": "exact", "field": "username", "value": name});
                self.read(Post, "/v1/users/list", Some(&json!({"expressions": [exact]}))).await
            }
        };
        let record = found.as_array().expect("an array").first().cloned();
        if let Some(record) = &record {
            self.check(record);
        }
        record
    }

    async fn delete(&mut self, pk: i64) {
        let slash = if self.kind == Kind::Java { "/" } else { "" };
        let answer = self.call(Delete, &format!("/v1/users/{pk}{slash}"), None).await;
        assert!(answer.status < 400, "{}", answer.body);
    }

    /// What a PUT has besides the five texts.
    fn put_body(&self, name: &str, is_active: bool) -> Value {
        let mut body = whole_with(name, json!({"first_name": "Put", "is_active": is_active}));
        if self.kind == Kind::TypeScript {
            body["is_staff"] = json!(true);
        }
        body
    }

    /// Whether the client can make a record of its own of this one.
    fn check(&self, record: &Value) {
        let members = record.as_object().expect("an object");
        assert_eq!(members.len(), 10);
        if self.kind == Kind::Java {
            assert!(record["pk"].is_i64(), "{record}");
            for flag in ["is_active", "is_staff", "is_superuser"] {
                assert!(record[flag].is_boolean(), "{record}");
            }
            for member in ["date_joined", "last_login"] {
                let Some(time) = record[member].as_str() else { continue };
                let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
                assert_eq!(shape, "9999-99-99T99:99:99.999999Z", "{record}");
            }
        }
    }
}

/// A day's work, with pauses that outlive the tokens.
async fn work(app: &TestApp, kind: Kind) {
    app.person("service", "staff").await;
    let mut client = Client::sign_in(app, kind, "service", PASSWORD).await;
    let first_refresh = client.refresh.clone();
    assert_eq!(client.list().await.len(), 1);

    let body = whole_with("ada", json!({"first_name": "Ada", "is_staff": true}));
    let created = client.read(Post, "/v1/users/create", Some(&body)).await;
    client.check(&created);
    let pk = created["pk"].as_i64().expect("a number");
    assert_eq!(client.by_name("ada").await.as_ref(), Some(&created));
    assert_eq!(client.by_name("nobody").await, None);
    assert_eq!(client.list().await.len(), 2);

    for is_active in [false, true] {
        let put = client.put_body("ada", is_active);
        let record = client.read(Put, &format!("/v1/users/{pk}"), Some(&put)).await;
        assert_eq!((&record["is_active"], &record["first_name"]), (&json!(is_active), &json!("Put")));
        assert_eq!(record["is_staff"], json!(true), "kept, whether it was sent or not");
    }
    // Whole records are sent back.
    let mut record = client.read(Get, &format!("/v1/users/{pk}"), None).await;
    record["last_name"] = json!("King");
    let changed = client.read(Patch, &format!("/v1/users/{pk}"), Some(&record)).await;
    assert_eq!(changed, record);

    // The access token is over: one refresh, with the first refresh token, again and again.
    for _ in 0..3 {
        app.clock.advance(Duration::from_mins(6));
        client.seen.clear();
        assert_eq!(client.list().await.len(), 2);
        assert_eq!((&client.seen[..], &client.refresh), (&[401, 200, 200][..], &first_refresh));
    }
    // The refresh token is over: the client signs in again.
    app.clock.advance(Duration::from_hours(8));
    client.seen.clear();
    client.delete(pk).await;
    match kind {
        Kind::Python | Kind::TypeScript => assert_eq!(client.seen, [401, 401, 200, 204]),
        Kind::Java => assert_eq!(client.seen, [401, 401, 401, 200, 204]),
    }
    assert_ne!(client.refresh, first_refresh);
    assert_eq!(client.list().await.len(), 1, "deactivated users are not listed");
    if kind != Kind::Java {
        let found = client.by_name("ada").await.expect("inactive users are found");
        assert_eq!(found["is_active"], json!(false));
    }
    let reinstated = client.read(Patch, &format!("/v1/users/{pk}"), Some(&json!({"is_active": true}))).await;
    assert_eq!(reinstated["is_active"], json!(true));
}

#[apply(on_both)]
#[with([("get_by_name", json!("array"))])]
async fn the_python_client_does_its_work(app: TestApp) {
    work(&app, Kind::Python).await;
}

#[apply(on_both)]
#[with([("get_by_name", json!("array"))])]
async fn the_typescript_client_does_its_work(app: TestApp) {
    work(&app, Kind::TypeScript).await;
}

#[apply(on_both)]
#[with([("get_by_name", json!("array"))])]
async fn the_java_client_does_its_work(app: TestApp) {
    work(&app, Kind::Java).await;
}

#[apply(on_both)]
#[with([("get_by_name", json!("object"))])]
async fn the_java_client_does_its_work_with_the_default(app: TestApp) {
    work(&app, Kind::Java).await;
}

#[apply(on_both)]
#[with([("get_by_name", json!("array"))])]
async fn the_typescript_client_gets_the_record_of_an_ordinary_user(app: TestApp) {
    let person = app.person("ada", "ordinary").await;
    let mut client = Client::sign_in(&app, Kind::TypeScript, "ada", PASSWORD).await;
    let own = client.by_name("ada").await.expect("its own record");
    assert_eq!(own["pk"], json!(person.id()));
    assert_eq!(client.read(Get, &path_of(&person), None).await, own);
}

#[apply(on_both)]
#[with([("get_by_name", json!("array"))])]
async fn a_client_whose_session_was_ended_signs_in_again(app: TestApp) {
    let boss = app.person("boss", "superuser").await;
    let service = app.person("service", "staff").await;
    for kind in [Kind::Python, Kind::TypeScript, Kind::Java] {
        let mut client = Client::sign_in(&app, kind, "service", PASSWORD).await;
        for is_active in [false, true] {
            let body = json!({ "is_active": is_active });
            assert_eq!(app.send(&boss, Patch, &path_of(&service), &body).await.status, 200);
        }
        assert_eq!(client.list().await.len(), 2, "{kind:?}");
    }
}

/// One of them would go on for ever if a missing right were a 401.
#[apply(on_both)]
#[with([("get_by_name", json!("array"))])]
async fn a_client_without_the_right_does_not_begin_to_refresh(app: TestApp) {
    app.person("ada", "ordinary").await;
    for kind in [Kind::Python, Kind::TypeScript, Kind::Java] {
        let mut client = Client::sign_in(&app, kind, "ada", PASSWORD).await;
        client.seen.clear();
        assert_eq!(client.call(Post, "/v1/users/list", None).await.status, 403);
        assert_eq!(client.seen, [403], "{kind:?}");
    }
}
