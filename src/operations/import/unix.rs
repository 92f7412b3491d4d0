//! Accounts of Unix: `passwd`, with the hashes of `shadow` if it is given with it; and Apache's `htpasswd`.

use super::lines::Lines;
use super::row::{Item, Place, Row};
use super::source::Stream;
use crate::model::clock::Timestamp;
use crate::model::raw::Raw;

/// The numbers of people's accounts; those below are the system's.
const PEOPLE: std::ops::Range<u32> = 1000..65_534;

/// Which file of colons this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Passwd,
    Shadow,
    Htpasswd,
}

/// Told from most of the first lines: each kind has so many colons, and something in a certain place.
pub(super) fn kind(head: &[u8]) -> Option<Kind> {
    let text = String::from_utf8_lossy(head);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    // The last one may be cut off.
    let lines: Vec<Vec<&str>> = lines.take(20).map(|line| line.split(':').collect()).collect();
    let lines = if lines.len() > 1 { &lines[..lines.len() - 1] } else { &lines[..] };
    let are_most =
        |test: &dyn Fn(&[&str]) -> bool| 2 * lines.iter().filter(|cells| test(cells)).count() > lines.len();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_passwd = |cells: &[&str]| cells.len() == 7 && is_number(cells[2]) && is_number(cells[3]);
    if are_most(&is_passwd) {
        return Some(Kind::Passwd);
    }
    if are_most(&|cells| cells.len() == 9 && !cells[0].is_empty()) {
        return Some(Kind::Shadow);
    }
    let is_hash = |cells: &[&str]| {
        let known = ["$apr1$", "$2y$", "$2a$", "$2b$", "$1$", "$5$", "$6$", "{SHA}"];
        cells.len() == 2
            && !cells[0].is_empty()
            && (known.iter().any(|known| cells[1].starts_with(known)) || is_des_crypt(cells[1]))
    };
    are_most(&is_hash).then_some(Kind::Htpasswd)
}

/// What a `shadow` file says of an account.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shadow {
    /// There is no such file.
    NotGiven,
    /// It does not have the account.
    Missing,
    /// What follows the name.
    Line(String),
}

/// The rows of a file of accounts; `find` knows what another file says of them.
pub(super) fn rows(
    stream: Stream,
    kind: Kind,
    find: impl Fn(&str) -> Shadow + Send + 'static,
) -> impl Iterator<Item = Item> + Send {
    let lines = Lines::new(stream, b'\n');
    let lines =
        lines.filter(|line| line.problem.is_some() || !line.bytes.is_empty() && line.bytes[0] != b'#');
    lines.zip(1..).map(move |(line, row)| {
        let place = Place { line: line.number, row };
        if let Some(problem) = line.problem {
            return Item::Row(Row::broken(place, problem));
        }
        match std::str::from_utf8(&line.bytes) {
            Err(_) => Item::Row(Row::broken(place, "is not in UTF-8.")),
            Ok(text) => account(place, kind, &text.split(':').collect::<Vec<_>>(), &find),
        }
    })
}

fn account(place: Place, kind: Kind, cells: &[&str], find: &impl Fn(&str) -> Shadow) -> Item {
    let mut row = Row::new(place);
    match (kind, cells) {
        (Kind::Passwd, [name, password, number, _, person, _, _]) => {
            if !number.parse().is_ok_and(|number: u32| PEOPLE.contains(&number)) {
                return Item::Skipped("system accounts".into());
            }
            row.add("username", (*name).into());
            row.add("full_name", person.split(',').next().unwrap_or_default().into());
            match find(name) {
                Shadow::Line(stored) => add_shadow(&mut row, &stored),
                // Its part of the file is missing.
                Shadow::Missing if *password == "x" => {
                    row.problems.push("password: The file of passwords does not have this account.".into());
                }
                Shadow::Missing | Shadow::NotGiven => row.add("password", hash(password)),
            }
        }
        (Kind::Htpasswd, [name, password]) => {
            row.add("username", (*name).into());
            row.add("password", hash(password));
            // So ends a file that is cut off.
            if password.is_empty() {
                row.problems.push("password: There is none.".into());
            }
        }
        _ => return Item::Row(Row::broken(place, format!("has {} cells, which do not fit.", cells.len()))),
    }
    Item::Row(row)
}

/// What `shadow` says after the name: the hash, the day on which it was set, of which 0 demands another password, and the
/// day on which the account ends.
fn add_shadow(row: &mut Row, stored: &str) {
    let cells: Vec<&str> = stored.split(':').collect();
    let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
    row.add("password", hash(cell(0)));
    if cell(1) == "0" {
        row.add("must_change_password", Raw::Bool(true));
    }
    if let Ok(days) = cell(6).parse::<i64>()
        && days > 0
    {
        let end = Timestamp::from_micros(days.saturating_mul(24 * 60 * 60 * 1_000_000));
        row.add("valid_until", Raw::Text(end.to_string()));
    }
}

/// What no password matches is none.
fn hash(text: &str) -> Raw {
    match text {
        "x" | "" => Raw::Missing,
        _ if text.starts_with(['!', '*']) => Raw::Missing,
        // As nothing but a hash stands there, the first `crypt` needs no name.
        _ if is_des_crypt(text) => format!("{{CRYPT}}{text}").as_str().into(),
        _ => text.into(),
    }
}

/// Whether this may be a hash of the first `crypt`.
fn is_des_crypt(text: &str) -> bool {
    text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte))
}

/// The name of each line of a `shadow` file, and what follows it.
pub(super) fn shadow(stream: Stream) -> impl Iterator<Item = (String, String)> {
    Lines::new(stream, b'\n').filter_map(|line| {
        let text = String::from_utf8(line.bytes).ok()?;
        let (name, rest) = text.split_once(':')?;
        Some((name.to_owned(), rest.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada Lovelace,,,:/home/ada:/bin/sh\n\
                          bob:x:1001:1001::/:/bin/sh\n";
    const SHADOW: &str =
        "root:*:19800:0:99999:7:::\nada:$6$x$y:19800:0:99999:7:::\nbob:!$6$x$y:19800:0:99999:7:::\n";

    #[test]
    fn people_are_joined_with_their_hashes_and_locked_passwords_are_none() {
        assert_eq!(kind(PASSWD.as_bytes()), Some(Kind::Passwd));
        assert_eq!(kind(SHADOW.as_bytes()), Some(Kind::Shadow));
        let hashes: Vec<_> = shadow(source(SHADOW.as_bytes()).stream().unwrap()).collect();
        let find = move |name: &str| {
            let found = hashes.iter().find(|(known, _)| known == name);
            found.map_or(Shadow::Missing, |(_, hash)| Shadow::Line(hash.clone()))
        };
        let items: Vec<Item> =
            rows(source(PASSWD.as_bytes()).stream().unwrap(), Kind::Passwd, find).collect();
        let [Item::Skipped(_), Item::Row(ada), Item::Row(bob)] = &items[..] else { panic!("{items:?}") };
        assert_eq!((ada.get("full_name"), ada.get("password")), ("Ada Lovelace".into(), "$6$x$y".into()));
        assert_eq!((bob.get("username"), bob.get("password")), ("bob".into(), Raw::Missing));
        let cut = rows(source(PASSWD.as_bytes()).stream().unwrap(), Kind::Passwd, |_| Shadow::Missing).last();
        let Some(Item::Row(bob)) = cut else { panic!("{cut:?}") };
        assert_eq!(bob.problems, ["password: The file of passwords does not have this account."]);
        let mut row = Row::new(Place { line: 1, row: 1 });
        add_shadow(&mut row, "$6$x$y:0:0:99999:7::18000:");
        assert_eq!(row.get("must_change_password"), Raw::Bool(true));
        assert_eq!(row.get("valid_until"), "2019-04-14T00:00:00.000000Z".into());
    }

    #[test]
    fn a_damaged_line_hides_neither_what_a_file_is_nor_itself() {
        for (file, kind_of) in [(PASSWD, Kind::Passwd), (SHADOW, Kind::Shadow)] {
            let damaged = format!("{}{file}", file.replacen("ada:", "ada", 1));
            assert_eq!(kind(damaged.as_bytes()), Some(kind_of));
            assert_eq!(kind(format!("+\n{file}").as_bytes()), Some(kind_of));
        }
        let content = b"ada:$apr1$x$y\nbob:\ncarl:$2y$05$x\ndora:{SHA}x\n";
        assert_eq!(kind(content), Some(Kind::Htpasswd));
        let damaged = PASSWD.replacen("ada:", "ada", 1);
        let mut items =
            rows(source(damaged.as_bytes()).stream().unwrap(), Kind::Passwd, |_| Shadow::NotGiven);
        let Some(Item::Row(ada)) = items.nth(1) else { panic!("no row") };
        assert_eq!(ada.broken.as_deref(), Some("has 6 cells, which do not fit."));
    }

    #[test]
    fn htpasswd_is_told_by_its_hashes() {
        let content = b"ada:$apr1$x$y\nbob:{SHA}x\n\n# a comment\ncarl:$2y$05$x\n";
        assert_eq!(kind(content), Some(Kind::Htpasswd));
        assert_eq!(rows(source(content).stream().unwrap(), Kind::Htpasswd, |_| Shadow::NotGiven).count(), 3);
        let cut =
            rows(source(b"ada:$apr1$x$y\nbob:").stream().unwrap(), Kind::Htpasswd, |_| Shadow::NotGiven)
                .last();
        let Some(Item::Row(bob)) = cut else { panic!("{cut:?}") };
        assert_eq!(bob.problems, ["password: There is none."]);
        let old = b"ada:saDkx2A.Rz1/E\n";
        assert_eq!(kind(old), Some(Kind::Htpasswd));
        let items: Vec<Item> =
            rows(source(old).stream().unwrap(), Kind::Htpasswd, |_| Shadow::NotGiven).collect();
        let [Item::Row(ada)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(ada.get("password"), "{CRYPT}saDkx2A.Rz1/E".into());
        for other in [&b"a:b\n"[..], b"", b"username:email\n", b"a,b\n"] {
            assert_eq!(kind(other), None);
        }
    }
}
