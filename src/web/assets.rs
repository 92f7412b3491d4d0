//! Style sheet, script and icon: in the binary, under names that change with their content, kept for ever.

use std::borrow::Cow;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rocket::get;
use rocket::http::{ContentType, Header, Status};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

#[derive(RustEmbed)]
#[folder = "static"]
struct Files;

/// Each file and its path. Computed once: in a debug build a changed file keeps its path until the next start.
static PATHS: LazyLock<[(&str, String); 3]> =
    LazyLock::new(|| ["app.css", "app.js", "icon.svg"].map(|name| (name, path(name))));

/// The path of a file, for the pages that name it.
pub(super) fn path_of(name: &str) -> Option<&'static str> {
    PATHS.iter().find(|(file, _)| *file == name).map(|(_, path)| path.as_str())
}

fn path(name: &str) -> String {
    let content = Files::get(name).map_or(Cow::Borrowed(&[][..]), |file| file.data);
    let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&content)[..9]);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    format!("/static/{stem}.{hash}.{extension}")
}

#[derive(rocket::Responder)]
pub(super) struct Asset {
    content: Cow<'static, [u8]>,
    kind: ContentType,
    cache: Header<'static>,
}

/// A file under its present name.
#[get("/static/<name>")]
pub(super) fn file(name: &str) -> Result<Asset, Status> {
    let asset = format!("/static/{name}");
    let (file, _) = PATHS.iter().find(|(_, path)| *path == asset).ok_or(Status::NotFound)?;
    let content = Files::get(file).ok_or(Status::NotFound)?.data;
    let kind = Path::new(file)
        .extension()
        .and_then(|extension| ContentType::from_extension(extension.to_str()?))
        .unwrap_or(ContentType::Binary);
    Ok(Asset { content, kind, cache: Header::new("Cache-Control", "public, max-age=31536000, immutable") })
}
