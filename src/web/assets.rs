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

/// The paths of the assets that every page names.
pub(super) struct Assets {
    pub(super) stylesheet: String,
    pub(super) script: String,
    pub(super) icon: String,
}

/// Computed once: in a debug build a changed file keeps its name until the next start.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    stylesheet: path("app", "css"),
    script: path("app", "js"),
    icon: path("icon", "svg"),
});

fn path(stem: &str, extension: &str) -> String {
    let content = Files::get(&format!("{stem}.{extension}")).map_or(Cow::Borrowed(&[][..]), |file| file.data);
    let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&content)[..9]);
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
    let known = [(&ASSETS.stylesheet, "app.css"), (&ASSETS.script, "app.js"), (&ASSETS.icon, "icon.svg")];
    let (_, file) = known.iter().find(|(path, _)| **path == asset).ok_or(Status::NotFound)?;
    let content = Files::get(file).ok_or(Status::NotFound)?.data;
    let kind = Path::new(file)
        .extension()
        .and_then(|extension| ContentType::from_extension(extension.to_str()?))
        .unwrap_or(ContentType::Binary);
    Ok(Asset { content, kind, cache: Header::new("Cache-Control", "public, max-age=31536000, immutable") })
}
