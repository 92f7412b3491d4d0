//! What provisioning clients call the users of a file. A client is a user, who may stand after those that it names: what
//! it calls them waits until the client is here.

use std::collections::{BTreeMap, HashMap};

use super::by::patiently;
use crate::db::{self, external_ids, users};
use crate::model::error::Result;
use crate::model::raw::Raw;
use crate::model::text;
use crate::model::user::UserId;
use crate::operations::App;

/// Longest that a client may call a user, in characters.
const LONGEST: usize = 255;
/// Names that wait for their clients at most: what is kept of each takes memory.
const MOST_WAITING: usize = 2_000_000;

/// What clients call one user: their canonical names, and the ids.
pub(super) type Named = Vec<(String, String)>;

/// Reads what a row says: an object of clients and what they call the user.
///
/// # Errors
/// What is wrong, for people.
pub(super) fn read(given: Raw) -> std::result::Result<Named, String> {
    let wrong = || "Must be external ids as an export has them.".to_owned();
    let text = match given {
        Raw::Missing | Raw::Null => return Ok(Vec::new()),
        Raw::Text(text) => text,
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => return Err(wrong()),
    };
    let named: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|_| wrong())?;
    let is_good =
        |id: &String| !id.is_empty() && id.chars().count() <= LONGEST && text::refusal(id).is_none();
    if !named.values().all(is_good) {
        return Err(wrong());
    }
    Ok(named.into_iter().map(|(client, id)| (text::canonical(&client), id)).collect())
}

/// Those that are yet to be stored.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    named: Vec<(UserId, String, String)>,
    /// Those that cannot be stored: the client is not here, or calls another user so.
    pub(super) left_out: u64,
}

impl Waiting {
    /// Adds those of a user.
    pub(super) fn add(&mut self, user: UserId, named: Named) {
        for (client, id) in named {
            if self.named.len() < MOST_WAITING {
                self.named.push((user, client, id));
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Stores those whose clients are here by now.
    pub(super) async fn store(&mut self, app: &App) -> Result<()> {
        let mut clients: Vec<&str> = self.named.iter().map(|(_, client, _)| client.as_str()).collect();
        clients.sort_unstable();
        clients.dedup();
        if clients.is_empty() {
            return Ok(());
        }
        let mut here = HashMap::new();
        for clients in clients.chunks(super::BATCH) {
            let found =
                patiently(app, || async { Ok(users::by_username_keys(&app.db, clients).await?) }).await?;
            here.extend(found.into_iter().map(|user| (user.username.key().to_owned(), user.id)));
        }
        let all = std::mem::take(&mut self.named);
        let (ready, waiting): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, client, _)| here.contains_key(client));
        self.named = waiting;
        for ready in ready.chunks(super::BATCH) {
            self.left_out += patiently(app, || db::retrying(|| insert(app, &here, ready))).await?;
        }
        Ok(())
    }

    /// Stores what is left; how many cannot be.
    pub(super) async fn finish(mut self, app: &App) -> Result<u64> {
        self.store(app).await?;
        Ok(self.left_out + self.named.len() as u64)
    }
}

/// Stores them in one transaction; how many cannot be.
async fn insert(
    app: &App,
    here: &HashMap<String, UserId>,
    named: &[(UserId, String, String)],
) -> Result<u64> {
    let mut left_out = 0;
    let mut tx = app.db.begin().await?;
    for (user, client, id) in named {
        let Some(client) = here.get(client) else { continue };
        let is_stored = external_ids::insert_missing(&mut tx, *client, *user, id).await?
            || external_ids::get(&mut tx, *client, *user).await?.as_ref() == Some(id);
        left_out += u64::from(!is_stored);
    }
    tx.commit().await?;
    Ok(left_out)
}
