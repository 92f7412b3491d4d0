//! The subcommands. Each applies pending migrations first, unless the setting `migrate_at_start` is false, so that
//! any of them may be the first ever to run. To add one: a variant of [`Command`] with its help, and a module with its function.

mod audit;
mod backup;
mod check;
mod export;
mod import;
mod keys;
mod password;
pub(crate) mod serve;
mod unlock;

use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rocket::figment::Figment;
use rocket::figment::providers::Serialized;

use crate::config::{self, Settings};
use crate::http::logging;
use crate::model::clock::Clock;
use crate::operations::App;

/// Keeps the users of an installation: a console for staff, an API for programs.
///
/// Settings are read from Rocket.toml and the environment; docs/configuration.md explains them.
#[derive(Debug, Parser)]
#[command(name = "usher", version, about, long_about, arg_required_else_help = false)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do; without a subcommand: serve.
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the console and the API (the default)
    Serve,
    /// Apply pending migrations and stop
    Migrate,
    /// Make a superuser; asks for the password unless --password-stdin is given
    Createsuperuser(CreateSuperuser),
    /// Set a user's password and sign them out everywhere
    Changepassword(ChangePassword),
    /// End a block of an account, or of an address, after failed sign-ins
    Unlock(Unlock),
    /// Import users from a file; each row gets a verdict, bad rows never stop good ones
    #[command(after_help = IMPORT_NOTES)]
    Import(Import),
    /// Export all users, with their password hashes, to standard output
    #[command(after_help = EXPORT_NOTES)]
    Export(Export),
    /// Examine the audit log
    #[command(subcommand)]
    Audit(Audit),
    /// The secret key of the installation
    #[command(subcommand)]
    Keys(Keys),
    /// Copy the database of SQLite to a new file, while the server goes on
    Backup(Backup),
    /// Check the configuration and the database; the exit code says whether they are fit
    Check,
}

#[derive(Debug, Args)]
struct CreateSuperuser {
    /// The user name: letters, digits and @ . + - _
    #[arg(long)]
    username: String,
    /// The e-mail address
    #[arg(long, default_value = "")]
    email: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
struct ChangePassword {
    /// The user name, in any letter case
    username: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Unlock {
    /// The user name, in any letter case
    username: Option<String>,
    /// A client's address instead, of IPv6 its whole /64
    #[arg(long)]
    address: Option<IpAddr>,
}

/// How a file of users is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// What `manage.py dumpdata auth.user` writes
    Django,
    /// A header line, then a line a user
    Csv,
    /// An array of objects, as the API shows users, with `password` for the hash
    Json,
}

const IMPORT_NOTES: &str = "\
Fields: username (required), pk, last_login, is_superuser, first_name, last_name, email, is_staff,
is_active, date_joined, password. The password is a hash; without one the user cannot sign in until a
password is set. Without a pk the user gets the next one.

A row is created, unchanged (the same user is here already, whatever their password and last sign-in)
or refused, and then nothing of it is written. Refused rows are listed with all reasons, counted from
1. Running the same import again changes nothing.

Names that are reserved for new users (numbers, \"list\", \"create\") are accepted with a pk.

Exit code: 0 if no row was refused; 1 if some were, or if the file cannot be read at all.";

const EXPORT_NOTES: &str = "\
The output holds the password hashes of all users: keep it as safe as the database. `usher import`
reads all three formats back. In CSV, cells that a spreadsheet would take for a formula begin with '.";

#[derive(Debug, Args)]
struct Import {
    /// The file, gzip or not; `-` is standard input
    file: PathBuf,
    /// Left out: detected from the content
    #[arg(long)]
    format: Option<Format>,
    /// Say what would happen and write no user
    #[arg(long)]
    dry_run: bool,
    /// List also the rows that are created or unchanged
    #[arg(long)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Check that no sealed entry was altered or removed
    #[command(after_help = VERIFY_NOTES)]
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Verify {
    /// A position and its seal, as an earlier run printed them: checks that they are still there
    #[arg(long, value_name = "POSITION:SEAL")]
    head: Option<String>,
}

const VERIFY_NOTES: &str = "\
Prints how many entries are sealed, how many are not yet (the server seals them within seconds), and
the last position with its seal. An attacker who can write to the database can also make new seals: keep
that last line somewhere else, and give it to --head the next time.

Exit code: 0 if every seal is right; 1 if not, and then the first broken entry is named.";

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make a successor; both keys are accepted until the tokens of the present one have run out
    Rotate(Rotate),
}

#[derive(Debug, Args)]
struct Rotate {
    /// Accept the present key no more, because others may have it: ends all tokens of API clients
    #[arg(long)]
    at_once: bool,
}

#[derive(Debug, Args)]
struct Export {
    /// How to write the users
    #[arg(long, default_value = "json")]
    format: Format,
}

#[derive(Debug, Args)]
struct Backup {
    /// The file to make; one that is there already is not overwritten
    file: PathBuf,
}

/// The warning to the operator when PostgreSQL lacks `pg_trgm`.
const NO_SEARCH_INDEX: &str = "searches read all users, because the extension pg_trgm could not be made; \
                               docs/operations.md says how to add it";

/// Why a subcommand did not do what it was asked: one line for the terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let command = CommandLine::parse().command.unwrap_or(Command::Serve);
    match start(command) {
        Ok(code) => code,
        Err(failure) => fail(&failure),
    }
}

fn start(command: Command) -> Result<ExitCode, Failure> {
    let figment = config::figment();
    let rocket = config::rocket_config(&figment)?;
    serve::runtime(&rocket)?.block_on(dispatch(command, figment))
}

fn fail(reason: &dyn Display) -> ExitCode {
    complain(&format_args!("usher: {reason}"));
    ExitCode::FAILURE
}

async fn dispatch(command: Command, figment: Figment) -> Result<ExitCode, Failure> {
    if let Command::Check = command {
        return Ok(check::run(&figment).await);
    }
    let figment = match command {
        Command::Migrate => figment.merge(Serialized::global("usher.migrate_at_start", true)),
        _ => figment,
    };
    let settings = Settings::read(&figment)?;
    logging::start(settings.log_level, settings.log_format);
    if let Command::Serve = command {
        serve::run(figment).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let app = App::open(&figment, Clock::System).await?;
    let result = match command {
        Command::Serve | Command::Check => Ok(ExitCode::SUCCESS),
        Command::Migrate => {
            say(&"The database is up to date.");
            Ok(ExitCode::SUCCESS)
        }
        Command::Createsuperuser(arguments) => password::create_superuser(&app, &arguments).await,
        Command::Changepassword(arguments) => password::change(&app, &arguments).await,
        Command::Unlock(arguments) => unlock::run(&app, &arguments).await,
        Command::Import(arguments) => import::run(&app, &arguments).await,
        Command::Export(arguments) => export::run(&app, &arguments).await,
        Command::Backup(arguments) => backup::run(&app, &arguments).await,
        Command::Keys(Keys::Rotate(arguments)) => keys::rotate(&app, &arguments).await,
        Command::Audit(Audit::Verify(arguments)) => audit::verify(&app, &arguments).await,
    };
    app.db.close().await;
    result
}

/// Writes a line for the person at the terminal. A closed terminal is no failure.
fn say(line: &dyn Display) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Writes a line about a problem.
fn complain(line: &dyn Display) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_subcommand_has_help() {
        let command = CommandLine::command();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
        }
    }

    #[test]
    fn a_password_is_never_an_argument() {
        for line in [
            vec!["usher", "createsuperuser", "--username", "a", "--password", "secret"],
            vec!["usher", "changepassword", "a", "secret"],
        ] {
            assert!(CommandLine::try_parse_from(line).is_err());
        }
    }
}
