//! The black-box suite: the whole server over HTTP, on SQLite and on PostgreSQL.
//!
//! A test is an `async fn(TestApp)` with `#[apply(on_both)]`, which runs it on both databases, each time on a
//! fresh one. To add a file of tests: a `mod` line here.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

#[macro_use]
extern crate macro_rules_attribute;

/// Runs a test on both databases, as `name::sqlite` and `name::postgres`: `#[apply(on_both)]`. Settings of its own
/// are told below that, as in `#[with([("json_limit", json!(600))])]`.
macro_rules! on_both {
    (#[doc = $text:expr] $($test:tt)*) => {
        on_both! { $($test)* }
    };
    (#[with($settings:expr)] $(#[$attribute:meta])* async fn $name:ident $($rest:tt)*) => {
        $(#[$attribute])*
        async fn $name $($rest)*

        mod $name {
            use serde_json::json;

            #[rocket::async_test]
            async fn sqlite() {
                super::$name(crate::TestApp::with(crate::Backend::Sqlite, &$settings).await).await;
            }

            #[rocket::async_test]
            async fn postgres() {
                super::$name(crate::TestApp::with(crate::Backend::Postgres, &$settings).await).await;
            }
        }
    };
    ($(#[$attribute:meta])* async fn $name:ident $($rest:tt)*) => {
        $(#[$attribute])*
        async fn $name $($rest)*

        mod $name {
            #[rocket::async_test]
            async fn sqlite() {
                super::$name(crate::TestApp::new(crate::Backend::Sqlite).await).await;
            }

            #[rocket::async_test]
            async fn postgres() {
                super::$name(crate::TestApp::new(crate::Backend::Postgres).await).await;
            }
        }
    };
}

/// The same, and by way of a pooler of transactions as `name::pooled`: `#[apply(on_all)]`.
macro_rules! on_all {
    (#[doc = $text:expr] $($test:tt)*) => {
        on_all! { $($test)* }
    };
    ($(#[$attribute:meta])* async fn $name:ident $($rest:tt)*) => {
        $(#[$attribute])*
        async fn $name $($rest)*

        mod $name {
            #[rocket::async_test]
            async fn sqlite() {
                super::$name(crate::TestApp::new(crate::Backend::Sqlite).await).await;
            }

            #[rocket::async_test]
            async fn postgres() {
                super::$name(crate::TestApp::new(crate::Backend::Postgres).await).await;
            }

            #[rocket::async_test]
            async fn pooled() {
                super::$name(crate::TestApp::new(crate::Backend::Pooled).await).await;
            }
        }
    };
}

mod api_tokens;
mod app;
mod architecture;
mod audit;
mod audit_archive;
mod audit_attacks;
mod audit_chain;
mod audit_exports;
mod audit_pages;
mod audit_reading;
mod audit_removal;
mod base_path;
mod bounds;
mod browser_sessions;
mod bulk;
mod bulk_pages;
mod bulk_resumption;
mod console;
mod contract;
mod dates;
mod ended_sessions;
mod erasure;
mod exports;
mod first_superuser;
#[path = "../../bench/generate/store.rs"]
mod generate;
mod hostile;
mod import;
mod import_choices;
mod import_doubts;
mod import_pages;
mod import_salts;
mod key_rotation;
mod known_browsers;
mod link_makers;
mod link_pages;
mod links;
mod lists;
mod live_sessions;
mod mail;
mod matrix;
mod merging;
mod model;
mod moving;
mod notes;
mod openapi;
mod overtaken;
mod overview;
mod own_account;
mod own_credentials;
mod own_password;
mod passwords;
mod personal_data;
mod preferences;
mod pressure;
mod privileged_accounts;
mod process;
mod properties;
mod renewed_sessions;
mod retention;
mod samples;
mod scim;
mod search;
mod second_factor;
mod sibling_cookies;
mod sibling_doors;
mod sign_in_check;
mod sign_in_page;
mod source;
mod statuses;
mod storage;
mod undo;
mod users_list;

pub(crate) use app::{Backend, TestApp};
