//! `export`
use super::{Export, Failure};
use crate::Usher;
use std::process::ExitCode;
pub(super) async fn run(_usher: &Usher, _arguments: &Export) -> Result<ExitCode, Failure> {
    Err("x".into())
}
