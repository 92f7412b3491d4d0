//! The seals of the audit log: what was altered, removed or sealed by others is found.

use rocket::http::Method;
use rocket::tokio::io::{AsyncReadExt, AsyncWriteExt};
use rocket::tokio::net::TcpListener;
use rocket::tokio::task::spawn_blocking;
use serde_json::json;
use sha2::{Digest, Sha256};
use usher::db::{self, Sql};
use usher::model::audit::{Action, Author, Commitments, Entry, EntryId, Group};
use usher::model::origin::Origin;
use usher::operations::audit::{self, Fault, Head, HeadVerdict, hexadecimal};

use crate::app::{Backend, Person, TestApp};
use crate::import::usher;

const ENTRIES: i64 = 6;

/// Sealed entries of some changes.
async fn changes(app: &TestApp, staff: &Person, count: i64) {
    for n in 0..count {
        let body = json!({"first_name": format!("Ada {n} {}", app.clock.now())});
        let path = format!("/v1/users/{}", staff.id());
        assert_eq!(app.send(staff, Method::Patch, &path, &body).await.status, 200);
        app.clock.advance(std::time::Duration::from_secs(1));
    }
    seal(app).await;
}

async fn seal(app: &TestApp) {
    while audit::seal(&app.usher).await.unwrap() > 0 {}
}

async fn sealed(app: &TestApp) -> Person {
    let staff = app.person("staff", "superuser").await;
    changes(app, &staff, ENTRIES).await;
    let report = audit::verify(&app.usher).await.unwrap();
    assert_eq!((report.sealed, report.not_sealed, report.erased, report.fault), (ENTRIES, 0, 0, None));
    staff
}

async fn fault(app: &TestApp) -> Option<Fault> {
    audit::verify(&app.usher).await.unwrap().fault
}

/// What the running instance knows, which looks with each sealing.
async fn watched(app: &TestApp) -> Option<Fault> {
    audit::seal(&app.usher).await.unwrap();
    app.usher.audit_watch.fault()
}

#[apply(on_all)]
async fn lg_5_removing_the_newest_entries_is_found_by_the_server_that_runs_and_later(app: TestApp) {
    let staff = sealed(&app).await;
    assert_eq!(watched(&app).await, None);
    app.sql("DELETE FROM audit_entries WHERE position > 4").await;
    assert_eq!(fault(&app).await, Some(Fault::Missing { position: 5 }));
    assert_eq!(watched(&app).await, Some(Fault::Missing { position: ENTRIES }));
    let next = app.another_instance().await;
    audit::examine(&next.usher).await.unwrap();
    assert_eq!(
        next.usher.audit_watch.fault(),
        Some(Fault::Missing { position: 5 }),
        "found at the start, too"
    );
    changes(&next, &staff, 2).await;
    assert_eq!(fault(&app).await, Some(Fault::Missing { position: 5 }), "going on hides nothing");
}

#[apply(on_all)]
async fn lg_5_entries_whose_seals_were_removed_are_not_sealed_as_if_nothing_had_been(app: TestApp) {
    let staff = sealed(&app).await;
    app.sql("UPDATE audit_entries SET position = NULL, seal = NULL, commitments = NULL WHERE position > 4")
        .await;
    assert_eq!(watched(&app).await, Some(Fault::Missing { position: ENTRIES }));
    changes(&app, &staff, 1).await;
    let report = audit::verify(&app.usher).await.unwrap();
    assert_eq!(
        (report.sealed, report.not_sealed, report.fault),
        (4, 0, Some(Fault::Missing { position: 5 }))
    );
}

#[apply(on_all)]
async fn lg_5_without_its_mark_the_log_stays_broken(app: TestApp) {
    let staff = sealed(&app).await;
    app.sql("DELETE FROM audit_entries WHERE position > 4").await;
    app.sql("DELETE FROM installation WHERE name = 'audit_mark'").await;
    assert_eq!(fault(&app).await, Some(Fault::NoMark));
    assert_eq!(watched(&app).await, Some(Fault::NoMark));
    changes(&app, &staff, 2).await;
    let report = audit::verify(&app.usher).await.unwrap();
    assert_eq!((report.sealed, report.fault), (ENTRIES, Some(Fault::Restarted { position: 5 })));
}

#[apply(on_all)]
async fn lg_5_a_mark_of_an_earlier_moment_or_of_another_key_is_found(app: TestApp) {
    let staff = sealed(&app).await;
    app.sql("CREATE TABLE kept AS SELECT value FROM installation WHERE name = 'audit_mark'").await;
    changes(&app, &staff, 2).await;
    app.sql("UPDATE installation SET value = (SELECT value FROM kept) WHERE name = 'audit_mark'").await;
    assert_eq!(fault(&app).await, Some(Fault::MarkWentBack { position: ENTRIES }));
    assert_eq!(watched(&app).await, Some(Fault::MarkWentBack { position: ENTRIES }));
    // With the entries after it gone, too, all looks right to a program that knows nothing else.
    app.sql("DELETE FROM audit_entries WHERE position > 6").await;
    assert_eq!(fault(&app).await, None);
    assert_eq!(
        watched(&app).await,
        Some(Fault::MarkWentBack { position: ENTRIES }),
        "the one that runs knows"
    );
    audit::examine(&app.usher).await.unwrap();
    assert!(app.usher.audit_watch.fault().is_some(), "whatever an examination of what is left finds");
    app.sql(
        "UPDATE installation SET value = (SELECT value FROM installation WHERE name = 'cookie_tag') \
             WHERE name = 'audit_mark'",
    )
    .await;
    assert_eq!(fault(&app).await, Some(Fault::NoMark));
}

#[apply(on_all)]
async fn lg_5_seals_made_with_another_key_are_found(app: TestApp) {
    let staff = sealed(&app).await;
    app.sql("DELETE FROM installation WHERE name IN ('audit_key', 'audit_mark')").await;
    let other = app.another_instance().await;
    changes(&other, &staff, 1).await;
    assert_eq!(fault(&other).await, Some(Fault::Altered { id: 1, position: 1 }));
}

#[apply(on_all)]
async fn lg_5_a_head_kept_elsewhere_tells_a_rewritten_log(app: TestApp) {
    let staff = sealed(&app).await;
    let line = audit::head(&app.usher).await.unwrap().unwrap().to_string();
    let kept = Head::parse(&line).unwrap();
    let verdict = async |head: &str| audit::compare(&app.usher, &Head::parse(head).unwrap()).await.unwrap();
    changes(&app, &staff, 1).await;
    assert_eq!(verdict(&line).await, HeadVerdict::Same);
    let short = format!("{}:{}", kept.position, kept.seal);
    assert_eq!(verdict(&short).await, HeadVerdict::Same);
    assert_eq!(verdict(&line.replacen("6:", "5:", 1)).await, HeadVerdict::NotSigned);
    let verified = usher(&app, &["audit", "verify", "--head", &line]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let told = String::from_utf8(usher(&app, &["audit", "head"]).await.stdout).unwrap();
    assert!(told.starts_with("7:") && Head::parse(&told).is_some(), "{told}");
    // Everything anew, by an attacker who writes to the database.
    app.sql(
        "UPDATE audit_entries SET position = NULL, seal = NULL, commitments = NULL, actor_name = 'other', \
         actor_folded = 'other'",
    )
    .await;
    app.sql("DELETE FROM installation WHERE name = 'audit_mark'").await;
    let other = app.another_instance().await;
    seal(&other).await;
    let restarted = Some(Fault::Restarted { position: 1 });
    assert_eq!(fault(&other).await, restarted, "a new chain is not begun in silence");
    assert_eq!(audit::compare(&other.usher, &kept).await.unwrap(), HeadVerdict::Different);
    let verified = usher(&app, &["audit", "verify", "--head", &line]).await;
    assert_eq!(verified.status.code(), Some(1));
    let reason = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(reason.contains("the entries up to position 6 are not those of that time"), "{reason}");
}

#[apply(on_all)]
async fn lg_5_after_a_mark_of_an_earlier_moment_entries_are_sealed_on_and_the_log_stays_broken(app: TestApp) {
    let staff = sealed(&app).await;
    app.sql("CREATE TABLE kept AS SELECT value FROM installation WHERE name = 'audit_mark'").await;
    changes(&app, &staff, 2).await;
    app.sql("UPDATE installation SET value = (SELECT value FROM kept) WHERE name = 'audit_mark'").await;
    changes(&app, &staff, 1).await;
    let report = audit::verify(&app.usher).await.unwrap();
    let restarted = Fault::Restarted { position: ENTRIES + 3 };
    assert_eq!((report.sealed, report.not_sealed, report.fault), (ENTRIES + 3, 0, Some(restarted)));
}

#[apply(on_all)]
async fn lg_5_without_entries_and_mark_the_log_is_broken_as_long_as_there_is_its_key(app: TestApp) {
    let staff = sealed(&app).await;
    app.sql("DELETE FROM audit_entries").await;
    app.sql("DELETE FROM installation WHERE name = 'audit_mark'").await;
    assert_eq!(fault(&app).await, Some(Fault::NoMark));
    changes(&app, &staff, 2).await;
    assert_eq!(fault(&app).await, Some(Fault::Restarted { position: 1 }));
}

#[apply(on_all)]
async fn lg_6_values_that_are_taken_as_if_they_had_been_erased_are_found(app: TestApp) {
    sealed(&app).await;
    let mut tx = app.usher.db.begin().await.unwrap();
    let entries = db::audit::erasing::entries_after(&mut tx, EntryId(0), &[], 1).await.unwrap();
    let mut commitments = Commitments::from_bytes(entries[0].commitments.as_deref().unwrap()).unwrap();
    let taken = commitments.erase(&entries[0].entry, Group::Actor).unwrap();
    db::audit::erasing::replace_personal(&mut tx, &[(taken, commitments.to_bytes())]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fault(&app).await, Some(Fault::Erased { found: 1, known: 0 }));
}

/// Seals all entries as earlier releases did.
async fn seal_as_before(app: &TestApp) -> String {
    // Its own task would go on with a key that is deleted below.
    app.client.rocket().shutdown().notify();
    seal(app).await;
    let (mut previous, mut rows) = (Vec::new(), Vec::new());
    for sealed in db::audit::sealed_after(&app.usher.db, 0, 10_000).await.unwrap() {
        previous = Sha256::new()
            .chain_update(&previous)
            .chain_update(sealed.position.to_be_bytes())
            .chain_update(serde_json::to_vec(&sealed.entry).unwrap())
            .finalize()
            .to_vec();
        let text = hexadecimal(&previous);
        let seal =
            if app.url.starts_with("sqlite") { format!("x'{text}'") } else { format!("'\\x{text}'::bytea") };
        rows.push(format!("({}, {seal})", sealed.entry.id));
    }
    app.sql(&format!(
        "WITH old (id, seal) AS (VALUES {}) UPDATE audit_entries SET seal = old.seal, commitments = NULL FROM old \
         WHERE audit_entries.id = old.id",
        rows.join(", ")
    ))
    .await;
    app.sql("DELETE FROM installation WHERE name IN ('audit_mark', 'audit_key')").await;
    format!("{}:{}", rows.len(), hexadecimal(&previous))
}

#[apply(on_all)]
async fn lg_5_a_log_of_an_earlier_release_is_sealed_anew_once_and_keeps_its_last_seal(app: TestApp) {
    let staff = app.person("staff", "superuser").await;
    changes(&app, &staff, ENTRIES).await;
    let before = seal_as_before(&app).await;
    let next = app.another_instance().await;
    let report = audit::verify(&next.usher).await.unwrap();
    assert_eq!((report.sealed, report.fault), (ENTRIES, None), "it is examined as it is, too");
    changes(&next, &staff, 1).await;
    let report = audit::verify(&next.usher).await.unwrap();
    assert_eq!((report.sealed, report.not_sealed, report.fault), (ENTRIES + 2, 0, None));
    let entries = db::audit::sealed_after(&next.usher.db, 0, 100).await.unwrap();
    assert!(entries.iter().all(|entry| entry.commitments.is_some()));
    let anew: Vec<_> = entries.iter().filter(|entry| entry.entry.action == "audit_resealed").collect();
    let [anew] = &anew[..] else { panic!("{anew:?}") };
    assert_eq!(anew.entry.details, json!({"entries": ENTRIES, "head": before}).to_string());
    let kept = Head::parse(&before).unwrap();
    assert_eq!(
        audit::compare(&next.usher, &kept).await.unwrap(),
        HeadVerdict::Same,
        "a head of that time is good"
    );
}

#[apply(on_both)]
async fn lg_5_an_examination_while_a_log_is_sealed_anew_raises_no_false_alarm(app: TestApp) {
    let staff = app.person("staff", "superuser").await;
    let entry = Entry::new(Action::SignIn, Author::anonymous(&Origin::command_line())).on(&staff.user);
    let mut tx = app.usher.db.begin().await.unwrap();
    db::audit::insert_all(&mut tx, &vec![entry; 1_800], app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    seal_as_before(&app).await;
    app.sql("UPDATE audit_entries SET position = NULL, seal = NULL WHERE position = 1800").await;
    let next = app.another_instance().await;
    let (examined, ()) = rocket::tokio::join!(audit::examine(&next.usher), seal(&next));
    examined.unwrap();
    assert_eq!(next.usher.audit_watch.fault(), None);
    assert_eq!(fault(&next).await, None);
}

#[apply(on_all)]
async fn lg_5_what_was_altered_before_a_log_was_sealed_anew_stays_known(app: TestApp) {
    let staff = app.person("staff", "superuser").await;
    changes(&app, &staff, ENTRIES).await;
    seal_as_before(&app).await;
    app.sql("UPDATE audit_entries SET actor_name = 'other', actor_folded = 'other' WHERE position = 3").await;
    let next = app.another_instance().await;
    assert_eq!(fault(&next).await, Some(Fault::Altered { id: 3, position: 3 }));
    changes(&next, &staff, 1).await;
    assert_eq!(fault(&next).await, Some(Fault::AlteredBefore { position: 3 }));
}

#[apply(on_all)]
async fn entries_that_an_instance_of_an_earlier_release_seals_meanwhile_are_taken_in(app: TestApp) {
    let staff = sealed(&app).await;
    app.sql(
        "INSERT INTO audit_entries (happened_at, action, actor_name, target_name, changes, details, door, address, \
         request_id, actor_folded, target_folded, position, seal) SELECT happened_at, action, actor_name, \
         target_name, changes, details, door, address, request_id, actor_folded, target_folded, 7, seal \
         FROM audit_entries WHERE position = 1",
    )
    .await;
    let report = audit::verify(&app.usher).await.unwrap();
    assert_eq!((report.sealed, report.not_sealed, report.fault), (ENTRIES, 1, None));
    changes(&app, &staff, 1).await;
    let report = audit::verify(&app.usher).await.unwrap();
    assert_eq!((report.sealed, report.not_sealed, report.fault), (ENTRIES + 2, 0, None));
}

async fn the_head_is_sent(backend: Backend) {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("heads");
    let app = TestApp::with(backend, &[("audit_head_to", json!(path))]).await;
    let staff = sealed(&app).await;
    for _ in 0..2 {
        audit::keep_head(&app.usher).await.unwrap();
    }
    changes(&app, &staff, 1).await;
    audit::keep_head(&app.usher).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let heads: Vec<_> = text.lines().map(|line| Head::parse(line).unwrap().position).collect();
    assert_eq!(heads, [ENTRIES, ENTRIES + 1], "once each, however often it is looked");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/heads", listener.local_addr().unwrap());
    let app = TestApp::with(backend, &[("audit_head_to", json!(address))]).await;
    let staff = sealed(&app).await;
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).trim_end().rsplit('\n').next().unwrap().starts_with("6:") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let (sent, request) = rocket::tokio::join!(audit::keep_head(&app.usher), server);
    sent.unwrap();
    assert!(request.starts_with("POST /heads HTTP/1.1\r\n"), "{request}");
    let refused = spawn_blocking(move || drop(listener));
    refused.await.unwrap();
    changes(&app, &staff, 1).await;
    assert!(audit::keep_head(&app.usher).await.is_err(), "an address that does not answer is told of");
}

#[rocket::async_test]
async fn the_head_is_kept_in_a_file_and_sent_to_an_address_on_sqlite() {
    the_head_is_sent(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn the_head_is_kept_in_a_file_and_sent_to_an_address_on_postgres() {
    the_head_is_sent(Backend::Postgres).await;
}

/// The rows of the log that SQLite believes there are.
async fn known_rows(app: &TestApp) -> i64 {
    let sql = "SELECT stat FROM sqlite_stat1 WHERE idx = 'audit_entries_happened_at'";
    let (stat,): (String,) = app.usher.db.optional(Sql::new(sql)).await.unwrap().expect("statistics");
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// Else each batch of seals would read the whole log: an import into a new installation took hours.
#[rocket::async_test]
async fn a_log_that_grows_quickly_is_counted_anew_while_it_is_sealed_on_sqlite() {
    let app = TestApp::new(Backend::Sqlite).await;
    let entry = Entry::new(Action::SignOut, Author::anonymous(&Origin::command_line()));
    let store = async |count: usize| {
        let mut tx = app.usher.db.begin().await.unwrap();
        db::audit::insert_all(&mut tx, &vec![entry.clone(); count], app.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    };
    store(1).await;
    let mut tx = app.usher.db.begin().await.unwrap();
    db::statistics::refresh(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert!(known_rows(&app).await < 10);
    store(2_000).await;
    seal(&app).await;
    assert!(known_rows(&app).await > 500, "{}", known_rows(&app).await);
}
