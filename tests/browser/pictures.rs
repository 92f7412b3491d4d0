//! Pictures of every page and state, for people to look at: `tests/screenshots` takes them.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::driver::Browser;
use crate::visits::{THEMES, results, tour};

/// Widths of a desk's and a phone's window, in pixels.
const WIDTHS: [u32; 2] = [1440, 390];

/// The greatest height of a picture, in pixels.
const LONGEST: u64 = 2400;

/// The pictures of the README, light, as a window of this height shows them: state and file.
const README: [(&str, &str); 2] = [("demo-users", "users.webp"), ("user-with-changes", "user.webp")];
const WINDOW: u64 = 900;

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
        for (_, file) in README.iter().filter(|(name, _)| *name == state.name) {
            browser.look("light", WIDTHS[0], 900);
            let small = json!({ "format": "webp", "quality": 75, "clip": clip(WIDTHS[0], WINDOW) });
            fs::write(folder.join(file), taken(browser, &small)).expect("a picture");
        }
    });
    assert_eq!(missed, [""; 0]);
}

/// The page down to its end, as PNG.
fn picture(browser: &Browser, theme: &str, width: u32) -> Vec<u8> {
    browser.look(theme, width, 900);
    let height = browser.run("return document.documentElement.scrollHeight").as_u64().expect("a height");
    let clip = clip(width, height.clamp(600, LONGEST));
    taken(browser, &json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }))
}

fn clip(width: u32, height: u64) -> Value {
    json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 })
}

fn taken(browser: &Browser, options: &Value) -> Vec<u8> {
    let picture = browser.cdp("Page.captureScreenshot", options);
    STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64")
}
