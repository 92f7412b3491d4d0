//! Cryptography: password hashes, signed tokens, form tokens and device cookies. No database, no requests.

pub mod csrf;
pub mod device_cookie;
pub mod jwt;
pub mod passwords;
