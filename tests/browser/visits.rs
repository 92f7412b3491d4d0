//! Every state is visited once, in each theme and width, and everything about it is noted; the tests ask
//! about what was noted.

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use serde_json::{Value, json};

use crate::actions::Actions;
use crate::driver::{Borrowed, Browser, Scripts};
use crate::server::{Answer, Backend, Server};
use crate::states::{self, DEMO, EMPTY, FIRST_START, IMPATIENT, State};

/// The looks in which a state is checked: theme and width, in pixels.
pub(crate) const THEMES: [&str; 2] = ["light", "dark"];
pub(crate) const WIDTHS: [u32; 3] = [1440, 390, 320];

/// Widths between, about the breakpoints too, at which only the layout is checked; in pixels.
const BETWEEN: [u32; 12] = [480, 600, 700, 760, 780, 820, 900, 980, 1000, 1100, 1220, 1600];

/// What is wrong on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Rules that axe-core finds broken.
    Axe,
    /// Wider than the window.
    Width,
    /// What the browser complains about.
    Console,
    /// What this page's own markup should be.
    Markup,
}

/// What was noted about a state.
pub(crate) struct Visit {
    pub(crate) name: &'static str,
    pub(crate) kilobytes: usize,
    /// What is wrong, and in which look.
    pub(crate) findings: Vec<(Check, String)>,
    pub(crate) size: Size,
}

/// What a page costs when nothing is cached. Sizes in bytes.
#[derive(Debug, Default)]
pub(crate) struct Size {
    pub(crate) requests: u64,
    /// Over the wire, with all that the page loads and with the headers of the answers.
    pub(crate) wire: u64,
    /// Of the page alone, unpacked.
    pub(crate) unpacked: u64,
    /// Elements.
    pub(crate) nodes: u64,
}

/// All visits, and the states that could not be reached.
pub(crate) struct Report {
    pub(crate) visits: Vec<Visit>,
    pub(crate) missed: Vec<&'static str>,
}

/// Visits every state, the first time that it is asked.
pub(crate) fn report() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| {
        let visits = Mutex::new(Vec::new());
        let missed = tour(
            |_| true,
            |browser, state, server| {
                let visit = visit(browser, state, server);
                visits.lock().expect("a list").push(visit);
            },
        );
        let mut visits = visits.into_inner().expect("a list");
        visits.sort_by_key(|visit: &Visit| visit.name);
        write_table(&visits);
        Report { visits, missed }
    })
}

/// Has two browsers go through all states that are wanted. `look` is called with each as it was reached: in light and
/// on a wide window. Gives the states that were not reached; why is said where it happened.
pub(crate) fn tour(
    is_wanted: impl Fn(&State) -> bool,
    look: impl Fn(&Browser, &State, &Server) + Sync,
) -> Vec<&'static str> {
    let (full, empty, impatient) = (Server::populated(Backend::Sqlite), Server::empty(), Server::impatient());
    let (first, demo) = (Server::first_start(), Server::demo());
    let all: Vec<(&State, &Server)> = (states::populated().map(|state| (state, &full)))
        .chain(EMPTY.iter().map(|state| (state, &empty)))
        .chain(DEMO.iter().map(|state| (state, &demo)))
        .chain(FIRST_START.iter().map(|state| (state, &first)))
        .chain(IMPATIENT.iter().map(|state| (state, &impatient)))
        .filter(|(state, _)| is_wanted(state))
        .collect();
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let browser = Borrowed::new(Scripts::On);
                while let Some((state, server)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let visit = AssertUnwindSafe(|| {
                        arrive(&browser, state, server);
                        look(&browser, state, server);
                    });
                    if catch_unwind(visit).is_err() {
                        missed.lock().expect("a list").push(state.name);
                    }
                }
            });
        }
    });
    missed.into_inner().expect("a list")
}

fn arrive(browser: &Browser, state: &State, server: &Server) {
    browser.look("light", 1440, 900);
    // A page that differs in its fragment only would not be loaded anew.
    browser.open("about:blank");
    let actions = Actions::new(browser, &server.address);
    actions.is(None);
    if let Some(username) = state.who {
        actions.is(Some(&server.sign_in(username)));
    }
    drop(browser.console());
    (state.arrive)(&actions, server);
    actions.sees(state.shows);
}

/// What is wrong with the page that is shown, apart from its size.
pub(crate) fn look_over(browser: &Browser) -> Vec<(Check, String)> {
    let mut findings: Vec<(Check, String)> =
        strings(&browser.run(MARKUP)).into_iter().map(|text| (Check::Markup, text)).collect();
    browser.run(axe());
    for theme in THEMES {
        for width in WIDTHS {
            browser.look(theme, width, 900);
            let broken = strings(&browser.run_until_called(RUN_AXE));
            findings.extend(broken.into_iter().map(|text| (Check::Axe, format!("{theme}, {width}: {text}"))));
            findings.extend(wide(browser, &format!("{theme}, {width}")));
        }
    }
    for width in BETWEEN {
        browser.look("light", width, 900);
        findings.extend(wide(browser, &width.to_string()));
    }
    browser.look("light", 1440, 900);
    let said = browser.console().into_iter().filter(|message| !is_about_the_status(message));
    findings.extend(said.map(|message| (Check::Console, message)));
    findings
}

/// What is wider than the window, or leaves the column or card that it stands in.
fn wide(browser: &Browser, look: &str) -> Vec<(Check, String)> {
    let found = strings(&browser.run(WIDTH)).into_iter();
    found.map(|text| (Check::Width, format!("{look}: {text}"))).collect()
}

fn visit(browser: &Browser, state: &State, server: &Server) -> Visit {
    let size = size(browser, server);
    let findings = look_over(browser);
    Visit { name: state.name, kilobytes: state.kilobytes, findings, size }
}

/// The browser notes that a page was not answered with 200, which is as it should be.
fn is_about_the_status(message: &str) -> bool {
    let status = " - Failed to load resource: the server responded with a status of ";
    message.contains(status) && !message.contains("/static/")
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().unwrap_or_else(|| panic!("a list: {value}"));
    values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
}

/// What Chromium accepts where the address is `https` or of this machine.
const CODINGS: (&str, &str) = ("Accept-Encoding", "gzip, deflate, br, zstd");

/// What the browser measured, and what it does not tell: the icon, and the size of the headers.
fn size(browser: &Browser, server: &Server) -> Size {
    let measured = browser.run(SIZE);
    let number = |name: &str| measured[name].as_u64().unwrap_or_else(|| panic!("{name}: {measured}"));
    let files = strings(&measured["files"]);
    let paths = files.iter().map(|file| file.strip_prefix(&server.address).expect("a file of our own"));
    let answers: Vec<Answer> = paths.map(|path| server.send("GET", path, &[CODINGS], "")).collect();
    assert!(answers.iter().all(|answer| answer.status == 200), "{files:?}");
    // The page itself has about the headers of one that is like it: a guest is given a cookie, too.
    let cookies = browser.cdp("Network.getCookies", &json!({ "urls": [&server.address] }));
    let session = cookies["cookies"].as_array().into_iter().flatten().find_map(|cookie| {
        let (name, value) = (cookie["name"].as_str()?, cookie["value"].as_str()?);
        name.starts_with("sid-").then(|| format!("{name}={value}"))
    });
    let page = match &session {
        Some(session) => server.send("GET", "/shortcuts", &[CODINGS, ("Cookie", session)], ""),
        None => server.send("GET", "/sign-in", &[CODINGS], ""),
    };
    Size {
        requests: 1 + answers.len() as u64,
        wire: number("wire")
            + page.head_size()
            + answers.iter().map(|answer| answer.head_size() + answer.body.len() as u64).sum::<u64>(),
        unpacked: number("unpacked"),
        nodes: number("nodes"),
    }
}

/// The folder for what a run leaves behind: `target/browser`.
pub(crate) fn results() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser");
    fs::create_dir_all(&folder).expect("a folder for the results");
    folder
}

fn write_table(visits: &[Visit]) {
    let mut table = format!("{:24}{:>9}{:>9}{:>9}{:>7}\n", "", "requests", "wire", "unpacked", "nodes");
    for Visit { name, size, .. } in visits {
        let Size { requests, wire, unpacked, nodes } = size;
        writeln!(table, "{name:24}{requests:>9}{wire:>9}{unpacked:>9}{nodes:>7}").expect("text");
    }
    fs::write(results().join("sizes.txt"), table).expect("the table of sizes");
}

/// The checker of accessibility.
fn axe() -> &'static str {
    static AXE: OnceLock<String> = OnceLock::new();
    AXE.get_or_init(|| {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/node_modules/axe-core/axe.min.js");
        fs::read_to_string(file).expect(
            "axe-core is missing: run `npm ci` in tests/browser, or run the tests by tests/run, which does",
        )
    })
}

/// All rules of WCAG's levels A and AA and all best practices, also those that are off by default.
const RUN_AXE: &str = r"
const done = arguments[0];
const rules = {};
for (const rule of axe.getRules()) {
    rules[rule.ruleId] = { enabled: !rule.tags.includes('wcag2aaa') && !rule.tags.includes('deprecated') };
}
axe.run(document, { rules, resultTypes: ['violations'] }).then(
    result => done(result.violations.map(rule =>
        `${rule.id}: ${rule.nodes.map(node => `${node.target} (${node.failureSummary})`).join('; ')}`)),
    error => done([String(error)]));
";

const WIDTH: &str = r"
const root = document.documentElement, wrong = [];
if (root.scrollWidth > root.clientWidth) wrong.push(`${root.scrollWidth - root.clientWidth} pixels too wide`);
for (const box of document.querySelectorAll('main, main form, main .card, main .cols > *, main td, main th, main .note, main .btn')) {
    if (getComputedStyle(box).clipPath !== 'none') continue;
    const inner = box.getBoundingClientRect().right - parseFloat(getComputedStyle(box).paddingRight) + 1.5;
    for (const part of box.children) {
        if (!part.checkVisibility() || part.matches('.vh, .hit, script, noscript') || getComputedStyle(part).position === 'absolute') continue;
        const right = part.getBoundingClientRect().right;
        if (right > inner) {
            wrong.push(`${Math.round(right - inner)} pixels of ${part.outerHTML.slice(0, 60)} outside of ${box.localName}.${box.className}`);
        }
    }
}
return wrong;
";

/// The page, and every other file that it loads; what a script asks is none. Chromium lists the icon only sometimes.
const SIZE: &str = r"
const page = performance.getEntriesByType('navigation')[0];
const loaded = performance.getEntriesByType('resource')
    .filter(entry => entry.initiatorType !== 'fetch').map(entry => entry.name);
const icon = document.querySelector('link[rel=icon]').href;
return {
    wire: page.encodedBodySize,
    unpacked: page.decodedBodySize,
    nodes: document.getElementsByTagName('*').length,
    files: [...new Set([...loaded, icon])],
};
";

const MARKUP: &str = r#"
const wrong = [], all = selector => [...document.querySelectorAll(selector)];
const check = (right, text) => { if (!right) wrong.push(text); };
check(all('h1').length === 1, `${all('h1').length} main headings`);
check(/^(Error: )?\S.* – Usher$/.test(document.title), `title ${document.title}`);
check(document.title.startsWith('Error: ') === all('#errors').length > 0, `title ${document.title} for the errors`);
check(all('[aria-sort]').length <= 1, 'sorted by several columns');
for (const field of all('input:not([type=hidden], [hidden]), select, textarea')) {
    check(field.labels.length === 1, `${field.labels.length} labels for ${field.name}`);
}
const ids = all('[id]').map(element => element.id);
check(new Set(ids).size === ids.length, `an id twice: ${ids}`);
for (const link of all('a[href^="\\#"]')) {
    check(document.getElementById(link.hash.slice(1)), `${link.hash} leads nowhere`);
}
for (const attribute of ['aria-describedby', 'aria-labelledby', 'aria-controls', 'popovertarget']) {
    for (const element of all(`[${attribute}]`)) {
        for (const id of element.getAttribute(attribute).split(' ')) {
            check(document.getElementById(id), `${attribute} names ${id}, which is not there`);
        }
    }
}
for (const form of all('form')) {
    check(form.method === 'get' || form.elements.token, `a form to ${form.action} without its token`);
}
check(all('[style], style, script:not([src])').length === 0, 'styles or scripts in the page');
return wrong;
"#;
