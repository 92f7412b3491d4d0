//! `import`
use super::{Failure, Import};
use crate::Usher;
use std::process::ExitCode;
pub(super) async fn run(_usher: &Usher, _arguments: &Import) -> Result<ExitCode, Failure> {
    Err("x".into())
}
