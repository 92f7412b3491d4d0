//! Usher keeps the users of an installation. Staff manage them in a browser, programs over JSON.

pub mod api;
pub mod cli;
pub mod config;
pub mod db;
pub mod http;
pub mod model;
pub mod operations;
pub mod security;
pub mod server;
pub mod web;
