//! The OpenAPI document is complete and true: it names every route, and its examples work as it says.

mod headers;

use std::collections::BTreeSet;

use rocket::http::{Header, Method};
use serde_json::{Map, Value, json};

use usher::config::GetByName;
use usher::model::base_path::BasePath;
use usher::model::clock::Timestamp;

use crate::app::{Answer, Backend, By, Person, TestApp};

#[rocket::async_test]
async fn every_example_is_answered_as_the_document_says_on_sqlite() {
    every_example_is_answered_as_the_document_says(Backend::Sqlite, GetByName::Object).await;
}

#[rocket::async_test]
async fn every_example_is_answered_as_the_document_says_on_postgres() {
    every_example_is_answered_as_the_document_says(Backend::Postgres, GetByName::Object).await;
}

#[rocket::async_test]
async fn every_example_is_answered_as_the_document_says_with_arrays_on_sqlite() {
    every_example_is_answered_as_the_document_says(Backend::Sqlite, GetByName::Array).await;
}

#[rocket::async_test]
async fn every_example_is_answered_as_the_document_says_with_arrays_on_postgres() {
    every_example_is_answered_as_the_document_says(Backend::Postgres, GetByName::Array).await;
}

const BOTH: [GetByName; 2] = [GetByName::Object, GetByName::Array];

fn document(get_by_name: GetByName) -> Value {
    serde_json::from_str(&usher::http::openapi::document(get_by_name, "sid", &BasePath::default()))
        .expect("JSON")
}

/// Method, path and description of every operation.
fn operations(document: &Value) -> Vec<(Method, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            all.push((method.to_uppercase().parse().expect("a method"), path.clone(), operation.clone()));
        }
    }
    all
}

/// What a reference in the document stands for.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect(reference),
        None => value,
    }
}

/// What is wrong with a value, by the words of JSON Schema that the document uses; any other word fails.
fn faults(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let schema = resolved(document, schema);
    let mut found = Vec::new();
    for (word, rule) in schema.as_object().expect("a schema") {
        let fits = match word.as_str() {
            "type" => match rule {
                Value::Array(types) => types.iter().any(|name| is_of(value, name)),
                name => is_of(value, name),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap())
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap())
            }
            "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "format" if rule == "date-time" => value
                .as_str()
                .is_none_or(|text| Timestamp::parse(text).is_some_and(|instant| instant.to_string() == text)),
            "format" => rule == "int64",
            "oneOf" => {
                let fits = |one: &&Value| faults(document, one, value, place).is_empty();
                rule.as_array().unwrap().iter().filter(fits).count() == 1
            }
            "discriminator" => {
                let chosen = &value[rule["propertyName"].as_str().unwrap()];
                let chosen = rule["mapping"][chosen.as_str().unwrap_or_default()].clone();
                faults(document, &json!({ "$ref": chosen }), value, place).is_empty()
            }
            "anyOf" => {
                rule.as_array().unwrap().iter().any(|one| faults(document, one, value, place).is_empty())
            }
            "required" => {
                let missing = |name: &&Value| value.get(name.as_str().unwrap()).is_none();
                !value.is_object() || rule.as_array().unwrap().iter().find(missing).is_none()
            }
            "properties" | "items" | "additionalProperties" => {
                found.extend(children(document, schema, word, value, place));
                // Clients are to expect more members; an answer has only those that are described.
                if word == "properties" && schema["additionalProperties"].is_null() {
                    found.extend(undescribed(schema, value, place));
                }
                true
            }
            "pattern" | "description" | "default" => true,
            unknown => panic!("the schema at {place} has the word {unknown}"),
        };
        if !fits {
            found.push(format!("{place}: {value} does not fit {word} {rule}"));
        }
    }
    found
}

fn is_of(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("no type {unknown}"),
    }
}

fn children(document: &Value, schema: &Value, word: &str, value: &Value, place: &str) -> Vec<String> {
    let none = Map::new();
    let members = value.as_object().unwrap_or(&none);
    let known = schema["properties"].as_object().unwrap_or(&none);
    match word {
        "items" => {
            let items = value.as_array().into_iter().flatten().enumerate();
            items
                .flat_map(|(n, item)| faults(document, &schema[word], item, &format!("{place}[{n}]")))
                .collect()
        }
        "properties" => known
            .iter()
            .filter_map(|(name, schema)| Some((name, schema, members.get(name)?)))
            .flat_map(|(name, schema, value)| faults(document, schema, value, &format!("{place}.{name}")))
            .collect(),
        _ if schema[word] == json!(false) => undescribed(schema, value, place),
        _ => members
            .iter()
            .filter(|(name, _)| !known.contains_key(*name))
            .flat_map(|(name, value)| faults(document, &schema[word], value, &format!("{place}.{name}")))
            .collect(),
    }
}

/// A fault for each member of an object that its schema does not name.
fn undescribed(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let members = value.as_object().into_iter().flatten();
    let unknown = members.filter(|(name, _)| schema["properties"].get(name).is_none());
    unknown.map(|(name, _)| format!("{place}: has {name}, which is not described")).collect()
}

/// What is described for a status.
fn described_for(operation: &Value, status: u16) -> &Value {
    let responses = &operation["responses"];
    match &responses[status.to_string()] {
        Value::Null => &responses[format!("{}XX", status / 100)],
        exact => exact,
    }
}

#[rocket::async_test]
async fn every_route_is_described_and_every_description_has_a_route() {
    let app = TestApp::new(Backend::Sqlite).await;
    let shape = |path: &str| {
        let parts = path
            .trim_end_matches('/')
            .split('/')
            .map(|part| if part.starts_with(['<', '{']) { "{}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let mounted: BTreeSet<String> = app
        .client
        .rocket()
        .routes()
        .filter(|route| route.uri.path().starts_with("/v1/"))
        .map(|route| format!("{} {}", route.method, shape(route.uri.path())))
        .collect();
    for get_by_name in BOTH {
        let described: BTreeSet<String> = operations(&document(get_by_name))
            .iter()
            .map(|(method, path, _)| format!("{method} {}", shape(path)))
            .collect();
        let with_head: BTreeSet<String> = mounted
            .iter()
            .flat_map(|route| {
                [Some(route.clone()), route.strip_prefix("GET ").map(|path| format!("HEAD {path}"))]
            })
            .flatten()
            .collect();
        assert_eq!(with_head, described, "{get_by_name:?}");
    }
}

/// By JSON Schema's rules a path is told apart from others by its text, not by the names of its parameters.
#[test]
fn no_two_paths_are_the_same_and_what_is_named_is_there_and_used() {
    for get_by_name in BOTH {
        let document = document(get_by_name);
        let shapes = document["paths"].as_object().unwrap().keys().map(|path| {
            let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
            parts.collect::<Vec<_>>().join("/")
        });
        let mut seen = BTreeSet::new();
        for shape in shapes {
            assert!(seen.insert(shape.clone()), "{get_by_name:?}: {shape}");
        }
        let text = document.to_string();
        for (kind, components) in document["components"].as_object().unwrap() {
            for name in components.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
                let reference = format!("\"#/components/{kind}/{name}\"");
                assert!(text.contains(&reference), "{get_by_name:?}: {reference} is not used");
            }
        }
        let ids: Vec<Value> = operations(&document)
            .into_iter()
            .map(|(_, _, operation)| operation["operationId"].clone())
            .collect();
        let distinct: BTreeSet<String> = ids.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), ids.len(), "{get_by_name:?}");
        assert!(!text.contains("USER_") && !text.contains("USERS_") && !text.contains("SESSION_COOKIE"));
    }
}

/// A world in which every example works: a superuser `root`, `ada` and `bob`, who have sessions; an edit of
/// ada, which is entry 1; a run on bob, which is batch 1; a token of ada's and one of root's, a factor of each, 7 and 8,
/// and a passkey of root's that signs in alone; carl, who is to be erased.
async fn world(app: &TestApp) -> (Person, Person) {
    let root = app.person("root", "superuser").await;
    let ada = app.person("ada", "ordinary").await;
    app.person("bob", "ordinary").await;
    for (method, path, body) in [
        (Method::Patch, "/v1/users/2", json!({"email": "ada@example.org"})),
        (Method::Post, "/v1/users/bulk", json!({"action": "deactivate", "ids": [3]})),
        (Method::Post, "/v1/users/2/tokens", json!({"name": "of ada", "read_only": true})),
        (Method::Post, "/v1/account/tokens", json!({"name": "of root", "read_only": true})),
    ] {
        let answer = app.send(&root, method, path, &body).await;
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
    }
    app.person("carl", "ordinary").await;
    let erasure = json!({"confirm_username": "carl", "username_after": "free"});
    let asked = app.send(&root, Method::Post, "/v1/users/4/erase", &erasure).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let nothing = if app.url.starts_with("sqlite") { "x''" } else { "''" };
    app.sql(&format!(
        "INSERT INTO factors (id, user_id, kind, name, sealed, last_step, created_at) \
         VALUES (7, 2, 'totp', 'of ada', {nothing}, 0, 0), (8, 1, 'totp', 'of root', {nothing}, 0, 0), \
         (9, 1, 'passkey', 'key of root', {nothing}, 0, 0)"
    ))
    .await;
    app.sql(&format!(
        "INSERT INTO passkeys (factor_id, credential_id, public_key, sign_count, transports, backup_eligible, backed_up, \
         user_verified) VALUES (9, {nothing}, {nothing}, 0, '', FALSE, FALSE, TRUE)"
    ))
    .await;
    (root, ada)
}

/// The body of an example, with tokens where it has words in angle brackets.
fn filled(example: &Value, ada: &Person) -> String {
    example.to_string().replace("<refresh token>", &ada.refresh).replace("<access token>", &ada.bearer)
}

async fn every_example_is_answered_as_the_document_says(backend: Backend, get_by_name: GetByName) {
    let document = document(get_by_name);
    let mut failures = Vec::new();
    for (method, path, operation) in operations(&document) {
        // With the setting only these are described otherwise.
        if get_by_name == GetByName::Array && !path.starts_with("/v1/users/{") {
            continue;
        }
        let app = TestApp::with(backend, &[("get_by_name", json!(get_by_name))]).await;
        let (root, ada) = world(&app).await;
        let mut target = path.clone();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "path" {
                let value = parameter["example"].to_string().replace('"', "");
                target = target.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &value);
            }
        }
        let public = operation["security"] == json!([]);
        let mut request = app.request(method, &target, (!public).then_some((&root, By::Bearer)));
        let body = &operation["requestBody"]["content"]["application/json"];
        if body["example"].is_null() {
            assert!(operation["requestBody"].is_null(), "{method} {path} has no example");
        } else {
            let faults = faults(&document, &body["schema"], &body["example"], "body");
            assert!(faults.is_empty(), "{method} {path}: {faults:?}");
            request = request
                .header(Header::new("Content-Type", "application/json"))
                .body(filled(&body["example"], &ada));
        }
        let answer = Answer::of(request.dispatch().await).await;
        let described = operation["responses"].as_object().unwrap();
        let (status, success) = described.iter().next().unwrap();
        if answer.status.to_string() != *status {
            failures
                .push(format!("{method} {target}: {} instead of {status}: {}", answer.status, answer.body));
            continue;
        }
        let schema = &success["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert_eq!(answer.body, "", "{method} {path}");
        } else {
            failures.extend(faults(&document, schema, &answer.json(), &format!("{method} {target}")));
        }
        // A client without credentials is refused as described.
        if !public {
            let answer = Answer::of(app.request(method, &target, None).dispatch().await).await;
            let refused = described_for(&operation, answer.status);
            assert!(refused.is_object(), "{method} {path}: {}", answer.status);
            let schema = &resolved(&document, refused)["content"]["application/json"]["schema"];
            if schema.is_null() {
                assert_eq!((method, answer.body.as_str()), (Method::Head, ""), "{path}");
                continue;
            }
            failures.extend(faults(&document, schema, &answer.json(), &format!("{method} {target} refused")));
        }
        app.usher.db.close().await;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[apply(on_both)]
async fn what_is_said_to_a_name_in_the_place_of_a_primary_key_is_described(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let document = document(GetByName::Object);
    for (method, path, operation) in operations(&document) {
        if !path.contains("{pk}") {
            continue;
        }
        let target = path.replace("{pk}", "null,null").replace("{id}", "1");
        let who = Some((&root, By::Bearer));
        let answer = Answer::of(app.request(method, &target, who).dispatch().await).await;
        let described = described_for(&operation, answer.status);
        assert!(described.is_object(), "{method} {target}: {}", answer.status);
        let headers = resolved(&document, described)["headers"].as_object();
        for (name, _) in headers.into_iter().flatten() {
            assert!(answer.header(name).is_some(), "{method} {target}: no {name}");
        }
    }
}

#[apply(on_both)]
async fn cf_4_the_document_and_its_page_are_for_every_client(app: TestApp) {
    let answer = Answer::of(app.client.get("/v1/openapi.json").dispatch().await).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")));
    let page = Answer::of(app.client.get("/docs").dispatch().await).await;
    assert_eq!(page.status, 200);
    for (_, path, operation) in
        operations(&document(GetByName::Object)).into_iter().filter(|(method, ..)| *method != Method::Head)
    {
        let id = operation["operationId"].as_str().unwrap();
        assert!(page.body.contains(&format!("id=\"{id}\"")), "{path}");
    }
    let shared = page.body.matches("Overloaded, or the database is away.").count();
    assert_eq!(shared, 1, "what a status means is said once");
    for text in [&answer.body, &page.body] {
        assert!(!text.contains(env!("CARGO_PKG_VERSION")), "no version for strangers");
    }
    for path in ["/livez", "/readyz"] {
        let answer = Answer::of(app.client.get(path).dispatch().await).await;
        assert!(!answer.body.contains(env!("CARGO_PKG_VERSION")), "{path}");
        assert_eq!(answer.header("Server"), None, "{path}");
    }
}

/// Asks for the document as a client that has seen this tag, and whether the answer was compressed.
async fn fetched(app: &TestApp, known: Option<&str>) -> (u16, Vec<u8>, String) {
    let mut request = app.client.get("/v1/openapi.json").header(Header::new("Accept-Encoding", "gzip, br"));
    request.add_header(Header::new("If-None-Match", known.unwrap_or("\"none\"").to_owned()));
    let answer = request.dispatch().await;
    let header = |name| answer.headers().get_one(name).unwrap_or_default().to_owned();
    let (status, tag) = (answer.status().code, header("ETag"));
    assert_eq!(header("Content-Encoding"), if status == 200 { "gzip" } else { "" });
    assert_eq!((header("Cache-Control"), tag.starts_with("W/\"")), ("no-cache".to_owned(), true));
    (status, answer.into_bytes().await.unwrap_or_default(), tag)
}

#[apply(on_both)]
async fn the_document_is_compressed_and_sent_again_only_after_a_change(app: TestApp) {
    let (status, compressed, tag) = fetched(&app, None).await;
    assert_eq!(status, 200);
    let mut plain = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&compressed[..]), &mut plain).unwrap();
    let served = Answer::of(app.client.get("/v1/openapi.json").dispatch().await).await;
    assert_eq!(served.body, plain);
    assert!(compressed.len() * 5 < plain.len(), "{} of {}", compressed.len(), plain.len());
    let (status, nothing, same) = fetched(&app, Some(&tag)).await;
    assert_eq!((status, nothing.len(), &same), (304, 0, &tag));
    let other = TestApp::with(Backend::Sqlite, &[("get_by_name", json!("array"))]).await;
    let (status, _, another) = fetched(&other, Some(&tag)).await;
    assert_eq!((status, another == tag), (200, false), "another setting, another document");
}

#[apply(on_both)]
#[with([("get_by_name", json!("array"))])]
async fn the_document_is_served_as_the_setting_is(app: TestApp) {
    let array = Answer::of(app.client.get("/v1/openapi.json").dispatch().await).await.json();
    let app = TestApp::new(Backend::Sqlite).await;
    let object = Answer::of(app.client.get("/v1/openapi.json").dispatch().await).await.json();
    let get = |document: &Value, path: &str| document["paths"][path]["get"].clone();
    let answer = |get: &Value| get["responses"]["200"]["content"]["application/json"]["schema"].clone();
    let (key, name) = ("/v1/users/{pk}", "/v1/users/{name}/");
    let user = json!({"$ref": "#/components/schemas/User"});
    assert_eq!(answer(&get(&object, key)), user);
    assert_eq!(get(&object, key)["parameters"][0]["schema"]["type"], "string");
    assert_eq!(get(&object, name), Value::Null);
    assert_eq!(answer(&get(&array, key)), user);
    assert_eq!(get(&array, key)["parameters"][0]["schema"]["type"], "integer");
    assert_eq!(answer(&get(&array, name)), json!({"type": "array", "items": user, "maxItems": 1}));
}
