//! Chromium, driven over `WebDriver` through `chromedriver`: as much of the protocol as the tests need.
//!
//! One `chromedriver` serves the whole run, and browsers are kept between tests: starting one costs a
//! second or two.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// Browsers at work at the same time.
const BROWSERS: usize = 2;

/// Longest that the driver may take to answer; a page that does not come is given up before.
const PATIENCE: Duration = Duration::from_mins(2);

/// The name under which the protocol hands out an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Starts `chromedriver`, and ends it with all its browsers when standard input is closed, which it is
/// however this process ends.
const LAUNCH: &str = r#"
scratch=$(mktemp -d) || exit
TMPDIR=$scratch chromedriver --port=0 &
driver=$!
read -r _
exec 2>/dev/null
kill "$driver"
wait "$driver"
# The browsers take a moment to end.
for attempt in 1 2 3 4 5 6 7 8 9; do
    rm -rf -- "$scratch" && break
    sleep 0.2
done
"#;

const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    // Chromium refuses its sandbox to root, as whom build machines run; it sees only our own pages.
    "--no-sandbox",
    // So that it ends with the driver.
    "--remote-debugging-pipe",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
    "--lang=en",
    "--force-color-profile=srgb",
    // Nothing leaves the machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// What the driver says when it refuses a command: a code such as `stale element reference`, and why.
#[derive(Debug)]
pub(crate) struct Refusal(Value);

impl Refusal {
    fn is(&self, code: &str) -> bool {
        self.0["error"] == code
    }
}

/// An element of the page that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element(String);

/// A browser.
pub(crate) struct Browser {
    agent: Agent,
    /// The address of its session.
    address: String,
    scripts: Scripts,
}

/// A browser for one test at a time, without cookies and with a window as on a desk.
pub(crate) struct Borrowed(Option<Browser>);

/// Browsers that are not used at present, and how many are.
struct Stock {
    free: Vec<Browser>,
    lent: usize,
}

static STOCK: Mutex<Stock> = Mutex::new(Stock { free: Vec::new(), lent: 0 });
static RETURNED: Condvar = Condvar::new();

impl Borrowed {
    pub(crate) fn new(scripts: Scripts) -> Self {
        let mut stock = STOCK.lock().unwrap_or_else(PoisonError::into_inner);
        while stock.lent >= BROWSERS {
            stock = RETURNED.wait(stock).unwrap_or_else(PoisonError::into_inner);
        }
        stock.lent += 1;
        let known = stock.free.iter().position(|browser| browser.scripts == scripts);
        let known = known.map(|place| stock.free.swap_remove(place));
        drop(stock);
        // Counted as lent from here on, also when what follows fails.
        let mut borrowed = Self(None);
        let browser = known.unwrap_or_else(|| Browser::start(scripts));
        browser.open("about:blank");
        browser.cdp("Network.clearBrowserCookies", &json!({}));
        browser.look("light", 1440, 900);
        drop(browser.console());
        borrowed.0 = Some(browser);
        borrowed
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut stock = STOCK.lock().unwrap_or_else(PoisonError::into_inner);
        stock.lent -= 1;
        stock.free.extend(self.0.take());
        RETURNED.notify_one();
    }
}

impl Deref for Borrowed {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        self.0.as_ref().expect("a browser until it is given back")
    }
}

/// The address of the driver, started by the first who asks.
fn driver() -> &'static str {
    static DRIVER: OnceLock<(Child, String)> = OnceLock::new();
    let (_, address) = DRIVER.get_or_init(|| {
        let mut command = Command::new("sh");
        command.args(["-c", LAUNCH]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let mut lines = BufReader::new(child.stdout.take().expect("a standard output")).lines();
        let port = lines.find_map(|line| {
            let line = line.expect("text");
            line.rsplit_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
        });
        let port = port.expect(
            "chromedriver does not start: install the packages chromium and chromium-driver, \
             or run the tests by tests/run, which does",
        );
        (child, format!("http://127.0.0.1:{port}"))
    });
    address
}

impl Browser {
    fn start(scripts: Scripts) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent: Agent = config.timeout_global(Some(PATIENCE)).build().into();
        let preferences = match scripts {
            Scripts::On => json!({}),
            Scripts::Off => json!({ "profile.managed_default_content_settings.javascript": 2 }),
        };
        let options = json!({ "args": ARGUMENTS, "prefs": preferences });
        let wishes = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let body = json!({ "capabilities": { "alwaysMatch": wishes } });
        let mut browser = Self { agent, address: format!("{}/session", driver()), scripts };
        let session = browser.post("", &body);
        let id = session["sessionId"].as_str().expect("a session");
        browser.address = format!("{}/{id}", browser.address);
        browser
    }

    /// A command that the driver may refuse.
    pub(crate) fn attempt(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        let request = self.agent.post(format!("{}{path}", self.address));
        read(request.header("Content-Type", "application/json").send(body.to_string()))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.attempt(path, body).unwrap_or_else(|refusal| panic!("{path} {body}: {refusal:?}"))
    }

    /// A question that the driver may refuse to answer.
    pub(crate) fn ask(&self, path: &str) -> Result<Value, Refusal> {
        read(self.agent.get(format!("{}{path}", self.address)).call())
    }

    /// Removes what the driver has at a path, if it is still there.
    pub(crate) fn delete(&self, path: &str) {
        drop(self.agent.delete(format!("{}{path}", self.address)).call());
    }

    fn get(&self, path: &str) -> String {
        let value = self.ask(path).unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Shows the page at an address, and waits until it is there.
    pub(crate) fn open(&self, address: &str) {
        self.post("/url", &json!({ "url": address }));
    }

    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    pub(crate) fn back(&self) {
        self.post("/back", &json!({}));
    }

    pub(crate) fn title(&self) -> String {
        self.get("/title")
    }

    pub(crate) fn address(&self) -> String {
        self.get("/url")
    }

    /// The page as markup, as it is now.
    pub(crate) fn source(&self) -> String {
        self.get("/source")
    }

    /// The elements that an `XPath` expression finds.
    pub(crate) fn find(&self, xpath: &str) -> Vec<Element> {
        let found = self.post("/elements", &json!({ "using": "xpath", "value": xpath }));
        let elements = found.as_array().expect("a list of elements");
        elements
            .iter()
            .map(|element| Element(element[ELEMENT].as_str().expect("an element").to_owned()))
            .collect()
    }

    /// The element that has the focus.
    pub(crate) fn focused(&self) -> Element {
        let value = self.ask("/element/active").expect("an element with the focus");
        Element(value[ELEMENT].as_str().expect("an element").to_owned())
    }

    /// A property of an element, such as `value`, `text` or `id`.
    pub(crate) fn property(&self, element: &Element, name: &str) -> Value {
        self.ask(&format!("/element/{}/property/{name}", element.0)).unwrap_or(Value::Null)
    }

    /// The text of an element as it can be seen.
    pub(crate) fn text(&self, element: &Element) -> Result<String, Refusal> {
        let text = self.ask(&format!("/element/{}/text", element.0))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn is_shown(&self, element: &Element) -> bool {
        self.ask(&format!("/element/{}/displayed", element.0)).is_ok_and(|shown| shown == true)
    }

    /// Whether an element has gone, together with its page.
    pub(crate) fn is_gone(&self, element: &Element) -> bool {
        let answer = self.ask(&format!("/element/{}/name", element.0));
        answer.is_err_and(|refusal| refusal.is("stale element reference") || refusal.is("no such element"))
    }

    pub(crate) fn click(&self, element: &Element) -> Result<(), Refusal> {
        // The driver itself leaves elements under the header that stays in view.
        let script = "arguments[0].scrollIntoView({ block: 'center' })";
        let arguments = json!([{ ELEMENT: element.0 }]);
        self.attempt("/execute/sync", &json!({ "script": script, "args": arguments }))?;
        self.attempt(&format!("/element/{}/click", element.0), &json!({})).map(drop)
    }

    /// Replaces the content of a field.
    pub(crate) fn fill(&self, element: &Element, text: &str) {
        self.post(&format!("/element/{}/clear", element.0), &json!({}));
        self.post(&format!("/element/{}/value", element.0), &json!({ "text": text }));
    }

    /// Presses a key, and lets it go.
    pub(crate) fn press(&self, key: &str) {
        let strokes = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }));
    }

    /// The value of a script that runs in the page, even where the page's own may not.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a script hands to its last argument, a function.
    pub(crate) fn run_until_called(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// A command of Chromium's own protocol.
    pub(crate) fn cdp(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Sets the colours that the person prefers, `light` or `dark`, and the size of the window, in pixels.
    pub(crate) fn look(&self, theme: &str, width: u32, height: u32) {
        // Without motion, so that what is clicked stands still.
        let features = json!([
            { "name": "prefers-color-scheme", "value": theme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.cdp("Emulation.setEmulatedMedia", &json!({ "features": features }));
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Has files that pages offer kept in a new folder.
    pub(crate) fn keep_files(&self) -> Files {
        let folder = TempDir::new().expect("a temporary directory");
        let allow = json!({ "behavior": "allow", "downloadPath": folder.path() });
        self.cdp("Browser.setDownloadBehavior", &allow);
        Files(folder)
    }

    /// What the browser has complained about since it was last asked.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().expect("a list of messages");
        entries.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A cookie for a server.
    pub(crate) fn set_cookie(&self, address: &str, cookie: &str) {
        let (name, value) = cookie.split_once('=').expect("a name and a value");
        let cookie = json!({ "url": address, "name": name, "value": value, "path": "/",
            "httpOnly": true, "sameSite": "Lax" });
        let set = self.cdp("Network.setCookie", &cookie);
        assert_eq!(set["success"], true, "the browser refuses the cookie {name}");
    }
}

/// Where a browser keeps the files that pages offer.
pub(crate) struct Files(TempDir);

impl Files {
    /// Name and content of the first that comes.
    pub(crate) fn first(&self) -> (String, String) {
        let looks = std::iter::repeat_with(|| {
            sleep(Duration::from_millis(50));
            let files = std::fs::read_dir(self.0.path()).expect("a folder").map(|file| file.expect("a file"));
            // The browser gives a file its name when it has all of it.
            let mut named =
                files.filter(|file| file.path().extension().is_some_and(|end| end != "crdownload"));
            let file = named.find(|file| !file.file_name().to_string_lossy().starts_with('.'))?;
            let name = file.file_name().into_string().expect("a name");
            Some((name, std::fs::read_to_string(file.path()).expect("text")))
        });
        looks.take(1200).flatten().next().expect("a file")
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, Refusal> {
    let mut answer = answer.expect("the driver answers");
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().expect("text");
    let mut json: Value = serde_json::from_str(&text).expect("JSON");
    let value = json["value"].take();
    if value["error"].is_string() { Err(Refusal(value)) } else { Ok(value) }
}
