//! What a file is, told from its content, and the reader for it.
//!
//! To add a format: a variant of [`Format`], how it is told, and a function that makes rows.

use std::io::Read;
use std::sync::Arc;

use super::columns::Sought;
use super::elements::{self, Elements, Realms};
use super::json::{self, Element};
use super::row::{Item, Items};
use super::source::Source;
use super::table::Table;
use super::{Options, auth0, django, firebase, graph, keycloak, ldif, okta, records, scim, sql, unix, xml};

/// How a file of users is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// What `manage.py dumpdata` writes.
    Django,
    /// A header line, then a line a user.
    Csv,
    /// Objects as the API shows users.
    Json,
    /// Objects that are rows of another program's table.
    Records,
    /// A dump of a database.
    Sql,
    /// Of an export of a realm, or of the admin API.
    Keycloak,
    /// Joined with its export of passwords.
    Auth0,
    /// Joined with the parameters of the project's hashes.
    Firebase,
    /// SCIM 2.0.
    Scim,
    /// Of Okta's API.
    Okta,
    /// Users of Entra.
    Graph,
    /// A directory.
    Ldif,
    /// Joined with `shadow`.
    Passwd,
    /// Apache's.
    Htpasswd,
}

impl Format {
    /// What a file of it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Django => "a Django dump",
            Self::Csv => "a table",
            Self::Json => "JSON records",
            Self::Records => "rows of a table in JSON",
            Self::Sql => "a dump of a database",
            Self::Keycloak => "users of Keycloak",
            Self::Auth0 => "users of Auth0",
            Self::Firebase => "users of Firebase",
            Self::Scim => "users in SCIM",
            Self::Okta => "users of Okta",
            Self::Graph => "users of Microsoft Entra",
            Self::Ldif => "a directory in LDIF",
            Self::Passwd => "accounts of Unix",
            Self::Htpasswd => "an htpasswd file",
        }
    }

    /// Told from an object of a JSON file.
    fn of(element: &Element) -> Option<Self> {
        let kinds: [(Self, Test); 9] = [
            (Self::Django, django::is_dumped),
            (Self::Keycloak, keycloak::is_user),
            (Self::Auth0, auth0::is_user),
            (Self::Firebase, firebase::is_user),
            (Self::Okta, okta::is_user),
            (Self::Scim, scim::is_user),
            (Self::Graph, graph::is_user),
            (Self::Json, json::is_record),
            (Self::Records, records::is_user),
        ];
        kinds.into_iter().find(|(_, is)| is(element)).map(|(format, _)| format)
    }
}

/// Whether an object of a JSON file is a user of one kind.
type Test = fn(&Element) -> bool;

/// A file that is understood, at its first row.
pub(super) struct Opened {
    /// What it is.
    pub(super) format: Format,
    /// Of a table: the names of its columns, and the field that each holds.
    pub(super) header: Vec<(String, Option<&'static str>)>,
    /// What is in it.
    pub(super) items: Items,
}

/// How many objects of a JSON file are looked at to find out what they are.
const LOOKED_AT: usize = 100;

/// Opens a file for reading.
///
/// # Errors
/// What makes the file as a whole unreadable, and where.
pub(super) fn open(source: &Source, options: &Options) -> Result<Opened, String> {
    let opened = open_all(source, options)?;
    let items = opened.items.map(|item| match item {
        Item::Row(row) if row.broken.is_none() && row.is_no_user() => {
            Item::Skipped("rows of guests, groups or programs".into())
        }
        Item::Row(mut row) => {
            row.settle();
            Item::Row(row)
        }
        item @ Item::Skipped(_) => item,
    });
    Ok(Opened { items: Box::new(items), ..opened })
}

fn open_all(source: &Source, options: &Options) -> Result<Opened, String> {
    let head = source.head().map_err(|error| format!("it cannot be read: {error}"))?;
    let Some(first) = head.iter().copied().find(|byte| !byte.is_ascii_whitespace()) else {
        return Err("the file is empty".into());
    };
    if let Some(reason) = not_text(source).or_else(|| is_yaml(&head).then_some(YAML)) {
        return Err(reason.into());
    }
    // phpMyAdmin once began with a comment.
    let is_json = first == b'{' || first == b'[' || head.starts_with(b"/**\n Export to JSON");
    let told = || if is_json { None } else { of_text(&head) };
    let stream = || source.stream().map_err(|error| error.to_string());
    let opened = |format, items| Ok(Opened { format, header: Vec::new(), items });
    let format = options.format.or_else(told);
    if !is_json {
        check_options(format.unwrap_or(Format::Csv), options)?;
    }
    match format {
        Some(Format::Django) if !is_json => {
            let mapping = options.columns.clone();
            xml::check(stream()?, &mapping)?;
            return opened(Format::Django, Box::new(xml::Objects::new(stream()?, mapping)));
        }
        Some(Format::Ldif) => return opened(Format::Ldif, Box::new(ldif::Entries::new(stream()?))),
        Some(format @ (Format::Passwd | Format::Htpasswd)) => {
            let kind = if format == Format::Passwd { unix::Kind::Passwd } else { unix::Kind::Htpasswd };
            let joined = Arc::clone(&options.joined);
            return opened(format, Box::new(unix::rows(stream()?, kind, move |name| joined.shadow(name))));
        }
        Some(Format::Sql) => {
            let only = sql::check(stream()?, &head, options)?;
            return opened(Format::Sql, Box::new(sql::Rows::new(stream()?, &head, options).of(only)));
        }
        Some(Format::Csv) => {}
        _ if is_json => return open_json(source, options),
        Some(_) => return Err("the JSON is refused: expected an array of users, or an object a line".into()),
        None => {}
    }
    let table = Table::open(source, &options.columns)?;
    let header = table.header.clone();
    Ok(Opened { format: Format::Csv, header, items: Box::new(table.rows()) })
}

/// Refuses options that say nothing about a file of this format.
fn check_options(format: Format, options: &Options) -> Result<(), String> {
    let has_columns = matches!(format, Format::Csv | Format::Records | Format::Sql | Format::Django);
    if !options.columns.is_empty() && !has_columns {
        return Err(format!("--column is for tables, in JSON and dumps, too, and this is {}", format.name()));
    }
    let has_parts = matches!(format, Format::Keycloak | Format::Records | Format::Sql);
    if options.part.is_some() && !has_parts {
        return Err(format!(
            "--realm and --table are for files that have several, and this is {}",
            format.name()
        ));
    }
    Ok(())
}

/// What to do with a file that is no text, told from its first bytes.
fn not_text(source: &Source) -> Option<&'static str> {
    let mut start = [0; 16];
    let length = source.raw().read(&mut start).ok()?;
    let kinds: [(&[u8], &str); 8] = [
        (b"PK\x03\x04", "it is a workbook or an archive: save the sheet as CSV, or unpack it first"),
        (b"\xd0\xcf\x11\xe0", "it is a workbook: save the sheet as CSV first"),
        (b"PGDMP", "it is an archive of pg_dump: have pg_restore write it as text first, with -f FILE"),
        (b"SQLite format 3\0", "it is an SQLite database: write it as text first, with sqlite3 FILE .dump"),
        (b"BZh", PACKED),
        (b"\xfd7zXZ", PACKED),
        (b"\x28\xb5\x2f\xfd", PACKED),
        (b"%PDF", "it is a PDF, of which nothing can be read"),
    ];
    kinds.into_iter().find(|(first, _)| start[..length].starts_with(first)).map(|(_, reason)| reason)
}

/// Of the form that no reader takes apart in bounded memory.
const YAML: &str =
    "it is YAML, which is not read: have the program write JSON, as Django does with dumpdata --format json";

/// Whether a file begins as one in YAML does: with its mark, or with a list of objects.
fn is_yaml(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    let is_item = first
        .strip_prefix(b"- ")
        .is_some_and(|item| item.windows(2).any(|two| two == b": ") || item.ends_with(b":"));
    first == b"---" || first.starts_with(b"--- ") || first.starts_with(b"%YAML") || is_item
}

/// Of an archive of one file.
const PACKED: &str = "it is packed, but not by gzip: unpack it first";

fn of_text(head: &[u8]) -> Option<Format> {
    if xml::is_dump(head) {
        return Some(Format::Django);
    }
    if ldif::is_ldif(head) {
        return Some(Format::Ldif);
    }
    if sql::is_dump(head) {
        return Some(Format::Sql);
    }
    match unix::kind(head)? {
        unix::Kind::Passwd => Some(Format::Passwd),
        unix::Kind::Htpasswd => Some(Format::Htpasswd),
        unix::Kind::Shadow => None,
    }
}

fn open_json(source: &Source, options: &Options) -> Result<Opened, String> {
    let stream = || source.stream().map_err(|error| error.to_string());
    let mapping = options.columns.clone();
    let (mut told, mut has_parts, mut sought) = (None, false, Sought::new(&mapping));
    for (number, found) in Elements::new(stream()?).enumerate() {
        // A column that was named may be one of objects behind many others.
        if sought.are_found() && (told.is_some() || number >= LOOKED_AT) {
            break;
        }
        has_parts |= found.part.is_some();
        let Ok(element) = json::parse(found) else { continue };
        element.names().into_iter().for_each(|name| sought.see(name));
        element.get("fields").into_iter().flat_map(Element::names).for_each(|name| sought.see(name));
        if number < LOOKED_AT {
            told = told.or_else(|| Format::of(&element));
        }
    }
    let realms = match told {
        None | Some(Format::Keycloak) => elements::realms(stream()?),
        Some(_) => Realms::new(),
    };
    if !realms.is_empty() {
        (told, has_parts) = (Some(Format::Keycloak), true);
    }
    // Members that are named for us are those of another program.
    let is_mapped = !mapping.is_empty() && matches!(told, None | Some(Format::Json));
    let told = if is_mapped { Some(Format::Records) } else { told };
    let format = options.format.or(told).unwrap_or(Format::Json);
    check_options(format, options)?;
    sought.check()?;
    if options.part.is_some() && !has_parts {
        return Err("--realm and --table are for files that have several, which this one has not".into());
    }
    if format == Format::Keycloak {
        keycloak::check_realms(&realms, options.part.as_deref())?;
    }
    let (joined, staff_role) = (Arc::clone(&options.joined), options.staff_role.clone());
    let (chosen, mut records) = (options.part.clone(), records::Reader::new(&mapping));
    let read = move |place, part: Option<&str>, element: Element| {
        if let (Some(chosen), Some(part)) = (&chosen, part)
            && chosen != part
        {
            let what = if format == Format::Keycloak { "users of the realm" } else { "rows of" };
            return Item::Skipped(format!("{what} {part}"));
        }
        match format {
            Format::Django => django::record(place, element, &mapping),
            Format::Keycloak => keycloak::record(place, &element, staff_role.as_deref()),
            Format::Auth0 => auth0::record(place, &element, |key| joined.auth0(key)),
            Format::Firebase => firebase::record(place, &element, joined.firebase()),
            Format::Scim => scim::record(place, &element),
            Format::Okta => okta::record(place, &element),
            Format::Graph => graph::record(place, &element),
            Format::Records => records.record(place, part, element, chosen.is_some()),
            Format::Json | Format::Csv | Format::Sql | Format::Ldif | Format::Passwd | Format::Htpasswd => {
                json::record(place, element)
            }
        }
    };
    Ok(Opened {
        format,
        header: Vec::new(),
        items: Box::new(json::rows_of_parts(Elements::of_realms(stream()?, realms), read)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::source::tests::{file, source};
    use super::*;
    use crate::model::raw::Raw;

    fn read(content: &[u8]) -> Result<Vec<Item>, String> {
        Ok(open(&source(content), &Options::default())?.items.collect())
    }

    fn name_of_last(content: &[u8]) -> Raw {
        match read(content).unwrap().pop() {
            Some(Item::Row(row)) => row.get("username"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_content_tells_the_format() {
        let ada = Raw::Text("ada".into());
        let dump = br#"[{"model":"auth.group","pk":1,"fields":{}},
                        {"model":"auth.user","pk":1,"fields":{"username":"ada"}}]"#;
        for content in [
            &b"username\nada\n"[..],
            b"\xef\xbb\xbfusername\nada",
            b"sep=;\r\nBenutzername;Vorname\r\nada;Ada\r\n",
            br#" [{"username":"ada"}]"#,
            b"\xef\xbb\xbf\n[{\"username\":\"ada\"}]",
            b"{\"username\":\"bob\"}\n{\"username\":\"ada\"}\n",
            b"{\"count\":1,\"results\":[{\"username\":\"ada\"}]}",
            dump,
            b"<?xml version=\"1.0\"?><django-objects><object model=\"auth.user\"><field name=\"username\">ada</field></object></django-objects>",
            b"dn: uid=ada\nobjectClass: person\nuid: ada\n",
            b"ada:x:1000:1000:Ada:/home/ada:/bin/sh\n",
            b"ada:$apr1$salt$x\n",
            br#"{"realm":"x","users":[{"username":"ada","createdTimestamp":1}]}"#,
            br#"{"userName":"ada"}"#,
            br#"{"value":[{"userPrincipalName":"ada"}]}"#,
            br#"[{"status":"ACTIVE","profile":{"login":"ada"}}]"#,
            br#"{"user_id":"auth0|1","username":"ada","identities":[]}"#,
            br#"{"users":[{"localId":"ada"}]}"#,
            br#"[{"type":"header"},{"type":"table","data":[{"ID":"1","user_login":"ada"}]}]"#,
            b"\xff\xfeu\0s\0e\0r\0n\0a\0m\0e\0\n\0a\0d\0a\0\n\0",
        ] {
            assert_eq!(name_of_last(content), ada, "{}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn a_column_is_found_behind_many_objects_that_are_no_users() {
        let group = br#"{"model":"auth.group","pk":1,"fields":{"name":"x"}},"#.repeat(2 * LOOKED_AT);
        let user =
            br#"{"model":"a.user","pk":1,"fields":{"password":"!","last_login":null,"handle":"ada"}}]"#;
        let content = [b"[".as_slice(), &group, user].concat();
        let read = |name: &str| {
            let columns = vec![(name.to_owned(), "username".to_owned())];
            let opened = open(&source(&content), &Options { columns, ..Options::default() })?;
            Ok::<_, String>(opened.items.last())
        };
        let Ok(Some(Item::Row(row))) = read("handle") else { panic!() };
        assert_eq!(row.get("username"), "ada".into());
        assert_eq!(read("handel").err().unwrap(), "the file has no column \"handel\"");
    }

    #[test]
    fn a_realm_may_say_its_name_behind_its_users() {
        let content = br#"{"users":[{"username":"ada","createdTimestamp":1}],"realm":"x"}
                          {"realm":"y","users":[{"username":"bob","createdTimestamp":1}]}"#;
        assert!(read(content).unwrap_err().contains("say with --realm which one of \"x\", \"y\""));
        let options = Options { part: Some("x".into()), ..Options::default() };
        let items: Vec<Item> = open(&source(content), &options).unwrap().items.collect();
        let [Item::Row(row), Item::Skipped(kind)] = &items[..] else { panic!("{items:?}") };
        assert_eq!((row.get("username"), kind.as_str()), ("ada".into(), "users of the realm y"));
    }

    #[test]
    fn a_file_in_yaml_is_told_from_others_and_refused_with_what_to_do() {
        for content in [
            "- model: auth.user\n  pk: 1\n  fields:\n    username: ada\n",
            "- fields: {username: ada}\n  model: auth.user\n",
            "# of a site\n---\n- model: auth.user\n",
            "%YAML 1.1\n---\n",
            "- fields:\n    username: ada\n",
        ] {
            let refusal = read(content.as_bytes()).unwrap_err();
            assert!(refusal.contains("dumpdata --format json") && !refusal.contains("ada"), "{refusal}");
        }
        for content in [
            "-- a dump: of users\n",
            "- \nusername\n",
            "-,username\n",
            "---,username\n",
            "#TYPE x: y\nusername\n",
        ] {
            assert!(!is_yaml(content.as_bytes()), "{content}");
        }
    }

    #[test]
    fn a_file_that_holds_no_rows_is_an_error_or_empty() {
        assert_eq!(read(b" \n").unwrap_err(), "the file is empty");
        assert_eq!(read(b"\xef\xbb\xbf").unwrap_err(), "the file is empty");
        assert!(read(b"[]").unwrap().is_empty());
        assert!(read(b"username\n").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            for format in [None, Some(Format::Csv), Some(Format::Json), Some(Format::Django)] {
                let options = Options { format, ..Options::default() };
                drop(Source::of(file(&content), None).and_then(|source| {
                    open(&source, &options).map(|opened| opened.items.count())
                }));
            }
        }

        #[test]
        fn no_text_that_looks_right_makes_one_panic(
            content in r#"(username|pk|model|fields|password|id|[\[\]{}",:'=\n\r0-9]|null|true|\\u|-){0,60}"#,
            mangled in any::<prop::sample::Index>(),
        ) {
            let mut bytes = format!("[{{\"model\":\"auth.user\",\"fields\":{{\"username\":{content}}}}}]").into_bytes();
            let place = mangled.index(bytes.len());
            drop(read(content.as_bytes()).map(|items| items.len()));
            drop(read(&bytes).map(|items| items.len()));
            bytes.remove(place);
            drop(read(&bytes).map(|items| items.len()));
        }
    }
}
