//! A person at a browser, who finds things by what they see. Their work is counted: one action for
//! each click, each key, and each field that is typed in.

use std::cell::Cell;
use std::thread::sleep;
use std::time::Duration;

use crate::driver::{Browser, Element};

/// How often something that does not show yet is looked for, and how long between two looks.
const LOOKS: u32 = 1200;
const BETWEEN: Duration = Duration::from_millis(50);

/// Keys without a character, as `WebDriver` spells them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";

/// A browser in front of a server, and the count of what was done with it.
pub(crate) struct Actions<'b> {
    pub(crate) browser: &'b Browser,
    /// Of the server, such as `http://127.0.0.1:4711`.
    address: String,
    count: Cell<u32>,
}

impl<'b> Actions<'b> {
    pub(crate) fn new(browser: &'b Browser, address: &str) -> Self {
        Self { browser, address: address.to_owned(), count: Cell::new(0) }
    }

    /// How many actions it took since the page was opened.
    pub(crate) fn count(&self) -> u32 {
        self.count.get()
    }

    fn counted(&self) {
        self.count.set(self.count.get() + 1);
    }

    /// Starts at a page: by a bookmark, say. Not counted; the count begins here.
    pub(crate) fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.address));
        self.count.set(0);
    }

    /// Sets the browser's session cookie, or removes it.
    pub(crate) fn is(&self, session: Option<&str>) {
        match session {
            Some(cookie) => self.browser.set_cookie(&self.address, cookie),
            None => drop(self.browser.cdp("Network.clearBrowserCookies", &serde_json::json!({}))),
        }
    }

    /// The path of the page that is shown.
    pub(crate) fn path(&self) -> String {
        let address = self.browser.address();
        address.strip_prefix(&self.address).unwrap_or(&address).to_owned()
    }

    /// Clicks the link or button of that name, and waits for the page that it leads to.
    pub(crate) fn click(&self, name: &str) {
        self.goes_on(|| self.click_here(name));
    }

    /// Clicks something that changes the page it is on: a menu, a button of the script, a link to a field.
    pub(crate) fn click_here(&self, name: &str) {
        let named = format!("normalize-space()={}", quoted(name));
        let xpath = format!("//a[{named}] | //button[{named}] | //summary[{named}]");
        let element = self.shown(&xpath, name);
        self.browser.click(&element).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        self.counted();
    }

    /// Clicks the link or button whose name begins so.
    pub(crate) fn follow(&self, start: &str) {
        let named = format!("starts-with(normalize-space(),{})", quoted(start));
        let element = self.shown(&format!("//a[{named}] | //button[{named}]"), start);
        self.browser.click(&element).unwrap_or_else(|refusal| panic!("{start}: {refusal:?}"));
        self.counted();
    }

    /// Ticks or unticks a box, or chooses one of several.
    pub(crate) fn tick(&self, label: &str) {
        let element = self.field(label);
        self.browser.click(&element).unwrap_or_else(|refusal| panic!("{label}: {refusal:?}"));
        self.counted();
    }

    /// Chooses from a list, by the value that the form sends.
    pub(crate) fn choose(&self, label: &str, value: &str) {
        let id = self.browser.property(&self.field(label), "id");
        self.browser.run(&format!("document.getElementById({id}).value = '{value}';"));
        self.counted();
    }

    /// Puts a text into the field of that label as a form sends it, whatever the parts in which it is typed.
    pub(crate) fn type_in(&self, label: &str, text: &str) {
        let id = self.browser.property(&self.field(label), "id");
        let text = serde_json::json!(text);
        self.browser.run(&format!("document.getElementById({id}).value = {text};"));
        self.counted();
    }

    /// Types in the field of that label, in place of what was there.
    pub(crate) fn fill(&self, label: &str, text: &str) {
        self.browser.fill(&self.field(label), text);
        self.counted();
    }

    /// Presses a key.
    pub(crate) fn press(&self, key: &str) {
        self.browser.press(key);
        self.counted();
    }

    /// Presses a key that leads to another page.
    pub(crate) fn press_and_go(&self, key: &str) {
        self.goes_on(|| self.press(key));
    }

    /// Types where the focus is.
    pub(crate) fn fill_focused(&self, text: &str) {
        self.browser.fill(&self.browser.focused(), text);
        self.counted();
    }

    /// Does something, and waits until the page has made room for the next one.
    pub(crate) fn goes_on(&self, action: impl FnOnce()) {
        let page = self.browser.find("/html").into_iter().next().expect("a page");
        action();
        until("the page goes on", || self.browser.is_gone(&page).then_some(()));
    }

    /// The field of that label.
    pub(crate) fn field(&self, label: &str) -> Element {
        let label_for = format!("//label[starts-with(normalize-space(),{})]", quoted(label));
        let named = format!("//input[starts-with(@aria-label,{})]", quoted(label));
        self.shown(&format!("//*[@id={label_for}/@for] | {label_for}/input | {named}"), label)
    }

    /// What the field of that label holds.
    pub(crate) fn value(&self, label: &str) -> String {
        let value = self.browser.property(&self.field(label), "value");
        value.as_str().unwrap_or_default().to_owned()
    }

    /// The text of the page, as it can be seen.
    pub(crate) fn text(&self) -> String {
        let bodies = self.browser.find("//body");
        bodies.first().and_then(|body| self.browser.text(body).ok()).unwrap_or_default()
    }

    /// Waits until the page says something.
    pub(crate) fn sees(&self, text: &str) {
        let seen = attempt(|| self.text().contains(text).then_some(()));
        assert!(seen.is_some(), "{text:?} is not on the page {}:\n{}", self.path(), self.text());
    }

    /// The number that the page shows before some words.
    pub(crate) fn number_before(&self, words: &str) -> u32 {
        self.sees(words);
        let text = self.text();
        let (before, _) = text.split_once(words).expect(words);
        let digits = before.rsplit(|c: char| !c.is_ascii_digit() && c != ',').next().unwrap_or_default();
        digits.replace(',', "").parse().unwrap_or_else(|_| panic!("no number before {words:?}:\n{text}"))
    }

    /// Waits until the page has a title.
    pub(crate) fn until_title(&self, title: &str) {
        until(&format!("{title} at {}", self.path()), || (self.browser.title() == title).then_some(()));
    }

    /// The first element that is shown of those that an expression finds.
    fn shown(&self, xpath: &str, name: &str) -> Element {
        let find = || self.browser.find(xpath).into_iter().find(|element| self.browser.is_shown(element));
        attempt(find).unwrap_or_else(|| {
            panic!("{name:?} is not on the page {}:\n{}", self.path(), self.text());
        })
    }
}

/// Looks until there is something.
fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    attempt(look).unwrap_or_else(|| panic!("waited in vain: {what}"))
}

/// Looks for something, for a while.
fn attempt<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    (0..LOOKS).find_map(|_| {
        let found = look();
        if found.is_none() {
            sleep(BETWEEN);
        }
        found
    })
}

/// A text as an `XPath` expression writes it.
fn quoted(text: &str) -> String {
    assert!(!text.contains('"'), "no name has a double quote: {text}");
    format!("\"{text}\"")
}
