//! The whole of an import, and an export after it, on a database.

use super::*;
use crate::cli::{Format, export};
use crate::db;
use crate::db::users::{self, Credentials};
use crate::model::clock::{Clock, Timestamp};
use crate::model::user::{User, UserId, Username};

const HASH: &str = "pbkdf2_sha1$1000000$eOBmROU8GBIYbaKkZp6HI0$uuEWDUzUqXyJ6r6pwHmeyt7PVUs=";
const OURS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Installation {
    app: App,
    _folder: tempfile::TempDir,
}

impl Installation {
    async fn new() -> Self {
        let (figment, folder) = db::testing::sqlite().await;
        let clock = Clock::manual(Timestamp::parse("2024-05-01T10:00:00.000001Z").unwrap());
        Self { app: App::open(&figment, clock).await.unwrap(), _folder: folder }
    }

    /// Imports and returns what is printed.
    async fn import(&self, content: &str, dry_run: bool, verbose: bool) -> String {
        let report = import(&self.app, formats::parse(content.as_bytes(), None).unwrap(), dry_run).await;
        let mut printed = Vec::new();
        report.unwrap().print(&mut printed, verbose).unwrap();
        String::from_utf8(printed).unwrap()
    }

    async fn export(&self, format: Format) -> String {
        let mut written = Vec::new();
        export::write_all(&self.app, format, &mut written).await.unwrap();
        String::from_utf8(written).unwrap()
    }

    /// All rows of the users table.
    async fn users(&self) -> Vec<(User, String)> {
        let all = users::credentials_after(&self.app.db, UserId(0), 100_000).await.unwrap();
        all.into_iter().map(|Credentials { user, password }| (user, password.as_str().to_owned())).collect()
    }
}

/// Users with everything that is awkward in one of the formats.
fn awkward() -> String {
    let user = |pk: i64, username: &str, first_name: &str, password: &str| {
        serde_json::json!({
            "username": username, "pk": pk, "last_login": (pk % 2 == 0).then_some("2026-11-01T00:00:00.000001Z"),
            "is_superuser": pk == 1, "first_name": first_name, "last_name": "ياسر, \"x\";",
            "email": if pk == 2 { "'=a@example.org" } else { "" }, "is_staff": pk < 3, "is_active": pk != 3,
            "date_joined": "1969-12-31T23:59:59.999999Z", "password": password,
        })
    };
    serde_json::to_string(&[
        user(1, "007", "=1+1", HASH),
        user(2, "+Zoë", "'=x", OURS),
        user(3, "@a.b-c_d", "'tHooft", "!"),
        user(9_000_000_000_000, "-", "-", "!unusable"),
        user(5000, "list", "\\N", "argon2$argon2id$v=19$m=102400,t=2,p=8$dThCYnN4NWJqMXJ3RllyU3J0MXlTbw$RRfd6ACa+gzzeaLYCc/szushoKsu7UogSr4G2iy83mA"),
    ])
    .unwrap()
}

#[rocket::async_test]
async fn a_round_trip_through_every_format_gives_the_same_users() {
    let one = Installation::new().await;
    assert_eq!(one.import(&awkward(), false, false).await, "5 created, 0 unchanged, 0 refused\n");
    let users = one.users().await;
    assert_eq!(users.len(), 5);
    for format in [Format::Csv, Format::Json, Format::Django] {
        let exported = one.export(format).await;
        let other = Installation::new().await;
        let printed = other.import(&exported, false, false).await;
        assert_eq!(printed, "5 created, 0 unchanged, 0 refused\n", "{format:?}");
        assert_eq!(other.users().await, users, "{format:?}");
        assert_eq!(other.export(format).await, exported, "{format:?}");
        assert_eq!(one.import(&exported, false, false).await, "0 created, 5 unchanged, 0 refused\n");
    }
}

#[rocket::async_test]
async fn an_empty_database_exports_no_users_in_every_format() {
    let empty = Installation::new().await;
    for format in [Format::Csv, Format::Json, Format::Django] {
        let exported = empty.export(format).await;
        assert_eq!(empty.import(&exported, false, false).await, "0 created, 0 unchanged, 0 refused\n");
    }
    assert_eq!(empty.export(Format::Json).await, "[]\n");
}

#[rocket::async_test]
async fn the_exports_have_the_forms_that_others_read() {
    let one = Installation::new().await;
    one.import(&awkward(), false, false).await;
    let csv = one.export(Format::Csv).await;
    let lines: Vec<_> = csv.split("\r\n").collect();
    assert_eq!(lines[0], FIELDS_LINE);
    assert!(
        lines[1]
            .starts_with("007,1,,true,'=1+1,\"ياسر, \"\"x\"\";\",,true,true,1969-12-31T23:59:59.999999Z,")
    );
    assert!(lines[2].starts_with("'+Zoë,2,2026-11-01T00:00:00.000001Z,false,''=x,"), "{}", lines[2]);
    let dump: serde_json::Value = serde_json::from_str(&one.export(Format::Django).await).unwrap();
    assert_eq!(dump[1]["model"], "auth.user");
    assert_eq!(dump[1]["fields"]["password"], format!("argon2{OURS}"));
    assert_eq!(dump[1]["fields"]["groups"], serde_json::json!([]));
}

const FIELDS_LINE: &str = "username,pk,last_login,is_superuser,first_name,last_name,email,is_staff,\
                           is_active,date_joined,password";

#[rocket::async_test]
async fn bad_rows_are_refused_with_all_reasons_and_never_stop_the_good_ones() {
    let one = Installation::new().await;
    let file = "username,pk,email,is_staff\n\
                ada,1,a@b.co,yes\n\
                O'Sullivan,17,x,maybe\n\
                \u{1b}[2J,0,,no\n\
                bob,,b@b.co,no\n\
                carl,1,,no\n\
                ADA,,a@b.co,yes\n\
                short\n";
    let expected = "\
        created  row 1 (pk 1, \"ada\")\n\
        refused  row 2 (pk 17, \"O'Sullivan\"): email: Enter a valid email address. is_staff: Must be a valid \
        boolean. username: Enter a valid username. This value may contain only letters, numbers, and \
        @/./+/-/_ characters.\n\
        refused  row 3 (pk 0, \"\\u{1b}[2J\"): pk: Must be a whole number from 1 to 9223372036854775806. \
        username: Control characters are not allowed.\n\
        created  row 4 (\"bob\")\n\
        refused  row 5 (pk 1, \"carl\"): pk 1 belongs to another user.\n\
        refused  row 6 (\"ADA\"): differs from the user already here: username.\n\
        refused  row 7 (no username): has 1 cells instead of 4.\n";
    let dry = one.import(file, true, true).await;
    assert_eq!(dry, format!("{expected}dry run: 2 created, 0 unchanged, 5 refused\n"));
    assert!(one.users().await.is_empty(), "a dry run writes nothing");
    assert_eq!(one.import(file, false, true).await, format!("{expected}2 created, 0 unchanged, 5 refused\n"));
    let after = one.users().await;
    assert_eq!(
        one.import(file, true, false).await.lines().last(),
        Some("dry run: 0 created, 2 unchanged, 5 refused")
    );
    assert!(one.import(file, false, true).await.contains("unchanged  row 4 (\"bob\")\n"));
    assert_eq!(one.users().await, after, "a second run changes nothing");
}

#[rocket::async_test]
async fn other_models_are_counted() {
    let one = Installation::new().await;
    let dump = r#"[{"model":"auth.group","pk":1,"fields":{"name":"x"}},
                   {"model":"auth.user","pk":3,"fields":{"username":"ada","groups":[1],"phone":"?"}}]"#;
    let printed = one.import(dump, false, false).await;
    assert_eq!(printed, "1 created, 0 unchanged, 0 refused, 1 skipped (not auth.user)\n");
}

#[rocket::async_test]
async fn rows_without_a_primary_key_come_after_all_others() {
    let one = Installation::new().await;
    let printed = one.import("username,pk\nnext,\nada,1\nbob,2000\n", false, false).await;
    assert_eq!(printed, "3 created, 0 unchanged, 0 refused\n");
    let ids: Vec<_> = one
        .users()
        .await
        .into_iter()
        .map(|(user, _)| (user.username.as_str().to_owned(), user.id.0))
        .collect();
    assert_eq!(ids, [("ada".into(), 1), ("bob".into(), 2000), ("next".into(), 2001)]);
}

#[rocket::async_test]
async fn thousands_of_users_are_written_in_batches() {
    let one = Installation::new().await;
    let lines = (1..=1700).rev().map(|pk| format!("user{pk},{}", if pk % 10 == 0 { 0 } else { pk }));
    let file = format!("username,pk\n{}\n", lines.collect::<Vec<_>>().join("\n")).replace(",0\n", ",\n");
    let printed = one.import(&file, false, false).await;
    assert_eq!(printed.lines().last(), Some("1700 created, 0 unchanged, 0 refused"));
    assert_eq!(one.users().await.len(), 1700);
    assert_eq!(one.import(&file, false, false).await, "0 created, 1700 unchanged, 0 refused\n");
}

/// Between judging and writing another process makes three users, one of them the same.
#[rocket::async_test]
async fn one_row_that_lost_a_race_does_not_lose_the_batch() {
    let one = Installation::new().await;
    let parsed = formats::parse(b"username,pk\nada,1\nbob,2\ncarl,3\ndora,4\n", None).unwrap();
    let records = parsed.rows.iter().map(|row| record::read(row).unwrap()).enumerate();
    let new = records.map(|(place, record)| store::New { place, record }).collect();
    one.import("username,pk\nBOB,7\nzoe,3\ndora,4\n", false, false).await;
    let mut revised = Vec::new();
    let now = one.app.clock.now();
    store::write(&one.app, new, now, |place, verdict| revised.push((place, verdict))).await.unwrap();
    assert_eq!(
        revised,
        [
            (1, Verdict::refused("username: A user with that username already exists.")),
            (2, Verdict::refused("pk 3 belongs to another user.")),
            (3, Verdict::Unchanged),
        ]
    );
    let names: Vec<_> = one.users().await.into_iter().map(|(user, _)| user.username).collect();
    assert_eq!(names.iter().map(Username::as_str).collect::<Vec<_>>(), ["ada", "zoe", "dora", "BOB"]);
}

#[test]
fn a_label_escapes_and_shortens_what_comes_from_the_file() {
    let mut row = Row::new(3);
    row.add("pk", Raw::Text("7\u{202e}".into()));
    row.add("username", Raw::Text(format!("\r{}", "x".repeat(1000))));
    let label = Label::of(&row).to_string();
    assert!(label.starts_with("row 3 (pk \"7\\u{202e}\", \"\\rxxx"), "{label}");
    assert!(label.len() < 200);
}
