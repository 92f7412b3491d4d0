//! Usher keeps the users of an installation. Staff manage them in a browser, programs over JSON.
//!
//! The rooms by floor; a room uses only rooms on floors below it (a test checks that):
//!
//! | Floor | Rooms |
//! |---|---|
//! | 7 | `main.rs`: the command line's entry |
//! | 6 | [`cli`]: the subcommands, among them the one that serves |
//! | 5 | [`server`]: fairings, routes and state of the web server; signals and maintenance |
//! | 4 | [`api`]: the JSON channel; [`scim`]: the channel of identity providers; [`web`]: the HTML channel |
//! | 3 | [`http`]: guards, errors, headers, logs and counters of the channels |
//! | 2 | [`operations`]: what can be done, each with its permission, its transaction and its audit entry |
//! | 1 | [`db`]: all SQL; [`security`]: all cryptography; [`config`]: all settings |
//! | 0 | [`model`]: the nouns and the rules, without I/O |

pub mod api;
pub mod cli;
pub mod config;
pub mod db;
pub mod http;
pub mod model;
pub mod operations;
pub mod scim;
pub mod security;
pub mod server;
pub mod web;
