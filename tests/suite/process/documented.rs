//! The commands of the documentation: each one that can be is run, as it stands there, on a throwaway installation.
//!
//! They are those in blocks of the languages `console` (after `$`) and `sh`. One that is added is run, too, or is said
//! below why it is not. What only fits an operator's machine is replaced, and the files that are needed are made. Of those
//! that are not run, and of what is named within the text, the program's own subcommands and options have to exist.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::cluster::Cluster;
use super::server::{Server, make_superuser, run, text, usher};
use crate::app::PASSWORD;

/// What is not run, by its first words, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo run --release", "the program is built and started by all of these tests"),
    ("tests/run", "runs this test"),
    ("bench/run", "takes half an hour"),
    ("sudo ", "needs the package on a machine of its own: packaging/test"),
    ("systemctl ", "needs systemd, and the package: packaging/test"),
    ("podman ", "needs the image: packaging/test"),
    ("tar -xzf usher-", "needs the archive: packaging/test"),
    ("cd usher-", "needs the archive: packaging/test"),
    ("./usher", "needs the archive: packaging/test"),
    ("python manage.py", SAMPLES),
    ("mysqldump ", SAMPLES),
    ("sqlite3 ", SAMPLES),
    ("kc.sh ", SAMPLES),
    ("firebase ", SAMPLES),
    ("slapcat ", SAMPLES),
    ("ldapsearch ", SAMPLES),
    ("wp ", SAMPLES),
];
const SAMPLES: &str = "another program, of whose output there are samples in tests/data/imports";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The documents, by their paths.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> =
        std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    documents.push(root().join("README.md"));
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.sort();
    documents
}

/// The arguments of each call of the program within a command or a piece of text.
fn calls(text: &str) -> Vec<Vec<&str>> {
    let is_own = |rest: &&str| rest.starts_with(|first: char| first.is_ascii_lowercase());
    let ends = |word: &&str| !["#", ">", "<<<", "|", "&&", "\\"].contains(word);
    text.split("usher ")
        .skip(1)
        .filter(is_own)
        .map(|rest| rest.split_whitespace().take_while(ends).collect())
        .collect()
}

/// What stands as code within the text of a document.
fn spans(document: &str) -> Vec<String> {
    let (mut text, mut in_block) = (String::new(), false);
    for line in document.lines() {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        if !in_block && !is_fence {
            text.push_str(line);
            text.push(' ');
        }
    }
    text.split('`').skip(1).step_by(2).filter(|span| span.contains("usher ")).map(str::to_owned).collect()
}

/// Whether the shell would wait for another line.
fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}

/// The commands of a document, in its order.
fn commands(document: &str) -> Vec<String> {
    let (mut commands, mut block, mut open) = (Vec::<String>::new(), None, false);
    for line in document.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_none() { Some(language.to_owned()) } else { None };
            open = false;
            continue;
        }
        let command = match block.as_deref() {
            Some("console") => line.strip_prefix("$ "),
            Some("sh") => Some(line),
            _ => continue,
        };
        match (commands.last_mut(), command) {
            (Some(last), _) if open => {
                last.push('\n');
                last.push_str(line);
            }
            (_, Some(command)) => commands.push(command.to_owned()),
            _ => continue,
        }
        open = commands.last().is_some_and(|last| goes_on(last));
    }
    commands
}

fn not_run(command: &str) -> Option<&'static str> {
    NOT_RUN.iter().map(|(begin, _)| *begin).find(|begin| command.starts_with(begin))
}

/// An installation on which the commands of a document are run.
struct Stage {
    directory: TempDir,
    programs: PathBuf,
    server: Option<Server>,
    token: String,
    cluster: Option<Cluster>,
}

impl Stage {
    async fn for_document(name: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().to_owned();
        let path = path.as_path();
        for folder in ["bin", "backups", "archive"] {
            std::fs::create_dir(path.join(folder)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_usher"), path.join("bin/usher")).unwrap();
        let curl = path.join("bin/curl");
        std::fs::write(&curl, "#!/bin/sh\nexec /usr/bin/curl --fail --silent --show-error \"$@\"\n").unwrap();
        std::fs::set_permissions(&curl, std::fs::Permissions::from_mode(0o755)).unwrap();
        let sample = |from: &str, to: &str| {
            std::fs::copy(root().join("tests/data/imports").join(from), path.join(to)).unwrap();
        };
        let mut stage =
            Self { programs: PathBuf::new(), server: None, token: String::new(), cluster: None, directory };
        match name {
            "README.md" | "scim.md" => {
                make_superuser(path, &[]);
                if name == "README.md" {
                    sample("django-custom.json", "users.json");
                    assert!(
                        Command::new("gzip").arg("users.json").current_dir(path).status().unwrap().success()
                    );
                }
                let server = Server::start(path, &[("USHER_SCIM", "true")]);
                stage.token = server.sign_in();
                stage.server = Some(server);
            }
            "importing.md" => {
                make_superuser(path, &[]);
                std::fs::write(path.join("users.csv"), "username,email\nada,ada@example.org\n").unwrap();
                sample("auth0-users.ndjson", "users.ndjson");
                sample("auth0-passwords.ndjson", "passwords.ndjson");
                sample("firebase-users.json", "users.json");
                sample("firebase-hash-config.txt", "hash-config.txt");
                sample("keycloak-realm.json", "realm.json");
                for file in ["passwd", "shadow"] {
                    sample(file, file);
                }
                sample("htpasswd", ".htpasswd");
                stage.with_cluster().await;
                stage.make_shop().await;
            }
            "operations.md" => {
                std::fs::write(path.join("users.csv"), "username\nada\n").unwrap();
                assert!(run(usher(path, &[], &["import", "users.csv"]), "").status.success());
                stage.with_cluster().await;
                let url = stage.url("usher");
                assert!(run(usher(path, &[("DATABASE_URL", &url)], &["migrate"]), "").status.success());
            }
            "upgrading.md" => make_superuser(path, &[]),
            _ => {}
        }
        stage
    }

    /// With a PostgreSQL that has an empty database `usher` of a role of that name.
    async fn with_cluster(&mut self) {
        let cluster = Cluster::start();
        let mut connection = PgConnection::connect(&cluster.url).await.unwrap();
        for sql in ["CREATE ROLE usher LOGIN SUPERUSER", "CREATE DATABASE usher OWNER usher"] {
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
        cluster.programs().clone_into(&mut self.programs);
        self.cluster = Some(cluster);
    }

    /// A database of another program, with its users.
    async fn make_shop(&self) {
        let mut usher = PgConnection::connect(&self.url("usher")).await.unwrap();
        sqlx::raw_sql("CREATE DATABASE shop").execute(&mut usher).await.unwrap();
        let mut shop = PgConnection::connect(&self.url("shop")).await.unwrap();
        let table = "CREATE TABLE auth_user (id int, username text, email text, password text); \
                     INSERT INTO auth_user VALUES (7, 'ada', 'ada@example.org', '!')";
        sqlx::raw_sql(table).execute(&mut shop).await.unwrap();
    }

    /// The URL of a database of the cluster; without one there is none.
    fn url(&self, database: &str) -> String {
        let port = self.cluster.as_ref().map_or(0, |cluster| cluster.port);
        format!("postgres://usher@127.0.0.1:{port}/{database}")
    }

    /// The command with what only fits an operator's machine replaced.
    fn fit(&self, command: &str) -> String {
        let address = self.server.as_ref().map_or("", |server| &server.address);
        let here = [
            ("http://127.0.0.1:8000", format!("http://{address}")),
            ("https://users.example.org", format!("http://{address}")),
            ("postgres://usher@db.example.org/usher", self.url("usher")),
            ("\"password\": \"...\"", format!("\"password\": \"{PASSWORD}\"")),
            ("Bearer eyJ...", format!("Bearer {}", self.token)),
            // The first one that is made.
            ("/Users/42", "/Users/2".to_owned()),
            ("/backups/", "backups/".to_owned()),
            ("/archive/", "archive/".to_owned()),
            // There is no terminal to ask at.
            ("usher createsuperuser ", "usher createsuperuser --password-stdin ".to_owned()),
            ("usher changepassword ", "usher changepassword --password-stdin ".to_owned()),
            ("--before 2026-01-01 ", "--before \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\" ".to_owned()),
        ];
        let mut command =
            here.iter().fold(command.to_owned(), |command, (there, here)| command.replace(there, here));
        if let Some((begin, _)) = command.split_once("--head ") {
            command = format!("{begin}--head \"$(usher audit head)\"");
        }
        command
    }

    /// What a command needs of those before it that the document does not show.
    fn prepare(&self, command: &str) {
        let path = self.directory.path();
        let seals = ["usher audit verify\n", "usher audit archive", "usher audit verify /archive"];
        if seals.iter().any(|begin| format!("{command}\n").starts_with(begin)) {
            // A server seals when it stops.
            let mut server = Server::start(path, &[]);
            server.signal("TERM");
            assert!(server.wait().success());
        }
        if command.starts_with("usher import ") && !command.contains("--dry-run") && self.server.is_none() {
            // What one file has is not in the way of the next.
            for file in ["usher.db", "usher.db-wal", "usher.db-shm"] {
                drop(std::fs::remove_file(path.join(file)));
            }
        }
        if command.starts_with("usher audit verify /archive") {
            let later = self.fit("usher audit archive --before 2026-01-01 /archive/audit-2026.jsonl");
            self.must_run(&later);
        }
    }

    fn must_run(&self, command: &str) -> String {
        let path = self.directory.path();
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", command]).current_dir(path).env_clear();
        shell.env("PATH", format!("{}/bin:{}:/usr/bin:/bin", path.display(), self.programs.display()));
        shell.env("TOKEN", &self.token);
        if let Some(cluster) = &self.cluster {
            shell.env("PGHOST", "127.0.0.1").env("PGPORT", cluster.port.to_string());
            shell.env("PGUSER", "usher").env("PGDATABASE", "shop");
        }
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = if command.contains("--password-stdin") { PASSWORD } else { "" };
        let output = run(shell, input);
        let (said, complaint) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command}: {said}{complaint}");
        said
    }
}

#[rocket::async_test]
async fn each_command_of_the_documentation_does_what_it_is_there_for() {
    let mut unused: BTreeSet<&str> = NOT_RUN.iter().map(|(begin, _)| *begin).collect();
    let mut done = 0;
    for document in documents() {
        let name = document.file_name().unwrap().to_str().unwrap().to_owned();
        let commands = commands(&std::fs::read_to_string(&document).unwrap());
        let mut stage = None;
        for command in commands {
            if let Some(begin) = not_run(&command) {
                unused.remove(begin);
                continue;
            }
            if stage.is_none() {
                stage = Some(Stage::for_document(&name).await);
            }
            let stage = stage.as_ref().unwrap();
            stage.prepare(&command);
            stage.must_run(&stage.fit(&command));
            done += 1;
        }
        if let Some(stage) = stage.filter(|_| name == "operations.md") {
            // What was restored from the dump of PostgreSQL.
            let url = stage.url("restored");
            let checked = run(usher(stage.directory.path(), &[("DATABASE_URL", &url)], &["check"]), "");
            assert!(text(&checked.stdout).contains("schema is up to date"), "{}", text(&checked.stderr));
        }
    }
    assert_eq!(unused, BTreeSet::new(), "these are in no document any more");
    assert!(done > 20, "{done} commands are run");
}

/// What the program says to `--help` behind the arguments before the first option.
fn help(directory: &Path, call: &[&str]) -> String {
    let before = call.iter().take_while(|word| !word.starts_with('-'));
    let arguments: Vec<&str> = before.copied().chain(["--help"]).collect();
    let output = run(usher(directory, &[], &arguments), "");
    assert!(output.status.success(), "usher {}: {}", call.join(" "), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn each_command_that_is_only_named_has_a_subcommand_and_options_that_exist() {
    let directory = TempDir::new().unwrap();
    let mut seen = 0;
    for path in documents() {
        let document = std::fs::read_to_string(&path).unwrap();
        for text in commands(&document).into_iter().chain(spans(&document)) {
            let text = text.replace("cargo run --release -- ", "usher ");
            for call in calls(&text) {
                seen += 1;
                let help = help(directory.path(), &call);
                let known: BTreeSet<&str> =
                    help.split(|c: char| !(c == '-' || c.is_ascii_alphanumeric())).collect();
                for option in call.iter().filter(|word| word.starts_with("--")) {
                    let name = option.split('=').next().unwrap();
                    assert!(known.contains(name), "{}: usher {}: {name}", path.display(), call.join(" "));
                }
            }
            own_files_exist(&text);
        }
    }
    assert!(seen > 60, "{seen} are named");
    let install = std::fs::read_to_string(root().join("docs/install.md")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for package in ["usher_VERSION_amd64.deb", "usher-VERSION-1.x86_64.rpm", "usher-VERSION-image.tar"] {
        assert!(install.contains(&package.replace("VERSION", version)), "{package} of release {version}");
    }
}

/// Of the commands of the repository itself: that they are there, and know their options.
fn own_files_exist(command: &str) {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    if program == "cargo" {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        if let Some((_, rest)) = command.split_once("--example ") {
            let name = rest.split(' ').next().unwrap();
            assert!(manifest.contains(&format!("[[example]]\nname = \"{name}\"")), "{command}");
        }
    } else if program.starts_with("bench/") || program.starts_with("tests/") {
        let script = std::fs::read_to_string(root().join(program)).expect(command);
        for option in words.take_while(|word| *word != "#").filter(|word| word.starts_with("--")) {
            assert!(script.contains(option), "{command}");
        }
    }
}

#[test]
fn commands_are_found_over_several_lines() {
    let document =
        "```console\n$ a 'b\nc' d \\\n  e\nsaid\n$ f\n```\n```toml\n$ g\n```\n```sh\nh \\\n  i\nj\n```\n";
    assert_eq!(commands(document), ["a 'b\nc' d \\\n  e", "f", "h \\\n  i", "j"]);
    assert_eq!(calls("sudo -u usher usher check --all # usher x\n"), [vec!["check", "--all"], vec!["x"]]);
    assert_eq!(spans("a `usher b\nc` d `e`\n```sh\n`usher f`\n```\n"), ["usher b c"]);
    assert!(Path::new("/usr/bin/curl").exists(), "curl; tests/run installs it");
}
