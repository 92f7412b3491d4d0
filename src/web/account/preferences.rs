//! The user's preferences for the console.

use rocket::form::FromForm;
use rocket::{get, post};

use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::preferences::{Column, Density, Preferences, Theme};
use crate::model::time_zone::Zone;
use crate::operations::own_account;
use crate::web::form::{Field, STALE};
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, Said};
use crate::web::view::{Answer, Preference, PreferencesPage, Problems};

/// What the form sends. A box that is not ticked is not sent.
#[derive(Debug, FromForm)]
pub(super) struct PreferencesForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    theme: String,
    #[field(default = "")]
    density: String,
    #[field(default = "")]
    rows: String,
    #[field(default = "")]
    time_zone: String,
    shortcuts: Option<String>,
    /// Columns to leave out.
    hide: Vec<String>,
}

const THEMES: [(Theme, &str, &str); 3] = [
    (Theme::System, "system", "As the system says"),
    (Theme::Light, "light", "Light"),
    (Theme::Dark, "dark", "Dark"),
];
const DENSITIES: [(Density, &str, &str); 2] =
    [(Density::Comfortable, "comfortable", "Comfortable"), (Density::Compact, "compact", "Compact")];
const ROWS: [(i64, &str, &str); 3] = [(25, "25", "25"), (50, "50", "50"), (100, "100", "100")];

const COLUMNS: [(Column, &str, &str); 6] = [
    (Column::Email, "email", "Email"),
    (Column::Role, "role", "Role"),
    (Column::Status, "status", "Status"),
    (Column::LastLogin, "last_login", "Last sign-in"),
    (Column::DateJoined, "date_joined", "Created"),
    (Column::SecondFactor, "second_factor", "Second factor"),
];

/// What a column of the list is called.
pub(in crate::web) fn words(column: Column) -> &'static str {
    COLUMNS.iter().find(|(known, ..)| *known == column).map_or("", |(_, _, words)| words)
}

/// The value that is sent under a name, if there is one.
fn chosen<T: Copy>(known: &[(T, &str, &str)], sent: &str) -> Option<T> {
    known.iter().find(|(_, name, _)| *name == sent).map(|(value, ..)| *value)
}

impl PreferencesForm {
    fn stored(preferences: &Preferences) -> Self {
        fn sent<T: PartialEq>(known: &[(T, &str, &str)], value: &T) -> String {
            known.iter().find(|known| known.0 == *value).map_or("", |known| known.1).to_owned()
        }
        Self {
            token: String::new(),
            theme: sent(&THEMES, &preferences.theme),
            density: sent(&DENSITIES, &preferences.density),
            rows: sent(&ROWS, &preferences.rows),
            time_zone: preferences.time_zone.clone(),
            shortcuts: preferences.shortcuts.then(String::new),
            hide: preferences.hidden_columns.iter().map(|column| sent(&COLUMNS, column)).collect(),
        }
    }

    /// What was chosen, with what the form does not show as it was before; unless something is unknown.
    fn read(&self, before: &Preferences) -> Option<Preferences> {
        Some(Preferences {
            theme: chosen(&THEMES, &self.theme)?,
            density: chosen(&DENSITIES, &self.density)?,
            rows: chosen(&ROWS, &self.rows)?,
            time_zone: Zone::typed(&self.time_zone).ok()?.name().to_owned(),
            shortcuts: self.shortcuts.is_some(),
            hidden_columns: COLUMNS
                .iter()
                .filter(|(_, name, _)| self.hide.iter().any(|hidden| hidden == name))
                .map(|(column, ..)| *column)
                .collect(),
            views: before.views.clone(),
        })
    }

    /// A field to type in: a list of all zones would be most of the page.
    fn time_zone_field(&self) -> Field {
        let errors = match Zone::typed(&self.time_zone) {
            Ok(_) => Vec::new(),
            Err(meant) if meant.is_empty() => vec!["There is no such time zone.".to_owned()],
            Err(meant) => vec![format!("Type one time zone, for example {}.", meant.join(" or "))],
        };
        let value = self.time_zone.clone();
        let hint = "A city, such as Berlin, or a name, such as Europe/Berlin.";
        Field {
            hint: hint.into(),
            errors,
            ..Field::new("time_zone", "Time zone", "text", value, &FieldErrors::default())
        }
    }

    fn page(&self, console: &ConsoleSession<'_>, problem: Option<&str>) -> PreferencesPage {
        fn options<T>(known: &[(T, &str, &str)]) -> Vec<(String, String)> {
            known.iter().map(|(_, name, words)| ((*name).to_owned(), (*words).to_owned())).collect()
        }
        let mut preferences = Vec::new();
        let mut problems = Vec::new();
        for (name, label, options, value) in [
            ("theme", "Theme", options(&THEMES), &self.theme),
            ("density", "Density", options(&DENSITIES), &self.density),
            ("rows", "Rows per page", options(&ROWS), &self.rows),
        ] {
            let is_known = options.iter().any(|(known, _)| known == value);
            let mut errors = Vec::new();
            if !is_known && problem.is_none() {
                errors.push("Choose one of the list.".to_owned());
                problems.push((name, format!("{label}: Choose one of the list.")));
            }
            preferences.push(Preference { name, label, options, value: value.clone(), errors });
        }
        let time_zone = self.time_zone_field();
        problems.extend(time_zone.errors.iter().map(|error| (time_zone.name, error.clone())));
        problems.extend(problem.map(|problem| ("theme", problem.to_owned())));
        PreferencesPage {
            layout: console.layout("account"),
            preferences,
            time_zone,
            shortcuts: self.shortcuts.is_some(),
            columns: COLUMNS
                .iter()
                .map(|(_, name, label)| (*name, *label, self.hide.iter().any(|hidden| hidden == name)))
                .collect(),
            form: Problems { problems },
        }
    }
}

/// The form.
#[get("/account/preferences")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn page(console: ConsoleSession<'_>) -> Answer<PreferencesPage> {
    Answer::page(PreferencesForm::stored(&console.can.session().preferences).page(&console, None))
}

/// Saves what was chosen.
#[post("/account/preferences", data = "<form>")]
pub(super) async fn save(
    console: ConsoleSession<'_>,
    form: FormBody<PreferencesForm>,
) -> Result<Answer<PreferencesPage>> {
    if console.is_stale(&form.token) {
        return Ok(Answer::refused(form.page(&console, Some(STALE))));
    }
    let Some(preferences) = form.read(&console.can.session().preferences) else {
        return Ok(Answer::refused(form.page(&console, None)));
    };
    let changed = own_account::set_preferences(&console.can, &preferences).await?;
    console.flash(if changed { "Saved.".into() } else { Said::neutral("Nothing changed.") }, None);
    Ok(Answer::Redirect("/account/preferences".into()))
}
