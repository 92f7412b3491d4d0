//! How an installation presents itself: its name, its accent, whom its users ask, and what it is there for.

use serde::{Deserialize, Serialize};

/// Longest name of a site, in characters.
const LONGEST_NAME: usize = 40;

/// What an installation is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To keep the users of programs.
    Production,
    /// To be tried out; every page says that nothing is kept.
    Demo,
}

/// The name that pages, titles and messages show: 1 to 40 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteName(String);

impl SiteName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SiteName {
    fn default() -> Self {
        Self("Usher".to_owned())
    }
}

impl From<SiteName> for String {
    fn from(name: SiteName) -> Self {
        name.0
    }
}

impl TryFrom<String> for SiteName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let name = text.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
            return Err("must have 1 to 40 characters, on one line");
        }
        Ok(Self(name.to_owned()))
    }
}

/// Longest [`Contact`], in characters.
const LONGEST_CONTACT: usize = 100;

/// How users reach the operator: an email address, an `https` address or any other text, such as a telephone number;
/// up to 100 characters on one line, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Contact(String);

impl Contact {
    /// As text; empty for none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a link to it leads to; empty where a browser has nothing to open.
    #[must_use]
    pub fn href(&self) -> String {
        let is_word = !self.0.contains(char::is_whitespace);
        match self.0.split_once('@') {
            _ if is_word && self.0.starts_with("https://") => self.0.clone(),
            Some((name, host)) if is_word && !name.is_empty() && !host.is_empty() => {
                format!("mailto:{}", self.0)
            }
            _ => String::new(),
        }
    }
}

impl From<Contact> for String {
    fn from(contact: Contact) -> Self {
        contact.0
    }
}

impl TryFrom<String> for Contact {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let contact = text.trim();
        if contact.chars().count() > LONGEST_CONTACT || contact.contains(char::is_control) {
            return Err("must have at most 100 characters, on one line");
        }
        Ok(Self(contact.to_owned()))
    }
}

/// A colour: red, green and blue.
type Rgb = [u8; 3];

/// The colour of links and of the main button, as `#rrggbb`. Pages show it darker on light ground and lighter
/// on dark ground, as far as that is needed to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Accent(Rgb);

/// The ground that is hardest to read on, of the light and of the dark theme.
const LIGHT_GROUND: Rgb = [0xe8, 0xf0, 0xfe];
const DARK_GROUND: Rgb = [0x24, 0x29, 0x30];

/// Contrast of text on that ground. WCAG asks for 4.5; on dark ground a brighter colour is easier to find.
const LIGHT_CONTRAST: f64 = 4.8;
const DARK_CONTRAST: f64 = 6.0;

impl Accent {
    /// The colour on light ground, as `#rrggbb`.
    #[must_use]
    pub fn light(self) -> String {
        hex(self.toward(0, LIGHT_GROUND, LIGHT_CONTRAST))
    }

    /// The colour on dark ground, as `#rrggbb`.
    #[must_use]
    pub fn dark(self) -> String {
        hex(self.toward(255, DARK_GROUND, DARK_CONTRAST))
    }

    /// The colour mixed with black or white until it can be read on a ground.
    fn toward(self, end: u8, ground: Rgb, least: f64) -> Rgb {
        let mixed = |percent: u32| {
            self.0.map(|part| {
                let mixed = (u32::from(part) * (100 - percent) + u32::from(end) * percent) / 100;
                u8::try_from(mixed).unwrap_or(end)
            })
        };
        (0..100).map(mixed).find(|colour| contrast(*colour, ground) >= least).unwrap_or([end; 3])
    }
}

impl Default for Accent {
    fn default() -> Self {
        Self([0x0a, 0x58, 0xca])
    }
}

impl From<Accent> for String {
    fn from(accent: Accent) -> Self {
        hex(accent.0)
    }
}

impl TryFrom<String> for Accent {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text
            .strip_prefix('#')
            .filter(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] = number.ok_or("must be a colour such as #0a58ca")?.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The contrast of two colours as WCAG computes it, from 1 to 21.
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: Rgb) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accent(text: &str) -> Result<Accent, &'static str> {
        Accent::try_from(text.to_owned())
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
        assert!((contrast([0x77; 3], [255; 3]) - 4.48).abs() < 0.01);
    }

    #[test]
    fn any_accent_can_be_read_on_both_grounds() {
        for number in (0..0x0100_0000_u32).step_by(0x01_2345) {
            let accent = accent(&format!("#{number:06x}")).unwrap();
            for (shown, ground) in [(accent.light(), LIGHT_GROUND), (accent.dark(), DARK_GROUND)] {
                let Accent(shown) = self::accent(&shown).unwrap();
                assert!(contrast(shown, ground) >= 4.5, "{accent:?} as {shown:?}");
            }
        }
    }

    #[test]
    fn an_accent_that_can_be_read_is_shown_as_it_is() {
        assert_eq!(Accent::default().light(), "#0a58ca");
        assert_eq!(accent("#8CB8FF").unwrap().dark(), "#8cb8ff");
        for wrong in ["", "0a58ca", "#0a58c", "#0a58cag", "#+a58ca", "blue", "#éééaa"] {
            assert!(accent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_site_name_is_one_line_of_text() {
        let name = |text: &str| SiteName::try_from(text.to_owned());
        assert_eq!(name(" Zoë’s users ").unwrap().as_str(), "Zoë’s users");
        for wrong in ["", "  ", "two\nlines", &"x".repeat(41)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_contact_is_a_link_where_a_browser_can_open_it() {
        let href = |text: &str| Contact::try_from(text.to_owned()).unwrap().href();
        assert_eq!(href(" help@example.org "), "mailto:help@example.org");
        assert_eq!(href("https://help.example.org/usher"), "https://help.example.org/usher");
        for text in ["", "room 5, @noon", "@", "+43 1 234", "javascript:alert(1)", "http://help.example.org"]
        {
            assert_eq!(href(text), "", "{text}");
        }
        for wrong in ["two\nlines", &"x".repeat(101)] {
            assert!(Contact::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
