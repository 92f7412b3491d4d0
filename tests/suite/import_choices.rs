//! What has to be said of files that could be read in more than one way, on the command line and in the console.

use rocket::http::Method;
use serde_json::json;
use tempfile::TempDir;
use usher::db;

use crate::app::TestApp;
use crate::console::{hidden, page, send, token};
use crate::import::{summary, usher};
use crate::import_pages::{OTTER, check, import};

/// Writes files and imports them together.
async fn import_files(app: &TestApp, files: &[(&str, &[u8])], options: &[&str]) -> (String, String, bool) {
    let directory = TempDir::new().unwrap();
    let mut arguments = vec!["import".to_owned()];
    for (name, content) in files {
        let file = directory.path().join(name);
        std::fs::write(&file, content).unwrap();
        arguments.push(file.to_str().unwrap().to_owned());
    }
    arguments.extend(options.iter().map(|option| (*option).to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = usher(app, &arguments).await;
    let printed =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (summary(&output), printed, output.status.success())
}

async fn is_here(app: &TestApp, username: &str) -> bool {
    db::users::by_username_key(&app.usher.db, username).await.unwrap().is_some()
}

/// An export of two realms, the second of which has much before its users.
fn realms() -> String {
    let user =
        |name: &str| json!({"username": name, "createdTimestamp": 1_446_050_775_347_i64, "enabled": true});
    let roles = format!("\"roles\":[\"{}\"]", "x".repeat(2 * 1024 * 1024));
    format!(
        "[{{\"realm\":\"master\",\"users\":[{}]}},{{\"realm\":\"acme\",{roles},\"users\":[{},{}],\"clients\":[]}}]",
        user("admin"),
        user("ada"),
        user("bob")
    )
}

#[apply(on_both)]
async fn of_several_realms_the_one_that_is_said_is_imported(app: TestApp) {
    let file = realms();
    let files = [("realms.json", file.as_bytes())];
    let (_, printed, is_good) = import_files(&app, &files, &[]).await;
    assert!(!is_good && printed.contains("say with --realm which one of \"acme\", \"master\""), "{printed}");
    let (_, printed, _) = import_files(&app, &files, &["--realm", "Acme"]).await;
    assert!(printed.contains("it has no realm \"Acme\", but \"acme\", \"master\""), "{printed}");
    let (summary, printed, is_good) = import_files(&app, &files, &["--realm", "acme"]).await;
    assert_eq!(summary, "2 created, 0 unchanged, 0 refused", "{printed}");
    assert!(
        is_good && printed.contains("not read, as they are no users: 1 users of the realm master"),
        "{printed}"
    );
    assert!(is_here(&app, "bob").await && !is_here(&app, "admin").await);
    let (_, printed, _) =
        import_files(&app, &[("users.csv", b"username\ncarl\n")], &["--realm", "acme"]).await;
    assert!(printed.contains("--realm and --table are for files that have several"), "{printed}");
}

#[apply(on_both)]
async fn a_realm_can_be_said_in_the_console(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let html = check(&app, &root, &[("realms.json", realms().as_bytes())]).await;
    assert!(html.contains("say below which one of \"acme\", \"master\""), "{html}");
    let (form_token, number) = (token(&html), hidden(&html, "number"));
    let fields = [("token", form_token.as_str()), ("number", number.as_str()), ("part", "acme")];
    let (answer, _) = send(&app, &root, "/users/import/choices", &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let html = page(&app, &root, "/users/import").await.body;
    assert!(html.contains(">Import 2 users</button>") && html.contains("value=\"acme\""), "{html}");
    import(&app, &root, &html).await;
    assert!(is_here(&app, "ada").await && !is_here(&app, "admin").await);
}

#[apply(on_both)]
async fn what_members_and_columns_hold_can_be_said_of_json_and_dumps_as_of_tables(app: TestApp) {
    let json =
        br#"[{"kennung":"ada","mail":"ada@example.org","x":"Ada"},{"kennung":"bob","mail":"","x":""}]"#;
    let sql = format!(
        "-- MySQL dump\nINSERT INTO `kunden` (`nr`, `kennung`, `geheim`) VALUES (7,'o\\'brien','{OTTER}'),(8,'dora',NULL);\n\
         INSERT INTO `users` (`username`, `password`) VALUES ('nobody','');\n"
    );
    let django = br#"[{"model":"a.b","pk":9,"fields":{"password":"!","last_login":null,"kennung":"erin"}}]"#;
    let column = ["--column", "Kennung=username"];
    let options = [&column[..], &["--column", "x=first_name"]].concat();
    let (summary, printed, _) = import_files(&app, &[("users.json", json)], &options).await;
    assert_eq!(summary, "2 created, 0 unchanged, 0 refused", "{printed}");
    let options = [&column[..], &["--column", "geheim=password", "--table", "kunden"]].concat();
    let (summary, printed, _) = import_files(&app, &[("dump.sql", sql.as_bytes())], &options).await;
    assert_eq!(summary, "2 created, 0 unchanged, 0 refused", "{printed}");
    let (summary, printed, _) = import_files(&app, &[("dump.json", django)], &column).await;
    assert_eq!(summary, "1 created, 0 unchanged, 0 refused", "{printed}");
    for name in ["ada", "bob", "o'brien", "dora", "erin"] {
        assert!(is_here(&app, name).await, "{name}");
    }
    assert_eq!(app.obtain("o'brien", "otter").await.status, 200);
    for (name, content) in [("users.json", &json[..]), ("dump.sql", sql.as_bytes()), ("dump.json", django)] {
        let (_, printed, is_good) =
            import_files(&app, &[(name, content)], &["--column", "Kenung=username"]).await;
        assert!(!is_good && printed.contains("the file has no column \"Kenung\""), "{printed}");
    }
    let ldif = b"dn: uid=a\nobjectClass: person\nuid: a\n";
    let (_, printed, _) = import_files(&app, &[("a.ldif", ldif)], &column).await;
    assert!(printed.contains("--column is for tables"), "{printed}");
}

#[apply(on_both)]
async fn a_file_that_has_nothing_for_the_users_of_the_others_is_an_error_and_nothing_is_imported(
    app: TestApp,
) {
    let root = app.person("root", "superuser").await;
    let users: (&str, &[u8]) = ("users.csv", b"username\nada\n");
    let passwd: (&str, &[u8]) = ("passwd", b"ada:x:1000:1000::/:/bin/sh\n");
    let others: [(&str, &[u8]); 3] = [
        ("shadow", b"bob:$6$saltstring$x:1:0:9:7:::\n"),
        ("passwords.json", b"{\"_id\":{\"$oid\":\"7f\"},\"passwordHash\":\"$2b$10$x\"}\n"),
        (
            "config.txt",
            b"hash_config {\n base64_signer_key: eA==,\n base64_salt_separator: Bw==,\n rounds: 8,\n mem_cost: 14,\n}",
        ),
    ];
    for other in others {
        for with in [users, passwd] {
            let (_, printed, is_good) = import_files(&app, &[with, other], &[]).await;
            let expected = "but for none of the users in the other files: nothing was imported";
            assert!(!is_good && printed.contains(expected) && printed.contains(other.0), "{printed}");
        }
        let html = check(&app, &root, &[users, other]).await;
        assert!(
            html.contains("Nothing can be imported.") && html.contains("but for none of the users"),
            "{html}"
        );
    }
    assert!(!is_here(&app, "ada").await);
    let body = json!({"expressions": [], "include_inactive": true});
    let all = app.send(&root, Method::Post, "/v1/users/list", &body).await.json();
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
}

#[apply(on_both)]
async fn of_a_file_that_is_no_text_it_is_said_how_to_make_it_one(app: TestApp) {
    for (content, told) in [
        (&b"PK\x03\x04\x14\0\x06\0xl/workbook.xml"[..], "save the sheet as CSV"),
        (b"PGDMP\x01\x0e\0\x04\x08", "have pg_restore write it as text"),
        (b"SQLite format 3\0\x10\0", "with sqlite3 FILE .dump"),
        (b"\xfd7zXZ\0\0\x04", "it is packed, but not by gzip"),
    ] {
        let (_, printed, is_good) = import_files(&app, &[("users", content)], &[]).await;
        assert!(!is_good && printed.contains(told), "{printed}");
    }
}
