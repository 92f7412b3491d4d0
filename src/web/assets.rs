//! Style sheet, script and icon: in the binary, under names that change with their content, kept for ever.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rocket::http::{ContentType, Header, Status};
use rocket::{State, get};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::model::site::Accent;

#[derive(RustEmbed)]
#[folder = "static"]
struct Files;

/// The files for browsers, in the installation's accent. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Assets(Arc<[File]>);

#[derive(Debug)]
struct File {
    name: &'static str,
    /// The path, which changes with the content.
    path: String,
    content: String,
}

impl Assets {
    /// Made once: in a debug build a changed file is noticed at the next start.
    pub(crate) fn new(accent: Accent) -> Self {
        let (light, dark) = (accent.light(), accent.dark());
        let style =
            without_comments(&text("app.css")) + &format!(":root{{--accent:light-dark({light},{dark})}}\n");
        let icon = text("icon.svg").replace(&Accent::default().light(), &light);
        let files = [("app.css", style), ("app.js", text("app.js")), ("icon.svg", icon)];
        Self(files.into_iter().map(|(name, content)| File::new(name, content)).collect())
    }

    /// The path of a file, for the pages that name it.
    pub(super) fn path_of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|file| file.name == name).map(|file| file.path.as_str())
    }
}

impl File {
    fn new(name: &'static str, content: String) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&content)[..9]);
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        Self { name, path: format!("/static/{stem}.{hash}.{extension}"), content }
    }
}

fn text(name: &str) -> String {
    Files::get(name).map_or_else(String::new, |file| String::from_utf8_lossy(&file.data).into_owned())
}

/// A style sheet without its comments and line ends: none of ours stands where it means something.
fn without_comments(style: &str) -> String {
    let parts = style.split("/*").enumerate();
    let parts = parts.map(|(index, part)| match part.split_once("*/") {
        Some((_, rest)) if index > 0 => rest,
        _ => part,
    });
    parts.flat_map(str::lines).collect()
}

#[derive(rocket::Responder)]
pub(super) struct Asset {
    content: String,
    kind: ContentType,
    cache: Header<'static>,
}

/// A file under its present name.
#[get("/static/<name>")]
pub(super) fn file(name: &str, assets: &State<Assets>) -> Result<Asset, Status> {
    let path = format!("/static/{name}");
    let file = assets.0.iter().find(|file| file.path == path).ok_or(Status::NotFound)?;
    let kind = Path::new(file.name)
        .extension()
        .and_then(|extension| ContentType::from_extension(extension.to_str()?))
        .unwrap_or(ContentType::Binary);
    let cache = Header::new("Cache-Control", "public, max-age=31536000, immutable");
    Ok(Asset { content: file.content.clone(), kind, cache })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_for_those_who_read_the_source() {
        assert_eq!(without_comments("/* a */\nb{}\n/* c */d{}e{}"), "b{}d{}e{}");
    }

    #[test]
    fn another_accent_is_in_the_style_sheet_and_the_icon_under_other_names() {
        let (ours, theirs) = (Accent::default(), Accent::try_from("#b00040".to_owned()).unwrap());
        let (ours, theirs) = (Assets::new(ours), Assets::new(theirs));
        for (name, is_same) in [("app.css", false), ("icon.svg", false), ("app.js", true)] {
            assert_eq!(ours.path_of(name) == theirs.path_of(name), is_same, "{name}");
        }
        assert!(theirs.0[0].content.contains("--accent:light-dark(#b00040,"));
        assert!(theirs.0[2].content.contains("fill=\"#b00040\""));
    }
}
