//! The whole of an import, and an export after it, on a database.

use super::*;
use crate::cli::{Format, export};
use crate::db;
use crate::db::users::{self, Whole};
use crate::model::clock::{Clock, Timestamp};
use crate::model::user::{User, UserId};

const HASH: &str = "pbkdf2_sha1$1000000$eOBmROU8GBIYbaKkZp6HI0$uuEWDUzUqXyJ6r6pwHmeyt7PVUs=";
const OURS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Installation {
    app: App,
    folder: tempfile::TempDir,
}

impl Installation {
    async fn new() -> Self {
        let (figment, folder) = db::testing::sqlite().await;
        let clock = Clock::manual(Timestamp::parse("2024-05-01T10:00:00.000001Z").unwrap());
        Self { app: App::open(&figment, clock).await.unwrap(), folder }
    }

    /// Imports and returns what is printed.
    async fn import(&self, content: &str, dry_run: bool, verbose: bool) -> String {
        self.import_by(content, verbose, &Options { dry_run, ..Options::default() }).await
    }

    async fn import_by(&self, content: &str, verbose: bool, options: &Options) -> String {
        let file = self.folder.path().join("input");
        std::fs::write(&file, content).unwrap();
        let source = Source::open(&file, None).unwrap();
        let survey = import::survey(&source, options).unwrap();
        let mut printer =
            Printer { out: Vec::new(), report: None, verbose, printed: 0, unchecked: 0, rows: survey.rows };
        tell_survey(&mut printer.out, "input", &survey).unwrap();
        import(&self.app, &source, &survey, options, &mut printer).await.unwrap();
        let output = String::from_utf8(printer.out).unwrap();
        // Without the line that says what the file is.
        output.split_once('\n').unwrap().1.to_owned()
    }

    async fn export(&self, format: Format) -> String {
        let mut written = Vec::new();
        export::write_all(&self.app, format, &mut written).await.unwrap();
        String::from_utf8(written).unwrap()
    }

    /// All rows of the users table.
    async fn users(&self) -> Vec<(User, String, String)> {
        let all = users::whole_after(&self.app.db, UserId(0), 100_000).await.unwrap();
        let row = |Whole { user, password, preferences }| (user, password.as_str().to_owned(), preferences);
        all.into_iter().map(row).collect()
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
            "valid_from": (pk == 3).then_some("2024-01-01T00:00:00.000001Z"),
            "valid_until": (pk == 2).then_some("2030-01-01T00:00:00.000002Z"),
            "must_change_password": pk == 3,
            "password_changed_at": (pk == 1).then_some("2023-01-01T00:00:00.000003Z"),
            "preferences": (pk == 1).then_some(serde_json::json!({"theme": "dark", "time_zone": "Asia/Tokyo"})),
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
    assert_eq!(
        one.import(&awkward(), false, false).await,
        format!("{WITHOUT_PASSWORD}5 created, 0 unchanged, 0 refused\n")
    );
    let users = one.users().await;
    assert_eq!(users.len(), 5);
    for format in [Format::Csv, Format::Json] {
        let exported = one.export(format).await;
        let other = Installation::new().await;
        let printed = other.import(&exported, false, false).await;
        assert_eq!(printed, format!("{WITHOUT_PASSWORD}5 created, 0 unchanged, 0 refused\n"), "{format:?}");
        assert_eq!(other.users().await, users, "{format:?}");
        assert_eq!(other.export(format).await, exported, "{format:?}");
        assert_eq!(one.import(&exported, false, false).await, "0 created, 5 unchanged, 0 refused\n");
    }
}

const WITHOUT_PASSWORD: &str = "2 of the created have no password: they need a link to choose one\n";

#[rocket::async_test]
async fn a_dump_for_django_has_what_django_knows_and_no_account_that_has_ended_is_active_in_it() {
    let one = Installation::new().await;
    one.import(&awkward(), false, false).await;
    let ended = r#"[{"username":"ended","pk":7,"valid_until":"2024-05-01T10:00:00Z","password":""}]"#;
    one.import(ended, false, false).await;
    let exported = one.export(Format::Django).await;
    let other = Installation::new().await;
    other.import(&exported, false, false).await;
    let known_to_django = |(user, password, _): (User, String, String)| {
        let (valid_from, valid_until, password_changed_at) = (None, None, None);
        let is_active = user.is_active && user.username.as_str() != "ended";
        let user = User {
            valid_from,
            valid_until,
            password_changed_at,
            must_change_password: false,
            is_active,
            ..user
        };
        (user, password, String::new())
    };
    let expected: Vec<_> = one.users().await.into_iter().map(known_to_django).collect();
    assert_eq!(other.users().await, expected);
    assert_eq!(other.export(Format::Django).await, exported);
}

#[rocket::async_test]
async fn an_empty_database_exports_no_users_in_every_format() {
    let empty = Installation::new().await;
    for format in [Format::Csv, Format::Json, Format::Django] {
        let exported = empty.export(format).await;
        let printed = empty.import(&exported, false, false).await;
        assert!(printed.ends_with("nothing was imported\n0 created, 0 unchanged, 0 refused\n"), "{printed}");
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
    assert!(lines[1].starts_with(
        "007,1,,true,'=1+1,\"ياسر, \"\"x\"\";\",,true,true,1969-12-31T23:59:59.999999Z,,,false,"
    ));
    assert!(lines[2].starts_with("'+Zoë,2,2026-11-01T00:00:00.000001Z,false,''=x,"), "{}", lines[2]);
    let dump: serde_json::Value = serde_json::from_str(&one.export(Format::Django).await).unwrap();
    assert_eq!(dump[1]["model"], "auth.user");
    assert_eq!(dump[1]["fields"]["password"], format!("argon2{OURS}"));
    assert_eq!(dump[1]["fields"]["groups"], serde_json::json!([]));
}

const FIELDS_LINE: &str = "username,pk,last_login,is_superuser,first_name,last_name,email,is_staff,\
                           is_active,date_joined,valid_from,valid_until,must_change_password,\
                           password_changed_at,preferences,password,is_deprovisioned,modified_at,\
                           external_ids,second_factors";

#[rocket::async_test]
async fn bad_rows_are_refused_with_all_reasons_and_never_stop_the_good_ones() {
    let one = Installation::new().await;
    let file = "username,pk,email,is_staff\n\
                ada,1,a@b.co,yes\n\
                O'Sullivan,99999999999999999,x,maybe\n\
                \u{1b}[2J,0,,no\n\
                \n\
                bob,,b@b.co,no\n\
                carl,1,,no\n\
                ADA,,a@b.co,yes\n\
                short\n";
    let expected = "\
        created  line 2 (row 1, pk 1, \"ada\")\n\
        refused  line 3 (row 2, pk 99999999999999999, \"O'Sullivan\"): is_staff: Must be a valid boolean. \
        pk: Must be a whole number from 1 to 9007199254740992; --new-keys gives a new one.\n\
        refused  line 4 (row 3, pk 0, \"\\u{1b}[2J\"): pk: Must be a whole number from 1 to 9007199254740992; --new-keys gives a new one. \
        username: Control characters are not allowed.\n\
        created  line 6 (row 4, \"bob\")\n\
        conflict  line 7 (row 5, pk 1, \"carl\"): pk 1 belongs to another user: \"ada\" of line 2.\n\
        conflict  line 8 (row 6, \"ADA\"): differs from the user of line 2: username.\n\
        refused  line 9 (row 7, no username): has 1 cells instead of 4.\n\
        2 of the created have no password: they need a link to choose one\n";
    let dry = one.import(file, true, true).await;
    assert_eq!(dry, format!("{expected}dry run: 2 created, 0 unchanged, 5 refused\n"));
    assert!(one.users().await.is_empty(), "a dry run writes nothing");
    assert_eq!(one.import(file, false, true).await, format!("{expected}2 created, 0 unchanged, 5 refused\n"));
    let after = one.users().await;
    assert_eq!(
        one.import(file, true, false).await.lines().last(),
        Some("dry run: 0 created, 2 unchanged, 5 refused")
    );
    assert!(one.import(file, false, true).await.contains("unchanged  line 6 (row 4, \"bob\")\n"));
    assert_eq!(one.users().await, after, "a second run changes nothing");
}

#[rocket::async_test]
async fn other_models_are_counted() {
    let one = Installation::new().await;
    let dump = r#"[{"model":"auth.group","pk":1,"fields":{"name":"x"}},
                   {"model":"auth.user","pk":3,"fields":{"username":"ada","password":"!","groups":[1],"phone":"?"}}]"#;
    let printed = one.import(dump, false, false).await;
    let expected = "columns that are not read: \"groups\", \"phone\"\n\
                    not read, as they are no users: 1 auth.group\n\
                    1 of the created have no password: they need a link to choose one\n\
                    1 created, 0 unchanged, 0 refused\n";
    assert_eq!(printed, expected);
}

#[rocket::async_test]
async fn users_whose_keys_are_taken_get_new_ones_on_request() {
    let one = Installation::new().await;
    one.import("username,pk\nadmin,1\n", false, false).await;
    let file = "username,pk\nada,1\nbob,2\nhuge,9223372036854775807\n";
    let options = Options { new_keys: true, ..Options::default() };
    let printed = one.import_by(file, true, &options).await;
    assert!(
        printed.contains("created  line 2 (row 1, pk 1, \"ada\"): pk: 1 belongs to another user;"),
        "{printed}"
    );
    assert!(printed.ends_with("3 created, 0 unchanged, 0 refused\n"), "{printed}");
    let keys: Vec<_> = one.users().await.into_iter().map(|(user, ..)| (user.username, user.id.0)).collect();
    let keys: Vec<_> = keys.iter().map(|(username, id)| (username.as_str(), *id)).collect();
    assert_eq!(keys, [("admin", 1), ("bob", 2), ("ada", 3), ("huge", 4)]);
    let printed = one.import_by(file, false, &options).await;
    assert_eq!(printed, "0 created, 3 unchanged, 0 refused\n", "they are told by their names");
}

#[rocket::async_test]
async fn the_first_hundred_refusals_are_printed_and_the_others_counted() {
    let one = Installation::new().await;
    let lines: Vec<String> = (0..5000).map(|n| format!("\u{1}{n}\n")).collect();
    let printed = one.import(&format!("username\n{}", lines.concat()), false, false).await;
    assert_eq!(printed.lines().count(), 102);
    assert!(printed.contains("and 4900 more are refused: --report FILE writes all\n"), "{printed}");
}

#[rocket::async_test]
async fn rows_without_a_primary_key_come_after_all_others() {
    let one = Installation::new().await;
    let printed = one.import("username,pk\nnext,\nada,1\nbob,2000\n", false, false).await;
    assert!(printed.ends_with("3 created, 0 unchanged, 0 refused\n"), "{printed}");
    let ids: Vec<_> = one
        .users()
        .await
        .into_iter()
        .map(|(user, ..)| (user.username.as_str().to_owned(), user.id.0))
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
