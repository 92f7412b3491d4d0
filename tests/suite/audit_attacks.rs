//! Random histories of the audit log, and attacks on copies of it: an examination tells the truth of each.
//!
//! The suite attacks one history of each database; `tests/endurance attacks` many.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rocket::http::Method::{Patch, Post};
use serde_json::json;
use usher::db;
use usher::db::audit::Sealed;
use usher::model::audit::{Action, Author, Entry};
use usher::model::origin::Origin;
use usher::operations::{audit, maintenance};

use crate::app::{Backend, Person, TestApp};
use crate::erasure;
use crate::process::rounds;

const DAY: Duration = Duration::from_hours(24);

/// Events of a history, and attacks on the log and on each of its archives.
const EVENTS: usize = 40;
const ATTACKS: usize = 90;
const ATTACKS_ON_FILE: usize = 60;

/// Random numbers from a seed that a failure names (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn of<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.below(some.len())]
    }
}

const SETTINGS: [(&str, i64); 3] =
    [("audit_address_days", 3), ("audit_unknown_user_days", 2), ("audit_entry_days", 25)];

fn settings() -> Vec<(&'static str, serde_json::Value)> {
    SETTINGS.map(|(name, days)| (name, json!(days))).to_vec()
}

/// A log with a past, and the archives of what is no longer in it.
struct World {
    app: TestApp,
    /// Instances of before; the first one has the folder of the database.
    past: Vec<TestApp>,
    root: Person,
    staff: Person,
    ada: Person,
    /// How many users were made so that they could be erased.
    strangers: usize,
    archives: Vec<PathBuf>,
    directory: tempfile::TempDir,
}

/// Drops the work after so many steps: what did it was killed there.
async fn cut_short(steps: usize, work: impl Future) {
    let (mut work, mut left) = (pin!(work), steps);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        work.as_mut().poll(context).map(drop)
    })
    .await;
}

impl World {
    async fn new(backend: Backend) -> Self {
        let app = TestApp::with(backend, &settings()).await;
        let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
        let root = app.person("root", "superuser").await;
        let directory = tempfile::tempdir().unwrap();
        Self { app, past: Vec::new(), root, staff, ada, strangers: 0, archives: Vec::new(), directory }
    }

    async fn seal(&self) {
        while audit::seal(&self.app.usher).await.unwrap() > 0 {}
    }

    /// Something happens.
    async fn go_on(&mut self, random: &mut Random) {
        let user = format!("/v1/users/{}", self.ada.id());
        match random.below(16) {
            0..=3 => {
                let name = format!("Ada {}", random.below(1_000_000));
                self.app.send(&self.staff, Patch, &user, &json!({ "first_name": name })).await;
            }
            4 => {
                let last = format!("/v1/audit/{}/undo", random.below(EVENTS) + 1);
                self.app.send(&self.staff, Post, &last, &json!({})).await;
            }
            5..=6 => self.sign_in(random).await,
            7 => self.seal().await,
            8 => self.later(Duration::from_hours(1) * (1 + u32::try_from(random.below(90)).unwrap())).await,
            // Addresses are erased, and entries that are very old go.
            9 => maintenance::clean_up(&self.app.usher).await.unwrap(),
            // A restart, with entries that are not sealed yet.
            10 => self.restart().await,
            11..=12 => self.erase(random).await,
            13..=14 => self.killed(random).await,
            _ => self.archive(random).await,
        }
    }

    /// A user about whom there are entries, some of which may be sealed, is erased.
    async fn erase(&mut self, random: &mut Random) {
        let stranger = self.stranger(random).await;
        let after = *random.of(&["free", "block"]);
        erasure::erase(&self.app, &self.root, &stranger, after).await;
    }

    async fn stranger(&mut self, random: &mut Random) -> Person {
        self.strangers += 1;
        let stranger = self.app.person(&format!("stranger{}", self.strangers), "ordinary").await;
        for number in 0..random.below(3) {
            let (path, name) = (format!("/v1/users/{}", stranger.id()), format!("Grace {number}"));
            self.app.send(&self.staff, Patch, &path, &json!({ "first_name": name })).await;
        }
        if random.below(2) == 0 {
            self.seal().await;
        }
        stranger
    }

    /// What writes to the log is killed half-way. An erasure and an archive go on later; all else begins anew.
    async fn killed(&mut self, random: &mut Random) {
        let steps = 1 + random.below(60);
        match random.below(4) {
            0 => cut_short(steps, maintenance::clean_up(&self.app.usher)).await,
            1 => cut_short(steps, audit::seal(&self.app.usher)).await,
            2 => {
                let stranger = self.stranger(random).await;
                let name = stranger.user.username.as_str();
                assert_eq!(
                    erasure::ask(&self.app, &self.root, stranger.id(), name, "free").await.status,
                    202
                );
                self.app.sql("UPDATE erasures SET due_at = 0 WHERE erased_at IS NULL").await;
                cut_short(steps, maintenance::clean_up(&self.app.usher)).await;
            }
            _ => {
                self.seal().await;
                let (path, before) = (self.next_archive(), self.app.clock.now());
                cut_short(steps, audit::archive(&self.app.usher, before, &path)).await;
                if path.exists() {
                    // Its entries may be gone already, which it says then.
                    drop(audit::archive(&self.app.usher, before, &path).await);
                    self.archives.push(path);
                }
            }
        }
    }

    fn next_archive(&self) -> PathBuf {
        self.directory.path().join(format!("archive-{}", self.archives.len()))
    }

    /// Users, and strangers, sign in from somewhere.
    async fn sign_in(&self, random: &mut Random) {
        let address = format!("192.0.2.{}", random.below(256));
        let origin = Origin { address: address.parse().ok(), ..Origin::command_line() };
        let entries = [
            Entry::new(Action::SignIn, Author::user(&self.ada.user, &origin)).on(&self.ada.user),
            Entry::new(Action::SignInFailed, Author::anonymous(&origin)).detail("reason", "unknown_user"),
        ];
        let entries = entries.map(|entry| entry.detail("device", "Firefox"));
        let mut tx = self.app.usher.db.begin().await.unwrap();
        db::audit::insert_all(&mut tx, &entries, self.app.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn later(&mut self, time: Duration) {
        self.app.clock.advance(time);
        self.staff = self.app.signed_in(&self.staff).await;
        self.root = self.app.signed_in(&self.root).await;
    }

    async fn restart(&mut self) {
        let next = self.app.another_instance_with(&settings()).await;
        self.past.push(std::mem::replace(&mut self.app, next));
        audit::examine(&self.app.usher).await.unwrap();
        assert_eq!(self.app.usher.audit_watch.fault(), None);
    }

    async fn archive(&mut self, random: &mut Random) {
        let path = self.next_archive();
        let before = self.app.clock.now().minus(DAY * u32::try_from(random.below(6)).unwrap());
        match audit::archive(&self.app.usher, before, &path).await {
            Ok(_) => self.archives.push(path),
            Err(audit::ArchiveError::Nothing) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether an examination finds something.
    async fn is_found(&self) -> bool {
        audit::verify(&self.app.usher).await.map_or(true, |report| report.fault.is_some())
    }

    async fn entries(&self) -> Vec<Sealed> {
        db::audit::sealed_after(&self.app.usher.db, i64::MIN, 100_000).await.unwrap()
    }

    fn bytes(&self, bytes: &[u8]) -> String {
        let text = audit::hexadecimal(bytes);
        if self.app.url.starts_with("sqlite") { format!("x'{text}'") } else { format!("'\\x{text}'::bytea") }
    }
}

/// Another text, one byte of which differs, or was added.
fn altered(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    match bytes.len() {
        0 => bytes.push(b'x'),
        length => {
            let byte = &mut bytes[random.below(length)];
            *byte = if *byte == b'x' { b'y' } else { b'x' };
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn flipped(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = random.below(bytes.len());
    bytes[at] ^= 1 << random.below(8);
    bytes
}

/// One byte of one value of a row is another.
fn alteration(world: &World, sealed: &Sealed, random: &mut Random) -> String {
    let entry = &sealed.entry;
    let number = |value: Option<i64>| value.map_or(1, |value| value + 1_000_003).to_string();
    let mut text = |value: &str| format!("'{}'", altered(value, random).replace('\'', "''"));
    let texts = [
        ("action", text(&entry.action)),
        ("actor_name", text(&entry.actor_name)),
        ("target_name", text(&entry.target_name)),
        ("changes", text(&entry.changes)),
        ("details", text(&entry.details)),
        ("door", text(&entry.door)),
        ("address", text(&entry.address)),
        ("request_id", text(&entry.request_id)),
        ("actor_folded", text(&sealed.actor_folded)),
        ("target_folded", text(&sealed.target_folded)),
    ];
    let commitments = sealed.commitments.as_deref().unwrap();
    let others = [
        ("id", number(Some(entry.id))),
        ("happened_at", number(Some(entry.happened_at))),
        ("actor_id", number(entry.actor_id)),
        ("target_id", number(entry.target_id)),
        ("batch_id", number(entry.batch_id)),
        ("undoes", number(entry.undoes)),
        ("position", number(Some(sealed.position))),
        ("position", "NULL, seal = NULL, commitments = NULL".to_owned()),
        ("commitments", "NULL".to_owned()),
        ("seal", world.bytes(&flipped(&sealed.seal, random))),
        ("commitments", world.bytes(&flipped(commitments, random))),
        ("commitments", world.bytes(&commitments[..commitments.len() - 1])),
    ];
    let all: Vec<_> = texts.into_iter().chain(others).collect();
    let (column, value) = random.of(&all);
    format!("UPDATE audit_entries SET {column} = {value} WHERE id = {}", entry.id)
}

/// The columns of the table, so that a row can be written a second time.
const COLUMNS: &str = "happened_at, action, actor_id, actor_name, target_id, target_name, changes, details, door, \
                       address, request_id, batch_id, actor_folded, target_folded, seal, commitments";

fn attack(world: &World, entries: &[Sealed], random: &mut Random) -> String {
    let (sealed, other) = (random.of(entries), random.of(entries));
    let (first, last) = (entries[0].position, entries[entries.len() - 1].position);
    let id = sealed.entry.id;
    match random.below(10) {
        0..=4 => alteration(world, sealed, random),
        5 => format!("DELETE FROM audit_entries WHERE id = {id}"),
        // What came last, up to all of it; and what came first, as if it had been archived.
        6 => format!("DELETE FROM audit_entries WHERE position >= {}", sealed.position),
        7 => format!("DELETE FROM audit_entries WHERE position <= {}", sealed.position),
        8 => {
            let position = *random.of(&[-3, 0, first - 1, last + 1]);
            format!(
                "INSERT INTO audit_entries ({COLUMNS}, position) SELECT {COLUMNS}, {position} FROM audit_entries \
                 WHERE id = {id}"
            )
        }
        // One entry says what another one said.
        _ => format!(
            "UPDATE audit_entries SET details = '{{\"reason\":\"swapped\"}}', action = \
             (SELECT action FROM audit_entries WHERE id = {}) WHERE id = {id}",
            other.entry.id
        ),
    }
}

/// Attacks copies of the log: each is found, and the log itself is right.
async fn attack_log(world: &World, random: &mut Random, seed: u64) {
    let app = &world.app;
    let entries = world.entries().await;
    let stored = db::installation::get_all(&app.usher.db, ["audit_mark"]).await.unwrap();
    let [Some(mark)] = stored else { panic!("no mark") };
    app.sql("CREATE TABLE kept_entries AS SELECT * FROM audit_entries").await;
    for n in 0..ATTACKS {
        let sql = attack(world, &entries, random);
        app.sql(&sql).await;
        assert!(world.is_found().await, "seed {seed}: not found: {sql}");
        app.sql("DELETE FROM audit_entries").await;
        let overriding = if app.url.starts_with("sqlite") { "" } else { "OVERRIDING SYSTEM VALUE" };
        app.sql(&format!("INSERT INTO audit_entries {overriding} SELECT * FROM kept_entries")).await;
        // The server that runs may have sealed an entry whose seal was taken away.
        let value = world.bytes(&mark);
        app.sql(&format!("UPDATE installation SET value = {value} WHERE name = 'audit_mark'")).await;
        assert!(n % 10 != 0 || !world.is_found().await, "seed {seed}: found, and nothing was altered: {sql}");
    }
    for _ in 0..10 {
        let value = world.bytes(&flipped(&mark, random));
        app.sql(&format!("UPDATE installation SET value = {value} WHERE name = 'audit_mark'")).await;
        assert!(world.is_found().await, "seed {seed}: not found: {value}");
    }
    app.sql("DELETE FROM installation WHERE name = 'audit_mark'").await;
    assert!(world.is_found().await, "seed {seed}: no mark");
    let value = world.bytes(&mark);
    app.sql(&format!("INSERT INTO installation (name, value) VALUES ('audit_mark', {value})")).await;
    assert!(!world.is_found().await, "seed {seed}");
}

/// Another file: a byte, a line or an end is not as it was.
fn spoiled(content: &[u8], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
    let (one, other) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(6) {
        0..=2 => return flipped(content, random),
        3 => return content[..random.below(content.len())].to_vec(),
        4 => drop(lines.remove(one)),
        _ => lines.insert(other, lines[one]),
    }
    lines.concat()
}

async fn attack_archives(world: &World, random: &mut Random, seed: u64) {
    let problems = async |paths: &[PathBuf]| {
        audit::verify_archives(&world.app.usher, paths, None).await.map(|(_, problems)| problems)
    };
    for path in &world.archives {
        let content = std::fs::read(path).unwrap();
        let copy: &Path = &path.with_extension("copy");
        for n in 0..ATTACKS_ON_FILE {
            let attacked = spoiled(&content, random);
            std::fs::write(copy, &attacked).unwrap();
            let found = problems(&[copy.to_owned()]).await;
            let is_told = found.as_ref().is_ok_and(|found| {
                found.iter().any(|problem| matches!(problem, audit::ArchiveProblem::File(..)))
            });
            assert!(is_told, "seed {seed}: attack {n} on {}: {found:?}", path.display());
        }
    }
}

async fn every_attack_is_found(backend: Backend) {
    for _ in 0..rounds(1) {
        let seed = u64::from(std::process::id())
            ^ u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() % (1 << 60)).unwrap();
        let mut random = Random(seed | 1);
        let mut world = World::new(backend).await;
        for _ in 0..EVENTS {
            world.go_on(&mut random).await;
        }
        // Something is in the log, and in an archive, whatever has happened.
        for _ in 0..3 {
            world.sign_in(&mut random).await;
            world.seal().await;
            world.later(2 * DAY).await;
        }
        maintenance::clean_up(&world.app.usher).await.unwrap();
        world.archive(&mut random).await;
        world.sign_in(&mut random).await;
        world.seal().await;
        let report = audit::verify(&world.app.usher).await.unwrap();
        assert_eq!((report.not_sealed, report.fault), (0, None), "seed {seed}");
        let archives = audit::verify_archives(&world.app.usher, &world.archives, None).await.unwrap().1;
        // What the setting removes between two archives is in neither.
        let is_gap = |problem: &audit::ArchiveProblem| matches!(problem, audit::ArchiveProblem::Apart { .. });
        assert!(archives.iter().all(is_gap), "seed {seed}: {archives:?}");
        assert!(!world.archives.is_empty(), "seed {seed}");
        attack_log(&world, &mut random, seed).await;
        attack_archives(&world, &mut random, seed).await;
    }
}

#[rocket::async_test]
async fn lg_5_lg_9_every_attack_on_a_random_history_is_found_on_sqlite() {
    every_attack_is_found(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn lg_5_lg_9_every_attack_on_a_random_history_is_found_on_postgres() {
    every_attack_is_found(Backend::Postgres).await;
}
