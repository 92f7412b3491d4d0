//! Second factors in files: exported here, imported there, on either database.

use std::process::{Command, Output, Stdio};

use rocket::tokio::task::spawn_blocking;
use usher::model::audit::StoredEntry;

use super::authenticator::Authenticator;
use super::passkeys::{ORIGIN, add, answer_to};
use super::*;
use crate::app::{Backend, fresh};
use crate::import::summary;
use crate::import_pages::{check, import};

const KEY: &str = "YSBzZWNyZXQga2V5IGZvciB0aGUgdGVzdHMgb2YgbW92aW5nIDE=";
const OTHER_KEY: &str = "YSBzZWNyZXQga2V5IGZvciB0aGUgdGVzdHMgb2YgbW92aW5nIDI=";

/// Runs a subcommand on a database, with these secret keys.
async fn usher(url: &str, keys: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.env_clear().env("DATABASE_URL", url).env("USHER_LOG_LEVEL", "off").envs(keys.iter().copied());
    command.current_dir("/").args(arguments).stdin(Stdio::null());
    spawn_blocking(move || command.output().expect("the program runs")).await.unwrap()
}

fn with_key(key: &str) -> [(&'static str, Value); 2] {
    [("public_origin", json!(ORIGIN)), ("secret_key", json!(key))]
}

/// What was exported, and the people and devices in it.
struct Moving {
    ada: Person,
    phone: Phone,
    used: String,
    device: Authenticator,
    cara: Authenticator,
    gone: usher::model::user::User,
}

async fn furnish(app: &TestApp) -> Moving {
    let okta = app.person("okta", "staff").await;
    let (ada, cara) = (app.person("ada", "staff").await, app.person("cara", "").await);
    let gone = app.person("gone", "inactive").await;
    let phone = enrol(app, &ada, "phone").await;
    let mut device = Authenticator::new(ORIGIN);
    add(app, &ada, &mut device, "laptop").await;
    let mut key = Authenticator::new(ORIGIN);
    add(app, &cara, &mut key, "key").await;
    // A user whose passkey is all that there is.
    app.sql(&format!("UPDATE users SET password = '!' WHERE id = {}", cara.id())).await;
    app.sql(&format!(
        "UPDATE users SET is_deprovisioned = TRUE, modified_at = 1700000000000001 WHERE id = {}",
        gone.id()
    ))
    .await;
    for (user, id) in [(&ada, "00u1"), (&gone, "00u2"), (&okta, "00u3")] {
        let row = format!("({}, {}, '{id}')", okta.id(), user.id());
        app.sql(&format!("INSERT INTO external_ids (client_id, user_id, external_id) VALUES {row}")).await;
    }
    let used = phone.next_code(app);
    assert_eq!(obtain(app, "ada", &used).await.status, 200);
    assert_eq!(obtain(app, "ada", &phone.recovery_codes[0]).await.status, 200);
    let gone = app.stored(gone.id()).await;
    Moving { ada, phone, used, device, cara: key, gone }
}

async fn external_ids(app: &TestApp) -> Vec<(i64, i64, String)> {
    let sql =
        usher::db::Sql::new("SELECT client_id, user_id, external_id FROM external_ids ORDER BY external_id");
    app.usher.db.all(sql).await.unwrap()
}

/// Entries of what clients call users.
fn told_of_external_ids(entries: &[StoredEntry]) -> Vec<&StoredEntry> {
    let told = |entry: &&StoredEntry| entry.details.contains("\"external_id\":\"changed\"");
    entries.iter().filter(|entry| entry.action == "user_changed").filter(told).collect()
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org")), ("secret_key", json!(super::KEY))])]
async fn mf_1_mf_5_second_factors_move_by_export_and_import_and_are_asked_for_there(app: TestApp) {
    let mut moving = furnish(&app).await;
    let keys = [("USHER_SECRET_KEY", KEY)];
    for (number, (backend, format)) in
        [(Backend::Sqlite, "json"), (Backend::Postgres, "csv"), (Backend::Postgres, "json lines")]
            .into_iter()
            .enumerate()
    {
        let (url, directory) = fresh(backend).await;
        let file = directory.path().join("users");
        let kind = if format == "csv" { "csv" } else { "json" };
        let exported = usher(&app.url, &keys, &["export", "--format", kind]).await;
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        let mut text = String::from_utf8(exported.stdout).unwrap();
        assert!(!text.contains(&moving.phone.secret.to_text().replace(' ', "")), "no secret is in it");
        if format == "json lines" {
            text = text
                .lines()
                .filter(|line| line.len() > 1)
                .map(|line| line.trim_end_matches(',').to_owned() + "\n")
                .collect();
        }
        std::fs::write(&file, text).unwrap();
        let kept = TestApp::at(url, directory).await;
        let there = kept.another_instance_with(&with_key(KEY)).await;
        there.clock.advance(app.clock.now().since(there.clock.now()));
        let import = async || usher(&there.url, &keys, &["import", file.to_str().unwrap()]).await;
        let imported = import().await;
        assert_eq!(summary(&imported), "4 created, 0 unchanged, 0 refused", "{format}: {imported:?}");
        assert_eq!(summary(&import().await), "0 created, 4 unchanged, 0 refused");
        let answer = there.obtain("ada", PASSWORD).await;
        assert_eq!(code_of(&answer), (401, json!("second_factor_required")), "{format}: {}", answer.body);
        let half = first_step(&there, "ada", PASSWORD, "/").await;
        assert_eq!((half.answer.status, session_in(&half.answer)), (200, None), "{format}");
        for wrong in [&moving.used, &moving.phone.recovery_codes[0]] {
            assert_eq!(obtain(&there, "ada", wrong).await.status, 401, "{format}: used before");
        }
        assert_eq!(obtain(&there, "ada", &moving.phone.recovery_codes[1]).await.status, 200);
        assert_eq!(obtain(&there, "ada", &moving.phone.next_code(&there)).await.status, 200);
        let half = first_step(&there, "ada", PASSWORD, "/").await;
        let shown = answer_to(&mut moving.device, &half.answer.body);
        assert_eq!(half.show(&there, &shown).await.status, 303, "{format}: with the passkey");
        let opened = passwordless::Opened::at(&there).await;
        let shown = answer_to(&mut moving.cara, &opened.html);
        assert_eq!(opened.send(&there, &shown).await.status, 303, "{format}: without a password");
        assert_eq!(there.stored(moving.gone.id.0).await.modified_at, moving.gone.modified_at);
        assert!(there.stored(moving.gone.id.0).await.is_deprovisioned, "SCIM clients do not see them");
        assert_eq!(external_ids(&there).await, external_ids(&app).await, "{format}");
        assert!(there.stored(moving.ada.id()).await.has_factor, "{number}");
        let entries = trail(&there).await;
        let made = entries.iter().find(|entry| entry.target_id == Some(moving.ada.id())).unwrap();
        assert!(made.details.contains("\"second_factors\":2"), "{}", made.details);
        assert_eq!(told_of_external_ids(&entries).len(), 3, "one for each user, once");
    }
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org")), ("secret_key", json!(super::KEY))])]
async fn mf_5_a_factor_that_another_secret_key_seals_is_refused_and_never_left_out(app: TestApp) {
    let moving = furnish(&app).await;
    let exported = usher(&app.url, &[("USHER_SECRET_KEY", KEY)], &["export"]).await.stdout;
    let (url, directory) = fresh(Backend::Sqlite).await;
    let file = directory.path().join("users");
    std::fs::write(&file, &exported).unwrap();
    let kept = TestApp::at(url, directory).await;
    let there = kept.another_instance_with(&with_key(OTHER_KEY)).await;
    let import = async |keys: &[(&str, &str)]| {
        let imported = usher(&there.url, keys, &["import", file.to_str().unwrap()]).await;
        String::from_utf8(imported.stdout).unwrap()
    };
    let said = import(&[("USHER_SECRET_KEY", OTHER_KEY)]).await;
    assert!(said.ends_with("3 created, 0 unchanged, 1 refused\n"), "{said}");
    assert!(
        said.contains("second_factors: The secret of “phone” is sealed by another secret key."),
        "{said}"
    );
    assert_eq!(there.obtain("ada", PASSWORD).await.json()["code"], Value::Null, "there is no such user");
    // A user who is here without the factor is not taken for the same.
    let without: String = String::from_utf8(exported.clone())
        .unwrap()
        .lines()
        .filter(|line| line.contains("\"ada\""))
        .map(|line| line.split(",\"second_factors\"").next().unwrap().to_owned() + "}")
        .collect();
    let bare = file.with_extension("bare");
    std::fs::write(&bare, without).unwrap();
    let (other_url, _other_directory) = fresh(Backend::Sqlite).await;
    usher(&other_url, &[], &["import", bare.to_str().unwrap()]).await;
    let again = usher(&other_url, &[("USHER_SECRET_KEY", KEY)], &["import", file.to_str().unwrap()]).await;
    let again = String::from_utf8(again.stdout).unwrap();
    assert!(again.contains("differs from the user already here: second_factors."), "{again}");
    // With the key of before it is read.
    let both = [("USHER_SECRET_KEY", OTHER_KEY), ("USHER_SECRET_KEY_BEFORE", KEY)];
    let said = import(&both).await;
    assert!(said.ends_with("1 created, 3 unchanged, 0 refused\n"), "{said}");
    assert_eq!(external_ids(&there).await, external_ids(&app).await, "nor is what clients call them");
    there.clock.advance(app.clock.now().since(there.clock.now()));
    assert_eq!(code_of(&there.obtain("ada", PASSWORD).await).1, json!("second_factor_required"));
    assert_eq!(obtain(&there, "ada", &moving.phone.next_code(&there)).await.status, 200);
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org")), ("secret_key", json!(super::KEY))])]
async fn mf_1_second_factors_that_no_export_wrote_are_refused(app: TestApp) {
    furnish(&app).await;
    let keys = [("USHER_SECRET_KEY", KEY)];
    let exported = usher(&app.url, &keys, &["export"]).await.stdout;
    let users: Vec<Value> = serde_json::from_slice(&exported).unwrap();
    let ada = users.iter().find(|user| user["username"] == "ada").unwrap();
    let altered = |name: &str, alter: &dyn Fn(&mut Value)| {
        let mut user = ada.clone();
        (user["pk"], user["username"], user["external_ids"]) = (Value::Null, json!(name), Value::Null);
        user.as_object_mut().unwrap().remove("pk");
        alter(&mut user["second_factors"]);
        user
    };
    let rows = [
        altered("taken", &|_| {}),
        altered("null", &|factors| factors["factors"][0]["secret"] = Value::Null),
        altered("zero", &|factors| factors["factors"][0]["secret"] = json!("AAAA")),
        altered("kind", &|factors| factors["factors"][0]["kind"] = json!("sms")),
        altered("more", &|factors| factors["more"] = json!(1)),
        altered("key", &|factors| factors["factors"][1]["public_key"] = json!("AAAA")),
        altered("handle", &|factors| factors["user_handle"] = Value::Null),
        altered("none", &|factors| factors["factors"] = json!([])),
        altered("codes", &|factors| factors["recovery_codes"] = json!(["AAAA"])),
        altered("text", &|factors| *factors = json!("yes")),
        altered("number", &|factors| *factors = json!(7)),
    ];
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("users.json");
    std::fs::write(&file, json!(rows).to_string()).unwrap();
    let imported = usher(&app.url, &keys, &["import", file.to_str().unwrap()]).await;
    assert_eq!(summary(&imported), "0 created, 0 unchanged, 11 refused", "{imported:?}");
    let said = String::from_utf8(imported.stdout).unwrap();
    assert!(said.contains("A passkey of them is another user's."), "{said}");
    assert!(said.contains("The secret of “phone” could not be read where it was exported."), "{said}");
    let dumped = usher(&app.url, &keys, &["export", "--format", "django"]).await;
    let warned = String::from_utf8(dumped.stderr).unwrap();
    assert!(warned.contains("2 users have a second factor, which Django does not know"), "{warned}");
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org")), ("secret_key", json!(super::KEY))])]
async fn mf_1_a_bad_row_of_second_factors_is_refused_and_the_good_ones_are_imported(app: TestApp) {
    let moving = furnish(&app).await;
    let keys = [("USHER_SECRET_KEY", KEY)];
    let exported = usher(&app.url, &keys, &["export"]).await.stdout;
    let users: Vec<Value> = serde_json::from_slice(&exported).unwrap();
    let ada = users.iter().find(|user| user["username"] == "ada").unwrap();
    let (phone, laptop) = (&ada["second_factors"]["factors"][0], &ada["second_factors"]["factors"][1]);
    let codes = &ada["second_factors"]["recovery_codes"];
    let named = |factor: &Value, name: &str| {
        let mut factor = factor.clone();
        factor["name"] = json!(name);
        factor
    };
    let mut stray = laptop.clone();
    stray["credential_id"] = json!("AAAA");
    let handle = json!("A".repeat(43));
    let row = |name: &str, pk: Option<i64>, factors: Value, codes: Value| {
        let mut user = ada.clone();
        user["username"] = json!(name);
        let fields = user.as_object_mut().unwrap();
        fields.remove("pk");
        fields.remove("external_ids");
        fields.extend(pk.map(|pk| ("pk".to_owned(), json!(pk))));
        user["second_factors"] = json!({"factors": factors, "recovery_codes": codes, "user_handle": handle});
        user
    };
    let rows = [
        row("codes", None, json!([phone]), json!([codes[0], codes[1], codes[0]])),
        row("secrets", None, json!([phone, named(phone, "tablet")]), json!([])),
        row("apps", None, json!(["a", "b", "c", "d"].map(|name| named(phone, name))), json!([])),
        row("keys", None, json!([stray, named(&stray, "again")]), json!([])),
        row("owned", Some(moving.ada.id()), json!([stray]), json!([])),
        row("good", None, json!([phone, stray]), codes.clone()),
        row("late", None, json!([stray]), json!([])),
    ];
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("users.json");
    std::fs::write(&file, json!(rows).to_string()).unwrap();
    let imported = usher(&app.url, &keys, &["import", file.to_str().unwrap()]).await;
    assert_eq!(summary(&imported), "1 created, 0 unchanged, 6 refused", "{imported:?}");
    let said = String::from_utf8(imported.stdout).unwrap();
    for reason in [
        "second_factors: A recovery code is there twice.",
        "second_factors: “phone” and “tablet” have the same secret.",
        "second_factors: There are more than 3 authenticator apps.",
        "second_factors: The passkey “again” is there twice.",
        "belongs to another user",
        "second_factors: A passkey of them is another user's.",
    ] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
    assert_eq!(code_of(&app.obtain("good", PASSWORD).await).1, json!("second_factor_required"));
}

#[apply(on_both)]
async fn what_a_client_calls_users_by_an_import_is_recorded_with_its_author_and_run(app: TestApp) {
    let (root, okta) = (app.person("root", "superuser").await, app.person("okta", "staff").await);
    let exported = usher(&app.url, &[], &["export"]).await.stdout;
    let mut users: Vec<Value> = serde_json::from_slice(&exported).unwrap();
    for user in &mut users {
        user["external_ids"] = json!({"okta": user["username"], "nowhere": "1"});
    }
    for name in ["ada", "bob"] {
        let mut with_new = users.clone();
        with_new.push(json!({"username": name, "password": "!"}));
        let file = json!(with_new).to_string();
        let review = check(&app, &root, &[("users.json", file.as_bytes())]).await;
        import(&app, &root, &review).await;
    }
    let (root_id, okta_id) = (root.id(), okta.id());
    assert_eq!(
        external_ids(&app).await,
        [(okta_id, okta_id, "okta".to_owned()), (okta_id, root_id, "root".to_owned())]
    );
    let entries = trail(&app).await;
    let run = entries.iter().find(|entry| entry.action == "imported").unwrap();
    assert!(run.batch_id.is_some());
    let told: Vec<_> = told_of_external_ids(&entries)
        .into_iter()
        .map(|entry| (entry.target_id, entry.actor_id, entry.batch_id))
        .collect();
    let expected = [root_id, okta_id].map(|user| (Some(user), Some(root_id), run.batch_id));
    assert_eq!(told, expected, "also of superusers, and once");
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn a_file_that_only_brings_what_clients_call_users_is_imported_and_taken_back(app: TestApp) {
    let (root, okta) = (app.person("root", "superuser").await, app.person("okta", "staff").await);
    let ada = app.person("ada", "").await;
    let exported = usher(&app.url, &[], &["export"]).await.stdout;
    let mut users: Vec<Value> = serde_json::from_slice(&exported).unwrap();
    for user in &mut users {
        user["external_ids"] = json!({"okta": user["username"]});
    }
    let file = json!(users).to_string();
    let of = |user: &Person, id: &str| (okta.id(), user.id(), id.to_owned());
    let row = format!("({}, {}, 'before')", okta.id(), root.id());
    app.sql(&format!("INSERT INTO external_ids (client_id, user_id, external_id) VALUES {row}")).await;

    let review = check(&app, &root, &[("users.json", file.as_bytes())]).await;
    assert!(review.contains("<dt>Here already, with new external ids</dt><dd>2</dd>"), "{review}");
    assert!(review.contains(">Import the external ids</button>"), "{review}");
    let (path, html) = import(&app, &root, &review).await;
    assert!(html.contains("<h1>External ids imported</h1>"), "{html}");
    let mut here = external_ids(&app).await;
    here.sort();
    let mut expected = [of(&root, "before"), of(&okta, "okta"), of(&ada, "ada")];
    expected.sort();
    assert_eq!(here, expected);
    let review = check(&app, &root, &[("users.json", file.as_bytes())]).await;
    assert!(!review.contains(">Import the"), "there is nothing left to do: {review}");

    // The client has changed what it calls one of them since.
    let ada_path = format!("/scim/v2/Users/{}", ada.id());
    let changed = json!([{"op": "replace", "path": "externalId", "value": "ada2"}]);
    crate::scim::patch(&app, &okta, &ada_path, changed).await;
    let undo = format!("{path}/undo");
    let (answer, _) =
        crate::console::send_from(&app, &root, &path, &undo, &[("current_password", PASSWORD)]).await;
    let path = answer.header("Location").unwrap().to_owned();
    let html = crate::import_pages::finished(&app, &root, &path).await;
    assert!(html.contains("<h1>External ids removed</h1>"), "{html}");
    assert!(html.contains(">ada</a></th><td>The user was changed since.</td>"), "{html}");
    let mut here = external_ids(&app).await;
    here.sort();
    let mut expected = [of(&root, "before"), of(&ada, "ada2")];
    expected.sort();
    assert_eq!(here, expected, "what was before stays");
    let entries = crate::audit::trail(&app).await;
    let undone = entries.iter().find(|entry| entry.action == "import_undone").unwrap();
    let details: Value = serde_json::from_str(&undone.details).unwrap();
    assert_eq!(details, json!({"removed": 0, "external_ids": 1, "left": 1}));
}
