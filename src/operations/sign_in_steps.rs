//! What a page carries between the two steps of a sign-in: that the password was right.
//!
//! It is sealed, bound to the browser's cookie before a session, good for a few minutes, and for nothing but the
//! second step: no route takes it for a session.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::password::PasswordHash;
use crate::model::user::User;
use crate::operations::App;

/// How long the second step may take.
const GOOD_FOR: Duration = Duration::from_mins(5);

/// That the password of an account was right, a moment ago.
#[derive(Debug, Serialize, Deserialize)]
pub struct PasswordShown {
    username: String,
    /// Of the stored hash: with another password the second step is over.
    digest: [u8; 32],
    /// In microseconds since the epoch.
    until: i64,
}

impl PasswordShown {
    pub(super) fn new(user: &User, password: &PasswordHash, now: Timestamp) -> Self {
        let username = user.username.key().to_owned();
        Self { username, digest: digest(password), until: now.plus(GOOD_FOR).micros() }
    }

    /// The canonical name of the account.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Whether this is about the account with that hash.
    pub(super) fn is_of(&self, password: &PasswordHash) -> bool {
        self.digest == digest(password)
    }

    /// As a page carries it, for the browser with this cookie.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::model::error::Error::Internal) without a random source.
    pub fn seal(&self, app: &App, cookie: &str) -> Result<String> {
        let content = serde_json::to_vec(self).unwrap_or_default();
        Ok(URL_SAFE_NO_PAD.encode(app.keys().seals.seal(&purpose(cookie), &content)?))
    }

    /// From a page of the browser with this cookie; `None` if it is none of ours or too old.
    #[must_use]
    pub fn open(app: &App, cookie: &str, sealed: &str) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let content = app.keys().open_seal(&purpose(cookie), &sealed)?;
        let shown: Self = serde_json::from_slice(&content).ok()?;
        (app.clock.now().micros() < shown.until).then_some(shown)
    }
}

fn purpose(cookie: &str) -> String {
    format!("the second step of a sign-in {cookie}")
}

fn digest(password: &PasswordHash) -> [u8; 32] {
    Sha256::digest(password.as_str().as_bytes()).into()
}
