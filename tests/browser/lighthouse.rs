//! Lighthouse's marks for the main pages: `tests/lighthouse` asks for them.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::people::{BERG, STAFF};
use crate::server::{Backend, Server};
use crate::visits::results;

/// Fetched by npm when it is asked for.
const VERSION: &str = "lighthouse@12.8.2";

const CATEGORIES: [&str; 3] = ["performance", "accessibility", "best-practices"];

/// Prints the marks, and writes them beside the results of the browser tests.
pub(crate) fn lighthouse() {
    let server = Server::populated(Backend::Sqlite);
    let cookie = server.sign_in(STAFF);
    let mut table = format!("{:32}{:10}{}\n", "", "", CATEGORIES.join("  "));
    print!("{table}");
    let user = |page: &str| format!("/users/{BERG}{page}");
    for path in [
        "/sign-in",
        "/",
        "/users",
        "/users?q=okafor",
        &user(""),
        &user("/sign-ins"),
        &user("/history"),
        &user("/password"),
        &format!("/users/bulk?do=deactivate&id={BERG}"),
        "/users/new",
        "/audit",
        "/account",
        "/account/security",
        "/account/security/add",
        "/account/password",
        "/account/sessions",
        "/account/tokens",
        "/account/data",
        "/account/preferences",
    ] {
        for device in ["desktop", "phone"] {
            let marks = marks(&format!("{}{path}", server.address), &cookie, device);
            let marks: Vec<String> = CATEGORIES
                .iter()
                .zip(marks)
                .map(|(name, mark)| format!("{mark:>width$.0}", width = name.len()))
                .collect();
            let line = format!("{path:32}{device:10}{}", marks.join("  "));
            println!("{line}");
            writeln!(table, "{line}").expect("text");
        }
    }
    std::fs::write(results().join("lighthouse.txt"), table).expect("the table");
}

/// From 0 to 100, for each category.
fn marks(address: &str, cookie: &str, device: &str) -> Vec<f64> {
    let mut command = Command::new("npm");
    command.args(["exec", "--yes", &format!("--package={VERSION}"), "--", "lighthouse", address]);
    command.args(["--quiet", "--output=json", &format!("--only-categories={}", CATEGORIES.join(","))]);
    command.arg("--chrome-flags=--headless=new --no-sandbox --no-proxy-server --disable-dev-shm-usage");
    // No signed-in user looks at that page.
    if !address.ends_with("/sign-in") {
        command.arg(format!("--extra-headers={{\"Cookie\":\"{cookie}\"}}"));
    }
    if device == "desktop" {
        command.arg("--preset=desktop");
    }
    command.stdin(Stdio::null());
    // A busy machine has it miss the beginning of a page now and then.
    let mut said = String::new();
    let report: Option<Value> = (0..3).find_map(|_| {
        let output = command.output().expect("npm");
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).ok()
    });
    let report = report.unwrap_or_else(|| panic!("{address}: {said}"));
    let mark = |name: &&str| report["categories"][*name]["score"].as_f64().unwrap_or_default() * 100.0;
    CATEGORIES.iter().map(mark).collect()
}
