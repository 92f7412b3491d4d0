//! Pictures of every page and state, for people to look at: `tests/screenshots` takes them.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::driver::Browser;
use crate::states::State;
use crate::visits::{THEMES, results, tour};

/// Widths of the windows of a desk, a tablet and a phone, in pixels.
const WIDTHS: [u32; 3] = [1440, 820, 390];

/// The greatest height of a picture, in pixels.
const LONGEST: u64 = 2400;

/// The pictures of the README, light, as a window of this height shows them: state and file.
const README: [(&str, &str); 2] = [("demo-users", "users.webp"), ("demo-user", "user.webp")];
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
    let missed = tour(
        |_| true,
        |browser, state, _| {
            for theme in THEMES {
                for width in WIDTHS {
                    let file = folder.join(format!("{}-{width}-{theme}.png", state.name));
                    fs::write(file, picture(browser, theme, width)).expect("a picture");
                }
            }
        },
    );
    assert_eq!(missed, [""; 0]);
}

/// Takes those of the README, and puts them where it shows them.
pub(crate) fn of_the_readme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    let file_of = |state: &State| README.iter().find(|(name, _)| *name == state.name).map(|(_, file)| file);
    let missed = tour(
        |state| file_of(state).is_some(),
        |browser, state, _| {
            browser.look("light", WIDTHS[0], 900);
            let small = json!({ "format": "webp", "quality": 75, "clip": clip(WIDTHS[0], WINDOW) });
            let file = folder.join(file_of(state).expect("one of them"));
            fs::write(file, taken(browser, &small)).expect("a picture");
        },
    );
    assert_eq!(missed, [""; 0]);
    let size = |file: &str| fs::metadata(folder.join(file)).expect("a picture").len();
    let together: u64 = README.iter().map(|(_, file)| size(file)).sum();
    assert!(together <= 150 * 1024, "{together} bytes");
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
