//! Pictures of every page and state, for people to look at: `tests/screenshots` takes them.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::driver::Browser;
use crate::visits::{THEMES, results, tour};

/// Widths of a desk's and a phone's window, in pixels.
const WIDTHS: [u32; 2] = [1440, 390];

/// The greatest height of a picture, in pixels.
const LONGEST: u64 = 2400;

/// Where `tests/screenshots` wants them.
#[expect(clippy::disallowed_methods, reason = "the command says where the pictures go")]
fn folder() -> PathBuf {
    std::env::var_os("USHER_SCREENSHOTS")
        .map_or_else(|| results().with_file_name("screenshots"), PathBuf::from)
}

/// Takes them all.
pub(crate) fn screenshots() {
    let folder = folder();
    fs::create_dir_all(&folder).expect("a folder");
    let missed = tour(|browser, state, _| {
        for theme in THEMES {
            for width in WIDTHS {
                let file = folder.join(format!("{}-{width}-{theme}.png", state.name));
                fs::write(file, picture(browser, theme, width)).expect("a picture");
            }
        }
    });
    assert_eq!(missed, [""; 0]);
}

/// The page down to its end, as PNG.
fn picture(browser: &Browser, theme: &str, width: u32) -> Vec<u8> {
    browser.look(theme, width, 900);
    let height = browser.run("return document.documentElement.scrollHeight").as_u64().expect("a height");
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": height.clamp(600, LONGEST), "scale": 1 });
    let options = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
    let picture = browser.cdp("Page.captureScreenshot", &options);
    STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64")
}
