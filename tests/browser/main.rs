//! The console in a real Chromium: jobs, states, accessibility, sizes, and what other sites try.
//!
//! Everything is done as from outside: the program runs as a process, pages are read and clicked in the
//! browser. A page or a state is added by one entry in `states`; a job by a function in `jobs`.
//!
//! `tests/run` brings what is needed: Chromium with its driver, axe-core, PostgreSQL.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail where it stands")]

#[macro_use]
extern crate macro_rules_attribute;

/// Runs a test with scripts, on SQLite, and without, on PostgreSQL: `#[apply(in_browsers)]`.
macro_rules! in_browsers {
    ($(#[$attribute:meta])* fn $name:ident $($rest:tt)*) => {
        $(#[$attribute])*
        fn $name $($rest)*

        mod $name {
            #[test]
            fn scripts_on_sqlite() {
                super::$name(&crate::World::new(crate::Backend::Sqlite, crate::Scripts::On));
            }

            #[test]
            fn no_scripts_on_postgres() {
                super::$name(&crate::World::new(crate::Backend::Postgres, crate::Scripts::Off));
            }
        }
    };
}

/// Runs a job at a desk, on a tablet and on a phone, each with scripts, on SQLite, and without, on PostgreSQL, in turn in
/// light and in dark: `#[apply(on_every_screen)]`.
macro_rules! on_every_screen {
    ($(#[$attribute:meta])* fn $name:ident $($rest:tt)*) => {
        $(#[$attribute])*
        fn $name $($rest)*

        mod $name {
            use crate::driver::Scripts::{Off, On};

            #[test]
            fn desk_scripts() {
                super::$name(&crate::World::seen(On, "light", 1440));
            }

            #[test]
            fn desk_no_scripts() {
                super::$name(&crate::World::seen(Off, "dark", 1440));
            }

            #[test]
            fn tablet_scripts() {
                super::$name(&crate::World::seen(On, "dark", 820));
            }

            #[test]
            fn tablet_no_scripts() {
                super::$name(&crate::World::seen(Off, "light", 820));
            }

            #[test]
            fn phone_scripts() {
                super::$name(&crate::World::seen(On, "light", 390));
            }

            #[test]
            fn phone_no_scripts() {
                super::$name(&crate::World::seen(Off, "dark", 390));
            }
        }
    };
}

mod actions;
#[expect(dead_code, reason = "the unit tests use more of it")]
#[path = "../../src/security/webauthn/authenticator.rs"]
mod authenticator;
mod base_path;
mod checks;
mod details;
mod driver;
mod ended_sessions;
mod jobs;
mod journeys;
mod keyboard;
mod layout;
mod passkeys;
mod people;
mod phone;
mod second_factor;
mod second_origin;
mod second_verifier;
mod server;
mod states;
mod visits;

use actions::Actions;
use driver::{Borrowed, Scripts};
use server::{Backend, Server};

/// A server and a browser.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) browser: Borrowed,
    pub(crate) scripts: Scripts,
}

impl World {
    pub(crate) fn new(backend: Backend, scripts: Scripts) -> Self {
        Self { server: Server::populated(backend), browser: Borrowed::new(scripts), scripts }
    }

    /// In that theme, with a window so many pixels wide.
    pub(crate) fn seen(scripts: Scripts, theme: &str, width: u32) -> Self {
        let backend = match scripts {
            Scripts::On => Backend::Sqlite,
            Scripts::Off => Backend::Postgres,
        };
        let world = Self::new(backend, scripts);
        world.browser.look(theme, width, 900);
        world
    }

    /// A signed-in user at the browser.
    pub(crate) fn signed_in(&self, username: &str) -> Actions<'_> {
        let actions = Actions::new(&self.browser, &self.server.address);
        actions.is(Some(&self.server.sign_in(username)));
        actions
    }
}
