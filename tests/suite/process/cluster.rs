//! A PostgreSQL of a test's own, which can be killed.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::server::text;

pub(super) struct Cluster {
    /// Of its only database.
    pub(super) url: String,
    pub(super) port: u16,
    programs: PathBuf,
    /// Directly below /tmp: the path of a socket may have 107 bytes, and the server's user must get there.
    directory: TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Cluster {
    pub(super) fn start() -> Self {
        let cluster = Self::without_data();
        let arguments = "-D data -U usher_test --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync";
        cluster.must_run("initdb", arguments);
        cluster.start_again();
        cluster
    }

    /// A standby of another one, which follows it.
    pub(super) fn standby_of(primary: &Self) -> Self {
        let cluster = Self::without_data();
        let from = format!("-D data -R -c fast --no-sync -h 127.0.0.1 -p {} -U usher_test", primary.port);
        cluster.must_run("pg_basebackup", &from);
        cluster.start_again();
        cluster
    }

    /// Starts it again as one that only reads, like a former primary that follows another one.
    pub(super) fn start_as_standby(&self) {
        std::fs::write(self.directory.path().join("data/standby.signal"), "").unwrap();
        self.start_again();
    }

    /// Ends following, and takes changes.
    pub(super) fn promote(&self) {
        self.must_run("pg_ctl", "promote -D data -w -s");
    }

    /// Where PostgreSQL's programs are.
    pub(super) fn programs(&self) -> &Path {
        &self.programs
    }

    /// Where its socket is.
    pub(super) fn socket(&self) -> &Path {
        self.directory.path()
    }

    fn without_data() -> Self {
        let directory = TempDir::with_prefix_in("usher-cluster.", "/tmp").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("postgres://usher_test@127.0.0.1:{port}/postgres");
        let cluster = Self { url, port, programs: programs(), directory };
        if is_root() {
            let chown = Command::new("chown").arg("postgres").arg(cluster.directory.path()).status();
            assert!(chown.unwrap().success());
        }
        cluster
    }

    fn must_run(&self, program: &str, arguments: &str) {
        let output = self.run(program, &arguments.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Starts it and waits until it answers, after a crash with its recovery.
    pub(super) fn start_again(&self) {
        // What is killed here is processes, not the machine: what they wrote, the kernel still has.
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1,::1 -c unix_socket_directories={} -c fsync=off",
            self.port,
            self.directory.path().display()
        );
        let output = self.run("pg_ctl", &["start", "-D", "data", "-w", "-s", "-l", "log", "-o", &options]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Ends all its processes at once; nothing is written or sent.
    pub(super) fn kill(&self) {
        self.run("pg_ctl", &["stop", "-D", "data", "-m", "immediate", "-s"]);
    }

    /// Has all its processes stand still, or go on.
    pub(super) fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.directory.path().join("data/postmaster.pid")).unwrap();
        let postmaster = pid.lines().next().unwrap().to_owned();
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = std::fs::read_to_string(children).unwrap();
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(&postmaster).args(children.split_whitespace());
        assert!(kill.status().unwrap().success());
    }

    /// Runs one of PostgreSQL's programs, which refuse to run as root.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).current_dir(self.directory.path());
        // A server that is started keeps what it inherits: do not wait for the end of a pipe.
        let log = self.directory.path().join("said");
        let said = std::fs::File::create(&log).unwrap();
        let status = command.stdout(said.try_clone().unwrap()).stderr(said).status().unwrap();
        Output { status, stdout: Vec::new(), stderr: std::fs::read(log).unwrap() }
    }
}

pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The folder of the newest server programs: Debian keeps them outside PATH.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map_while(Result::ok);
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    let fit = |folder: &&PathBuf| {
        ["initdb", "pg_ctl", "pg_basebackup"].iter().all(|name| folder.join(name).exists())
    };
    folders
        .iter()
        .rev()
        .find(fit)
        .expect("the programs of a PostgreSQL server; tests/run installs them")
        .clone()
}
