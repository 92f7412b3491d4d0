//! Style sheets, scripts and icon: in the binary, under names that change with their content, kept for ever.
//!
//! A page loads one of each. What one kind of page alone needs is in a file of its own, which follows the common one.

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use brotli::enc::BrotliEncoderParams;
use rocket::http::{ContentType, Header, Status};
use rocket::request::Request;
use rocket::response::{self, Responder, Response};
use rocket::{State, get};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::http::compression::AcceptsBrotli;
use crate::model::site::Accent;

/// Shorter files, in bytes, fit into one packet anyway.
const SHORT: usize = 1000;

/// What the style sheet has in the place of the installation's accent.
const ACCENT: &str = "--accent:light-dark(#0a58ca,#8cb8ff)";

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
    /// Compressed when it is first asked for.
    brotli: OnceLock<Vec<u8>>,
}

impl Assets {
    /// Made once: in a debug build a changed file is noticed at the next start.
    pub(crate) fn new(accent: Accent) -> Self {
        let (light, dark) = (accent.light(), accent.dark());
        let accent = format!("--accent:light-dark({light},{dark})");
        let style = without_comments(&text("app.css")).replace(ACCENT, &accent);
        let script = text("app.js");
        let icon = text("icon.svg").replace(&Accent::default().light(), &light);
        let files = [
            ("list.css", style.clone() + &without_comments(&text("list.css"))),
            ("charts.css", style.clone() + &without_comments(&text("charts.css"))),
            ("list.js", script.clone() + &text("list.js")),
            ("passkeys.js", script.clone() + &text("passkeys.js")),
            ("app.css", style),
            ("app.js", script),
            ("icon.svg", icon),
        ];
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
        Self { name, path: format!("/static/{stem}.{hash}.{extension}"), content, brotli: OnceLock::new() }
    }

    /// The content in brotli; empty if that cannot be made.
    fn in_brotli(&self) -> &[u8] {
        self.brotli.get_or_init(|| {
            let mut compressed = Vec::new();
            let best = BrotliEncoderParams { quality: 11, ..BrotliEncoderParams::default() };
            match brotli::BrotliCompress(&mut self.content.as_bytes(), &mut compressed, &best) {
                Ok(_) => compressed,
                Err(_) => Vec::new(),
            }
        })
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

/// A file, as it is or in brotli.
pub(super) struct Asset {
    content: Vec<u8>,
    is_brotli: bool,
    kind: ContentType,
}

impl<'r> Responder<'r, 'static> for Asset {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let mut response = Response::build();
        response.header(self.kind);
        response.header(Header::new("Cache-Control", "public, max-age=31536000, immutable"));
        if self.is_brotli {
            response.header(Header::new("Content-Encoding", "br"));
        }
        response.sized_body(self.content.len(), Cursor::new(self.content)).ok()
    }
}

/// A file under its present name.
#[get("/static/<name>")]
pub(super) fn file(name: &str, assets: &State<Assets>, accepts: AcceptsBrotli) -> Result<Asset, Status> {
    let path = format!("/static/{name}");
    let file = assets.0.iter().find(|file| file.path == path).ok_or(Status::NotFound)?;
    let kind = Path::new(file.name)
        .extension()
        .and_then(|extension| ContentType::from_extension(extension.to_str()?))
        .unwrap_or(ContentType::Binary);
    let compressed: &[u8] = if accepts.0 && file.content.len() > SHORT { file.in_brotli() } else { &[] };
    let is_brotli = !compressed.is_empty();
    let content = if is_brotli { compressed } else { file.content.as_bytes() };
    Ok(Asset { content: content.to_vec(), is_brotli, kind })
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
        for (name, is_same) in [
            ("app.css", false),
            ("list.css", false),
            ("charts.css", false),
            ("icon.svg", false),
            ("app.js", true),
            ("list.js", true),
            ("passkeys.js", true),
        ] {
            assert_eq!(ours.path_of(name) == theirs.path_of(name), is_same, "{name}");
        }
        for style in ["app.css", "list.css"] {
            assert!(content(&theirs, style).contains("--accent:light-dark(#b00040,"), "{style}");
        }
        assert!(content(&theirs, "icon.svg").contains("fill=\"#b00040\""));
    }

    fn content<'a>(assets: &'a Assets, name: &str) -> &'a str {
        assets.0.iter().find(|file| file.name == name).map_or("", |file| &file.content)
    }

    #[test]
    fn what_one_kind_of_page_needs_follows_what_all_need() {
        let assets = Assets::new(Accent::default());
        for (name, common) in [("list.css", "app.css"), ("list.js", "app.js"), ("passkeys.js", "app.js")] {
            let (whole, common) = (content(&assets, name), content(&assets, common));
            assert!(whole.starts_with(common) && whole.len() > common.len(), "{name}");
        }
    }
}
