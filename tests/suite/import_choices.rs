//! What has to be said of files that could be read in more than one way, on the command line and in the console.

use rocket::http::Method;
use serde_json::json;
use tempfile::TempDir;
use usher::db;

use crate::app::{Person, TestApp};
use crate::console::{hidden, page, send, token};
use crate::import::{summary, usher};
use crate::import_pages::{OTTER, check, import};

/// Writes files and imports them together.
pub(crate) async fn import_files(
    app: &TestApp,
    files: &[(&str, &[u8])],
    options: &[&str],
) -> (String, String, bool) {
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
    assert!(html.contains("say with “Realm or table” which one of \"acme\", \"master\""), "{html}");
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

/// A table of users with several states, other columns, a row that is broken and statements of other kinds.
const STATES: &str = "-- MySQL dump 10.13\n\
    CREATE TABLE `members` (`id` int, `login` varchar(9), `password` varchar(99), `locked` bit(1), `suspended` tinyint, `deleted_at` datetime, `state` varchar(9));\n\
    INSERT INTO `members` VALUES (1,'ada','x',b'0',0,NULL,'a'),(2,'bob','x',b'0',1,NULL,'a'),\n\
    (3,'carl','x',,0,NULL,'a'),\n(4,'dora','x',_binary '\\0',0,'2024-01-01 00:00:00','a'),(5,'erin','x',0x01,0,NULL,'a');\n\
    INSERT INTO `members` SET id=6, login='fay', locked=b'0', score=.5;\n\
    INSERT INTO `members` SELECT * FROM old;\nINSERT INTO `logs` VALUE (1,'ada');\n";

#[apply(on_both)]
async fn every_state_of_a_dump_counts_and_what_is_not_read_is_named_before(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let file = ("dump.sql", STATES.as_bytes());
    let html = check(&app, &root, &[file]).await;
    for told in ["the column “state”", "the column “score”", "1 rows of logs"] {
        assert!(html.contains(told), "{told}: {html}");
    }
    let (summary, printed, is_good) = import_files(&app, &[file], &["--new-keys"]).await;
    assert_eq!(summary, "5 created, 0 unchanged, 2 refused", "{printed}");
    let before = printed.split("refused").next().unwrap();
    assert!(before.contains("columns that are not read: \"score\", \"state\""), "{printed}");
    assert!(before.contains("not read, as they are no users: 1 rows of logs"), "{printed}");
    for told in ["line 4 (row 3", "line 7 (row 7", "is a statement without rows"] {
        assert!(printed.contains(told) && !is_good, "{told}: {printed}");
    }
    for (name, expected) in [("ada", true), ("bob", false), ("dora", false), ("erin", false), ("fay", true)] {
        let user = db::users::by_username_key(&app.usher.db, name).await.unwrap().unwrap();
        assert_eq!(user.is_active, expected, "{name}");
    }
    // A part of a value is never taken for the whole.
    let cut = STATES.split_once("'fay").unwrap().0.to_owned() + "'gu";
    let (_, printed, is_good) = import_files(&app, &[("dump.sql", cut.as_bytes())], &["--new-keys"]).await;
    assert!(!is_good && printed.contains("the file ends in the middle of it."), "{printed}");
    assert!(!is_here(&app, "gu").await);
}

#[apply(on_both)]
async fn dates_that_could_be_two_are_asked_for_unless_one_shows_the_order(app: TestApp) {
    let file = |last: &str| format!("username,created\nada,3/4/2024 1:05 PM\nbob,{last}\n").into_bytes();
    let (summary, printed, _) = import_files(&app, &[("a.csv", &file("5/6/2024 2:05 AM"))], &[]).await;
    assert_eq!(summary, "0 created, 0 unchanged, 2 refused", "{printed}");
    assert!(printed.contains("Say with --dates"), "{printed}");
    let (summary, printed, _) = import_files(&app, &[("a.csv", &file("12/31/2024 2:05 AM"))], &[]).await;
    assert_eq!(summary, "2 created, 0 unchanged, 0 refused", "{printed}");
    assert!(printed.contains("dates with slashes or hyphens: the month comes first"), "{printed}");
    let user = db::users::by_username_key(&app.usher.db, "ada").await.unwrap().unwrap();
    assert_eq!(user.date_joined.to_string(), "2024-03-04T13:05:00.000000Z");
}

#[apply(on_both)]
async fn hashes_of_next_to_no_work_are_wrapped_and_sign_in(app: TestApp) {
    let content = b"username,password\nada,pbkdf2_sha256$1$salt$1PHtEYl8qyX3WzkCFzEA3+W/5HoyY4CsO1CvBdLgFTg=\n\
                    bob,scrypt:2:1:1$salt$a11ce78f184ece07d3b9b8325882b3444af808f2e66277f8c92ce793b904f1c11e0e71d082576014c981afd78c24471b71d18133effcd7675a63834464aa558a\n\
                    cy,\"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$zqXH243JtHPDTFVTabE9Wq10PRHVsAFyrk3ouL7Yxlk\"\n";
    let (summary, printed, _) = import_files(&app, &[("a.csv", content)], &[]).await;
    assert_eq!(summary, "3 created, 0 unchanged, 0 refused", "{printed}");
    assert!(printed.contains("3 of the created had a weak hash"), "{printed}");
    for name in ["ada", "bob", "cy"] {
        let stored = db::users::credentials(&app.usher.db, name).await.unwrap().unwrap();
        assert!(stored.password.as_str().starts_with("layered$"), "{name}");
        assert_eq!(app.obtain(name, "otter").await.status, 401, "{name}");
        assert_eq!(app.obtain(name, "kestrel").await.status, 200, "{name}");
    }
}

#[apply(on_both)]
async fn tables_of_drupal_and_columns_of_xml_need_no_guess(app: TestApp) {
    let drupal = "-- MySQL dump 10.13\nINSERT INTO `users_field_data` (uid, langcode, name, pass, mail, status, created, access, login) VALUES \
                  (7,'en','ada','','a@b.co',1,1446050775,1446050775,1446050776),(8,'en','bob','','b@b.co',0,1446050775,0,0);\n";
    let (summary, printed, _) = import_files(&app, &[("d.sql", drupal.as_bytes())], &["--new-keys"]).await;
    assert_eq!(summary, "2 created, 0 unchanged, 0 refused", "{printed}");
    let user = async |name: &str| db::users::by_username_key(&app.usher.db, name).await.unwrap().unwrap();
    let (ada, bob) = (user("ada").await, user("bob").await);
    assert_eq!((ada.email.as_str(), ada.is_active, bob.is_active), ("a@b.co", true, false));
    assert_eq!(ada.last_login.unwrap().to_string(), "2015-10-28T16:46:16.000000Z");
    assert_eq!((ada.date_joined.to_string().as_str(), bob.last_login), ("2015-10-28T16:46:15.000000Z", None));
    let xml = b"<?xml version=\"1.0\"?><django-objects version=\"1.0\"><object model=\"a.user\" pk=\"9\"><field name=\"password\">!</field>\
                <field name=\"last_login\"><None/></field><field name=\"handle\">cy</field></object></django-objects>";
    let (_, printed, is_good) = import_files(&app, &[("d.xml", xml)], &["--column", "handel=username"]).await;
    assert!(!is_good && printed.contains("the file has no column \"handel\""), "{printed}");
    let (summary, printed, _) = import_files(&app, &[("d.xml", xml)], &["--column", "handle=username"]).await;
    assert_eq!(summary, "1 created, 0 unchanged, 0 refused", "{printed}");
}

#[apply(on_both)]
async fn what_happens_between_the_check_and_the_import_is_noticed(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let press = async |by: &Person, html: &str| {
        let (form, number) = (token(html), hidden(html, "number"));
        send(&app, by, "/users/import/run", &[("token", &form), ("number", &number)]).await
    };
    let file: (&str, &[u8]) = ("a.csv", b"username\nada\n");
    // The same file twice, of which the second was checked before the first was imported.
    let other = app.person("other", "superuser").await;
    let (first, second) = (check(&app, &root, &[file]).await, check(&app, &other, &[file]).await);
    import(&app, &root, &first).await;
    let (_, html) = import(&app, &other, &second).await;
    assert!(
        html.contains("<h1>0 users imported</h1>") && html.contains("<dt>Unchanged</dt><dd>1</dd>"),
        "{html}"
    );
    let html = check(&app, &root, &[file]).await;
    assert!(
        !html.contains("class=\"primary\">Import") && html.contains("<dt>Unchanged</dt><dd>1</dd>"),
        "{html}"
    );
    let bob: (&str, &[u8]) = ("b.csv", b"username\nbob\n");
    // Rights that are lost.
    let html = check(&app, &other, &[bob]).await;
    app.sql(&format!("UPDATE users SET is_superuser = FALSE WHERE id = {}", other.id())).await;
    assert_eq!(press(&other, &html).await.0.status, 403);
    assert_eq!(page(&app, &other, "/users/import/report").await.status, 403);
    // A session that has ended.
    let html = check(&app, &root, &[bob]).await;
    let (answer, _) = send(&app, &root, "/sign-out", &[("token", &token(&html))]).await;
    assert_eq!(answer.status, 303);
    let (answer, _) = press(&root, &html).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert!(!is_here(&app, "bob").await);
    // An upload of an hour ago.
    let again = app.person("again", "superuser").await;
    let html = check(&app, &again, &[bob]).await;
    for _ in 0..3 {
        app.clock.advance(std::time::Duration::from_mins(25));
        page(&app, &again, "/users").await;
    }
    let (answer, message) = press(&again, &html).await;
    assert_eq!((answer.status, message.as_str()), (303, "The files of that page are no longer here."));
    for (content, problem) in [
        (Vec::new(), "the file is empty."),
        (b" \n\n".to_vec(), "the file is empty."),
        (vec!["c"; 200_000].join(",").into_bytes(), "has more than 1000 cells."),
        ([0; 5000].to_vec(), "Nothing can be imported."),
    ] {
        let html = check(&app, &again, &[("a.csv", &content)]).await;
        assert!(html.contains("Nothing can be imported.") && html.contains(problem), "{problem}: {html}");
        assert!(html.len() < 40_000, "{}", html.len());
    }
    assert!(!is_here(&app, "bob").await);
}

#[apply(on_both)]
async fn a_row_with_any_number_of_members_is_refused_in_a_few_words(app: TestApp) {
    let members: Vec<String> = (0..5000).map(|n| format!("\"{}{n}\":1", "x".repeat(n / 50))).collect();
    let content = format!("[{{{}}},{{\"username\":\"ada\"}}]", members.join(","));
    let (summary, printed, is_good) =
        import_files(&app, &[("a.json", content.as_bytes())], &["--format", "json"]).await;
    assert!(!is_good && summary == "1 created, 0 unchanged, 1 refused", "{summary}");
    assert!(printed.contains("and 4981 more.") && printed.len() < 10_000, "{}", printed.len());
}
