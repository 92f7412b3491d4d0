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
    assert_eq!(checked(&options), Ok(()));
    let columns = vec![("Kenung".to_owned(), "username".to_owned())];
    assert_eq!(checked(&Options { columns, ..options }), Err("the file has no column \"Kenung\"".into()));
}

#[test]
fn what_is_wrong_with_a_row_does_not_reach_the_next_and_a_file_that_ends_too_early_says_so() {
    let insert = "INSERT INTO users (username, password) VALUES ";
    let long = "x".repeat(2 * LONGEST);
    for (bad, reason) in [
        ("('x')", "has 1 values instead of 2."),
        ("('x', ;", "has values that cannot be read. What follows it in the same statement is not read."),
        (&format!("('{long}', 'x')"), "is longer than 1048576 bytes."),
        (
            &format!("({}'x')", "1,".repeat(1500)),
            "has values that cannot be read. What follows it in the same statement is not read.",
        ),
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
        (POSTGRES[..POSTGRES.find("8\t").unwrap()].to_owned(), 21),
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
