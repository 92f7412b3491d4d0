//! A message about an account and its delivery state. The text is never stored, because it holds a link.

use std::time::Duration;

use super::clock::Timestamp;
use super::link::LinkPurpose;

/// A message that is queued for longer without another try was lost with the process that was to send it.
const LOST_AFTER: Duration = Duration::from_mins(2);
/// How long a message is tried that the mail server did not take for a passing reason.
const TRIED_FOR: Duration = Duration::from_hours(1);
/// The shortest and the longest pause before another try; in between it is as long as the message has waited.
const SHORTEST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// When a message that was queued at `created` is tried again after a failure for a passing reason: after 1, 2, 4, 8, 16,
/// 31 and 46 minutes. `None` once that has gone on for an hour.
#[must_use]
pub fn next_try(created: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let next = now.plus(now.since(created).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    (next.since(created) <= TRIED_FOR).then_some(next)
}

/// A message's primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailId(pub i64);

/// The delivery state of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// About to be sent, or to be sent again.
    Queued,
    /// The mail server took it.
    Accepted,
    /// The mail server did not take it, or could not be reached.
    Refused,
    /// The process that was to send it has ended. Never stored.
    Unknown,
}

impl MailState {
    const ALL: [Self; 4] = [Self::Queued, Self::Accepted, Self::Refused, Self::Unknown];

    /// As stored and shown to programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A message as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// What the link in it is for.
    pub purpose: LinkPurpose,
    /// The address that it was sent to.
    pub recipient: String,
    /// Its stored delivery state; see [`Mail::state_at`].
    pub state: MailState,
    /// What the mail server said.
    pub response: String,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When its next try is due, if it is queued for one.
    pub retry_at: Option<Timestamp>,
    /// When that became known.
    pub changed_at: Timestamp,
}

impl Mail {
    /// Its delivery state, as far as is known at this moment.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> MailState {
        match self.state {
            MailState::Queued if self.retry_at.is_none() && now.since(self.created_at) >= LOST_AFTER => {
                MailState::Unknown
            }
            state => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_stays_queued_is_lost() {
        let now = Timestamp::from_micros(0);
        let mail = Mail {
            purpose: LinkPurpose::Reset,
            recipient: String::new(),
            state: MailState::Queued,
            response: String::new(),
            created_at: now,
            retry_at: None,
            changed_at: now,
        };
        assert_eq!(mail.state_at(now.plus(Duration::from_secs(119))), MailState::Queued);
        assert_eq!(mail.state_at(now.plus(LOST_AFTER)), MailState::Unknown);
        let to_be_tried = Mail { retry_at: Some(now.plus(LOST_AFTER)), ..mail.clone() };
        assert_eq!(to_be_tried.state_at(now.plus(LOST_AFTER)), MailState::Queued);
        let accepted = Mail { state: MailState::Accepted, ..mail };
        assert_eq!(accepted.state_at(now.plus(LOST_AFTER)), MailState::Accepted);
    }

    #[test]
    fn a_message_is_tried_for_an_hour_with_pauses_that_grow() {
        let created = Timestamp::from_micros(0);
        let (mut now, mut minutes) = (created, Vec::new());
        while let Some(next) = next_try(created, now) {
            minutes.push(next.since(created).as_secs() / 60);
            now = next;
        }
        assert_eq!(minutes, [1, 2, 4, 8, 16, 31, 46]);
    }
}
