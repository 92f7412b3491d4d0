//! The black-box suite: the whole server over HTTP, on SQLite and on PostgreSQL.
//!
//! Each test is an `async fn(TestApp)` and is listed in its module's `on_both!`, which runs it on both
//! databases, each time on a fresh one. To add a file of tests: a `mod` line here.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod api_tokens;
mod app;
mod architecture;
mod audit;
mod audit_reading;
mod bounds;
mod browser_sessions;
mod bulk;
mod bulk_pages;
mod console;
mod contract;
mod dates;
mod exports;
mod hostile;
mod import;
mod known_browsers;
mod links;
mod lists;
mod live_sessions;
mod mail;
mod matrix;
mod model;
mod openapi;
mod own_account;
mod own_credentials;
mod preferences;
mod process;
mod properties;
mod search;
mod sign_in_check;
mod sign_in_page;
mod source;
mod storage;
mod trail_pages;
mod undo;

pub(crate) use app::{Backend, TestApp};

/// Runs each of the tests on both databases, as `sqlite::name` and `postgres::name`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[rocket::async_test] async fn $name() {
                super::$name(crate::TestApp::new(crate::Backend::Sqlite).await).await;
            })+
        }
        mod postgres {
            $(#[rocket::async_test] async fn $name() {
                super::$name(crate::TestApp::new(crate::Backend::Postgres).await).await;
            })+
        }
    };
}
pub(crate) use on_both;
