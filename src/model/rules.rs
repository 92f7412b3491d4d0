//! Who may do what to whom: pure functions over actor, target and change.
//!
//! They run inside the operations, on the record before and after the change, so that no channel can
//! bypass them. To add a rule: a variant with its code and sentence, and a line in a function here.

use crate::model::address;
use crate::model::user::User;

/// The right that is missing. Its code goes into the answer, so that a 403 always says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Only staff and superusers manage users.
    AdminRequired,
    /// Only a superuser may touch a superuser.
    SuperuserRequired,
    /// This installation lets only superusers give or remove staff access.
    SuperuserGrantsStaff,
    /// A cookie came with a request that another site may have sent.
    CrossSite,
    /// Nothing may be done before another password is chosen.
    PasswordChangeRequired,
    /// Nothing may be done before a second factor is added.
    SecondFactorRequired,
    /// The password has to be given again first.
    ConfirmationRequired,
    /// The API token is for reading only.
    ReadOnlyToken,
    /// No API token does this, only a user who has signed in.
    SignInRequired,
}

impl Denial {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AdminRequired,
        Self::SuperuserRequired,
        Self::SuperuserGrantsStaff,
        Self::CrossSite,
        Self::PasswordChangeRequired,
        Self::SecondFactorRequired,
        Self::ConfirmationRequired,
        Self::ReadOnlyToken,
        Self::SignInRequired,
    ];

    /// The machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AdminRequired => "admin_required",
            Self::SuperuserRequired => "superuser_required",
            Self::SuperuserGrantsStaff => "superuser_grants_staff",
            Self::CrossSite => "cross_site_request",
            Self::PasswordChangeRequired => "password_change_required",
            Self::SecondFactorRequired => "second_factor_enrolment_required",
            Self::ConfirmationRequired => "confirmation_required",
            Self::ReadOnlyToken => "read_only_token",
            Self::SignInRequired => "sign_in_required",
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::AdminRequired => "Only staff and superusers may do this.",
            Self::SuperuserRequired => "Only a superuser can change this account.",
            Self::SuperuserGrantsStaff => "Only a superuser can give or remove staff access here.",
            Self::CrossSite => "This request did not come from a page of this server.",
            Self::PasswordChangeRequired => "Choose a new password first.",
            Self::SecondFactorRequired => "Add a second factor first.",
            Self::ConfirmationRequired => "Give your password again first.",
            Self::ReadOnlyToken => "This API token can only read.",
            Self::SignInRequired => "An API token cannot do this. Sign in with your password.",
        }
    }
}

/// The rule of the data that a change would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// There would be no active superuser left.
    LastSuperuser,
    /// Users cannot deactivate themselves.
    DeactivatesSelf,
    /// Users cannot take away their own rights.
    DemotesSelf,
    /// Users cannot change the dates of their own account.
    LimitsSelf,
    /// Users cannot end their own sessions with those of others.
    SignsOutSelf,
    /// Users cannot erase themselves.
    ErasesSelf,
    /// The user is to be erased, and may not get back in before that is cancelled.
    ErasurePending,
    /// The user was erased.
    Erased,
}

impl Conflict {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::LastSuperuser,
        Self::DeactivatesSelf,
        Self::DemotesSelf,
        Self::LimitsSelf,
        Self::SignsOutSelf,
        Self::ErasesSelf,
        Self::ErasurePending,
        Self::Erased,
    ];

    /// The machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::LastSuperuser => "last_superuser",
            Self::DeactivatesSelf => "deactivates_self",
            Self::DemotesSelf => "demotes_self",
            Self::LimitsSelf => "limits_self",
            Self::SignsOutSelf => "signs_out_self",
            Self::ErasesSelf => "erases_self",
            Self::ErasurePending => "erasure_pending",
            Self::Erased => "erased",
        }
    }

    /// One sentence that says what to do instead.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::LastSuperuser => "This is the last active superuser. Make another one first.",
            Self::DeactivatesSelf => "You cannot deactivate yourself. Ask another administrator to do it.",
            Self::DemotesSelf => "You cannot remove your own rights. Ask another administrator to do it.",
            Self::LimitsSelf => {
                "You cannot change the dates of your own account. Ask another administrator to do it."
            }
            Self::SignsOutSelf => "You cannot sign yourself out together with others.",
            Self::ErasesSelf => "You cannot erase yourself. Ask another superuser to do it.",
            Self::ErasurePending => "This user is to be erased. Cancel the erasure first.",
            Self::Erased => "This user was erased. The record can no longer be changed.",
        }
    }
}

/// Why a rule forbids something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The actor lacks a right.
    Denied(Denial),
    /// No user may do it.
    Conflicts(Conflict),
}

/// Settings that the rules depend on.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether staff may give and remove staff access; otherwise only superusers may.
    pub staff_grants_staff: bool,
}

impl Rules {
    /// Whether `actor` may turn `before` into `after`.
    ///
    /// # Errors
    /// [`Refusal::Denied`] without the right, [`Refusal::Conflicts`] for a change by which actors would lock
    /// themselves out, or extend their own account.
    pub fn may_change(self, actor: &User, before: &User, after: &User) -> Result<(), Refusal> {
        self.may_touch(actor, before)?;
        self.may_have(actor, before.is_staff, after)?;
        if actor.id == before.id {
            if before.is_active && !after.is_active {
                return Err(Refusal::Conflicts(Conflict::DeactivatesSelf));
            }
            if demotes(before, after) {
                return Err(Refusal::Conflicts(Conflict::DemotesSelf));
            }
            if (before.valid_from, before.valid_until) != (after.valid_from, after.valid_until) {
                return Err(Refusal::Conflicts(Conflict::LimitsSelf));
            }
        }
        Ok(())
    }

    /// Whether `actor` may make `user`.
    ///
    /// # Errors
    /// [`Refusal::Denied`] without the right.
    pub fn may_create(self, actor: &User, user: &User) -> Result<(), Refusal> {
        self.may_have(actor, false, user)
    }

    /// Whether `actor` may change anything about `target`, whatever it is.
    ///
    /// # Errors
    /// [`Refusal::Denied`] without the right.
    pub fn may_touch(self, actor: &User, target: &User) -> Result<(), Refusal> {
        if !actor.is_admin() {
            return Err(Refusal::Denied(Denial::AdminRequired));
        }
        if target.is_superuser && !actor.is_superuser {
            return Err(Refusal::Denied(Denial::SuperuserRequired));
        }
        Ok(())
    }

    /// The record after the change: what `actor` may not touch, `actor` may not make either.
    fn may_have(self, actor: &User, was_staff: bool, after: &User) -> Result<(), Refusal> {
        self.may_touch(actor, after)?;
        if after.is_staff != was_staff && !self.staff_grants_staff && !actor.is_superuser {
            return Err(Refusal::Denied(Denial::SuperuserGrantsStaff));
        }
        Ok(())
    }
}

/// Whether `actor` may see the record with this key: administrators all, others their own.
///
/// # Errors
/// [`Refusal::Denied`], whether or not there is such a user.
pub fn may_view(actor: &User, is_self: impl FnOnce(&User) -> bool) -> Result<(), Refusal> {
    if actor.is_admin() || is_self(actor) { Ok(()) } else { Err(Refusal::Denied(Denial::AdminRequired)) }
}

/// Whether the change takes away a right.
#[must_use]
pub fn demotes(before: &User, after: &User) -> bool {
    before.is_staff && !after.is_staff || before.is_superuser && !after.is_superuser
}

/// Whether the change ends the user's sessions: deactivation, demotion, a new password, and when the account
/// becomes a superuser's (a person with fewer rights may hold one of them).
#[must_use]
pub fn ends_sessions(before: &User, after: &User, new_password: bool) -> bool {
    new_password
        || before.is_active && !after.is_active
        || demotes(before, after)
        || after.is_superuser && !before.is_superuser
}

/// Whether the change ends the one-time links that would set the user's password: every change that ends sessions
/// does, a change of the address (a link was sent to the old one), and the right to manage users (a person with fewer
/// rights may hold one).
#[must_use]
pub fn ends_links(before: &User, after: &User, new_password: bool) -> bool {
    ends_sessions(before, after, new_password)
        || !address::are_same(&before.email, &after.email)
        || after.is_staff && !before.is_staff
}

/// Whether the change ends the links that the user made for others: the right to make them is gone, or less.
#[must_use]
pub fn ends_made_links(before: &User, after: &User) -> bool {
    before.is_active && !after.is_active || demotes(before, after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;
    use crate::model::user::UserId;

    /// A user from a word such as `staff` or `inactive superuser`.
    fn user(id: i64, kind: &str) -> User {
        User {
            id: UserId(id),
            is_active: !kind.contains("inactive"),
            is_staff: kind.contains("staff"),
            is_superuser: kind.contains("superuser"),
            ..User::blank(Timestamp::from_micros(0))
        }
    }

    #[test]
    fn az_2_az_3_the_table_of_rights() {
        const OK: &str = "ok";
        let rules = Rules { staff_grants_staff: true };
        let strict = Rules { staff_grants_staff: false };
        // actor, target before, target after, verdict, verdict when only superusers grant staff
        for (actor, before, after, verdict, verdict_strict) in [
            ("plain", "plain", "plain", "admin_required", "admin_required"),
            ("inactive staff", "plain", "plain", "admin_required", "admin_required"),
            ("inactive superuser", "plain", "plain", "admin_required", "admin_required"),
            ("staff", "plain", "plain", OK, OK),
            ("staff", "plain", "inactive", OK, OK),
            ("staff", "inactive", "plain", OK, OK),
            ("staff", "plain", "staff", OK, "superuser_grants_staff"),
            ("staff", "staff", "plain", OK, "superuser_grants_staff"),
            ("staff", "staff", "staff", OK, OK),
            ("staff", "plain", "superuser", "superuser_required", "superuser_required"),
            ("staff", "superuser", "plain", "superuser_required", "superuser_required"),
            ("staff", "superuser", "superuser", "superuser_required", "superuser_required"),
            ("staff", "inactive superuser", "superuser", "superuser_required", "superuser_required"),
            ("superuser", "plain", "staff", OK, OK),
            ("superuser", "plain", "superuser", OK, OK),
            ("superuser", "superuser", "plain", OK, OK),
            ("superuser", "staff superuser", "inactive", OK, OK),
        ] {
            let judge =
                |rules: Rules| match rules.may_change(&user(1, actor), &user(2, before), &user(2, after)) {
                    Ok(()) => OK,
                    Err(Refusal::Denied(denial)) => denial.code(),
                    Err(refusal) => panic!("{refusal:?}"),
                };
            assert_eq!(judge(rules), verdict, "{actor}: {before} -> {after}");
            assert_eq!(judge(strict), verdict_strict, "{actor}: {before} -> {after}, strict");
        }
    }

    #[test]
    fn users_cannot_deactivate_or_demote_themselves() {
        let rules = Rules { staff_grants_staff: true };
        let judge = |before: &str, after: &str| match rules.may_change(
            &user(1, before),
            &user(1, before),
            &user(1, after),
        ) {
            Err(Refusal::Conflicts(conflict)) => conflict.code(),
            other => panic!("{other:?}"),
        };
        assert_eq!(judge("staff", "inactive staff"), "deactivates_self");
        assert_eq!(judge("superuser", "inactive superuser"), "deactivates_self");
        assert_eq!(judge("staff", "plain"), "demotes_self");
        assert_eq!(judge("staff superuser", "staff"), "demotes_self");
    }

    #[test]
    fn users_cannot_set_or_lift_the_dates_of_their_own_account() {
        let rules = Rules { staff_grants_staff: true };
        let (staff, at) = (user(1, "staff"), Some(Timestamp::from_micros(1)));
        let refused = Err(Refusal::Conflicts(Conflict::LimitsSelf));
        for limited in [User { valid_from: at, ..staff.clone() }, User { valid_until: at, ..staff.clone() }] {
            assert_eq!(rules.may_change(&staff, &staff, &limited), refused, "staff keep their own access");
            assert_eq!(rules.may_change(&limited, &limited, &staff), refused, "or stays beyond their end");
            let other = User { id: UserId(2), ..staff.clone() };
            assert_eq!(rules.may_change(&other, &staff, &limited), Ok(()));
        }
    }

    #[test]
    fn every_denial_has_a_code_and_a_sentence_of_its_own() {
        for (index, denial) in Denial::ALL.into_iter().enumerate() {
            assert!(denial.sentence().ends_with('.'), "{denial:?}");
            for other in &Denial::ALL[..index] {
                assert_ne!(denial.code(), other.code());
                assert_ne!(denial.sentence(), other.sentence());
            }
        }
    }

    #[test]
    fn az_2_staff_cannot_make_a_superuser() {
        let rules = Rules { staff_grants_staff: true };
        assert!(rules.may_create(&user(1, "staff"), &user(0, "superuser")).is_err());
        assert!(rules.may_create(&user(1, "staff"), &user(0, "staff")).is_ok());
    }

    #[test]
    fn pw_10_links_end_with_sessions_with_the_address_and_when_rights_are_given() {
        let renamed = User { email: "new@example.org".into(), ..user(1, "plain") };
        assert!(ends_links(&user(1, "plain"), &renamed, false));
        assert!(ends_links(&user(1, "plain"), &user(1, "superuser"), false));
        assert!(ends_links(&user(1, "plain"), &user(1, "inactive"), false));
        assert!(ends_links(&user(1, "plain"), &user(1, "plain"), true));
        assert!(ends_links(&user(1, "plain"), &user(1, "staff"), false));
    }

    #[test]
    fn sessions_end_with_password_rights_and_activity() {
        assert!(ends_sessions(&user(1, "staff"), &user(1, "staff"), true));
        assert!(ends_sessions(&user(1, "staff"), &user(1, "plain"), false));
        assert!(ends_sessions(&user(1, "plain"), &user(1, "inactive"), false));
        assert!(ends_sessions(&user(1, "staff"), &user(1, "staff superuser"), false));
        assert!(!ends_sessions(&user(1, "plain"), &user(1, "staff"), false));
        assert!(!ends_sessions(&user(1, "inactive"), &user(1, "plain"), false));
    }
}
