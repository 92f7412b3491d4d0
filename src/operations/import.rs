//! Users from files of other installations and other programs. Each row gets a verdict; a bad row never stops the
//! good ones, and no file is ever held whole.
//!
//! The steps, each in a module below: `source` gets the bytes, `formats` tells what they are, a reader takes them
//! apart (`elements` and `json`, `lines`, `delimited` and `table`, with what is particular to a program in a file of
//! its own), `record` reads each row, `verdict` judges it, `store` writes. A file is read twice: first to tell what is
//! in it ([`survey`]), then to import it ([`run`]).

mod auth0;
mod by;
mod bytes;
mod columns;
mod counts;
mod delimited;
pub(crate) mod django;
mod elements;
mod encoding;
pub(super) mod external_ids;
mod failure;
mod firebase;
mod formats;
mod graph;
mod joined;
mod json;
mod judged;
mod keycloak;
mod ldif;
mod lines;
mod names;
mod okta;
mod record;
mod records;
mod report;
pub(crate) mod row;
mod scim;
mod secret;
mod source;
mod sql;
mod sql_values;
mod sql_words;
mod states;
mod store;
mod survey;
mod table;
mod times;
mod unix;
mod verdict;
mod xml;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use rocket::tokio::task::spawn_blocking;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use self::by::By;
pub(super) use self::by::patiently;
pub use self::counts::Counts;
use self::external_ids::{Called, Waiting};
pub use self::failure::Failure;
pub use self::formats::Format;
pub use self::joined::{Joined, join};
pub use self::judged::{Judged, Label};
use self::record::Record;
pub use self::report::Report;
use self::row::{Item, Items};
pub use self::row::{MAPPED as FIELDS, Place, is_told_by_others, settled};
pub use self::secret::formula;
pub use self::source::Source;
use self::store::{BATCH, New, Written};
pub use self::survey::{Survey, survey};
pub use self::times::DateOrder;
use self::verdict::Known;
pub use self::verdict::Verdict;
use crate::config::Settings;
use crate::db;
use crate::model::audit::{Action, Entry};
use crate::model::error::Error;
use crate::model::field_errors::Message;
use crate::operations::audit::{self, hexadecimal};
use crate::operations::carried_factors::Seals;
use crate::operations::{App, erasures};
use crate::security::passwords::Formula;

/// Hashes without which their users are imported: these are invited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Those that are too quick to compute, which are wrapped otherwise.
    pub weak: bool,
    /// Those that are cut off or altered, whose users are refused otherwise.
    pub broken: bool,
}

/// How a file is to be read and imported.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Left out: told from the content.
    pub format: Option<Format>,
    /// Fields of columns: the name in the file, and the field.
    pub columns: Vec<(String, String)>,
    /// The realm of Keycloak's, or the table of a dump, that is read.
    pub part: Option<String>,
    /// The role of Keycloak's whose holders become staff.
    pub staff_role: Option<String>,
    /// What other files hold for these users.
    pub joined: Arc<Joined>,
    /// How hashes were made whose salts stand beside them.
    pub hash: Option<Formula>,
    /// How dates with slashes are written.
    pub dates: Option<DateOrder>,
    /// Gives new primary keys to users whose own are taken; they are then told by their names.
    pub new_keys: bool,
    /// Hashes without which their users are imported.
    pub left_out: LeftOut,
    /// The most rows that are taken; left out: any number.
    pub most_rows: Option<u64>,
    /// What initial passwords must be like.
    pub settings: Arc<Settings>,
    /// Judges, and writes no user.
    pub dry_run: bool,
}

/// Judges all rows of a file in their order, and writes those that are new unless it is a rehearsal. `tell` is told
/// the verdict of each.
///
/// # Errors
/// [`Failure`]; a part may be written.
pub async fn run(
    app: &App,
    source: &Source,
    survey: &Survey,
    options: &Options,
    by: &By,
    tell: impl FnMut(&Judged, &Counts) -> io::Result<()>,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    let options = &Options { dates: survey.dates, ..options.clone() };
    let result = run_all(app, source, survey, options, by, &mut counts, tell).await;
    if !options.dry_run
        && let Err(error) = store::settle(app).await
    {
        log::warn!("the memory of an import is kept: {error}");
    }
    if !options.dry_run && (result.is_ok() || counts.created > 0) {
        let mut details = counts.to_details();
        details.insert("format".into(), survey.format.name().into());
        details.insert("sha256".into(), digest(source)?.into());
        if result.is_err() {
            details.insert("incomplete".into(), true.into());
        }
        patiently(app, || record(app, by, details.clone())).await?;
    }
    result.map(|()| counts)
}

async fn run_all(
    app: &App,
    source: &Source,
    survey: &Survey,
    options: &Options,
    by: &By,
    counts: &mut Counts,
    mut tell: impl FnMut(&Judged, &Counts) -> io::Result<()>,
) -> Result<(), Failure> {
    if let Some(highest) = survey.highest.filter(|_| !options.dry_run) {
        patiently(app, || store::reserve(app, highest)).await?;
    }
    let mut context = Context {
        known: Known::new(options.new_keys, options.dry_run),
        seals: patiently(app, || Seals::of(app)).await?,
        passkeys: HashSet::new(),
        waiting: Waiting::new(),
    };
    let mut items = formats::open(source, options).map_err(Failure::File)?.items;
    loop {
        let batch;
        (batch, items) = next_batch(items).await?;
        if batch.is_empty() {
            let stored = context.waiting.finish(app, by).await?;
            counts.external_ids_left_out = stored.left_out;
            counts.external_ids += stored.here;
            return Ok(());
        }
        if !options.dry_run {
            patiently(app, || by.check(app)).await?;
        }
        for judged in judge(app, batch, options, by, &mut context).await? {
            counts.add(&judged);
            tell(&judged, counts)?;
        }
        if options.dry_run {
            counts.external_ids += context.waiting.rehearse(app).await?;
        } else {
            context.waiting.store(app, by).await?;
        }
    }
}

/// What the rows before leave to those after them.
struct Context {
    known: Known,
    seals: Seals,
    /// Ids of passkeys and names for authenticators, each of one user.
    passkeys: HashSet<Vec<u8>>,
    waiting: Waiting,
}

impl Context {
    /// Why the second factors of a row cannot be stored, if they cannot.
    async fn refusal(&self, app: &App, record: &Record) -> Result<Option<String>, Error> {
        let factors = &record.factors;
        if let Err(reason) = factors.check(&self.seals) {
            return Ok(Some(format!("second_factors: {reason}")));
        }
        for (bytes, is_handle) in factors
            .credential_ids()
            .map(|id| (id, false))
            .chain(factors.handle().map(|handle| (handle, true)))
        {
            let owner = if is_handle {
                db::passkeys::owner_of_handle(&app.db, bytes).await?
            } else {
                db::passkeys::owner(&app.db, bytes).await?
            };
            if owner.is_some() || self.passkeys.contains(bytes) {
                return Ok(Some("second_factors: A passkey of them is another user's.".into()));
            }
        }
        Ok(None)
    }

    /// Keeps the passkeys of a new user from the rows after it.
    fn claim(&mut self, record: &Record) {
        let factors = &record.factors;
        self.passkeys.extend(factors.credential_ids().chain(factors.handle()).map(<[u8]>::to_vec));
    }
}

/// Reads a batch on a thread that may wait for the disk.
async fn next_batch(mut items: Items) -> Result<(Vec<Item>, Items), Failure> {
    let read = spawn_blocking(move || (items.by_ref().take(BATCH).collect(), items)).await;
    read.map_err(|error| Failure::File(error.to_string()))
}

/// Records an import of a file.
async fn record(app: &App, by: &By, details: Map<String, Value>) -> Result<(), Error> {
    let entry = Entry { details, batch_id: by.batch(), ..Entry::new(Action::Imported, by.author()) };
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        audit::record(&mut tx, &entry, app.clock.now()).await?;
        Ok(tx.commit().await?)
    })
    .await
}

/// Judges the rows of a batch, and writes those that are new.
async fn judge(
    app: &App,
    batch: Vec<Item>,
    options: &Options,
    by: &By,
    context: &mut Context,
) -> Result<Vec<Judged>, Failure> {
    let now = app.clock.now();
    let rows = batch.into_iter().filter_map(|item| match item {
        Item::Row(row) => Some(row),
        Item::Skipped(_) => None,
    });
    let mut read: Vec<(Label, Result<Record, Vec<String>>)> =
        rows.map(|row| (Label::of(&row), record::read(&row, options))).collect();
    let records: Vec<&Record> = read.iter().filter_map(|(_, record)| record.as_ref().ok()).collect();
    context.known.replace(patiently(app, || store::load(app, &records)).await?);
    let usernames: Vec<_> = records.iter().map(|record| &record.username).collect();
    let blocked = patiently(app, || erasures::blocked(app, &usernames)).await?;
    let mut new = Vec::new();
    let mut named = HashMap::new();
    let mut judged = Vec::with_capacity(read.len());
    for (place, (label, record)) in read.drain(..).enumerate() {
        judged.push(match record {
            Err(reasons) => Judged::new(label, Verdict::Refused(reasons)),
            Ok(record) if blocked.contains(record.username.key()) => {
                let reason = format!("username: {}", Message::UsernameBlocked);
                Judged::new(label, Verdict::Refused(vec![reason])).with(&record)
            }
            Ok(mut record) => {
                let line = label.place.line;
                let is_here = context.known.id_of(&record.username);
                let refusal = match is_here {
                    None => context.refusal(app, &record).await?,
                    Some(_) => None,
                };
                let verdict = match refusal {
                    Some(reason) => Verdict::refused(reason),
                    None => context.known.judge(&mut record, line, now),
                };
                let judged = Judged::new(label, verdict).with(&record);
                let external_ids = std::mem::take(&mut record.external_ids);
                match (&judged.verdict, is_here) {
                    (Verdict::Created, _) => {
                        context.claim(&record);
                        named.insert(place, external_ids);
                        new.push(New { place, record });
                    }
                    (Verdict::Unchanged, Some(user)) if user.0 != 0 => {
                        context.waiting.add(Called { user, was_here: true }, external_ids);
                    }
                    _ => {}
                }
                judged
            }
        });
    }
    if !options.dry_run {
        for (place, written) in store::write(app, by, new, now).await? {
            if let Some(judged) = judged.get_mut(place) {
                match written {
                    Written::As(id) => {
                        judged.id = Some(id);
                        let called = Called { user: id, was_here: false };
                        context.waiting.add(called, named.remove(&place).unwrap_or_default());
                    }
                    Written::Not(verdict) => judged.overtaken(verdict),
                }
            }
        }
    }
    Ok(judged)
}

/// SHA-256 of a file as it is, in hexadecimal.
fn digest(source: &Source) -> io::Result<String> {
    let mut file = source.raw();
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match io::Read::read(&mut file, &mut chunk) {
            Ok(0) => return Ok(hexadecimal(&digest.finalize())),
            Ok(length) => digest.update(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
