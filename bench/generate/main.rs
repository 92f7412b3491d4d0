//! Made-up users in bulk, to try out and to measure an installation of any size. `bench/run` runs it; it is no
//! part of the product.
//!
//! ```text
//! generate USERS [--seed NUMBER] [--append] [--password-stdin]
//! ```
//!
//! The database is that of `usher` in the same folder. With `--password-stdin` all users get the password on the
//! first line of standard input.

#[path = "store.rs"]
mod store;

use rocket::tokio::runtime::Builder;
use usher::config;
use usher::model::clock::Clock;
use usher::model::password::Password;
use usher::operations::App;

use self::store::{Wish, generate};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> Result<(), Failure> {
    let wish = wish(std::env::args().skip(1))?;
    let app = App::open(&config::figment(), Clock::System).await?;
    let is_made = generate(&app, wish).await?;
    app.db.close().await;
    if is_made { Ok(()) } else { Err("there are users already; --append adds to them".into()) }
}

fn wish(arguments: impl Iterator<Item = String>) -> Result<Wish, Failure> {
    let mut wish = Wish { seed: 1, ..Wish::default() };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--append" => wish.append = true,
            "--seed" => wish.seed = arguments.next().ok_or("--seed needs a number")?.parse()?,
            "--password-stdin" => {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line)?;
                wish.password = Some(Password::new(line.trim_end_matches(['\r', '\n']).to_owned()));
            }
            number => wish.users = number.parse()?,
        }
    }
    Ok(wish)
}
