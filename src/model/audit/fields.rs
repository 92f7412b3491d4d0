//! The fields by which the audit log is filtered and sorted.

use std::borrow::Cow;
use std::convert::Infallible;

use crate::model::audit::{Action, ListedEntry};
use crate::model::filter::{Body, Expression, Field, Filter, Folding, Operator, Order, Resource, Test};
use crate::model::user::UserId;

/// A text of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// `action`
    Action,
    /// `actor`: the name of that moment; empty where the user is not known.
    Actor,
    /// `target`: the name of that moment; empty where there is none.
    Target,
    /// `door`
    Door,
    /// `address`; empty on the command line.
    Address,
    /// `request_id`; empty on the command line.
    RequestId,
}

/// A number or instant of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegerField {
    /// `id`
    Id,
    /// `at`, in microseconds
    At,
    /// `actor_pk`
    ActorId,
    /// `target_pk`
    TargetId,
    /// `batch`
    Batch,
    /// `undoes`
    Undoes,
}

/// The entries of the audit log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entries;

impl Filter<Entries> {
    /// What happened to a user but for coming and going, the newest first.
    #[must_use]
    pub fn history_of(user: UserId) -> Self {
        let of = Test::Integer(IntegerField::TargetId, Operator::Equal, user.0);
        let is = |action: &Action| {
            let name = action.as_str().to_owned();
            Expression::of(Test::Text(TextField::Action, Operator::Equal, name, Folding::Exact))
        };
        let comings =
            Expression { invert: true, body: Body::Any(Action::COMING_AND_GOING.iter().map(is).collect()) };
        Self { expressions: vec![Expression::of(of), comings], order_by: Vec::new(), include_inactive: true }
    }
}

impl Resource for Entries {
    type Record = ListedEntry;
    type Text = TextField;
    type Integer = IntegerField;
    /// An entry has no flags.
    type Flag = Infallible;

    const NAME: &'static str = "audit";
    const FIELDS: &'static [(&'static str, Field<Self>)] = &[
        ("id", Field::Integer(IntegerField::Id)),
        ("at", Field::Integer(IntegerField::At)),
        ("action", Field::Text(TextField::Action)),
        ("actor", Field::Text(TextField::Actor)),
        ("actor_pk", Field::Integer(IntegerField::ActorId)),
        ("target", Field::Text(TextField::Target)),
        ("target_pk", Field::Integer(IntegerField::TargetId)),
        ("door", Field::Text(TextField::Door)),
        ("address", Field::Text(TextField::Address)),
        ("request_id", Field::Text(TextField::RequestId)),
        ("batch", Field::Integer(IntegerField::Batch)),
        ("undoes", Field::Integer(IntegerField::Undoes)),
    ];
    /// Newest first: keys are given in the order in which entries are written.
    const LAST_ORDER: Order<Self> =
        Order { field: Field::Integer(IntegerField::Id), ascending: false, nulls_first: false };
    const ACTIVE: Option<Infallible> = None;

    fn text(field: TextField, told: &ListedEntry) -> Cow<'_, str> {
        let entry = &told.entry;
        Cow::Borrowed(match field {
            TextField::Action => &entry.action,
            TextField::Actor => &entry.actor_name,
            TextField::Target => &entry.target_name,
            TextField::Door => &entry.door,
            TextField::Address => &entry.address,
            TextField::RequestId => &entry.request_id,
        })
    }

    fn integer(field: IntegerField, told: &ListedEntry) -> Option<i64> {
        let entry = &told.entry;
        match field {
            IntegerField::Id => Some(entry.id),
            IntegerField::At => Some(entry.happened_at),
            IntegerField::ActorId => entry.actor_id,
            IntegerField::TargetId => entry.target_id,
            IntegerField::Batch => entry.batch_id,
            IntegerField::Undoes => entry.undoes,
        }
    }

    fn flag(field: Infallible, _: &ListedEntry) -> bool {
        match field {}
    }

    /// All but the names are written by us, in lower case.
    fn is_folded(field: TextField) -> bool {
        !matches!(field, TextField::Actor | TextField::Target)
    }

    fn is_instant(field: IntegerField) -> bool {
        field == IntegerField::At
    }

    fn is_nullable(field: IntegerField) -> bool {
        !matches!(field, IntegerField::Id | IntegerField::At)
    }

    fn is_unique(field: Field<Self>) -> bool {
        field == Field::Integer(IntegerField::Id)
    }
}
