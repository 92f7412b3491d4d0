//! The contexts of the templates: one struct per template, each with samples that show all of it.

use serde::Serialize;

use super::bulk::Selection;
use super::{ErasureNote, LinkNote, MailNote, PasskeyAsked, PasswordChoice, Recent, SecondStep, Time, View};
use crate::model::clock::Timestamp;
use crate::model::user::User;
use crate::web::form::FormState;
use crate::web::layout::Layout;

/// The word for a user's rights; empty for none.
pub(in crate::web) fn role(user: &User) -> &'static str {
    match (user.is_superuser, user.is_staff) {
        (true, _) => "Superuser",
        (false, true) => "Staff",
        (false, false) => "",
    }
}

/// The word for whether an account may be used at this moment: the worst that is true of it.
pub(in crate::web) fn status(user: &User, is_locked: bool, now: Timestamp) -> &'static str {
    match (user.valid_from, user.valid_until) {
        _ if is_locked => "Locked",
        (_, Some(until)) if now >= until => "Ended",
        (Some(from), _) if now < from => "Not yet valid",
        _ if user.is_invited => "Invited",
        _ if !user.is_active => "Deactivated",
        _ => "Active",
    }
}

/// One or two letters that stand for a user.
pub(in crate::web) fn initials(user: &User) -> String {
    let first = |text: &str| text.chars().find(|character| character.is_alphanumeric());
    let names: Vec<char> =
        [&user.first_name, &user.last_name].into_iter().filter_map(|name| first(name)).collect();
    let letters = if names.is_empty() { Vec::from_iter(first(user.username.as_str())) } else { names };
    letters.into_iter().flat_map(char::to_uppercase).collect()
}

/// The page to sign in on.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SignInPage {
    pub(in crate::web) username: String,
    pub(in crate::web) next: String,
    pub(in crate::web) token: String,
    pub(in crate::web) problem: Option<String>,
    /// What happened before, such as the end of a session.
    pub(in crate::web) note: Option<String>,
    /// How the first superuser is made: `link` by the one that the server has printed, `command`; empty if there is one.
    pub(in crate::web) first_superuser: &'static str,
    /// Whether there is any user who could sign in.
    pub(in crate::web) has_users: bool,
    /// Whether a link can be sent to who has forgotten the password.
    pub(in crate::web) sends_mail: bool,
    /// Whom users ask where no mail is sent, and what a link to them leads to; each may be empty.
    pub(in crate::web) contact: (String, String),
    /// Where a form was sent after its session had ended; empty for none.
    pub(in crate::web) resume: String,
    /// What was typed in it, as the sign-in form carries it.
    pub(in crate::web) kept: String,
    /// The same once the person has signed in, to go on with: name and value.
    pub(in crate::web) fields: Vec<(String, String)>,
    /// Asks for a second factor.
    pub(in crate::web) second_step: Option<SecondStep>,
    /// Asks for a passkey in place of name and password; `None` where no user has one.
    pub(in crate::web) passkey: Option<PasskeyAsked>,
}

impl View for SignInPage {
    const NAME: &'static str = "sign-in.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |problem: Option<&str>, first_superuser| Self {
            username: text.to_owned(),
            next: text.to_owned(),
            token: text.to_owned(),
            problem: problem.map(str::to_owned),
            note: Some(text.to_owned()),
            first_superuser,
            has_users: true,
            sends_mail: true,
            contact: (text.to_owned(), text.to_owned()),
            resume: text.to_owned(),
            kept: text.to_owned(),
            fields: Vec::new(),
            second_step: None,
            passkey: problem.map(|_| PasskeyAsked::sample(text)),
        };
        vec![
            sample(None, "link"),
            Self { second_step: Some(SecondStep::sample(text, true)), ..sample(Some(text), "") },
            Self { second_step: Some(SecondStep::sample(text, false)), ..sample(None, "") },
            sample(Some(text), ""),
            Self { has_users: false, ..sample(Some(text), "command") },
            Self { fields: vec![(text.to_owned(), text.to_owned())], ..sample(None, "") },
        ]
    }
}

/// A text in parts, each with whether the search found it.
pub(in crate::web) type Marked = Vec<(String, bool)>;

/// A row of the users list.
#[derive(Debug, Serialize)]
pub(in crate::web) struct UserRow {
    pub(in crate::web) id: i64,
    pub(in crate::web) initials: String,
    pub(in crate::web) name: Marked,
    pub(in crate::web) username: Marked,
    pub(in crate::web) email: Marked,
    pub(in crate::web) role: &'static str,
    pub(in crate::web) status: &'static str,
    pub(in crate::web) last_login: Option<Time>,
    pub(in crate::web) date_joined: Time,
}

/// A choice above the list.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Choice {
    pub(in crate::web) name: &'static str,
    pub(in crate::web) label: &'static str,
    pub(in crate::web) value: &'static str,
    /// Value and label.
    pub(in crate::web) options: Vec<(&'static str, &'static str)>,
}

/// A column's head.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Header {
    pub(in crate::web) label: &'static str,
    /// Sorts by the column; empty for one that cannot.
    pub(in crate::web) path: String,
    /// `ascending` or `descending` for the column that is sorted by.
    pub(in crate::web) sorted: &'static str,
    pub(in crate::web) class: &'static str,
}

/// The users list.
#[derive(Debug, Serialize)]
pub(in crate::web) struct UsersPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) q: String,
    pub(in crate::web) autofocus: bool,
    pub(in crate::web) choices: Vec<Choice>,
    /// What the filter form keeps as it is: name and value.
    pub(in crate::web) kept: Vec<(&'static str, String)>,
    pub(in crate::web) notes: Vec<String>,
    pub(in crate::web) summary: String,
    /// Counts all that match, if they have not been.
    pub(in crate::web) count_exactly: Option<String>,
    /// What narrows the list: the path without it, and its words.
    pub(in crate::web) chips: Vec<(String, String)>,
    /// Ready-made lists: path and name.
    pub(in crate::web) views: Vec<(String, String)>,
    /// Saves the list as a view, where there is something to save.
    pub(in crate::web) save_path: String,
    pub(in crate::web) narrowed: bool,
    /// Adds a user with the name that was searched for, if it can be one.
    pub(in crate::web) add_path: Option<String>,
    pub(in crate::web) caption: String,
    pub(in crate::web) headers: Vec<Header>,
    /// The classes of columns that are left out.
    pub(in crate::web) hidden: Vec<&'static str>,
    /// The rows, in groups with a heading unless there is only one.
    pub(in crate::web) groups: Vec<(&'static str, Vec<UserRow>)>,
    pub(in crate::web) selection: Selection,
    /// What else than deactivating can be done to those selected: names and words.
    pub(in crate::web) actions: Vec<(&'static str, &'static str)>,
    /// Path, label and relation of the pages around this one.
    pub(in crate::web) pages: Vec<(String, &'static str, &'static str)>,
    /// Which of how many users are on the page.
    pub(in crate::web) range: String,
    /// Path, empty for the present one, and number.
    pub(in crate::web) rows_per_page: Vec<(String, i64)>,
}

impl View for UsersPage {
    const NAME: &'static str = "users.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let marked = || vec![(text.to_owned(), true), (text.to_owned(), false)];
        let row = |role| UserRow {
            id: 7,
            initials: text.to_owned(),
            name: marked(),
            username: marked(),
            email: marked(),
            role,
            status: if role.is_empty() { "Active" } else { "Ended" },
            last_login: Some(Timestamp::from_micros(0).into()),
            date_joined: Timestamp::from_micros(0).into(),
        };
        let sample = |groups, narrowed: bool| Self {
            layout: Layout::sample(text),
            q: text.to_owned(),
            autofocus: true,
            choices: vec![Choice {
                name: "role",
                label: "Role",
                value: "staff",
                options: vec![("staff", "Staff")],
            }],
            kept: vec![("sort", text.to_owned())],
            notes: vec![text.to_owned()],
            summary: text.to_owned(),
            count_exactly: narrowed.then(|| text.to_owned()),
            chips: vec![(text.to_owned(), text.to_owned())],
            views: vec![(text.to_owned(), text.to_owned())],
            save_path: text.to_owned(),
            hidden: vec!["opt"],
            narrowed,
            add_path: Some(text.to_owned()),
            caption: text.to_owned(),
            headers: vec![Header { label: "Name", path: text.to_owned(), sorted: "ascending", class: "" }],
            selection: Selection::sample(text),
            actions: vec![("export", "Export CSV")],
            groups,
            pages: vec![(text.to_owned(), "Next", "next")],
            range: text.to_owned(),
            rows_per_page: vec![(String::new(), 50), (text.to_owned(), 100)],
        };
        vec![
            sample(
                vec![("Exact match", vec![row("Staff")]), ("Other matches", vec![row("Superuser")])],
                true,
            ),
            sample(vec![("", vec![row("Staff"), row("Superuser"), row("")])], false),
            sample(vec![], true),
            sample(vec![], false),
        ]
    }
}

/// The form for a new user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct NewUserPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) form: FormState,
    pub(in crate::web) choice: PasswordChoice,
    pub(in crate::web) may_grant_staff: bool,
}

impl View for NewUserPage {
    const NAME: &'static str = "user-new.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self {
            layout: Layout::sample(text),
            form: FormState::sample(text),
            choice: PasswordChoice::sample(text),
            may_grant_staff: true,
        }]
    }
}

/// A field that someone else changed while it was being edited, to something else.
#[derive(Debug, Serialize)]
pub(in crate::web) struct FieldConflict {
    pub(in crate::web) name: &'static str,
    pub(in crate::web) label: &'static str,
    pub(in crate::web) theirs: String,
    pub(in crate::web) yours: String,
    /// By whom and when it was changed, where the last changes say so.
    pub(in crate::web) changed: Option<(String, Time)>,
}

/// One user.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one part of the page is there")]
pub(in crate::web) struct UserPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    pub(in crate::web) initials: String,
    pub(in crate::web) version: i64,
    /// The values that the form shows, so that it can be merged with what others save.
    pub(in crate::web) was: String,
    /// The time zone of the dates in the form.
    pub(in crate::web) zone: String,
    pub(in crate::web) status: &'static str,
    pub(in crate::web) is_active: bool,
    pub(in crate::web) is_self: bool,
    pub(in crate::web) erasure: Option<ErasureNote>,
    pub(in crate::web) role: &'static str,
    pub(in crate::web) date_joined: Time,
    pub(in crate::web) last_login: Option<Time>,
    pub(in crate::web) form: FormState,
    pub(in crate::web) may_grant_staff: bool,
    pub(in crate::web) may_grant_superuser: bool,
    pub(in crate::web) conflicts: Vec<FieldConflict>,
    /// Who deactivated the user, and when; the name is empty for the operator.
    pub(in crate::web) deactivated: Option<(String, Time)>,
    /// When the viewer's own account may be used: users cannot change that for themselves.
    pub(in crate::web) own_dates: Vec<(&'static str, Time)>,
    /// Why the viewer may not change this user; empty if they may.
    pub(in crate::web) locked_reason: &'static str,
    /// The last of what happened to them.
    pub(in crate::web) recent: Recent,
    /// The link that is out for this user.
    pub(in crate::web) link: Option<LinkNote>,
    /// The newest message to this user.
    pub(in crate::web) mail: Option<MailNote>,
    /// Whether they can sign in, and why not; empty on a page that asks for something else.
    pub(in crate::web) sign_in: String,
    /// Whether there is no password, whenever one was set.
    pub(in crate::web) has_no_password: bool,
    /// Whether the page says at its top, too, that they cannot.
    pub(in crate::web) is_kept_out: bool,
    /// Whether there is a block after failed sign-ins which the viewer may end.
    pub(in crate::web) may_unlock: bool,
    pub(in crate::web) has_factor: bool,
    pub(in crate::web) password_changed_at: Option<Time>,
}

impl View for UserPage {
    const NAME: &'static str = "user.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |conflicts, locked_reason, is_active, is_self| Self {
            layout: Layout::sample(text),
            id: 7,
            name: text.to_owned(),
            initials: text.to_owned(),
            version: 3,
            was: text.to_owned(),
            zone: text.to_owned(),
            status: "Active",
            is_active,
            is_self,
            erasure: (!is_active).then(|| ErasureNote::sample(text)),
            role: "Staff",
            date_joined: Timestamp::from_micros(0).into(),
            last_login: None,
            form: FormState::sample(text),
            may_grant_staff: !is_self,
            may_grant_superuser: !is_self,
            conflicts,
            deactivated: Some((text.to_owned(), Timestamp::from_micros(0).into())),
            own_dates: vec![("Valid until", Timestamp::from_micros(0).into())],
            locked_reason,
            recent: if is_self { Recent::default() } else { Recent::sample(text) },
            link: Some(LinkNote::sample(text)),
            mail: Some(MailNote::sample(text)),
            sign_in: text.to_owned(),
            has_no_password: is_self,
            is_kept_out: true,
            may_unlock: is_self,
            has_factor: is_self,
            password_changed_at: None,
        };
        let conflict = FieldConflict {
            name: "email",
            label: "Email",
            theirs: text.to_owned(),
            yours: text.to_owned(),
            changed: Some((text.to_owned(), Timestamp::from_micros(0).into())),
        };
        vec![
            sample(vec![], "", true, false),
            Self { link: None, mail: None, ..sample(vec![], "", false, false) },
            sample(vec![], "", true, true),
            Self {
                link: Some(LinkNote { url: None, is_kept: true, ..LinkNote::sample(text) }),
                ..sample(vec![], "", true, false)
            },
            sample(vec![conflict], "", true, false),
            sample(vec![], "Only a superuser can change this account.", true, false),
        ]
    }
}

/// The form for a new password of another user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct PasswordPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) id: i64,
    /// For password managers, so that they do not keep it as the viewer's own.
    pub(in crate::web) username: String,
    pub(in crate::web) name: String,
    pub(in crate::web) version: i64,
    /// What it does, beside the new password.
    pub(in crate::web) consequence: &'static str,
    pub(in crate::web) form: FormState,
    pub(in crate::web) choice: PasswordChoice,
}

impl View for PasswordPage {
    const NAME: &'static str = "password.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let mut form = FormState::sample(text);
        form.fields.truncate(1);
        vec![Self {
            layout: Layout::sample(text),
            id: 7,
            username: text.to_owned(),
            name: text.to_owned(),
            version: 3,
            consequence: "They are signed out.",
            form,
            choice: PasswordChoice::sample(text),
        }]
    }
}

/// What could not be answered, and why.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ErrorPage {
    /// For a signed-in user.
    pub(in crate::web) layout: Option<Layout>,
    pub(in crate::web) title: &'static str,
    pub(in crate::web) explanation: String,
    /// The path of a way on, and what it is called.
    pub(in crate::web) next: String,
    pub(in crate::web) next_label: &'static str,
    /// The request's number.
    pub(in crate::web) reference: String,
}

impl View for ErrorPage {
    const NAME: &'static str = "error.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        [Some(Layout::sample(text)), None]
            .into_iter()
            .map(|layout| Self {
                layout,
                title: "You may not do that.",
                explanation: text.to_owned(),
                next: text.to_owned(),
                next_label: "All users",
                reference: text.to_owned(),
            })
            .collect()
    }
}
