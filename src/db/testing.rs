//! Databases for unit tests.

use std::path::PathBuf;

use rocket::figment::Figment;
use rocket::tokio::sync::OnceCell;
use tempfile::TempDir;

use super::Db;
use crate::config;

/// A configuration with an SQLite database of its own, in a folder that is removed with the second of the two. The
/// file is a copy of one that was migrated once.
pub(crate) async fn sqlite() -> (Figment, TempDir) {
    static MIGRATED: OnceCell<Vec<u8>> = OnceCell::const_new();
    let migrate = || async {
        let (figment, file, _folder) = none_yet();
        Db::open(&figment.focus("databases.main")).await.unwrap().close().await;
        std::fs::read(file).unwrap()
    };
    let migrated = MIGRATED.get_or_init(migrate).await;
    let (figment, file, folder) = none_yet();
    std::fs::write(file, migrated).unwrap();
    (figment, folder)
}

fn none_yet() -> (Figment, PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("usher.db");
    let url = format!("sqlite://{}", file.display());
    (config::with_database(config::defaults(), &url), file, folder)
}
