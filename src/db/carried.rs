//! What an export has of users beyond their rows: second factors, recovery codes, and what provisioning clients call them.

use std::collections::HashMap;

use super::factors::FactorRow;
use super::passkeys::{Passkey, PasskeyRow};
use super::{Db, Result, Sql, from_row};
use crate::model::passkey::Credential;
use crate::model::second_factor::{Factor, FactorKind};
use crate::model::user::UserId;

/// What there is of one user.
#[derive(Debug, Default)]
pub struct Carried {
    /// The first one first.
    pub factors: Vec<(Factor, Stored)>,
    /// The random name by which authenticators know the user.
    pub handle: Option<Vec<u8>>,
    /// Hashes of the codes that were not used yet.
    pub recovery_codes: Vec<Vec<u8>>,
    /// The name of each client, and what it calls the user.
    pub external_ids: Vec<(String, String)>,
}

/// What a factor is checked with.
#[derive(Debug)]
pub enum Stored {
    /// An authenticator app.
    Totp {
        /// The sealed secret.
        sealed: Vec<u8>,
        /// The step of the last code that was accepted.
        last_step: i64,
    },
    /// A passkey.
    Passkey(Credential),
}

struct TotpRow {
    factor: FactorRow,
    user_id: i64,
    sealed: Vec<u8>,
    last_step: i64,
}
from_row!(TotpRow { ..factor, user_id, sealed, last_step });

struct BytesRow {
    user_id: i64,
    bytes: Vec<u8>,
}
from_row!(BytesRow { user_id, bytes });

struct ExternalIdRow {
    user_id: i64,
    client: String,
    external_id: String,
}
from_row!(ExternalIdRow { user_id, client, external_id });

/// What there is of the users after the one primary key and up to the other.
pub async fn between(db: &Db, after: UserId, last: UserId) -> Result<HashMap<UserId, Carried>> {
    let within = |text: &'static str| Sql::new(text).bind(after.0).bind(last.0);
    let mut carried: HashMap<UserId, Carried> = HashMap::new();
    let passkeys: Vec<PasskeyRow> = db
        .all(within(
            "SELECT id, name, credential_id, public_key, sign_count, transports, backup_eligible, backed_up, \
             user_verified FROM factors JOIN passkeys ON factor_id = id WHERE user_id > $1 AND user_id <= $2",
        ))
        .await?;
    let mut credentials = HashMap::with_capacity(passkeys.len());
    for row in passkeys {
        let Passkey { id, credential, .. } = row.try_into()?;
        credentials.insert(id.0, credential);
    }
    let factors: Vec<TotpRow> = db
        .all(within(
            "SELECT id, kind, name, created_at, last_used_at, user_id, sealed, last_step FROM factors \
             WHERE user_id > $1 AND user_id <= $2 ORDER BY user_id, id",
        ))
        .await?;
    for TotpRow { factor, user_id, sealed, last_step } in factors {
        let factor = Factor::try_from(factor)?;
        let stored = match factor.kind {
            FactorKind::Totp => Some(Stored::Totp { sealed, last_step }),
            // One that was removed between the two statements is gone.
            FactorKind::Passkey => credentials.remove(&factor.id.0).map(Stored::Passkey),
        };
        let of_user = carried.entry(UserId(user_id)).or_default();
        of_user.factors.extend(stored.map(|stored| (factor, stored)));
    }
    let handles = "SELECT user_id, handle AS bytes FROM user_handles WHERE user_id > $1 AND user_id <= $2";
    for BytesRow { user_id, bytes } in db.all(within(handles)).await? {
        carried.entry(UserId(user_id)).or_default().handle = Some(bytes);
    }
    let codes = "SELECT user_id, code_hash AS bytes FROM recovery_codes WHERE user_id > $1 AND user_id <= $2 \
                 ORDER BY user_id, code_hash";
    for BytesRow { user_id, bytes } in db.all(within(codes)).await? {
        carried.entry(UserId(user_id)).or_default().recovery_codes.push(bytes);
    }
    let names = "SELECT user_id, username AS client, external_id FROM external_ids \
                 JOIN users ON users.id = client_id WHERE user_id > $1 AND user_id <= $2 \
                 ORDER BY user_id, client_id";
    for ExternalIdRow { user_id, client, external_id } in db.all(within(names)).await? {
        carried.entry(UserId(user_id)).or_default().external_ids.push((client, external_id));
    }
    Ok(carried)
}
