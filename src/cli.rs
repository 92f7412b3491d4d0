//! The subcommands. Each applies pending migrations first, unless the setting `migrate_at_start` is false, so that
//! any of them may be the first ever to run; but for those that look at the database or copy it. To add one: a variant of [`Command`] with its help, and a module with its function.

mod audit;
mod backup;
mod check;
mod configuration;
mod copy;
mod demo;
mod export;
mod factors;
mod healthcheck;
mod import;
mod invite;
mod keys;
mod migrate;
mod password;
mod restore;
pub(crate) mod serve;
mod unlock;

use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use rocket::figment::Figment;

use self::backup::Backup;
use self::copy::Copy;
use self::migrate::Migrate;
use self::password::{ChangePassword, CreateSuperuser};
use self::restore::Restore;
use self::serve::Serve;
use crate::config::{self, Settings};
use crate::http::logging;
use crate::model::clock::Clock;
use crate::model::site::Purpose;
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
    Serve(Serve),
    /// Try Usher out: serve 300 invented people from a throwaway file, on this machine only
    #[command(after_help = DEMO_NOTES)]
    Demo(Demo),
    /// Apply pending migrations and stop
    Migrate(Migrate),
    /// Make a superuser; asks for the password unless --password-stdin is given
    Createsuperuser(CreateSuperuser),
    /// Set a user's password and sign them out everywhere
    Changepassword(ChangePassword),
    /// End a block of an account, or of an address, after failed sign-ins
    Unlock(Unlock),
    /// Second factors of users
    #[command(subcommand)]
    Factors(Factors),
    /// Import users from a file; each row gets a verdict, bad rows never stop good ones
    #[command(after_help = IMPORT_NOTES)]
    Import(Import),
    /// Make links for all active users who have no password yet, to choose one; prints them, or sends them
    Invite(Invite),
    /// Export all users, with their password hashes, to standard output
    #[command(after_help = EXPORT_NOTES)]
    Export(Export),
    /// Examine the audit log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// The secret key of the installation
    #[command(subcommand)]
    Keys(Keys),
    /// Copy the database of SQLite to a new file, while the server goes on
    Backup(Backup),
    /// Put a copy that `usher backup` made in the place of the database of SQLite; stop the server first
    Restore(Restore),
    /// Copy everything into another, empty database, of SQLite or PostgreSQL; stop the server first
    Copy(Copy),
    /// Check the configuration and the database; the exit code says whether they are fit
    Check,
    /// Print the settings that are in force and where each comes from, secrets left out
    Config,
    /// Ask the running server whether it is ready; the exit code says so
    Healthcheck,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages, one for each subcommand, into a folder; for packages
    #[command(hide = true)]
    Manual {
        /// The folder
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Demo {
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 8000)]
    port: u16,
}

const DEMO_NOTES: &str = "\
Prints the name and the password of a superuser. The settings of this machine do not count, no mail is sent,
and when it stops nothing is left.";

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Unlock {
    /// The user name, in any letter case
    username: Option<String>,
    /// A client's address instead, of IPv6 its whole /64
    #[arg(long)]
    address: Option<IpAddr>,
}

#[derive(Debug, Subcommand)]
enum Factors {
    /// Remove all second factors of a user who has lost them, and sign the user out everywhere
    Remove {
        /// The user name, in any letter case
        username: String,
        /// Why, for the audit log
        #[arg(long, default_value = "by the operator")]
        reason: String,
    },
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

/// How dates with slashes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Dates {
    /// 31/12/2024
    Dmy,
    /// 12/31/2024
    Mdy,
}

const IMPORT_NOTES: &str = "\
docs/importing.md has a section for each program that users may come from.

Fields: username (or email), pk, last_login, is_superuser, first_name, last_name, email, is_staff,
is_active, date_joined, valid_from, valid_until, must_change_password, password_changed_at, preferences,
password. The password is a hash; without one that can be checked here the user cannot sign in until a
password is set. Without a pk the user gets the next one.

A row is created, unchanged (the same user is here already, whatever their password and last sign-in)
or refused, and then nothing of it is written. The first hundred refused rows are listed with all
reasons. Running the same import again changes nothing.

Names and addresses that new users could not have are kept as they are.

Exit code: 0 if no row was refused; 1 if some were, if there are none, or if the file cannot be read at
all.";

const EXPORT_NOTES: &str = "\
The output holds the password hashes of all users: keep it as safe as the database. `usher import`
reads all three formats back. In CSV, cells that a spreadsheet would take for a formula begin with '.";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a switch each")]
struct Import {
    /// The file, gzip or not; `-` is standard input. Files that belong together are given together: users and
    /// passwords of Auth0, users and hash parameters of Firebase, passwd and shadow
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Left out: detected from the content
    #[arg(long)]
    format: Option<Format>,
    /// Say what would happen and write no user
    #[arg(long)]
    dry_run: bool,
    /// List also the rows that are created or unchanged
    #[arg(long)]
    verbose: bool,
    /// Write the verdict on every row to a new CSV file, with old and new primary keys
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Give users whose pk is taken the next one; they are then told by their names
    #[arg(long)]
    new_keys: bool,
    /// Leave out hashes that are too quick to compute (MD5, SHA-1, crypt) instead of wrapping them in argon2id
    #[arg(long)]
    no_weak_hashes: bool,
    /// Leave out passwords whose hash is cut off or altered, instead of refusing their users
    #[arg(long)]
    no_broken_hashes: bool,
    /// What a column holds, such as 'Login=username'; may be given several times
    #[arg(long, value_name = "NAME=FIELD")]
    column: Vec<String>,
    /// How hashes were made whose salts stand beside them, such as 'sha1(salt+password)'
    #[arg(long, value_name = "FORMULA")]
    hash: Option<String>,
    /// The realm of Keycloak's, or the table of a dump, that is read
    #[arg(long, visible_alias = "table", value_name = "NAME")]
    realm: Option<String>,
    /// The realm role of Keycloak's whose holders become staff
    #[arg(long, value_name = "ROLE")]
    staff_role: Option<String>,
    /// Whether the day or the month comes first in dates with slashes
    #[arg(long)]
    dates: Option<Dates>,
    /// The encoding, such as windows-1250; left out: detected from the content, or guessed from the letters
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
}

#[derive(Debug, Args)]
struct Invite {
    /// Send each link by mail instead of printing it, where the user has an address and is no superuser
    #[arg(long)]
    send: bool,
}

/// How long the program waits at its end for threads that wait for the system.
const LAST_WAIT: Duration = Duration::from_secs(2);

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

/// The warning to the operator when PostgreSQL lacks `pg_trgm`.
const NO_SEARCH_INDEX: &str = "searches read all users, because the extension pg_trgm could not be made; \
                               docs/operations.md says how to add it";

/// Why a subcommand did not do what it was asked: one line for the terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let command = CommandLine::parse().command.unwrap_or_else(|| Command::Serve(Serve::default()));
    match start(command) {
        Ok(code) => code,
        Err(failure) => fail(&failure),
    }
}

fn start(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Completions { shell } => return Ok(completions(shell)?),
        Command::Manual { folder } => {
            clap_mangen::generate_to(CommandLine::command(), folder)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Demo(arguments) => return demo::run(&arguments),
        _ => {}
    }
    let figment = config::figment()?;
    let rocket = config::rocket_config(&figment)?;
    if let Command::Config = command {
        return configuration::run(&figment);
    }
    if let Command::Healthcheck = command {
        return healthcheck::run(&rocket);
    }
    let runtime = serve::runtime(&rocket)?;
    let result = runtime.block_on(dispatch(command, figment));
    // What a thread still waits for, such as a file on a network that is gone, keeps no program alive.
    runtime.shutdown_timeout(LAST_WAIT);
    result
}

/// Writes the completions to standard output at once.
fn completions(shell: Shell) -> std::io::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "usher", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn fail(reason: &dyn Display) -> ExitCode {
    complain(&format_args!("usher: {reason}"));
    ExitCode::FAILURE
}

async fn dispatch(command: Command, figment: Figment) -> Result<ExitCode, Failure> {
    if let Command::Check = command {
        return Ok(check::run(&figment).await);
    }
    let figment = match &command {
        Command::Migrate(arguments) => arguments.settings(figment),
        _ => figment,
    };
    let settings = Settings::read(&figment)?;
    logging::start(settings.log_level, settings.log_format);
    match &command {
        Command::Serve(arguments) => {
            serve::run(figment, Purpose::Production, arguments.wait()).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Migrate(arguments) => return migrate::run(&figment, arguments).await,
        Command::Backup(arguments) => return backup::run(&figment, arguments).await,
        Command::Restore(arguments) => return restore::run(&figment, arguments).await,
        _ => {}
    }
    let app = App::open(&figment, Clock::System).await?;
    let result = match command {
        // Done already, without the installation.
        Command::Serve(_)
        | Command::Check
        | Command::Demo(_)
        | Command::Config
        | Command::Healthcheck
        | Command::Migrate(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Completions { .. }
        | Command::Manual { .. } => Ok(ExitCode::SUCCESS),
        Command::Createsuperuser(arguments) => password::create_superuser(&app, &arguments).await,
        Command::Changepassword(arguments) => password::change(&app, &arguments).await,
        Command::Unlock(arguments) => unlock::run(&app, &arguments).await,
        Command::Factors(arguments) => factors::run(&app, &arguments).await,
        Command::Import(arguments) => import::run(&app, &arguments).await,
        Command::Invite(arguments) => invite::run(&app, &arguments).await,
        Command::Export(arguments) => export::run(&app, &arguments).await,
        Command::Copy(arguments) => copy::run(&app, figment, &arguments).await,
        Command::Keys(Keys::Rotate(arguments)) => keys::rotate(&app, &arguments).await,
        Command::Audit(command) => audit::run(&app, command).await,
    };
    app.db.close().await;
    result
}

/// Writes a line for the person at the terminal. A closed terminal is no failure.
fn say(line: &dyn Display) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// A number of things, in words.
fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Writes a line about a problem.
fn complain(line: &dyn Display) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

#[cfg(test)]
mod tests {
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
