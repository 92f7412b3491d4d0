//! The nouns and the rules: plain data without I/O, on which every other module stands.
//!
//! A file here imports from this module only. To add a noun: a file with its types and the rules that need
//! nothing but them.

pub mod address;
pub mod audit;
pub mod base32;
pub mod base_path;
pub mod bulk;
pub mod clock;
pub mod cursor;
pub mod erasure;
pub mod error;
pub mod failure_reason;
pub mod field_errors;
pub mod filter;
pub mod head_target;
pub mod label;
pub mod link;
pub mod mac;
pub mod mail;
pub mod network;
pub mod origin;
pub mod passkey;
pub mod password;
pub mod password_policy;
pub mod permission;
pub mod personal_data;
pub mod pooling;
pub mod precondition;
pub mod preferences;
pub mod presence;
pub mod raw;
pub mod record;
pub mod rules;
pub mod second_factor;
pub mod session;
pub mod site;
pub mod text;
pub mod throttle;
pub mod time_zone;
pub mod undo;
pub mod update;
pub mod user;
pub mod web_origin;
