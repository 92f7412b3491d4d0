//! `usher restore`, and what `usher check` says of a damaged file.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::cluster::is_root;
use super::server::{Server, make_superuser, run, text, usher};

fn restore(path: &Path, copy: &str) -> Output {
    run(usher(path, &[], &["restore", copy]), "")
}

/// The names of the users of a file.
async fn users(file: &Path) -> Vec<String> {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let names = sqlx::query_scalar("SELECT username FROM users ORDER BY id").fetch_all(&mut connection).await;
    connection.close().await.unwrap();
    names.unwrap()
}

/// The databases that were kept, by their names.
fn kept(path: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let is_kept = |path: &PathBuf| path.to_string_lossy().contains("usher.db.before-");
    let mut kept: Vec<PathBuf> = names.filter(is_kept).collect();
    kept.sort();
    kept
}

/// An installation with `admin` and `early`, a copy of it, and then `late`; its server was killed.
fn with_copy() -> TempDir {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    make_superuser(path, &[]);
    let server = Server::start(path, &[]);
    let bearer = server.sign_in();
    assert_eq!(server.create(&bearer, "early"), Some(201));
    assert!(run(usher(path, &[], &["backup", "copy.db"]), "").status.success());
    assert_eq!(server.create(&bearer, "late"), Some(201));
    let refused = restore(path, "copy.db");
    assert!(text(&refused.stderr).contains("another server is running"), "{}", text(&refused.stderr));
    drop(server);
    assert!(path.join("usher.db-wal").exists(), "as a kill leaves it");
    directory
}

#[rocket::async_test]
async fn cf_3_a_restore_brings_back_the_copy_and_keeps_the_database_before_with_all_that_is_in_its_log() {
    let directory = with_copy();
    let path = directory.path();
    let restored = restore(path, "copy.db");
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    let said = text(&restored.stdout);
    assert!(said.contains("Restored ") && said.contains("The database before is kept as "), "{said}");
    let database = path.join("usher.db");
    for left in ["usher.db-wal", "usher.db-shm", "usher.db.restoring"] {
        assert!(!path.join(left).exists(), "{left}");
    }
    assert_eq!(users(&database).await, ["admin", "early"]);
    assert_eq!(std::fs::metadata(&database).unwrap().permissions().mode() & 0o777, 0o600);
    let [former] = &kept(path)[..] else { panic!("{:?}", kept(path)) };
    assert_eq!(users(former).await, ["admin", "early", "late"]);
    let server = Server::start(path, &[]);
    assert_eq!(server.create(&server.sign_in(), "later"), Some(201));
}

#[rocket::async_test]
async fn what_is_unfit_is_not_restored_and_nothing_has_changed() {
    let directory = with_copy();
    let path = directory.path();
    let sound = std::fs::read(path.join("copy.db")).unwrap();
    let mut damaged = sound.clone();
    for page in damaged.chunks_mut(4096).skip(2).step_by(3) {
        page.fill(0xa5);
    }
    std::fs::write(path.join("damaged.db"), &damaged).unwrap();
    std::fs::write(path.join("cut.db"), &sound[..sound.len() / 2]).unwrap();
    std::fs::write(path.join("text.db"), "not a database, but long enough to look like one").unwrap();
    std::fs::write(path.join("empty.db"), "").unwrap();
    std::fs::write(path.join("newer.db"), &sound).unwrap();
    let newer = format!("sqlite://{}", path.join("newer.db").display());
    let mut connection = SqliteConnection::connect(&newer).await.unwrap();
    let mark = "UPDATE installation SET value = x'39393939' WHERE name = 'oldest_schema'";
    sqlx::query(mark).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(path.join("usher.db")).unwrap();
    for (copy, reason) in [
        ("damaged.db", "damaged.db is not restored"),
        ("cut.db", "cut.db is not restored"),
        ("text.db", "file is not a database"),
        ("empty.db", "it is no database of Usher's"),
        ("newer.db", "a newer release has upgraded the database"),
        ("none.db", "none.db: No such file"),
        ("usher.db", "usher.db is the database itself"),
    ] {
        let refused = restore(path, copy);
        assert_eq!(refused.status.code(), Some(1), "{copy}");
        assert!(text(&refused.stderr).contains(reason), "{copy}: {}", text(&refused.stderr));
        assert_eq!(std::fs::read(path.join("usher.db")).unwrap(), before, "{copy}");
        assert!(path.join("usher.db-wal").exists() && !path.join("usher.db.restoring").exists(), "{copy}");
    }
    assert!(kept(path).is_empty());
    assert_eq!(users(&path.join("usher.db")).await, ["admin", "early", "late"]);
    let postgres = [("DATABASE_URL", "postgres://usher@localhost:1/usher")];
    let refused = run(usher(path, &postgres, &["restore", "copy.db"]), "");
    assert!(text(&refused.stderr).contains("use pg_restore"), "{}", text(&refused.stderr));
}

#[rocket::async_test]
async fn a_database_that_another_process_has_open_is_not_replaced() {
    let directory = with_copy();
    let path = directory.path();
    let url = format!("sqlite://{}", path.join("usher.db").display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("SELECT count(*) FROM users").execute(&mut other).await.unwrap();
    let refused = restore(path, "copy.db");
    assert!(
        text(&refused.stderr).contains("another process has the database open"),
        "{}",
        text(&refused.stderr)
    );
    other.close().await.unwrap();
    assert!(restore(path, "copy.db").status.success());
    // There is no log any more, by which others are noticed; a transaction is.
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE; DELETE FROM sessions").execute(&mut other).await.unwrap();
    let refused = restore(path, "copy.db");
    assert!(text(&refused.stderr).contains("has the database open"), "{}", text(&refused.stderr));
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert!(restore(path, "copy.db").status.success());
}

#[rocket::async_test]
async fn a_damaged_database_is_not_fit_and_a_restore_keeps_it_as_it_is() {
    let directory = with_copy();
    let path = directory.path();
    // All of it is in the one file then.
    assert!(restore(path, "copy.db").status.success());
    let file = path.join("usher.db");
    let mut pages = std::fs::read(&file).unwrap();
    for page in pages.chunks_mut(4096).skip(2).step_by(3) {
        page[..200].fill(0xa5);
    }
    std::fs::write(&file, &pages).unwrap();
    let checked = run(usher(path, &[], &["check"]), "");
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stdout));
    std::fs::write(&file, "not a database at all, and with a log beside it").unwrap();
    assert_eq!(run(usher(path, &[], &["check"]), "").status.code(), Some(1));
    std::fs::write(path.join("usher.db-wal"), "of another one").unwrap();
    let restored = restore(path, "copy.db");
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    assert_eq!(users(&file).await, ["admin", "early"]);
    let names: Vec<String> = kept(path).iter().map(|path| path.display().to_string()).collect();
    let log = names.iter().find(|name| name.ends_with("-wal")).expect("the log");
    assert!(names.contains(&log.replace("-wal", "")), "{names:?}");
    assert!(kept(path).iter().any(|path| std::fs::read(path).unwrap().starts_with(b"not a database")));
}

#[rocket::async_test]
async fn restores_that_follow_each_other_at_once_keep_every_database() {
    let directory = with_copy();
    let path = directory.path();
    for _ in 0..3 {
        let restored = restore(path, "copy.db");
        assert!(restored.status.success(), "{}", text(&restored.stderr));
    }
    let kept = kept(path);
    assert_eq!(kept.len(), 3, "{kept:?}");
    let mut names = Vec::new();
    for kept in &kept {
        names.push(users(kept).await.join(" "));
    }
    names.sort();
    assert_eq!(names, ["admin early", "admin early", "admin early late"]);
}

#[rocket::async_test]
async fn a_database_whose_log_cannot_be_read_is_not_taken_for_a_damaged_one() {
    let directory = with_copy();
    let path = directory.path();
    let (log, aside) = (path.join("usher.db-wal"), path.join("aside"));
    std::fs::rename(&log, &aside).unwrap();
    std::fs::create_dir(&log).unwrap();
    let refused = restore(path, "copy.db");
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
    assert!(text(&refused.stderr).contains("usher.db cannot be opened"), "{}", text(&refused.stderr));
    assert!(kept(path).is_empty() && !path.join("usher.db.restoring").exists());
    std::fs::remove_dir(&log).unwrap();
    std::fs::rename(&aside, &log).unwrap();
    assert_eq!(users(&path.join("usher.db")).await, ["admin", "early", "late"]);
}

#[test]
fn cf_3_root_restores_for_the_user_who_owns_the_database_and_gives_away_nothing_else() {
    if !is_root() {
        return;
    }
    let directory = with_copy();
    let path = directory.path();
    let (database, other) = (path.join("usher.db"), path.join("other"));
    std::fs::write(&other, "root's own").unwrap();
    for file in [path, &database] {
        chown(file, Some(65_534), Some(65_534)).unwrap();
    }
    symlink(&other, path.join("usher.db.restoring")).unwrap();
    let restored = restore(path, "copy.db");
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    assert_eq!(std::fs::metadata(&database).unwrap().uid(), 65_534);
    assert_eq!(std::fs::metadata(&other).unwrap().uid(), 0);
    assert_eq!(std::fs::read(&other).unwrap(), b"root's own");
}

#[test]
fn a_copy_may_be_restored_where_there_is_no_database() {
    let directory = with_copy();
    let elsewhere = TempDir::new().unwrap();
    std::fs::write(elsewhere.path().join("usher.db-wal"), "left over").unwrap();
    let copy = directory.path().join("copy.db");
    std::fs::set_permissions(&copy, Permissions::from_mode(0o644)).unwrap();
    let restored = restore(elsewhere.path(), copy.to_str().unwrap());
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    assert!(!elsewhere.path().join("usher.db-wal").exists());
    let server = Server::start(elsewhere.path(), &[]);
    assert_eq!(server.create(&server.sign_in(), "ada"), Some(201));
}

/// Runs a restore that is killed before the system call of one of these names that is the `nth` of its thread; whether
/// it came so far.
fn restore_killed(path: &Path, names: &str, nth: usize) -> bool {
    let program = usher(path, &[], &["restore", "copy.db"]);
    let mut strace = Command::new("strace");
    strace.current_dir(path).args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={names}")]);
    strace.args(["-e", &format!("inject={names}:signal=KILL:when={nth}")]);
    let output = strace.arg(program.get_program()).args(program.get_args()).env_clear().output();
    let output = output.expect("strace; tests/run installs it");
    assert!(output.status.success() || output.status.signal() == Some(9), "{}", text(&output.stderr));
    !output.status.success()
}

/// The users of a database as a server would find them, its log included; the files stay as they are.
async fn found(database: &Path) -> Vec<String> {
    let aside = TempDir::new().unwrap();
    let file = aside.path().join("usher.db");
    std::fs::copy(database, &file).unwrap();
    let log = PathBuf::from(format!("{}-wal", database.display()));
    if log.exists() {
        std::fs::copy(log, aside.path().join("usher.db-wal")).unwrap();
    }
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let verdict: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
    connection.close().await.unwrap();
    users(&file).await
}

#[rocket::async_test]
async fn cf_3_a_restore_that_is_killed_leaves_the_one_database_or_the_other_whole_and_a_second_one_works() {
    const FORMER: [&str; 3] = ["admin", "early", "late"];
    const RESTORED: [&str; 2] = ["admin", "early"];
    let origin = with_copy();
    let (mut before, mut after) = (0, 0);
    let steps = "?link,?linkat,?rename,?renameat,?renameat2,?unlink,?unlinkat,fsync,fdatasync,ftruncate";
    let all = (1..100).map(|nth| (steps, nth));
    let some_writes = [1, 7, 40, 200].map(|nth| ("pwrite64", nth));
    for (names, nth) in some_writes.into_iter().chain(all) {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        for file in ["usher.db", "usher.db-wal", "copy.db"] {
            std::fs::copy(origin.path().join(file), path.join(file)).unwrap();
        }
        let is_killed = restore_killed(path, names, nth);
        let database = path.join("usher.db");
        let names_found = found(&database).await;
        if names_found == FORMER {
            assert!(is_killed, "{names} {nth}");
            before += 1;
        } else {
            assert_eq!(names_found, RESTORED, "{names} {nth}");
            after += 1;
            let [former] = &kept(path)[..] else { panic!("{names} {nth}: {:?}", kept(path)) };
            assert_eq!(found(former).await, FORMER, "{names} {nth}");
        }
        let second = restore(path, "copy.db");
        assert!(second.status.success(), "{names} {nth}: {}", text(&second.stderr));
        assert_eq!(users(&database).await, RESTORED, "{names} {nth}");
        assert!(!path.join("usher.db.restoring").exists(), "{names} {nth}");
        if !is_killed && names == steps {
            break;
        }
    }
    assert!(before > 5 && after > 1, "killed {before} times before and {after} times after the change");
}
