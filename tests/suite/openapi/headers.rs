//! The headers that the document describes for answers.

use rocket::http::Header;
use serde_json::Value;
use usher::config::GetByName;

use super::{BOTH, document, operations, resolved};
use crate::app::{Answer, TestApp};

/// Names of the headers that the document describes for an answer.
fn headers_of(document: &Value, answer: &Value) -> Vec<String> {
    let headers = resolved(document, answer)["headers"].as_object();
    headers.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[test]
fn answers_that_a_replica_may_give_are_described_with_their_age() {
    for get_by_name in BOTH {
        let document = document(get_by_name);
        let of_replica = ["listUsers", "nextUsers", "retrieveUser", "retrieveUserByName"];
        for (_, path, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap();
            let headers = headers_of(&document, &operation["responses"]["200"]);
            for name in ["Age", "Warning"] {
                let is_described = headers.iter().any(|header| header == name);
                assert_eq!(is_described, of_replica.contains(&id), "{get_by_name:?}: {path} {id} {name}");
            }
        }
    }
}

#[apply(on_both)]
#[with([("cors_origins", json!(["https://console.example.org"]))])]
async fn pages_of_other_origins_may_read_each_header_that_is_described(app: TestApp) {
    let document = document(GetByName::Object);
    let origin = Header::new("Origin", "https://console.example.org");
    let answer = Answer::of(app.client.get("/v1/users/1").header(origin).dispatch().await).await;
    let exposed: Vec<&str> =
        answer.header("Access-Control-Expose-Headers").expect("some").split(", ").collect();
    for (method, path, operation) in operations(&document) {
        for (status, described) in operation["responses"].as_object().unwrap() {
            for name in headers_of(&document, described) {
                assert!(exposed.contains(&&*name), "{method} {path} {status}: {name} is not in {exposed:?}");
            }
        }
    }
}
