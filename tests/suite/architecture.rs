//! The house: which room may import from which.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms by floor, from the ground. A file imports from its own room or from a floor below.
const FLOORS: [&[&str]; 8] = [
    &["model"],
    &["config", "db", "security"],
    &["operations"],
    &["http"],
    &["api", "scim", "web"],
    &["server"],
    &["cli"],
    &["main", "lib"],
];

/// Files that are compiled for tests only.
const TEST_FILES: [&str; 2] = ["tests.rs", "testing.rs"];

/// Every Rust file below a folder that is compiled into the product.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !TEST_FILES.iter().any(|name| path.ends_with(name))
        {
            files.push(path);
        }
    }
    files
}

/// The room of a file: the first part of its path below `src`.
fn room(file: &Path) -> String {
    let path = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(room: &str) -> usize {
    FLOORS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| panic!("no floor has the room {room}"))
}

/// The part of a file that is compiled into the product: without its tests and its comments.
fn product(code: &str) -> String {
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The rooms that a file names by `crate::`, in imports and in paths.
fn imports(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for rest in product(code).split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(group) => top_level_names(group),
            None => vec![rest],
        };
        for name in names {
            let room: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            rooms.insert(room);
        }
    }
    rooms
}

/// The beginnings of the parts of `a::b, c::{d, e}}`, without what stands in inner braces.
fn top_level_names(group: &str) -> Vec<&str> {
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

/// Whether a file of the room may import from the other one.
fn may_import(from: &str, to: &str) -> bool {
    from == to || floor(to) < floor(from)
}

#[test]
fn every_import_points_down() {
    let mut upward = Vec::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let from = room(&file);
        for to in imports(&std::fs::read_to_string(&file).unwrap()) {
            if !may_import(&from, &to) {
                upward.push(format!("{}: {from} imports {to}", file.display()));
            }
        }
    }
    assert!(upward.is_empty(), "these imports do not point down:\n{}", upward.join("\n"));
}

#[test]
fn every_room_has_a_floor_and_every_floor_its_rooms() {
    let found: BTreeSet<String> =
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).iter().map(|file| room(file)).collect();
    let planned: BTreeSet<String> =
        FLOORS.iter().flat_map(|rooms| rooms.iter().map(|room| (*room).to_owned())).collect();
    assert_eq!(found, planned);
}

#[test]
fn an_import_is_found_however_it_is_written() {
    let code = "use crate::{db, model::{user::User, text}};\nfn f() { crate::web::g() }\n// crate::cli\n\
                #[cfg(test)]\nmod tests { use crate::server; }";
    let found: Vec<String> = imports(code).into_iter().collect();
    assert_eq!(found, ["db", "model", "web"]);
    assert!(may_import("web", "http") && may_import("db", "db"));
    assert!(!may_import("db", "operations") && !may_import("web", "api") && !may_import("db", "config"));
}

#[test]
fn the_library_lists_its_modules_and_nothing_else() {
    let lib = include_str!("../../src/lib.rs");
    for line in lib.lines().filter(|line| !line.is_empty() && !line.starts_with("//!")) {
        assert!(line.starts_with("pub mod ") && line.ends_with(';'), "{line}");
    }
}
