//! Dumps as each database writes them, whole and damaged.

use proptest::prelude::*;

use super::super::source::tests::source;
use super::*;
use crate::model::raw::Raw;

fn read_by(content: &str, options: &Options) -> Vec<Item> {
    Rows::new(source(content.as_bytes()).stream().unwrap(), content.as_bytes(), options).collect()
}

/// What is read of each user, and the kinds of the other rows.
fn read(content: &str, fields: &[&str]) -> (Vec<Vec<Raw>>, Vec<String>) {
    assert!(is_dump(content.as_bytes()), "{content}");
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    for item in read_by(content, &Options::default()) {
        match item {
            Item::Row(row) => {
                assert!(row.broken.is_none() && row.problems.is_empty(), "{row:?}");
                rows.push(fields.iter().map(|field| row.get(field)).collect());
            }
            Item::Skipped(kind) => skipped.push(kind),
        }
    }
    (rows, skipped)
}

fn text(text: &str) -> Raw {
    text.into()
}

const POSTGRES: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\nSET statement_timeout = 0;\n\n\
    CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\nINSERT INTO users (username, password) VALUES ('no', 'x');\nEND $$;\n\
    CREATE TABLE public.auth_user (\n    id integer NOT NULL,\n    username character varying(150) NOT NULL\n);\n\
    COPY public.auth_group (id, name) FROM stdin;\n1\tstaff\n\\.\n\n\
    COPY public.auth_user (id, password, last_login, is_superuser, username, first_name, email, is_active) FROM stdin;\n\
    7\t!\t\\N\tf\tCORP\\\\ada\tA\\tda\\n\\x41\\102\ta@b.co\tt\n8\t!\t2024-02-29 12:00:00+00\tt\tbob\t\t\tf\n\\.\n\n\
    -- PostgreSQL database dump complete\n";

#[test]
fn a_dump_of_postgresql_is_read_with_its_escapes() {
    let (rows, skipped) = read(POSTGRES, &["pk", "username", "first_name", "last_login", "is_active"]);
    assert_eq!(skipped, ["rows of auth_group"]);
    assert_eq!(
        rows,
        [
            [text("7"), text("CORP\\ada"), text("A\tda\nAB"), Raw::Null, text("t")],
            [text("8"), text("bob"), text(""), text("2024-02-29 12:00:00+00"), text("f")],
        ]
    );
    let items = read_by(POSTGRES, &Options::default());
    let places = items.iter().filter_map(|item| match item {
        Item::Row(row) => Some((row.place.line, row.place.row)),
        Item::Skipped(_) => None,
    });
    assert_eq!(places.collect::<Vec<_>>(), [(20, 2), (21, 3)]);
}

#[test]
fn inserts_are_read_with_and_without_the_names_of_columns() {
    let mysql = "-- MySQL dump 10.13\n/*!40101 SET NAMES utf8 */;\nCREATE TABLE `users` (\n  `id` int NOT NULL,\n  `login` varchar(9) DEFAULT 'a,b',\n\
        `pass` varchar(9),\n  `password` varchar(99), `key` enum('a','b'),\n  PRIMARY KEY (`id`),\n  KEY `x` (`login`,`pass`)\n) ENGINE=InnoDB;\n\
        LOCK TABLES `users` WRITE;\nINSERT INTO `users` VALUES (1,'O\\'Sullivan',NULL,'$2y$10$x','a'),\n(2,_binary 'a\\\\b\\0',0x41,'it''s\\Z',b'1');\nUNLOCK TABLES;\n";
    let (rows, _) = read(mysql, &["pk", "username", "password"]);
    assert_eq!(
        rows,
        [
            [text("1"), text("O'Sullivan"), text("$2y$10$x")],
            [text("2"), text("a\\b\u{0}"), text("it's\u{1a}")],
        ]
    );
    let sqlite = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE IF NOT EXISTS \"auth_user\" (\"id\" integer PRIMARY KEY, \"username\" varchar(150), \"password\" text);\n\
        INSERT INTO auth_user VALUES(1,'a\\nb''c','x');\nINSERT INTO sqlite_sequence VALUES('auth_user',1);\nCOMMIT;\n";
    let (rows, skipped) = read(sqlite, &["pk", "username"]);
    assert_eq!((rows, skipped.len()), (vec![vec![text("1"), text("a\\nb'c")]], 1));
    let server = "USE [shop]\nGO\n/****** x ******/\nSET IDENTITY_INSERT [dbo].[AspNetUsers] ON \n\n\
        INSERT [dbo].[AspNetUsers] ([Id], [UserName], [CreatedAt], [PasswordHash], [LockoutEnabled]) VALUES (N'0a93ced4-b6ea-4f2c-a9e3-0a6a08b0d400', N'ada', CAST(N'2024-02-29T12:00:00.0000000+00:00' AS DateTimeOffset), N'AQAAAA', 1)\n\
        INSERT [dbo].[AspNetUsers] ([Id], [UserName], [CreatedAt], [PasswordHash], [LockoutEnabled]) VALUES (NULL, N'bob', NULL, NULL, -1)\nGO\n";
    let (rows, _) = read(server, &["username", "date_joined", "password"]);
    assert_eq!(
        rows,
        [
            [text("ada"), text("2024-02-29T12:00:00.0000000+00:00"), text("AQAAAA")],
            [text("bob"), Raw::Missing, Raw::Missing],
        ]
    );
    let casts = "INSERT INTO users (username, password, email) VALUES ('ada'::character varying, E'x\\ny', 'a' || 'b') ON CONFLICT DO NOTHING;\n\
        INSERT INTO users (username, password) VALUES ('bob', now()), ('carl', TRUE);\n";
    let (rows, _) = read(casts, &["username", "password", "email"]);
    assert_eq!(
        rows,
        [
            [text("ada"), text("x\ny"), Raw::Other],
            [text("bob"), Raw::Other, Raw::Missing],
            [text("carl"), text("true"), Raw::Missing],
        ]
    );
}

#[test]
fn a_table_can_be_chosen_and_its_columns_be_said() {
    let content = "INSERT INTO kunden (nr, kennung) VALUES (1, 'ada');\nINSERT INTO users (username, password) VALUES ('bob', 'x');\n";
    let names = |options: &Options| {
        let name = |item: &Item| match item {
            Item::Row(row) => Some(row.get("username")),
            Item::Skipped(_) => None,
        };
        read_by(content, options).iter().filter_map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&Options::default()), [text("bob")]);
    let columns = vec![("Kennung".to_owned(), "username".to_owned())];
    let options = Options { columns, part: Some("kunden".into()), ..Options::default() };
    assert_eq!(names(&options), [text("ada")]);
    let checked =
        |options: &Options| check(source(content.as_bytes()).stream().unwrap(), content.as_bytes(), options);
    assert_eq!(checked(&options), Ok(None));
    let columns = vec![("Kenung".to_owned(), "username".to_owned())];
    assert_eq!(checked(&Options { columns, ..options }), Err("the file has no column \"Kenung\"".into()));
}

#[test]
fn what_is_wrong_with_a_row_does_not_reach_the_next_and_a_file_that_ends_too_early_says_so() {
    let insert = "INSERT INTO users (username, password) VALUES ";
    let long = "x".repeat(2 * LONGEST);
    for (bad, reason) in [
        ("('x')", "has 1 values instead of 2."),
        ("('x', ;", "has no bracket at its end."),
        (&format!("('{long}', 'x')"), "is longer than 1048576 bytes."),
        (&format!("({}'x')", "1,".repeat(1500)), "has values that cannot be read."),
        ("('x',,'y')", "has values that cannot be read."),
        ("'x', 'y'", "is no row that can be read."),
    ] {
        let content = format!("{insert}('a','x');\n{insert}{bad};\n{insert}('b','x');\n");
        let told = |item: Item| match item {
            Item::Row(row) => row.broken.clone().unwrap_or_default(),
            Item::Skipped(kind) => panic!("{kind}"),
        };
        let items: Vec<String> = read_by(&content, &Options::default()).into_iter().map(told).collect();
        assert_eq!(items, ["", reason, ""], "{bad:.60}");
    }
    for (content, line) in [
        (format!("{insert}('a','x'),\n"), 2),
        (format!("{insert}('a','x'),\n('b', "), 2),
        (format!("{insert}('a','x'),\n('b', 'x"), 2),
        (format!("{insert}('z','x');\n{insert}('a','x')"), 2),
        (format!("{insert}('z','x');\nINSERT INTO users SET username='a', password='x"), 2),
        (POSTGRES[..POSTGRES.find("8\t").unwrap()].to_owned(), 21),
        (POSTGRES[..POSTGRES.find("bob\t").unwrap() + 3].to_owned(), 21),
        (POSTGRES[..POSTGRES.find("\tf\n\\.").unwrap() + 2].to_owned(), 21),
    ] {
        let last = read_by(&content, &Options::default()).pop();
        let Some(Item::Row(row)) = last else { panic!("{last:?}") };
        assert!(
            row.broken.as_deref().unwrap_or_default().starts_with("the file ends in the middle of"),
            "{row:?}"
        );
        assert_eq!(row.place.line, line);
    }
}

#[test]
fn other_files_are_no_dumps() {
    for content in ["", "username\nada\n", "-- x\nusername\n", "copy,username\n", "# x\ndn: o=x\n", "drop\n"]
    {
        assert!(!is_dump(content.as_bytes()), "{content}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        content in r"(INSERT INTO |COPY |users|\(|\)|username|password|VALUES|FROM stdin;|\n|'|,|;|\\|\t|\\N|\$\$|CREATE TABLE |é|0x4|_utf8 ){0,60}"
    ) {
        drop(read_by(&content, &Options::default()));
    }
}

/// What the check before reading says.
fn checked(content: &str, table: Option<&str>) -> String {
    let options = Options { part: table.map(str::to_owned), ..Options::default() };
    check(source(content.as_bytes()).stream().unwrap(), content.as_bytes(), &options)
        .err()
        .unwrap_or_default()
}

#[test]
fn of_several_tables_of_users_one_has_to_be_said_and_a_schema_is_part_of_a_name() {
    let content = "CREATE TABLE app.users (id int, username text, password text, is_superuser bool, is_active bool);\n\
                   CREATE TABLE legacy.users (id int, username text, password text, is_active bool, is_superuser bool);\n\
                   INSERT INTO app.users VALUES (1,'ada',NULL,false,true);\n\
                   INSERT INTO legacy.users VALUES (2,'bob',NULL,true,false);\n";
    let several =
        "it has several tables of users: say with --table which one of \"app.users\", \"legacy.users\"";
    assert_eq!(checked(content, None), several);
    assert_eq!(checked(content, Some("users")), several);
    assert_eq!(checked(content, Some("app.users")), "");
    let options = Options { part: Some("app.users".into()), ..Options::default() };
    let rows: Vec<_> = read_by(content, &options)
        .into_iter()
        .filter_map(|item| match item {
            Item::Row(row) => Some(["username", "is_superuser", "is_active"].map(|field| row.get(field))),
            Item::Skipped(_) => None,
        })
        .collect();
    assert_eq!(rows, [[text("ada"), text("false"), text("true")]]);
}

#[test]
fn statements_of_triggers_are_no_rows_and_a_backtick_makes_no_dump_that_of_mysql() {
    let content = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n\
                   CREATE TABLE `users` (username TEXT, password TEXT);\n\
                   INSERT INTO users VALUES('C:\\','x');\n\
                   CREATE TRIGGER new_users AFTER INSERT ON users BEGIN\n\
                   INSERT INTO users(username, password) VALUES('admin', 'y');\nEND;\n\
                   INSERT INTO users VALUES('ada','z');\nCOMMIT;\n";
    let (rows, _) = read(content, &["username"]);
    assert_eq!(rows, [[Raw::Text("C:\\".into())], [Raw::Text("ada".into())]]);
}

#[test]
fn a_row_that_cannot_be_read_does_not_reach_the_next_of_its_statement() {
    let content = "INSERT INTO users (id, username, password) VALUES\n(1,'a','x'),\n(2,,'x'),\n(3,'c',(SELECT f(1, ')'))),\n\
                   (4,'d','x','y'),\n(5,'e',NULL);\nINSERT INTO users (id, username) VALUES (6,'f';\nINSERT INTO users (id, username) VALUES (7,'g');\n";
    let told: Vec<(u64, String)> = read_by(content, &Options::default())
        .into_iter()
        .map(|item| match item {
            Item::Row(row) => (row.place.line, row.broken.unwrap_or_default()),
            Item::Skipped(kind) => panic!("{kind}"),
        })
        .collect();
    let expected = [
        (2, ""),
        (3, "has values that cannot be read."),
        (4, ""),
        (5, "has 4 values instead of 3."),
        (6, ""),
        (7, "has no bracket at its end."),
        (8, ""),
    ];
    assert_eq!(told, expected.map(|(line, reason)| (line, reason.to_owned())));
}

#[test]
fn numbers_and_bits_are_values_in_every_spelling() {
    let content = "-- MySQL dump 10.13\nINSERT INTO users (username, password, score, is_active, is_staff) VALUES\n\
                   ('a','x',.5,b'0',b'00000001'),('b','x',+1,_binary '\\0',_binary 0x01),('c','x',-1e3,0x00,0x01),('d','x',-.5,'\\0',1);\n";
    let (rows, _) = read(content, &["username", "is_active", "is_staff"]);
    let flags = |row: &Vec<Raw>| [1, 2].map(|at| super::super::states::flag(row[at].clone()));
    assert_eq!(rows.iter().map(flags).collect::<Vec<_>>(), vec![[Raw::Bool(false), Raw::Bool(true)]; 4]);
    let values = "INSERT INTO users (username, password, last_login) VALUES ('a','x',.5),('b','x',+17),('c','x',-1e3),('d','x',+.5);\n";
    let (rows, _) = read(values, &["last_login"]);
    assert_eq!(rows.concat(), [text("0.5"), text("17"), text("-1e3"), text("0.5")]);
}

#[test]
fn statements_in_other_forms_are_read_or_named() {
    let content = "INSERT  INTO `users` (id, login, pass) VALUE (1,'a','x');\n\
                   REPLACE INTO users SET id=2, `users`.`login` = 'b', pass=CONCAT('x', 'y'), password='z' ON DUPLICATE KEY UPDATE id=3;\n\
                   INSERT INTO users (id, login, password) OVERRIDING SYSTEM VALUE VALUES (4,'d','x');\n\
                   INSERT INTO users (id, login, password) VALUES ROW(5,'e','x'), ROW(6,'f','x');\n\
                   INSERT INTO users (login, password) SELECT login, password FROM old;\n\
                   INSERT INTO logs (SELECT * FROM old);\nINSERT INTO logs DEFAULT VALUES;\n\
                   INSERT INTO users (login, password) VALUES ('z','x');\n";
    let mut told = Vec::new();
    for item in read_by(content, &Options::default()) {
        told.push(match item {
            Item::Skipped(kind) => kind,
            Item::Row(row) => match (&row.broken, row.get("username")) {
                (Some(reason), _) => format!("{}: {reason}", row.place.line),
                (None, Raw::Text(name)) => name,
                other => panic!("{other:?}"),
            },
        });
    }
    let lost = "5: is a statement without rows, such as INSERT … SELECT: what it adds is not in the file.";
    let logs = "statements without rows for logs";
    assert_eq!(told, ["a", "b", "d", "e", "f", lost, logs, logs, "z"]);
}

#[test]
fn columns_that_are_not_read_are_named() {
    let items = read_by(
        "INSERT INTO users (id, username, password, state, avatar) VALUES (1,'a','x','blocked','y');\n",
        &Options::default(),
    );
    let [Item::Row(row)] = &items[..] else { panic!("{items:?}") };
    assert_eq!(row.not_read[..], ["state".to_owned(), "avatar".to_owned()]);
}

#[test]
fn routines_put_no_rows_into_a_dump() {
    let content = "-- MySQL dump 10.13\nINSERT INTO users (username, password) VALUES ('a','x');\nDELIMITER ;;\n\
                   CREATE DEFINER=`root`@`%` PROCEDURE `p`()\nBEGIN\nINSERT INTO users (username, password) VALUES ('no','x');\nEND ;;\n\
                   DELIMITER ;\nINSERT INTO users (username, password) VALUES ('b','x');\n";
    let (rows, _) = read(content, &["username"]);
    assert_eq!(rows.concat(), [text("a"), text("b")]);
    let rule = "CREATE RULE r AS ON INSERT TO x DO ALSO (\nINSERT INTO users (username, password) VALUES ('no','x');\n\
                INSERT INTO users (username, password) VALUES ('no','x');\n);\nINSERT INTO users (username, password) VALUES ('b','x');\n";
    assert_eq!(read_by(rule, &Options::default()).len(), 1);
}

#[test]
fn names_of_columns_without_end_are_not_kept() {
    let columns = vec![("handle".to_owned(), "username".to_owned())];
    let mut content = String::new();
    for number in 0..200 {
        content.extend([
            "INSERT INTO users (handle, password, c",
            &number.to_string(),
            ") VALUES ('u','x',1);\n",
        ]);
    }
    let options = Options { columns, ..Options::default() };
    let mut rows = Rows::new(source(content.as_bytes()).stream().unwrap(), content.as_bytes(), &options);
    assert_eq!(rows.by_ref().count(), 200);
    assert!(rows.sought.are_found() && rows.sought.mapping.len() == 1);
}

#[test]
fn of_tables_that_are_called_like_users_the_only_one_with_passwords_is_read() {
    let content = "INSERT INTO users (login, password) VALUES ('a','x');\nINSERT INTO external_user (email) VALUES ('a@b.co');\n\
                   INSERT INTO old.users (login) VALUES ('b');\n";
    let stream = || source(content.as_bytes()).stream().unwrap();
    let options = Options::default();
    let only = check(stream(), content.as_bytes(), &options).unwrap();
    assert_eq!(only.as_deref(), Some("users"));
    let kinds = Rows::new(stream(), content.as_bytes(), &options).of(only).map(|item| match item {
        Item::Row(row) => row.get("username"),
        Item::Skipped(kind) => kind.as_str().into(),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [text("a"), text("rows of external_user"), text("rows of users")]);
    let two = "INSERT INTO a_user (email) VALUES ('x');\nINSERT INTO b_user (email) VALUES ('x');";
    assert!(checked(two, None).contains("several"));
}

#[test]
fn a_dump_may_begin_with_any_setting() {
    for begin in [
        "SET session_replication_role = replica;",
        "SET client_encoding = 'UTF8';",
        "SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT;",
        "SET IDENTITY_INSERT [dbo].[Users] ON",
        "SELECT pg_catalog.set_config('search_path', '', false);",
        "BEGIN;",
    ] {
        assert!(is_dump(format!("{begin}\n\n--\n").as_bytes()), "{begin}");
    }
    for no_dump in ["set name;username\n", "set,username=x\n", "begin;end;username\n"] {
        assert!(!is_dump(no_dump.as_bytes()), "{no_dump}");
    }
}
