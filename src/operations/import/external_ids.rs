//! What provisioning clients call the users of a file. A client is a user, who may stand after those that it names: what
//! it calls them waits until the client is here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::BATCH;
use super::by::{By, patiently};
use crate::db::{self, external_ids, users};
use crate::model::audit::{Action, Author, Entry, StoredEntry};
use crate::model::error::Result;
use crate::model::raw::Raw;
use crate::model::text;
use crate::model::user::{UserId, Username};
use crate::operations::App;

/// Longest that a client may call a user, in characters.
const LONGEST: usize = 255;
/// Clients that one row may name.
const MOST_CLIENTS: usize = 100;
/// What is kept of ids that wait for their clients takes so many bytes at most.
const MOST_WAITING: usize = 128 * 1024 * 1024;

/// What clients call one user: their canonical names, and the ids.
pub(super) type Named = BTreeMap<String, String>;

/// Reads what a row says: an object of clients and what they call the user.
///
/// # Errors
/// What is wrong, for people.
pub(super) fn read(given: Raw) -> std::result::Result<Named, String> {
    let wrong = || "Must be external ids as an export has them.".to_owned();
    let text = match given {
        Raw::Missing | Raw::Null => return Ok(Named::new()),
        Raw::Text(text) => text,
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => return Err(wrong()),
    };
    let written: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|_| wrong())?;
    if written.len() > MOST_CLIENTS {
        return Err(format!("Has the ids of more than {MOST_CLIENTS} clients."));
    }
    let mut named = Named::new();
    for (client, id) in written {
        let client = Username::parse_existing(&client).map_err(|_| wrong())?;
        let is_good = !id.is_empty() && id.chars().count() <= LONGEST && text::refusal(&id).is_none();
        if !is_good || named.insert(client.key().to_owned(), id).is_some() {
            return Err(wrong());
        }
    }
    Ok(named)
}

/// A user whom a file names, and whether they were here before the import.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called {
    pub(super) user: UserId,
    pub(super) was_here: bool,
}

/// What a client that is here calls a user.
#[derive(Debug)]
struct Ready {
    client: UserId,
    called: Called,
    id: String,
}

/// How many could be stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// Users who were here before the import.
    pub(super) here: u64,
    /// Ids that could not be: there is no room, or the client is not here, or calls another user so.
    pub(super) left_out: u64,
}

/// Those that are yet to be stored.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Of the batch that is being written: the user, the client and the id.
    new: Vec<(Called, String, String)>,
    /// Clients that are here.
    here: HashMap<String, UserId>,
    /// By clients that were not here when they were asked for: those are not asked for again before the end.
    by_client: HashMap<String, Vec<(Called, String)>>,
    /// Bytes that may yet be kept.
    room: usize,
    stored: Stored,
}

impl Waiting {
    pub(super) fn new() -> Self {
        let (here, by_client) = (HashMap::new(), HashMap::new());
        Self { new: Vec::new(), here, by_client, room: MOST_WAITING, stored: Stored::default() }
    }

    /// Adds those of a user.
    pub(super) fn add(&mut self, called: Called, named: Named) {
        self.new.extend(named.into_iter().map(|(client, id)| (called, client, id)));
    }

    /// For how many users who are here already something of what was added since the last time would be stored.
    pub(super) async fn rehearse(&mut self, app: &App) -> Result<u64> {
        let new = std::mem::take(&mut self.new);
        let clients: BTreeSet<&str> = new.iter().map(|(_, client, _)| client.as_str()).collect();
        let here = find(app, &Vec::from_iter(clients)).await?;
        let mut by_client: BTreeMap<UserId, Vec<(UserId, &str)>> = BTreeMap::new();
        for (called, client, id) in &new {
            if let Some(client) = here.get(client) {
                by_client.entry(*client).or_default().push((called.user, id));
            }
        }
        let mut changed = BTreeSet::new();
        for (client, named) in by_client {
            for named in named.chunks(BATCH) {
                let (users, ids): (Vec<UserId>, Vec<&str>) = named.iter().copied().unzip();
                let has =
                    patiently(app, || async { Ok(external_ids::of(&app.db, client, &users).await?) }).await?;
                let taken =
                    patiently(app, || async { Ok(external_ids::users_called(&app.db, client, &ids).await?) })
                        .await?;
                let is_new =
                    |(user, id): &&(UserId, &str)| !has.contains_key(user) && !taken.contains_key(*id);
                changed.extend(named.iter().filter(is_new).map(|(user, _)| *user));
            }
        }
        Ok(changed.len() as u64)
    }

    /// Stores those that were added since the last time and whose clients are here; the others wait.
    pub(super) async fn store(&mut self, app: &App, by: &By) -> Result<()> {
        let new = std::mem::take(&mut self.new);
        let is_known = |client: &str| self.here.contains_key(client) || self.by_client.contains_key(client);
        let unknown: BTreeSet<&str> =
            new.iter().map(|(_, client, _)| client.as_str()).filter(|client| !is_known(client)).collect();
        let found = find(app, &Vec::from_iter(unknown)).await?;
        let mut ready = Vec::new();
        for (called, client, id) in new {
            match found.get(&client).or_else(|| self.here.get(&client)) {
                Some(client) => ready.push(Ready { client: *client, called, id }),
                None => self.wait(called, client, id),
            }
        }
        for (client, id) in found {
            if self.takes(size_of::<(String, UserId)>() + client.len()) {
                self.here.insert(client, id);
            }
        }
        for ready in ready.chunks(BATCH) {
            self.insert(app, by, ready).await?;
        }
        Ok(())
    }

    fn wait(&mut self, called: Called, client: String, id: String) {
        let is_new = !self.by_client.contains_key(&client);
        let for_client = if is_new { size_of::<(String, Vec<(Called, String)>)>() + client.len() } else { 0 };
        if self.takes(for_client + size_of::<(Called, String)>() + id.len()) {
            self.by_client.entry(client).or_default().push((called, id));
        } else {
            self.stored.left_out += 1;
        }
    }

    /// Takes room, if there is so much.
    fn takes(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes);
        self.room = left.unwrap_or(self.room);
        left.is_some()
    }

    /// Stores those whose clients came after their users; how many were stored in all, and cannot be.
    pub(super) async fn finish(mut self, app: &App, by: &By) -> Result<Stored> {
        let waiting = std::mem::take(&mut self.by_client);
        if waiting.is_empty() {
            return Ok(self.stored);
        }
        patiently(app, || by.check(app)).await?;
        let here = find(app, &waiting.keys().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut ready = Vec::with_capacity(BATCH);
        for (client, named) in waiting {
            let Some(client) = here.get(&client) else {
                self.stored.left_out += named.len() as u64;
                continue;
            };
            for (called, id) in named {
                ready.push(Ready { client: *client, called, id });
                if ready.len() == BATCH {
                    self.insert(app, by, &ready).await?;
                    ready.clear();
                }
            }
        }
        self.insert(app, by, &ready).await?;
        Ok(self.stored)
    }

    async fn insert(&mut self, app: &App, by: &By, ready: &[Ready]) -> Result<()> {
        let more = patiently(app, || db::retrying(|| insert(app, by, ready))).await?;
        self.stored.here += more.here;
        self.stored.left_out += more.left_out;
        Ok(())
    }
}

/// The users with these canonical names.
async fn find(app: &App, clients: &[&str]) -> Result<HashMap<String, UserId>> {
    let mut here = HashMap::new();
    for clients in clients.chunks(BATCH) {
        let found = patiently(app, || async { Ok(users::by_username_keys(&app.db, clients).await?) }).await?;
        here.extend(found.into_iter().map(|user| (user.username.key().to_owned(), user.id)));
    }
    Ok(here)
}

/// Stores them in one transaction, with an entry for each user of whom something new is stored. The ids are in no entry:
/// each is for its client alone, and entries are for all staff. Of users who were here before, it has the clients, so that
/// an undo knows them.
async fn insert(app: &App, by: &By, named: &[Ready]) -> Result<Stored> {
    let (mut stored, mut left_out) = (BTreeMap::<UserId, Vec<UserId>>::new(), 0);
    if named.is_empty() {
        return Ok(Stored::default());
    }
    let mut tx = app.db.begin().await?;
    let people: BTreeSet<UserId> = named.iter().flat_map(|ready| [ready.client, ready.called.user]).collect();
    let usernames = external_ids::keep_users(&mut tx, &Vec::from_iter(people)).await?;
    for Ready { client, called: Called { user, was_here }, id } in named {
        // Either may have been removed since it was found.
        let are_here = usernames.contains_key(client) && usernames.contains_key(user);
        if are_here && external_ids::insert_missing(&mut tx, *client, *user, id).await? {
            stored.entry(*user).or_default().extend(was_here.then_some(*client));
        } else if !are_here || external_ids::get(&mut tx, *client, *user).await?.as_ref() != Some(id) {
            left_out += 1;
        }
    }
    let here = stored.values().filter(|clients| !clients.is_empty()).count() as u64;
    let entry = |(user, clients): (UserId, Vec<UserId>)| {
        let entry = changed(by.author(), &clients);
        Entry { target: usernames.get(&user).map(|name| (user, name.clone())), batch_id: by.batch(), ..entry }
    };
    let entries: Vec<Entry> = stored.into_iter().map(entry).collect();
    db::audit::insert_all(&mut tx, &entries, app.clock.now()).await?;
    tx.commit().await?;
    Ok(Stored { here, left_out })
}

/// An entry of a user whom these clients call something else than before.
pub(in crate::operations) fn changed(author: Author, clients: &[UserId]) -> Entry {
    let entry = Entry::new(Action::UserChanged, author).detail("external_id", "changed");
    let clients: Vec<i64> = clients.iter().map(|client| client.0).collect();
    if clients.is_empty() { entry } else { entry.detail(CLIENTS, clients) }
}

/// The detail of an entry that has the clients.
const CLIENTS: &str = "clients";

/// The clients that an import had call the user of an entry something, if the user was here before it.
pub(in crate::operations) fn clients(entry: &StoredEntry) -> Vec<UserId> {
    let details: Value = serde_json::from_str(&entry.details).unwrap_or_default();
    let clients = details.get(CLIENTS).and_then(Value::as_array);
    clients.into_iter().flatten().filter_map(Value::as_i64).map(UserId).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::{Clock, Timestamp};

    async fn app() -> (App, tempfile::TempDir) {
        let (figment, folder) = db::testing::sqlite().await;
        let now = Timestamp::parse("2024-05-01T10:00:00.000001Z").unwrap();
        (App::open(&figment, Clock::manual(now)).await.unwrap(), folder)
    }

    async fn make(app: &App, names: &[(i64, &str)]) {
        for (id, name) in names {
            let now = app.clock.now();
            let user = crate::model::user::User {
                id: UserId(*id),
                username: Username::parse(name).unwrap(),
                ..crate::model::user::User::blank(now)
            };
            let row = [(user, crate::model::password::PasswordHash::unusable())];
            let mut tx = app.db.begin().await.unwrap();
            users::insert_all(&mut tx, users::Ids::Kept, &row).await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    fn called(user: i64) -> Called {
        Called { user: UserId(user), was_here: user % 2 == 0 }
    }

    fn named(client: &str, id: &str) -> Named {
        Named::from([(client.to_owned(), id.to_owned())])
    }

    #[test]
    fn a_row_names_few_clients_and_each_once() {
        let read = |text: &str| read(Raw::Text(text.into()));
        assert_eq!(read(r#"{"Okta": "1"}"#), Ok(named("okta", "1")));
        for wrong in
            [r#"{"okta": ""}"#, r#"{"": "1"}"#, r#"{"a\u0000": "1"}"#, r#"{"Okta": "1", "okta": "2"}"#]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let many = |count: usize| {
            let all: BTreeMap<String, &str> = (0..count).map(|n| (format!("client{n}"), "1")).collect();
            read(&serde_json::to_string(&all).unwrap())
        };
        assert_eq!(many(MOST_CLIENTS).map(|named| named.len()), Ok(MOST_CLIENTS));
        assert_eq!(many(MOST_CLIENTS + 1), Err("Has the ids of more than 100 clients.".into()));
    }

    #[rocket::async_test]
    async fn an_id_waits_for_its_client_which_is_asked_for_again_at_the_end_only() {
        let (app, _folder) = app().await;
        make(&app, &[(1, "ada"), (2, "bob"), (3, "cara")]).await;
        let mut waiting = Waiting::new();
        waiting.add(called(1), named("okta", "a"));
        waiting.store(&app, &By::Operator).await.unwrap();
        make(&app, &[(4, "okta"), (5, "entra")]).await;
        waiting.add(called(2), named("okta", "b"));
        waiting.add(called(2), named("entra", "b"));
        waiting.add(called(3), named("nowhere", "c"));
        // Removed in the meantime, as by an erasure.
        waiting.add(called(99), named("entra", "d"));
        waiting.store(&app, &By::Operator).await.unwrap();
        assert_eq!(waiting.by_client["okta"].len(), 2, "it was not asked for again");
        assert_eq!(waiting.by_client.len(), 2);
        assert_eq!(waiting.finish(&app, &By::Operator).await.unwrap(), Stored { here: 2, left_out: 2 });
        let of = async |id: i64| external_ids::of_user(&app.db, UserId(id), 9).await.unwrap();
        assert_eq!(of(1).await, [(4, "a".to_owned())]);
        assert_eq!(of(2).await, [(4, "b".to_owned()), (5, "b".to_owned())]);
        assert_eq!(of(3).await, []);
    }

    #[rocket::async_test]
    async fn what_waits_takes_bounded_memory_and_clients_that_are_here_need_none() {
        let (app, _folder) = app().await;
        make(&app, &[(1, "ada"), (2, "okta")]).await;
        let mut waiting = Waiting { room: 300, ..Waiting::new() };
        for n in 0..100 {
            waiting.add(called(1), named(&format!("nowhere{n}"), "a"));
        }
        waiting.add(called(1), named("okta", "a"));
        waiting.store(&app, &By::Operator).await.unwrap();
        assert!(waiting.by_client.len() < 5 && !waiting.by_client.is_empty());
        assert_eq!(external_ids::of_user(&app.db, UserId(1), 9).await.unwrap(), [(2, "a".to_owned())]);
        assert_eq!(waiting.finish(&app, &By::Operator).await.unwrap(), Stored { here: 0, left_out: 100 });
    }

    #[rocket::async_test]
    async fn a_rehearsal_counts_the_users_who_would_be_called_something_new() {
        let (app, _folder) = app().await;
        make(&app, &[(1, "ada"), (2, "bob"), (3, "cara"), (4, "okta"), (5, "dora")]).await;
        let mut waiting = Waiting::new();
        waiting.add(called(1), named("okta", "a"));
        waiting.store(&app, &By::Operator).await.unwrap();
        // What is so already, what is called otherwise, what is taken, what has no client, and what is new.
        for (user, client, id) in
            [(1, "okta", "a"), (1, "okta", "z"), (2, "okta", "a"), (3, "nowhere", "c"), (5, "okta", "d")]
        {
            waiting.add(called(user), named(client, id));
        }
        assert_eq!(waiting.rehearse(&app).await.unwrap(), 1);
        assert_eq!(external_ids::of_user(&app.db, UserId(5), 9).await.unwrap(), [], "it stores nothing");
        assert_eq!(waiting.finish(&app, &By::Operator).await.unwrap(), Stored::default());
    }
}
