//! Directories in LDIF (RFC 2849), as `slapcat` and `ldapsearch` write them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::lines::{LONGEST, Line, Lines};
use super::row::{Item, Place, Row};
use super::source::Stream;
use super::states::DISABLED;
use crate::model::clock::Timestamp;
use crate::model::raw::Raw;

/// Classes of entries that are people.
const PEOPLE: [&str; 5] = ["person", "inetorgperson", "organizationalperson", "user", "posixaccount"];
/// Classes that some entries of people's classes have, though they are none.
const NO_PEOPLE: [&str; 2] = ["computer", "simplesecurityobject"];
/// Attributes that a user name may be in, the best first.
const NAMES: [&str; 4] = ["uid", "samaccountname", "userprincipalname", "mail"];

/// Whether a file is one: it begins with an entry, the version or a comment of `ldapsearch`.
pub(super) fn is_ldif(head: &[u8]) -> bool {
    // A line that begins with a space goes on with the one before, which may be a comment.
    let lines =
        head.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b" ")).map(<[u8]>::trim_ascii);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    let first = lines.next().unwrap_or_default().to_ascii_lowercase();
    first.starts_with(b"dn:")
        || first.starts_with(b"version:") && lines.next().is_some_and(|line| line.starts_with(b"dn:"))
}

/// Reads entries: lines up to an empty one, of which those that begin with a space go on with the one before.
pub(super) struct Entries {
    lines: std::iter::Peekable<Lines>,
    row: u64,
}

impl Entries {
    pub(super) fn new(stream: Stream) -> Self {
        Self { lines: Lines::new(stream, b'\n').peekable(), row: 0 }
    }
}

/// An attribute, its name in lower case and without options.
struct Attribute {
    name: String,
    value: Vec<u8>,
    /// The value is in another file, which is not read.
    is_elsewhere: bool,
}

impl Iterator for Entries {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let mut begun: Option<u64> = None;
        let mut attributes: Vec<Attribute> = Vec::new();
        let mut size = 0;
        let mut problem = None;
        while let Some(Line { number, bytes, problem: bad, is_open }) = self.lines.next() {
            if bytes.is_empty() && bad.is_none() {
                if begun.is_some() {
                    break;
                }
                continue;
            }
            begun.get_or_insert(number);
            problem = problem.or(bad);
            let (mut text, mut is_open) = (bytes, is_open);
            while let Some(more) = self.lines.next_if(|line| line.bytes.first() == Some(&b' ')) {
                is_open |= more.is_open;
                if text.len() + more.bytes.len() > LONGEST {
                    problem = Some(format!("has an attribute of more than {LONGEST} bytes."));
                } else {
                    text.extend_from_slice(&more.bytes[1..]);
                }
            }
            // What writes directories ends each line, so the rest of the entry is missing.
            if is_open {
                problem = problem.or_else(|| Some("the file ends in the middle of it.".into()));
            }
            size += text.len();
            if size > LONGEST {
                problem = Some(format!("is longer than {LONGEST} bytes."));
                attributes.clear();
            }
            if !text.starts_with(b"#") && problem.is_none() {
                match attribute(&text) {
                    Some(attribute) if attribute.name == "version" && attributes.is_empty() => {}
                    Some(attribute) => attributes.push(attribute),
                    None => problem = Some(format!("line {number} is no attribute.")),
                }
            }
        }
        let line = begun?;
        self.row += 1;
        let place = Place { line, row: self.row };
        Some(match problem {
            Some(problem) => Item::Row(Row::broken(place, problem)),
            None => entry(place, &attributes),
        })
    }
}

/// `name: text` or `name:: base64`; `name:< address` has its value elsewhere.
fn attribute(text: &[u8]) -> Option<Attribute> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&text[..colon], &text[colon + 1..]);
    let is_elsewhere = value.first() == Some(&b'<');
    let value = match value {
        [b':', encoded @ ..] => STANDARD.decode(encoded.trim_ascii()).ok()?,
        [b'<', ..] => Vec::new(),
        plain => plain.trim_ascii_start().to_vec(),
    };
    let name = std::str::from_utf8(name).ok()?.split(';').next()?.trim().to_ascii_lowercase();
    Some(Attribute { name, value, is_elsewhere })
}

fn entry(place: Place, attributes: &[Attribute]) -> Item {
    let all = |name: &'static str| attributes.iter().filter(move |attribute| attribute.name == name);
    let first = |name: &'static str| {
        let value =
            all(name).next().map(|attribute| std::str::from_utf8(&attribute.value).map(str::to_owned));
        value.transpose()
    };
    let classes: Vec<String> =
        all("objectclass").map(|class| String::from_utf8_lossy(&class.value).to_ascii_lowercase()).collect();
    let has = |known: &[&str]| classes.iter().any(|class| known.contains(&class.as_str()));
    let is_named = NAMES.iter().any(|name| all(name).next().is_some());
    if !has(&PEOPLE) || has(&NO_PEOPLE) || !is_named {
        let is_result =
            attributes.iter().all(|attribute| ["search", "result"].contains(&attribute.name.as_str()));
        return Item::Skipped(
            if is_result { "lines about the search" } else { "entries that are no people" }.into(),
        );
    }
    let mut row = Row::new(place);
    let mut add = |field: &'static str, names: &[&'static str]| {
        for name in names {
            if all(name).next().is_some_and(|attribute| attribute.is_elsewhere) {
                row.problems.push(format!("{field}: stands in another file, which is not read."));
                break;
            }
            match first(name) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    row.add(field, value.as_str().into());
                    break;
                }
                Err(_) => {
                    row.problems.push(format!("{field}: is not in UTF-8."));
                    break;
                }
            }
        }
    };
    add("username", &NAMES);
    add("email", &["mail"]);
    add("first_name", &["givenname"]);
    add("last_name", &["sn"]);
    add("full_name", &["displayname", "cn"]);
    add("password", &["userpassword"]);
    add("date_joined", &["createtimestamp", "whencreated"]);
    if let Raw::Text(time) = row.get("date_joined") {
        row.replace("date_joined", generalized_time(&time).map_or(Raw::Text(time), Raw::Text));
    }
    let text = |name: &'static str| first(name).ok().flatten().unwrap_or_default();
    let control: i64 = text("useraccountcontrol").parse().unwrap_or(0);
    let is_locked = text("nsaccountlock").eq_ignore_ascii_case("true")
        || text("pwdaccountlockedtime").starts_with("0000");
    if control & DISABLED != 0 || is_locked {
        row.add("is_active", Raw::Bool(false));
    }
    if text("pwdlastset") == "0"
        || text("shadowlastchange") == "0"
        || text("pwdreset").eq_ignore_ascii_case("true")
    {
        row.add("must_change_password", Raw::Bool(true));
    }
    if let Some(end) = end_of_account(text) {
        row.add("valid_until", Raw::Text(end));
    }
    Item::Row(row)
}

/// When an account ends: as Active Directory, Kerberos or `shadow` have it, the day of which is counted from 1970.
fn end_of_account(text: impl Fn(&'static str) -> String) -> Option<String> {
    let days: Option<i64> = text("shadowexpire").parse().ok().filter(|days| *days > 0);
    let of_day = || Some(Timestamp::from_micros(days?.checked_mul(24 * 60 * 60 * 1_000_000)?).to_string());
    let of_directory = Some(text("accountexpires")).filter(|number| !["", "0"].contains(&number.as_str()));
    of_directory.or_else(|| generalized_time(&text("krbprincipalexpiration"))).or_else(of_day)
}

/// `20230401221444Z` as ISO 8601 has it.
fn generalized_time(text: &str) -> Option<String> {
    let (digits, rest) = text.split_at_checked(14)?;
    let is_utc = rest == "Z" || rest.starts_with('.') && rest.ends_with('Z');
    let parts = [0..4, 4..6, 6..8, 8..10, 10..12, 12..14].map(|part| digits.get(part).unwrap_or_default());
    let [year, month, day, hour, minute, second] = parts;
    (is_utc && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn read(content: &str) -> Vec<Item> {
        Entries::new(source(content.as_bytes()).stream().unwrap()).collect()
    }

    const PERSON: &str = "# extended LDIF\nversion: 1\n\ndn: ou=people,dc=x\nobjectClass: organizationalUnit\nou: people\n\n\
        dn: uid=ada,ou=people,dc=x\nobjectClass: inetOrgPerson\nuid: ada\ncn:: QWRhIEzDqWE=\nsn:: TMO\n pYQ==\n\
        mail: a@b.co\nmail: second@b.co\nuserPassword:: e1NIQX14\ncreateTimestamp: 20230401221444Z\n";

    #[test]
    fn people_are_read_among_units_with_folded_lines_and_base64() {
        let items = read(PERSON);
        let [Item::Skipped(_), Item::Skipped(kind), Item::Row(row)] = &items[..] else { panic!("{items:?}") };
        assert_eq!((kind.as_str(), row.place), ("entries that are no people", Place { line: 8, row: 3 }));
        let fields = ["username", "email", "last_name", "full_name", "password", "date_joined"];
        assert_eq!(
            fields.map(|field| row.get(field)),
            ["ada", "a@b.co", "Léa", "Ada Léa", "{SHA}x", "2023-04-01T22:14:44Z"].map(Raw::from)
        );
    }

    #[test]
    fn comments_may_go_on_in_the_next_line() {
        let content = "# a comment that\n  goes on: here\n# another\n\ndn: uid=ada\n# a long\n  one\nuid: ada\n\
                       # uid: bob\n uid: carl\nobjectClass: person\n";
        assert!(is_ldif(content.as_bytes()));
        let rows: Vec<_> = read(content).into_iter().filter(|item| matches!(item, Item::Row(_))).collect();
        let [Item::Row(row)] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.get("username"), row.problems.len()), ("ada".into(), 0));
    }

    #[test]
    fn what_is_in_another_file_is_not_read_and_the_entry_is_refused() {
        let person = "dn: uid=a\nobjectClass: person\nuid: a\njpegPhoto:< file:///etc/passwd\n";
        let [Item::Row(row)] = &read(person)[..] else { panic!() };
        assert!(row.problems.is_empty(), "a photograph is not kept anyway");
        let [Item::Row(row)] = &read(&format!("{person}userPassword:< file:///etc/shadow\n"))[..] else {
            panic!()
        };
        assert_eq!(row.problems, ["password: stands in another file, which is not read."]);
        assert_eq!(row.get("password"), Raw::Missing);
    }

    #[test]
    fn what_is_wrong_with_an_entry_does_not_reach_the_next() {
        let person = "dn: uid=a\nobjectClass: person\nuid: a\n\n";
        let items = read(&format!("{person}dn: uid=b\nnonsense\n\n{person}"));
        let reasons: Vec<_> = items
            .iter()
            .map(|item| if let Item::Row(row) = item { row.broken.clone() } else { panic!("{item:?}") })
            .collect();
        assert_eq!(reasons, [None, Some("line 6 is no attribute.".into()), None]);
        for cut in ["userAccountControl: 51", "descr", "cn: a\n ada"] {
            let items = read(&format!("{person}dn: uid=b\nobjectClass: user\nuid: b\n{cut}"));
            let [Item::Row(_), Item::Row(row)] = &items[..] else { panic!("{items:?}") };
            assert_eq!(row.broken.as_deref(), Some("the file ends in the middle of it."), "{cut}");
        }
    }

    #[test]
    fn accounts_that_are_disabled_are_inactive() {
        let person = "dn: cn=a\nobjectClass: user\nsAMAccountName: a\nuserAccountControl: 514\n";
        let [Item::Row(row)] = &read(person)[..] else { panic!() };
        assert_eq!((row.get("is_active"), row.get("username")), (Raw::Bool(false), "a".into()));
    }

    #[test]
    fn accounts_end_when_the_directory_says_so_and_passwords_are_to_be_changed() {
        for (attribute, field, value) in [
            ("accountExpires: 133801632000000000", "valid_until", "133801632000000000".into()),
            ("accountExpires: 0", "valid_until", Raw::Missing),
            ("shadowExpire: 18000", "valid_until", "2019-04-14T00:00:00.000000Z".into()),
            ("shadowExpire: -1", "valid_until", Raw::Missing),
            ("krbPrincipalExpiration: 20230401221444Z", "valid_until", "2023-04-01T22:14:44Z".into()),
            ("pwdLastSet: 0", "must_change_password", Raw::Bool(true)),
            ("pwdReset: TRUE", "must_change_password", Raw::Bool(true)),
            ("pwdLastSet: 132709214025576910", "must_change_password", Raw::Missing),
        ] {
            let person = format!("dn: uid=a\nobjectClass: person\nuid: a\n{attribute}\n");
            let [Item::Row(row)] = &read(&person)[..] else { panic!("{attribute}") };
            assert_eq!(row.get(field), value, "{attribute}");
        }
    }

    #[test]
    fn the_first_lines_tell_the_format() {
        assert!(
            is_ldif(b"\n# x\nversion: 1\n\ndn: o=x\n") && is_ldif(b"dn: o=x\n") && is_ldif(b"DN:: bz14\n")
        );
        assert!(!is_ldif(b"version:v1.0\nname,email\n") && !is_ldif(b"") && !is_ldif(b"username\ndn: x\n"));
    }
}
