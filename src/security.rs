//! Cryptography: password hashes, signed tokens, form tokens and device cookies. No database, no requests.
//!
//! To add a kind of signed value: a file with its key type, whose 32 bytes `operations::keys` derives.

pub mod audit_key;
pub mod csrf;
pub mod device_cookie;
pub mod jwt;
pub mod passwords;
pub mod seal;
pub mod signed;
pub mod totp;
pub mod webauthn;
