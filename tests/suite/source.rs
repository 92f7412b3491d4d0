//! Promises about the program itself: what its source may contain, and what it does when it breaks.

use std::path::{Path, PathBuf};

use rocket::get;
use rocket::http::{Method, Status};
use rocket::local::asynchronous::Client;
use rocket::routes;
use tempfile::TempDir;
use usher::model::clock::Clock;
use usher::server::Problem;

use crate::app::{self, Answer};

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The files below `src`, tests apart, in which a text stands.
fn files_with(text: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&root)
        .into_iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().contains(text))
        .map(|file| file.strip_prefix(&root).unwrap().display().to_string())
        .filter(|file| !file.ends_with("tests.rs"))
        .collect()
}

#[test]
fn az_1_the_proof_of_a_permission_is_made_by_the_guard_only() {
    assert_eq!(files_with("Can::check("), ["http/guards.rs"]);
    assert_eq!(files_with("impl<P: Permission> Can<P>"), ["operations/can.rs"]);
}

#[test]
fn in_1_built_sql_is_marked_as_safe_in_one_file_only() {
    assert_eq!(files_with("AssertSqlSafe"), ["db/sql.rs"]);
}

#[test]
fn pw_4_passwords_are_checked_in_one_place_which_counts_failures() {
    assert_eq!(files_with("hasher.verify("), ["operations/password_attempt.rs"]);
}

/// Rocket's own jar of a request decodes names.
#[test]
fn se_3_cookies_are_read_and_set_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let has = |code: &str| [".cookies()", "CookieJar"].iter().any(|reader| code.contains(reader));
    let files: Vec<String> = sources(&root)
        .into_iter()
        .filter(|file| has(&std::fs::read_to_string(file).unwrap()))
        .map(|file| file.strip_prefix(&root).unwrap().display().to_string())
        .collect();
    assert_eq!(files, ["http/cookies.rs"]);
}

#[test]
fn er_1_a_release_unwinds_so_that_a_panic_ends_one_request_and_not_the_server() {
    let manifest = include_str!("../../Cargo.toml");
    let release = manifest.split("[profile.release]").nth(1).expect("a release profile");
    assert!(release.split("\n[").next().unwrap().contains("panic = \"unwind\""));
    let dist = manifest.split("[profile.dist]").nth(1).expect("a profile of what is distributed");
    let dist = dist.split("\n[").next().unwrap();
    assert!(dist.contains("inherits = \"release\"") && !dist.contains("panic"), "{dist}");
}

#[get("/boom")]
fn boom() -> Status {
    panic!("a secret that no answer may show");
}

#[rocket::async_test]
async fn er_1_a_panic_is_answered_without_its_cause_and_the_next_request_works() {
    let directory = TempDir::new().unwrap();
    let url = format!("sqlite://{}", directory.path().join("usher.db").display());
    let figment = app::figment(&url, &[]);
    let server = usher::server::rocket(figment, Clock::System, &Problem::default());
    let server = server.mount("/v1", routes![boom]).mount("/page", routes![boom]);
    let client = Client::untracked(server).await.unwrap();
    for (path, kind) in [("/v1/boom", "application/json"), ("/page/boom", "text/html; charset=utf-8")] {
        let answer = Answer::of(client.req(Method::Get, path).dispatch().await).await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.header("Content-Type"), Some(kind));
        assert!(!answer.body.contains("secret"), "{}", answer.body);
        assert_eq!(client.get("/livez").dispatch().await.status(), Status::Ok);
    }
}

/// The rows of the table of properties: identifier, and number of tests as it is told.
fn properties(page: &str) -> Vec<(&str, &str)> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.filter_map(|row| {
        let (identifier, rest) = row.split_once(" | ")?;
        identifier.split_once('-')?.1.parse::<u8>().ok()?;
        Some((identifier, rest.rsplit_once(" | ")?.1))
    })
    .collect()
}

/// How many functions bear an identifier, such as `AZ-5`, in their names.
fn tests_of(identifier: &str, code: &str) -> usize {
    let name = format!("{}_", identifier.to_lowercase().replace('-', "_"));
    let functions = code.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
    functions.filter(|function| function.starts_with(&name) || function.contains(&format!("_{name}"))).count()
}

#[test]
fn every_property_in_the_documentation_has_as_many_tests_that_bear_its_name_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<PathBuf> =
        ["src", "tests"].iter().flat_map(|folder| sources(&root.join(folder))).collect();
    let code: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let properties = properties(include_str!("../../docs/security.md"));
    assert!(properties.len() > 50, "{properties:?}");
    let stale: Vec<String> = properties
        .into_iter()
        .map(|(identifier, told)| (identifier, told, tests_of(identifier, &code)))
        .filter(|(_, told, tests)| *tests == 0 || *told != tests.to_string())
        .map(|(identifier, told, tests)| format!("{identifier}: {tests} tests, not {told}"))
        .collect();
    assert!(stale.is_empty(), "docs/security.md is to say:\n{}", stale.join("\n"));
}

#[test]
fn sc_1_every_dependency_has_its_reason_and_comes_from_the_registry() {
    let manifest = include_str!("../../Cargo.toml");
    let section = manifest.split("[dependencies]").nth(1).expect("dependencies").split("\n[").next().unwrap();
    let mut explained = false;
    let mut dependencies = 0;
    for line in section.lines() {
        if line.starts_with('#') {
            explained = true;
        } else if line.contains(" = ") {
            assert!(explained, "no reason beside {line}");
            dependencies += 1;
        } else if line.is_empty() {
            explained = false;
        }
    }
    assert!(dependencies > 10);
    let lock = include_str!("../../Cargo.lock");
    let foreign = lock.lines().find(|line| line.starts_with("source") && !line.contains("crates.io-index"));
    assert_eq!(foreign, None);
}

/// What runs before the tests on the build machine, and fails with the least finding.
#[test]
fn sc_1_the_build_machine_has_dependencies_checked_and_denies_warnings() {
    let script = include_str!("../../.ci/run");
    let commands: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    for (checker, demands) in
        [("cargo-deny\" ", "check -D warnings licenses bans sources"), ("cargo-audit\" ", "--deny warnings")]
    {
        let calls: Vec<_> = commands.iter().filter(|line| line.contains(checker)).collect();
        assert!(!calls.is_empty(), "{checker} is not called");
        for call in calls {
            assert!(call.contains(demands) && call.ends_with("|| result=1"), "{call}");
        }
    }
    assert!(commands.contains(&"return \"$result\""), "a finding is the result");
    assert!(commands.contains(&"if (($# == 0)); then check_dependencies; fi"), "a whole run checks");
    let policy = include_str!("../../deny.toml");
    for rule in [
        "unmaintained = \"all\"",
        "unsound = \"all\"",
        "yanked = \"deny\"",
        "ignore = []",
        "unused-allowed-license = \"deny\"",
        "wildcards = \"deny\"",
        "unknown-registry = \"deny\"",
        "unknown-git = \"deny\"",
    ] {
        assert!(policy.lines().any(|line| line == rule), "{rule}");
    }
}
