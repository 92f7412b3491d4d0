//! Mail: one-time links, sent over SMTP when a server is configured.
//!
//! That a message is to be sent is stored with the link, and its delivery state afterwards; the text never
//! is, because it holds the link. It is sent by a task of this process, and again, with another secret of its link, by
//! [`retries`] of any. To add a kind of message: a [`LinkPurpose`](crate::model::link::LinkPurpose) and its words in
//! [`words`].

pub mod retries;
mod tls;

use std::fmt;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use rocket::tokio::sync::Semaphore;

use crate::config::{ConfigError, Settings};
use crate::db::{self, Tx};
use crate::model::address;
use crate::model::clock::Timestamp;
use crate::model::link::{LinkId, LinkPurpose};
use crate::model::mail::{Mail, MailId};
use crate::model::permission::ManageUsers;
use crate::model::session::Secret;
use crate::model::user::{User, UserId};
use crate::operations::{App, Can, addresses};

/// How long the mail server may take for one command.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take for all of a message.
const MESSAGE_LIMIT: Duration = Duration::from_mins(1);
/// Messages that are handed to the mail server at the same time.
const AT_ONCE: usize = 8;
/// After this time a message whose sending was not noted is sent again: its process has ended, or it takes too long.
const LEASE: Duration = Duration::from_mins(2);
/// The most that is kept of a mail server's answer, in characters.
const LONGEST_RESPONSE: usize = 300;

/// The newest message to a user.
pub async fn latest(can: &Can<ManageUsers>, user: UserId) -> crate::model::error::Result<Option<Mail>> {
    Ok(db::mails::latest(&can.app().db, user).await?)
}

/// Hands messages to the mail server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// Places for messages that are being sent: a run on many users does not open a connection for each.
    places: Semaphore,
    /// Messages without a stored state that this process is to send again.
    waiting: retries::Waiting,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer(..)")
    }
}

impl Mailer {
    /// As configured; `None` without a mail server.
    ///
    /// # Errors
    /// [`ConfigError`] with the setting that is wrong.
    pub fn new(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let host = settings.smtp_host.as_str();
        if host.is_empty() {
            return Ok(None);
        }
        let refuse = |name: &str, reason: String| Err(ConfigError::Value { name: name.to_owned(), reason });
        let from = settings.mail_from.parse::<Mailbox>();
        let Ok(from) =
            from.map_err(drop).and_then(|from| Ok(Mailbox::new(from.name, in_ascii(from.email.as_ref())?)))
        else {
            return refuse("mail_from", "must be an address such as App <usher@example.org>".into());
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(settings.smtp_port)
            .tls(tls::as_configured(settings)?)
            // The sender's domain, since this machine's own name may mean nothing to others.
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(COMMAND_LIMIT));
        if !settings.smtp_username.is_empty() {
            let (name, password) = (settings.smtp_username.clone(), settings.smtp_password.clone());
            builder = builder.credentials(Credentials::new(name, password));
        }
        Ok(Some(Self {
            transport: builder.build(),
            from,
            places: Semaphore::new(AT_ONCE),
            waiting: retries::Waiting::default(),
        }))
    }

    /// Sends a message: what became of it, and what the mail server said.
    async fn deliver(&self, letter: &Letter) -> (Delivery, String) {
        let message = match self.message(letter) {
            Ok(message) => message,
            Err(error) => return (Delivery::Refused, tidy(&error.to_string())),
        };
        match rocket::tokio::time::timeout(MESSAGE_LIMIT, self.transport.send(message)).await {
            Ok(Ok(response)) => (Delivery::Accepted, tidy(&response.message().collect::<Vec<_>>().join(" "))),
            Ok(Err(error)) if error.is_permanent() || error.is_client() => {
                (Delivery::Refused, tidy(&error.to_string()))
            }
            Ok(Err(error)) => (Delivery::Failed, tidy(&error.to_string())),
            Err(_) => (Delivery::Failed, "The mail server took too long.".to_owned()),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
        // An address with a line break in it is none; the other headers are ours.
        let to =
            Mailbox::new(None, in_ascii(&letter.recipient).map_err(|()| "the address cannot be sent to")?);
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject.clone())
            .message_id(Some(format!("<{}@{}>", Secret::random().to_text(), self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())?;
        Ok(message)
    }
}

/// What became of a try to send a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    /// The mail server took it.
    Accepted,
    /// The mail server will never take it.
    Refused,
    /// It may be taken later: the mail server could not be reached, or said so (a reply of 4yz, RFC 5321 section 4.2.1).
    Failed,
}

/// An address with its domain in ASCII: only what stands before the domain can make SMTPUTF8 necessary.
fn in_ascii(address: &str) -> Result<Address, ()> {
    address::canonical(address).parse().map_err(drop)
}

/// What is sent.
#[derive(Clone)]
struct Letter {
    recipient: String,
    subject: String,
    text: String,
}

/// Subject, and what stands before and after the link.
const fn words(purpose: LinkPurpose) -> (&'static str, &'static str, &'static str) {
    match purpose {
        LinkPurpose::Setup => (
            "Choose your password",
            "An account was made for you. Choose its password here",
            "The link works once.",
        ),
        LinkPurpose::Reset => (
            "Reset your password",
            "Choose a new password here",
            "The link works once. If you did not ask for it, tell your administrator; your password only \
             changes if the link is used.",
        ),
    }
}

/// How long a link still works, in words: rounded down, so that it works as long as is said.
fn within(life: Duration) -> String {
    match (life.as_secs() / 3_600, life.as_secs() / 60) {
        (2.., minutes) => format!("{} hours", minutes / 60),
        (_, 2..) => format!("{} minutes", life.as_secs() / 60),
        _ => "a minute".to_owned(),
    }
}

fn letter(
    recipient: String,
    (purpose, life): (LinkPurpose, Duration),
    user: &User,
    url: &str,
    site: &str,
) -> Letter {
    let (subject, before, after) = words(purpose);
    let within = within(life);
    let (name, subject) = (user.username.as_str(), format!("{subject} ({site})"));
    let text = format!(
        "{before}, within {within}:\r\n\r\n{url}\r\n\r\nIf the page asks for the link, paste it there. \
         Your user name at {site} is {name}. {after}\r\n"
    );
    Letter { recipient, subject, text }
}

/// A server's words as they can be stored and shown: on one line, and not too many.
fn tidy(text: &str) -> String {
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    one_line.trim().chars().take(LONGEST_RESPONSE).collect()
}

/// A message that is stored as queued.
pub(crate) struct Queued {
    id: MailId,
    recipient: String,
    purpose: LinkPurpose,
    created_at: Timestamp,
}

/// Stores that a link will be sent to its user, if there is a mail server and the user has an address for it.
pub(crate) async fn queue(
    app: &App,
    tx: &mut Tx,
    user: &User,
    (link, purpose): (LinkId, LinkPurpose),
    now: Timestamp,
) -> crate::model::error::Result<Option<Queued>> {
    let recipient = addresses::of(app, tx, user).await?;
    if app.mailer.is_none() || recipient.is_empty() {
        return Ok(None);
    }
    let id = db::mails::insert(tx, user.id, (link, purpose), &recipient, now, now.plus(LEASE)).await?;
    Ok(Some(Queued { id, recipient, purpose, created_at: now }))
}

/// Sends what was queued, after its transaction. No request waits for it; a stop of the server does.
pub(crate) fn send(app: &App, queued: Queued, user: &User, url: &str) {
    let Some(mailer) = app.mailer.clone() else { return };
    let Queued { id, recipient, purpose, created_at } = queued;
    let site = app.settings.site_name.as_str();
    let letter = letter(recipient, (purpose, purpose.life()), user, url, site);
    let (background, app) = (&app.background, app.detached());
    background.spawn(async move {
        // It is never closed.
        let _place = mailer.places.acquire().await;
        let sent = match retries::claim(&app, id, created_at.plus(LEASE)).await {
            Ok(true) => retries::deliver(&app, &mailer, (id, created_at), &letter).await,
            // It waited for so long that another server has sent it.
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            log::error!("what became of message {} could not be noted: {error}", id.0);
        }
    });
}

/// Sends a message of which nothing is stored: for a task that a stop of the server waits for. If the mail server does not
/// take it for a passing reason, this process tries again.
pub(crate) async fn notify(app: &App, recipient: &str, subject: &'static str, text: String) {
    let Some(mailer) = &app.mailer else { return };
    let subject = format!("{subject} ({})", app.settings.site_name.as_str());
    let letter = Letter { recipient: recipient.to_owned(), subject, text };
    mailer.waiting.deliver(app, mailer, letter, app.clock.now()).await;
}

#[cfg(test)]
mod tests {
    use rocket::tokio::sync::oneshot;
    use rocket::tokio::time::timeout;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::config::SmtpTls;

    fn settings() -> Settings {
        Settings {
            smtp_host: "mail.example.org".into(),
            mail_from: "Usher <usher@example.org>".into(),
            ..Settings::default()
        }
    }

    fn refusal(settings: &Settings) -> String {
        Mailer::new(settings).unwrap_err().to_string()
    }

    #[test]
    fn how_long_a_link_works_is_rounded_down() {
        let words = [
            (86_400, "24 hours"),
            (86_399, "23 hours"),
            (7_199, "119 minutes"),
            (1_800, "30 minutes"),
            (59, "a minute"),
        ];
        for (seconds, said) in words {
            assert_eq!(within(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn without_a_server_there_is_no_mail_and_with_one_there_must_be_a_sender() {
        assert!(Mailer::new(&Settings::default()).unwrap().is_none());
        for smtp_tls in [SmtpTls::None, SmtpTls::Starttls, SmtpTls::Tls] {
            assert!(Mailer::new(&Settings { smtp_tls, ..settings() }).unwrap().is_some());
        }
        for mail_from in ["", "no address", "a@example.org\r\nBcc: b@example.org"] {
            let message = refusal(&Settings { mail_from: mail_from.into(), ..settings() });
            assert!(message.starts_with("usher.mail_from: "), "{message}");
        }
    }

    #[test]
    fn a_line_break_in_an_address_makes_no_message() {
        let mailer = Mailer::new(&settings()).unwrap().unwrap();
        let user = User::blank(Timestamp::from_micros(0));
        let letter = |to: &str| {
            letter(
                to.to_owned(),
                (LinkPurpose::Reset, LinkPurpose::Reset.life()),
                &user,
                "https://users.example.org/x",
                "Desk",
            )
        };
        for recipient in ["a@b.co\r\nBcc: c@d.co", "a@b.co\nX: y", "a\r\n@b.co", "a@b.co, c@d.co", ""] {
            assert!(mailer.message(&letter(recipient)).is_err(), "{recipient:?}");
        }
        let message = mailer.message(&letter("ada@example.org")).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        for part in
            ["To: ada@example.org", "Subject: Reset your password (Desk)", "https://users.example.org/x"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(message.envelope().to().len(), 1);
    }

    #[rocket::async_test]
    async fn rl_10_all_work_is_waited_for_also_what_it_begins_and_what_panics() {
        let tasks = TaskTracker::new();
        let (finish, finished) = oneshot::channel::<()>();
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let inner = tasks.clone();
        tasks.spawn(async move {
            drop(may_go_on.await);
            inner.spawn(async move { drop(finished.await) });
        });
        tasks.spawn(async { panic!("as anything may") });
        tasks.close();
        go_on.send(()).unwrap();
        assert!(timeout(Duration::from_millis(50), tasks.wait()).await.is_err());
        assert_eq!(tasks.len(), 1);
        finish.send(()).unwrap();
        tasks.wait().await;
        assert!(tasks.is_empty());
    }
}
