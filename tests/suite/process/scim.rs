//! Clients of other programs, against the listening server. `USHER_TEST_SCIM_TOOLS` names a Python that has them, as
//! `tests/scim` sees to; without it, a client of our own asks the server whether it is there.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use rocket::tokio::task::spawn_blocking;
use tempfile::TempDir;

use super::server::{Server, run, text, usher};
use crate::app::{Backend, PASSWORD, fresh};

#[expect(clippy::disallowed_methods, reason = "the test command says where the tools are")]
fn tools() -> Option<PathBuf> {
    std::env::var_os("USHER_TEST_SCIM_TOOLS").map(PathBuf::from)
}

#[rocket::async_test]
async fn clients_of_other_programs_find_nothing_wrong_on_sqlite() {
    examine(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn clients_of_other_programs_find_nothing_wrong_on_postgres() {
    examine(Backend::Postgres).await;
}

async fn examine(backend: Backend) {
    let (url, directory) = fresh(backend).await;
    spawn_blocking(move || examine_server(&url, &directory)).await.unwrap();
}

#[expect(clippy::print_stdout, reason = "what the tools count is shown on request")]
fn examine_server(url: &str, directory: &TempDir) {
    // The addresses of resources have the port in them.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let variables = [
        ("DATABASE_URL", url),
        ("ROCKET_PORT", port.as_str()),
        ("USHER_SCIM", "true"),
        ("USHER_ACCESS_TOKEN_SECONDS", "3600"),
    ];
    let arguments = ["createsuperuser", "--username", "admin", "--password-stdin"];
    let made = run(usher(directory.path(), &variables, &arguments), PASSWORD);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let server = Server::start(directory.path(), &variables);
    let token = server.sign_in();
    let Some(python) = tools() else {
        let head = format!("Host: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
        let answer = server.ask(&format!("GET /scim/v2/ServiceProviderConfig HTTP/1.1\r\n{head}"));
        assert!(answer.expect("an answer").contains("application/scim+json"));
        return;
    };
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scim-tools.py");
    let base = format!("http://{}/scim/v2", server.address);
    let done = Command::new(python).arg(script).args([&base, &token]).output().expect("Python");
    println!("{url}\n{}", text(&done.stdout));
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
}
