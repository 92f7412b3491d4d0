//! Real input: what Django's `dumpdata` wrote, and the passwords of some of its users.
//!
//! A sample stands in `tests/fixtures`. `USHER_TEST_DJANGO_DUMP` and `USHER_TEST_DJANGO_PASSWORDS` name a
//! larger dump and its passwords, which are then used instead.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use rocket::http::Method;
use rocket::tokio::task::spawn_blocking;
use serde_json::json;
use tempfile::TempDir;
use usher::db;
use usher::operations::password_links;

use crate::app::{By, TestApp};

#[expect(clippy::disallowed_methods, reason = "the test command may name a larger dump")]
fn input(variable: &str, sample: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(sample),
        PathBuf::from,
    )
}

/// Runs a subcommand on the database of the test.
pub(crate) async fn usher(app: &TestApp, arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.env_clear().env("DATABASE_URL", &app.url).env("USHER_LOG_LEVEL", "off");
    command.current_dir(directory.path()).args(arguments).stdin(Stdio::null());
    spawn_blocking(move || command.output().expect("the program runs")).await.unwrap()
}

pub(crate) fn summary(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

async fn count(app: &TestApp) -> i64 {
    let all: usher::model::filter::Filter =
        usher::model::filter::Filter { include_inactive: true, ..Default::default() };
    db::select::count(&app.usher.db, &all).await.unwrap()
}

#[apply(on_both)]
async fn users_of_a_django_installation_move_with_their_keys_dates_and_passwords(app: TestApp) {
    let dump = input("USHER_TEST_DJANGO_DUMP", "django-users.json");
    let dump = dump.to_str().unwrap();

    let rehearsal = usher(&app, &["import", dump, "--dry-run"]).await;
    assert_eq!(count(&app).await, 0, "a dry run writes nothing");
    let first = usher(&app, &["import", dump]).await;
    assert_eq!(summary(&rehearsal), format!("dry run: {}", summary(&first)));
    let words: Vec<&str> = summary(&first).leak().split(' ').collect();
    let (created, refused): (i64, i64) = (words[0].parse().unwrap(), words[4].parse().unwrap());
    assert_eq!(count(&app).await, created);
    let reasons = String::from_utf8_lossy(&first.stdout).into_owned();
    assert_eq!(refused, 0, "names that new users could not have are kept: {reasons}");
    assert_eq!(first.status.code(), Some(0));

    let second = usher(&app, &["import", dump]).await;
    assert_eq!(summary(&second), format!("0 created, {created} unchanged, {refused} refused"));

    let fresh = app.person("somebody.new", "superuser").await;
    assert!(fresh.id() > created, "new users get keys above the imported ones");

    let passwords =
        std::fs::read_to_string(input("USHER_TEST_DJANGO_PASSWORDS", "django-users-passwords.tsv")).unwrap();
    let mut tried = std::collections::BTreeSet::new();
    for line in passwords.lines().skip(1) {
        let [username, password, algorithm] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let stored = || async {
            db::users::credentials(&app.usher.db, &usher::model::text::canonical(username))
                .await
                .unwrap()
                .expect(username)
        };
        assert!(stored().await.password.as_str().starts_with(algorithm), "{username}");
        // Hashes of other systems are dear: one wrong password of each kind is enough.
        if tried.insert(algorithm.to_owned()) {
            let wrong = app.obtain(username, &format!("{password}x")).await;
            assert_eq!(wrong.status, 401, "{algorithm}");
        }
        assert_eq!(app.obtain(username, password).await.status, 200, "{algorithm}: {username}");
        assert!(
            stored().await.password.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "pw_1: {algorithm} is replaced at the first good sign-in"
        );
    }
    let (username, password) = passwords.lines().nth(1).and_then(|line| line.split_once('\t')).unwrap();
    let password = password.split('\t').next().unwrap();
    assert_eq!(app.obtain(username, password).await.status, 200, "and the new hash is of the same password");

    let third = usher(&app, &["import", dump]).await;
    assert_eq!(summary(&third), summary(&second), "signing in is no difference");
    let body =
        json!({"expressions": [{"type": "exact", "field": "pk", "value": 1}], "include_inactive": true});
    let record = app.send(&fresh, Method::Post, "/v1/users/list", &body).await.json();
    assert_eq!(
        record[0]["date_joined"], "2023-05-27T18:19:08.167000Z",
        "the date of the dump, to the microsecond"
    );
}

/// Writes a file and imports it.
async fn import(app: &TestApp, content: &[u8], options: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("users");
    std::fs::write(&file, content).unwrap();
    usher(app, &[&["import", file.to_str().unwrap()], options].concat()).await
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[apply(on_both)]
async fn pw_1_initial_passwords_are_taken_by_the_rules_and_have_to_be_changed(app: TestApp) {
    let content = "Login;Temporary password\nada;walnut heron 41\nbob;otter\ncarl;\n";
    let done = import(&app, content.as_bytes(), &[]).await;
    let printed = printed(&done);
    assert_eq!(summary(&done), "2 created, 0 unchanged, 1 refused", "{printed}");
    assert!(printed.contains("1 of the created have the password that was in the file"), "{printed}");
    assert!(printed.contains("(row 2, \"bob\"): initial_password: "), "{printed}");
    assert!(!printed.contains("walnut") && !printed.contains("otter"), "{printed}");
    assert_eq!(app.obtain("ada", "walnut heron 41").await.status, 200);
    assert_eq!(app.obtain("ada", "walnut heron 42").await.status, 401);
    let ada = db::users::credentials(&app.usher.db, "ada").await.unwrap().unwrap();
    assert!(
        ada.password.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && ada.user.must_change_password
    );
    assert!(!db::users::credentials(&app.usher.db, "carl").await.unwrap().unwrap().password.is_usable());

    let clear = b"username,password\ndora,walnut heron 41\n";
    let unread = import(&app, clear, &["--dry-run", "--verbose"]).await;
    assert!(
        String::from_utf8_lossy(&unread.stdout).contains("the user is invited"),
        "a password column has hashes"
    );
    let done = import(&app, clear, &["--column", "password=initial_password"]).await;
    assert_eq!(summary(&done), "1 created, 0 unchanged, 0 refused");
    assert_eq!(app.obtain("dora", "walnut heron 41").await.status, 200);
    let again = import(&app, clear, &["--column", "password=initial_password"]).await;
    assert_eq!(summary(&again), "0 created, 1 unchanged, 0 refused");
}

/// Of the password `otter`.
const OTTER: &str = "pbkdf2_sha256$1000$salt$XpXOQQ8fv/daUi48T63mbhH/KAcKDLwnFpZsQr7xpoA=";

#[apply(on_both)]
async fn names_and_addresses_of_elsewhere_work_and_are_edited_only_towards_valid_ones(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let names = [
        "O'Sullivan",
        "CORP\\nils",
        "jean luc",
        "20240017",
        "q/a-team",
        "a#b?c=d%2F&e",
        "\u{938}\u{941}\u{928}\u{940}\u{924}\u{93e}",
    ];
    let lines: Vec<String> = names.iter().map(|name| format!("{name},bob@server,{OTTER}\n")).collect();
    let done = import(&app, format!("username,email,password\n{}", lines.concat()).as_bytes(), &[]).await;
    assert_eq!(
        summary(&done),
        format!("{} created, 0 unchanged, 0 refused", names.len()),
        "{}",
        printed(&done)
    );
    for name in names {
        assert_eq!(app.obtain(name, "otter").await.status, 200, "{name}");
        let filter = json!({"expressions": [{"type": "exact", "field": "username", "value": name}]});
        let found = app.send(&admin, Method::Post, "/v1/users/list", &filter).await.json();
        let pk = found[0]["pk"].as_i64().unwrap();
        let path = format!("/v1/users/{pk}");
        let edited = app.send(&admin, Method::Patch, &path, &json!({"first_name": "N"})).await;
        assert_eq!(edited.status, 200, "{}", edited.body);
        let whole = json!({"username": name, "email": "bob@server", "first_name": "M", "last_name": "",
                           "password": "correct horse battery"});
        let edited = app.send(&admin, Method::Put, &path, &whole).await;
        assert_eq!(edited.status, 200, "{}", edited.body);
        let bad = json!({"username": format!("{name} 2!"), "email": "bob@host"});
        let refused = app.send(&admin, Method::Patch, &path, &bad).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(
            refused.body.contains("\"username\"") && refused.body.contains("\"email\""),
            "{}",
            refused.body
        );
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            let encoded = name.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
            let by_name = app.get(&admin, &format!("/v1/users/{encoded}")).await;
            assert_eq!(by_name.status, 200, "{name}: {}", by_name.body);
        }
        let page =
            app.request(Method::Get, &format!("/users/{pk}"), Some((&admin, By::Cookie))).dispatch().await;
        assert_eq!(page.status().code, 200, "{name}");
    }
}

#[apply(on_both)]
async fn the_greatest_key_of_an_import_leaves_room_for_new_users(app: TestApp) {
    let done = import(&app, b"username,pk\nada,9007199254740992\nbob,9223372036854775806\n", &[]).await;
    assert_eq!(summary(&done), "1 created, 0 unchanged, 1 refused");
    assert_eq!(app.person("next", "").await.id(), 9_007_199_254_740_993);
}

#[apply(on_both)]
async fn a_superuser_who_was_made_first_is_in_no_users_way_with_new_keys(app: TestApp) {
    app.person("admin", "superuser").await;
    let dump = input("USHER_TEST_DJANGO_DUMP", "django-users.json");
    let directory = TempDir::new().unwrap();
    let report = directory.path().join("report.csv");
    let arguments = ["import", dump.to_str().unwrap(), "--new-keys", "--report", report.to_str().unwrap()];
    let done = usher(&app, &arguments).await;
    assert!(done.status.success(), "{}", printed(&done));
    let written = std::fs::read_to_string(&report).unwrap();
    let moved = written.lines().find(|line| line.contains("belongs to another user")).expect("a new key");
    let cells: Vec<&str> = moved.split(',').collect();
    let new_pk: i64 = cells[4].parse().expect("a primary key");
    assert_eq!(cells[3], "1");
    assert_eq!(app.stored(new_pk).await.username.as_str(), cells[5]);
    let again = usher(&app, &["import", dump.to_str().unwrap(), "--new-keys"]).await;
    assert!(summary(&again).starts_with("0 created, ") && again.status.success(), "{}", printed(&again));
}

#[apply(on_both)]
async fn what_is_wrong_with_a_file_is_told_and_nothing_of_one_without_a_header_is_repeated(app: TestApp) {
    let done = import(&app, format!("ada,ada@example.org,Ada,{OTTER}\n").as_bytes(), &[]).await;
    assert_eq!(done.status.code(), Some(1));
    let told = printed(&done);
    assert!(told.contains("is no header that is known here"), "{told}");
    assert!(!told.contains("pbkdf2") && !told.contains("ada@") && !told.contains("Ada"), "{told}");
    let posts = br#"[{"model":"blog.post","pk":1,"fields":{"title":"x"}}]"#;
    let done = import(&app, posts, &[]).await;
    assert_eq!(done.status.code(), Some(1), "nothing was imported");
    assert!(printed(&done).contains("not read, as they are no users: 1 blog.post"), "{}", printed(&done));
    let json = b"[{\"username\":\"ada\"},\n{\"pk\":1e400},\n{\"username\":\"\\ud800\"},\n{\"username\":\"\xff\"},\n{\"username\":\"bob\"},]";
    let done = import(&app, json, &[]).await;
    assert_eq!(summary(&done), "2 created, 0 unchanged, 3 refused", "{}", printed(&done));
    for line in ["line 2 (row 2", "line 3 (row 3", "line 4 (row 4"] {
        assert!(printed(&done).contains(line), "{}", printed(&done));
    }
}

#[apply(on_both)]
async fn users_without_a_usable_password_are_invited_and_choose_one_by_their_link(app: TestApp) {
    let file = "username,email,password\nada,ada@example.org,md6$x$y\nbob,,\ncarl,,$7$C6..$x\n";
    let done = import(&app, file.as_bytes(), &["--verbose"]).await;
    assert_eq!(summary(&done), "3 created, 0 unchanged, 0 refused");
    assert!(printed(&done).contains("3 of the created have no password"), "{}", printed(&done));
    assert!(!printed(&done).contains("md6"), "{}", printed(&done));
    app.person("dora", "").await;
    let invited = usher(&app, &["invite"]).await;
    assert!(invited.status.success(), "{}", printed(&invited));
    let lines = String::from_utf8(invited.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().skip(1).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let (_, token) = lines[0].rsplit_once('#').expect("a link");
    // The program has the clock of the machine, the test its own.
    let origin = usher::model::origin::Origin::command_line();
    let redeemed = password_links::redeem(&app.usher, token, "a password of her own 7", &origin).await;
    assert_eq!(redeemed.unwrap().expect("the holder").username.as_str(), "ada");
    assert_eq!(app.obtain("ada", "a password of her own 7").await.status, 200);
    let again = usher(&app, &["invite"]).await;
    assert_eq!(String::from_utf8(again.stdout).unwrap().lines().count(), 3, "without her");
    let sending = usher(&app, &["invite", "--send"]).await;
    assert!(printed(&sending).contains("there is no mail server"), "{}", printed(&sending));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[apply(on_both)]
async fn hostile_files_are_answered_by_the_line_and_what_is_good_in_them_gets_in(app: TestApp) {
    let long = vec![b'x'; 50 * 1024 * 1024];
    let good = b"\nada,\n";
    let many = "a,".repeat(200_000);
    let deep =
        format!("[{{\"username\":\"bob\",\"a\":{}}},{{\"username\":\"carl\"}}]", "[".repeat(1_000_000));
    let whole = gzip(b"username\ndora\nerin\n");
    for (content, created, told) in [
        (gzip(&[b"username,email\n", long.as_slice(), good].concat()), "ada", "is longer than 1048576 bytes"),
        (many.clone().into_bytes(), "", "has more than 1000 cells"),
        (format!("username\n{many}\nfay\n").into_bytes(), "fay", "has more than 1000 cells"),
        (deep.into_bytes(), "", "the file ends in the middle of it"),
        (b"username\ngus\0\nhal\n".to_vec(), "hal", "Null characters are not allowed"),
        (whole[..whole.len() - 4].to_vec(), "", "unexpected end of file"),
        (b"\x1f\x8bnot gzip".to_vec(), "", "cannot be read"),
        (vec![0; 100_000], "", "is no header that is known here"),
    ] {
        let done = import(&app, &content, &[]).await;
        assert_eq!(done.status.code(), Some(1), "{}", printed(&done));
        assert!(printed(&done).contains(told), "{told}: {:.2000}", printed(&done));
        if !created.is_empty() {
            let user = db::users::by_username_key(&app.usher.db, created).await.unwrap();
            assert!(user.is_some(), "{created}: {:.2000}", printed(&done));
        }
    }
}

/// The first part of an archive of this content.
fn cut_off(content: &str) -> (Vec<u8>, Vec<u8>) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    (whole[..whole.len() * 2 / 3].to_vec(), whole)
}

#[apply(on_both)]
async fn a_file_that_breaks_off_is_imported_as_far_as_it_goes_and_the_place_is_named(app: TestApp) {
    const USERS: usize = 900;
    // Of little that repeats, or all of it would be in the first block of the archive.
    let mail = |n: usize| format!("{:x}@example.org", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let all = |line: &dyn Fn(usize) -> String| (0..USERS).map(line).collect::<Vec<String>>();
    let files = [
        ("csv", format!("username,email\n{}", all(&|n| format!("csv{n},{}\n", mail(n))).concat())),
        (
            "json",
            format!(
                "[{}]",
                all(&|n| format!("{{\"username\":\"json{n}\",\"email\":\"{}\"}}", mail(n))).join(",\n")
            ),
        ),
        ("lines", all(&|n| format!("{{\"username\":\"lines{n}\",\"email\":\"{}\"}}\n", mail(n))).concat()),
        (
            "xml",
            format!(
                "<django-objects>\n{}</django-objects>\n",
                all(&|n| format!(
                    "<object model=\"auth.user\"><field name=\"username\">xml{n}</field>\
                     <field name=\"email\">{}</field></object>\n",
                    mail(n)
                ))
                .concat()
            ),
        ),
        (
            "ldif",
            all(&|n| format!("dn: uid=ldif{n}\nobjectClass: person\nuid: ldif{n}\nmail: {}\n\n", mail(n)))
                .concat(),
        ),
        ("passwd", all(&|n| format!("passwd{n}:x:1000:1000:{}:/:/bin/sh\n", mail(n))).concat()),
    ];
    for (kind, content) in &files {
        let (part, whole) = cut_off(content);
        let done = import(&app, &part, &[]).await;
        let (told, printed) = (summary(&done), printed(&done));
        let numbers: Vec<usize> = told.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [created, unchanged, refused] = numbers[..] else { panic!("{kind}: {printed}") };
        assert!((100..USERS).contains(&created) && unchanged == 0, "{kind}: {told}");
        assert!((1..=2).contains(&refused), "{kind}: {printed}");
        assert!(printed.contains("cannot be read on: "), "{kind}: {printed}");
        assert!(printed.contains(&format!("(row {}, ", created + 1)), "{kind}: {printed}");
        assert_eq!(done.status.code(), Some(1), "{kind}");
        let rest = import(&app, &whole, &[]).await;
        assert_eq!(
            summary(&rest),
            format!("{} created, {created} unchanged, 0 refused", USERS - created),
            "{kind}"
        );
    }
}

#[apply(on_both)]
async fn nobody_is_invited_for_a_file_of_passwords_that_breaks_off(app: TestApp) {
    let directory = TempDir::new().unwrap();
    let (users, passwords) = (directory.path().join("passwd"), directory.path().join("shadow.gz"));
    let name = |n: u64| format!("ada{n:x}", n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let line = |n| format!("{0}:x:1000:1000::/:/bin/sh\n", name(n));
    std::fs::write(&users, (0..900).map(line).collect::<String>()).unwrap();
    let shadow: String = (0..900).fold(String::new(), |all, n| all + &name(n) + ":$6$salt$hash:1:0:9:7:::\n");
    std::fs::write(&passwords, cut_off(&shadow).0).unwrap();
    let done = usher(&app, &["import", users.to_str().unwrap(), passwords.to_str().unwrap()]).await;
    assert_eq!(done.status.code(), Some(1));
    let printed = printed(&done);
    assert!(
        printed.contains("shadow.gz: it breaks off after ") && printed.contains("nothing was imported"),
        "{printed}"
    );
    assert_eq!(count(&app).await, 0);
}
