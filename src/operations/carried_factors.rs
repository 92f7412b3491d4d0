//! Second factors as a file of users carries them from one installation to another.
//!
//! The secret of an authenticator app is sealed by a key of the installation's secret key: it is read where the same
//! secret key is set, and nowhere else. Passkeys have no secret here, and of recovery codes there are only hashes.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::db::carried::{Carried, Stored};
use crate::db::{self, Tx};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::label;
use crate::model::passkey::{Credential, HANDLE, Transport};
use crate::model::second_factor::RECOVERY_CODES;
use crate::model::user::UserId;
use crate::operations::factors::{MOST, MOST_APPS};
use crate::operations::second_factor::TOTP;
use crate::operations::{App, kept_key, keys};
use crate::security::seal::SealKey;
use crate::security::totp::TotpSecret;
use crate::security::webauthn;

/// What a secret is sealed for.
const PURPOSE: &str = "the secret of an authenticator app in a file";
/// Longest id of a credential, in bytes.
const LONGEST_ID: usize = 1023;

/// As a file has them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    factors: Vec<WrittenFactor>,
    /// Their hashes, in base64url.
    recovery_codes: Vec<String>,
    /// The name by which authenticators know the user, in base64url.
    user_handle: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum WrittenFactor {
    Totp {
        name: String,
        created_at: String,
        last_used_at: Option<String>,
        last_step: i64,
        /// Sealed, in base64url; null where it could not be read when it was written.
        secret: Option<String>,
    },
    Passkey {
        name: String,
        created_at: String,
        last_used_at: Option<String>,
        credential_id: String,
        public_key: String,
        sign_count: u32,
        transports: Vec<String>,
        backup_eligible: bool,
        backed_up: bool,
        user_verified: bool,
    },
}

/// What opens and closes the secrets.
#[derive(Debug)]
pub struct Seals {
    /// Of the secret keys that there are, that which counts first.
    of_files: Vec<SealKey>,
    /// As this installation stores them; `None` where no secret key that is known opens it, or there is none yet.
    stored: Option<SealKey>,
}

impl Seals {
    /// Those of this installation.
    pub async fn of(app: &App) -> Result<Self> {
        let roots = keys::roots(&app.settings, &app.db).await.map_err(Error::internal)?;
        let of_files = roots.iter().map(|root| keys::kept_seal(root, "factors in files")).collect();
        let stored = if kept_key::FACTORS.is_there(app).await? {
            kept_key::FACTORS.find(app).await?.map(SealKey::new)
        } else {
            None
        };
        Ok(Self { of_files, stored })
    }

    /// What opens nothing, for users who have no secret.
    #[must_use]
    pub const fn none() -> Self {
        Self { of_files: Vec::new(), stored: None }
    }

    /// Those of this installation, with the key that new secrets are stored by.
    ///
    /// # Errors
    /// [`Error::Internal`] where no secret key that is known opens it.
    pub async fn to_store(app: &App) -> Result<Self> {
        let stored = Some(SealKey::new(kept_key::FACTORS.get(app).await?));
        Ok(Self { stored, ..Self::of(app).await? })
    }

    fn sealed(&self, stored: &[u8]) -> Result<Option<String>> {
        let secret = self.stored.as_ref().and_then(|key| key.open(TOTP, stored));
        match secret.zip(self.of_files.first()) {
            Some((secret, key)) => Ok(Some(URL_SAFE_NO_PAD.encode(key.seal(PURPOSE, &secret)?))),
            None => Ok(None),
        }
    }

    fn opened(&self, sealed: &[u8]) -> Option<TotpSecret> {
        let secret = self.of_files.iter().find_map(|key| key.open(PURPOSE, sealed))?;
        TotpSecret::from_bytes(&secret)
    }
}

impl Written {
    /// Those of a user; `None` without any.
    ///
    /// # Errors
    /// [`Error::Internal`] without a random source.
    pub fn of(carried: &Carried, seals: &Seals) -> Result<Option<Self>> {
        if carried.factors.is_empty() {
            return Ok(None);
        }
        let mut factors = Vec::with_capacity(carried.factors.len());
        for (factor, stored) in &carried.factors {
            let (name, created_at) = (factor.name.clone(), factor.created_at.to_string());
            let last_used_at = factor.last_used_at.map(|at| at.to_string());
            factors.push(match stored {
                Stored::Totp { sealed, last_step } => {
                    let (secret, last_step) = (seals.sealed(sealed)?, *last_step);
                    WrittenFactor::Totp { name, created_at, last_used_at, last_step, secret }
                }
                Stored::Passkey(credential) => WrittenFactor::Passkey {
                    name,
                    created_at,
                    last_used_at,
                    credential_id: URL_SAFE_NO_PAD.encode(&credential.id),
                    public_key: URL_SAFE_NO_PAD.encode(&credential.public_key),
                    sign_count: credential.sign_count,
                    transports: credential.transports.iter().map(|one| one.as_str().to_owned()).collect(),
                    backup_eligible: credential.backup_eligible,
                    backed_up: credential.backed_up,
                    user_verified: credential.user_verified,
                },
            });
        }
        let recovery_codes = carried.recovery_codes.iter().map(|hash| URL_SAFE_NO_PAD.encode(hash)).collect();
        let user_handle = carried.handle.as_ref().map(|handle| URL_SAFE_NO_PAD.encode(handle));
        Ok(Some(Self { factors, recovery_codes, user_handle }))
    }
}

/// One of them, read.
#[derive(Debug, Clone, PartialEq)]
struct ReadFactor {
    name: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    /// The secret as the file has it, and the step of the last code that was accepted.
    Totp(Vec<u8>, i64),
    Passkey(Credential),
}

impl What {
    fn is_same_passkey(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Passkey(one), Self::Passkey(other)) if one.id == other.id)
    }
}

/// What a row of a file says of the second factors of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Factors {
    all: Vec<ReadFactor>,
    recovery_codes: Vec<[u8; 32]>,
    handle: Option<[u8; HANDLE]>,
}

/// Said of what no export has written.
const NOT_OURS: &str = "Must be second factors as an export has them.";
/// Said of a secret that was sealed elsewhere.
const OTHER_KEY: &str = "is sealed by another secret key. Set the one of where it was exported as secret_key_before for the \
                         time of the import.";

impl Factors {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn read(text: &str) -> std::result::Result<Self, String> {
        let not_ours = || NOT_OURS.to_owned();
        let written: Written = serde_json::from_str(text).map_err(|_| not_ours())?;
        let mut factors = Vec::with_capacity(written.factors.len());
        for factor in written.factors {
            let factor = read_factor(factor)?;
            if factors.iter().any(|other: &ReadFactor| other.name == factor.name) {
                return Err(format!("There are two of the name “{}”.", factor.name));
            }
            if factors.iter().any(|other: &ReadFactor| other.what.is_same_passkey(&factor.what)) {
                return Err(format!("The passkey “{}” is there twice.", factor.name));
            }
            factors.push(factor);
        }
        let codes: Option<Vec<[u8; 32]>> = written.recovery_codes.iter().map(|code| bytes(code)).collect();
        let recovery_codes = codes.filter(|codes| codes.len() <= RECOVERY_CODES).ok_or_else(not_ours)?;
        if recovery_codes.iter().collect::<HashSet<_>>().len() < recovery_codes.len() {
            return Err("A recovery code is there twice.".into());
        }
        let handle = match written.user_handle {
            Some(handle) => Some(bytes::<HANDLE>(&handle).ok_or_else(not_ours)?),
            None => None,
        };
        let is_passkey = |factor: &ReadFactor| matches!(factor.what, What::Passkey(_));
        let lacks_handle = handle.is_none() && factors.iter().any(is_passkey);
        let lacks_factor = factors.is_empty() && !recovery_codes.is_empty();
        if factors.len() > MOST || lacks_handle || lacks_factor {
            return Err(not_ours());
        }
        if factors.iter().filter(|factor| !is_passkey(factor)).count() > MOST_APPS {
            return Err(format!("There are more than {MOST_APPS} authenticator apps."));
        }
        Ok(Self { all: factors, recovery_codes, handle })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Whether a secret has to be opened.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.all.iter().any(|factor| matches!(factor.what, What::Totp(..)))
    }

    /// Whether a passkey of them is enough to sign in.
    #[must_use]
    pub fn signs_in_alone(&self) -> bool {
        self.all.iter().any(|factor| matches!(&factor.what, What::Passkey(one) if one.user_verified))
    }

    /// Ids of credentials.
    pub fn credential_ids(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().filter_map(|factor| match &factor.what {
            What::Passkey(credential) => Some(credential.id.as_slice()),
            What::Totp(..) => None,
        })
    }

    /// The name by which authenticators know the user.
    #[must_use]
    pub fn handle(&self) -> Option<&[u8]> {
        self.handle.as_ref().map(<[u8; HANDLE]>::as_slice)
    }

    /// Whether all secrets can be read here, and no two are the same: a code of such a secret would be good twice.
    ///
    /// # Errors
    /// What is wrong with which one, for people.
    pub fn check(&self, seals: &Seals) -> std::result::Result<(), String> {
        let mut opened: Vec<(&str, TotpSecret)> = Vec::new();
        for ReadFactor { name, what, .. } in &self.all {
            let What::Totp(sealed, _) = what else { continue };
            let secret = seals.opened(sealed).ok_or_else(|| format!("The secret of “{name}” {OTHER_KEY}"))?;
            if let Some((other, _)) = opened.iter().find(|(_, other)| other.as_bytes() == secret.as_bytes()) {
                return Err(format!("“{other}” and “{name}” have the same secret."));
            }
            opened.push((name, secret));
        }
        Ok(())
    }

    /// Stores them for a user who has none; `false` if another user has a passkey or the handle of them meanwhile.
    ///
    /// # Errors
    /// As the database says; [`Error::Internal`] for a secret that cannot be read.
    pub async fn store(&self, tx: &mut Tx, user: UserId, seals: &Seals) -> Result<bool> {
        if let Some(handle) = &self.handle
            && !db::passkeys::set_handle(tx, user, handle).await?
        {
            return Ok(false);
        }
        for ReadFactor { name, created_at, last_used_at, what } in &self.all {
            let id = match what {
                What::Totp(sealed, last_step) => {
                    let secret = seals.opened(sealed).zip(seals.stored.as_ref());
                    let (secret, key) = secret.ok_or_else(|| Error::internal("a secret cannot be read"))?;
                    let sealed = key.seal(TOTP, secret.as_bytes())?;
                    db::factors::insert_totp(tx, user, name, &sealed, *last_step, *created_at).await?
                }
                What::Passkey(credential) => {
                    match db::passkeys::insert(tx, user, name, credential, *created_at).await? {
                        Some(id) => id,
                        None => return Ok(false),
                    }
                }
            };
            if let Some(at) = last_used_at {
                db::factors::set_last_used(tx, id, *at).await?;
            }
        }
        db::factors::replace_codes(tx, user, &self.recovery_codes).await?;
        Ok(true)
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn read_factor(written: WrittenFactor) -> std::result::Result<ReadFactor, String> {
    let not_ours = || NOT_OURS.to_owned();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let (name, created_at, last_used_at, what) = match written {
        WrittenFactor::Totp { name, created_at, last_used_at, last_step, secret } => {
            let secret = secret
                .ok_or_else(|| format!("The secret of “{name}” could not be read where it was exported."))?;
            (name, created_at, last_used_at, decode(&secret).map(|secret| What::Totp(secret, last_step)))
        }
        WrittenFactor::Passkey {
            name,
            created_at,
            last_used_at,
            credential_id,
            public_key,
            sign_count,
            transports,
            backup_eligible,
            backed_up,
            user_verified,
        } => {
            let credential = |(id, public_key)| Credential {
                id,
                public_key,
                sign_count,
                transports: Transport::known(&transports),
                backup_eligible,
                backed_up,
                user_verified,
            };
            let read = decode(&credential_id).zip(decode(&public_key)).map(credential);
            let is_good = |one: &Credential| {
                (1..=LONGEST_ID).contains(&one.id.len()) && webauthn::is_public_key(&one.public_key)
            };
            (name, created_at, last_used_at, read.filter(is_good).map(What::Passkey))
        }
    };
    let at = |text: &str| Timestamp::parse(text).ok_or_else(not_ours);
    let last_used_at = last_used_at.as_deref().map(at).transpose()?;
    let name = label::parse(&name, label::LONGEST).map_err(|_| not_ours())?;
    Ok(ReadFactor { name, created_at: at(&created_at)?, last_used_at, what: what.ok_or_else(not_ours)? })
}
