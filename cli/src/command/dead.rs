//! `flashsale dead`: jobs that no attempt could settle, for a person to judge.

mod letters;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use flashsale_domain::id::SaleId;
use flashsale_queue::{
    connect::DedicatedConnection,
    dead_letter::{self, DeadLetter},
    keys::SaleKeys,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Outcome, ToolError};
use crate::connection::RedisArgs;
use letters::Selection;

/// Look at the jobs of a sale that no attempt could settle; replay or discard them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale dead list --sale sneaker-drop
  flashsale dead replay --sale sneaker-drop 1715423000000-0
  flashsale dead discard --sale sneaker-drop --all")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the dead letters, oldest first.
    #[command(after_help = "Example:\n  flashsale dead list --sale sneaker-drop")]
    List {
        #[command(flatten)]
        place: Place,
        /// Print one JSON object a line for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show letters whole: reason, attempts and the job byte for byte.
    #[command(after_help = "Example:\n  flashsale dead show --sale sneaker-drop 1715423000000-0")]
    Show(Letters),
    /// Put letters back at the end of their lane, with all their attempts before them.
    #[command(after_help = "Example:\n  flashsale dead replay --sale sneaker-drop --all")]
    Replay(Letters),
    /// Take letters away for good. The shoppers have been told that their buys failed.
    #[command(
        after_help = "Example:\n  flashsale dead discard --sale sneaker-drop 1715423000000-0"
    )]
    Discard(Letters),
}

/// Which letters of which sale.
#[derive(Debug, Args)]
struct Letters {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
}

impl Letters {
    async fn select(&self) -> Result<(DedicatedConnection, SaleKeys, Selection), ToolError> {
        let (mut redis, keys) = self.place.open().await?;
        let selection = letters::select(&mut redis, &keys, self.which.ids()).await?;
        Ok((redis, keys, selection))
    }
}

/// Whose letters.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    redis: RedisArgs,
    /// The sale.
    #[arg(long)]
    sale: SaleId,
}

/// Which letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Ids as `flashsale dead list` prints them.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Every letter that is there when the command begins.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<Outcome, ToolError> {
    match arguments.action {
        Action::List { place, json } => list(&place, json).await,
        Action::Show(letters) => show(&letters).await,
        Action::Replay(letters) => replay(&letters).await,
        Action::Discard(letters) => discard(&letters).await,
    }
}

impl Place {
    async fn open(&self) -> Result<(DedicatedConnection, SaleKeys), ToolError> {
        Ok((self.redis.connect().await?, SaleKeys::new(&self.sale)))
    }
}

async fn list(place: &Place, json: bool) -> Result<Outcome, ToolError> {
    let (mut redis, keys) = place.open().await?;
    let letters = letters::select(&mut redis, &keys, None).await?;
    let mut out = io::stdout().lock();
    for letter in &letters.found {
        if json {
            writeln!(out, "{}", as_json(letter))?;
        } else {
            print_line(&mut out, letter)?;
        }
    }
    if !json {
        writeln!(
            out,
            "{} dead letters in sale {}",
            letters.found.len(),
            place.sale
        )?;
    }
    Ok(Outcome::Holds)
}

async fn show(wanted: &Letters) -> Result<Outcome, ToolError> {
    let (_, _, letters) = wanted.select().await?;
    for letter in &letters.found {
        let text = serde_json::to_string_pretty(&as_json(letter))?;
        writeln!(io::stdout(), "{text}")?;
    }
    letters.report_missing()
}

async fn replay(wanted: &Letters) -> Result<Outcome, ToolError> {
    let (mut redis, keys, letters) = wanted.select().await?;
    let mut replayed = 0_usize;
    for letter in &letters.found {
        if dead_letter::replay(&mut redis, &keys, letter).await? {
            replayed += 1;
        } else {
            let id = &letter.id;
            writeln!(
                io::stdout(),
                "{id} was not replayed: it is gone, or has no lane"
            )?;
        }
    }
    writeln!(
        io::stdout(),
        "{replayed} dead letters are back in their lanes"
    )?;
    done(&letters, replayed)
}

async fn discard(wanted: &Letters) -> Result<Outcome, ToolError> {
    let (mut redis, keys, letters) = wanted.select().await?;
    let mut discarded = 0_usize;
    for letter in &letters.found {
        discarded += usize::from(dead_letter::discard(&mut redis, &keys, &letter.id).await?);
    }
    writeln!(io::stdout(), "{discarded} dead letters are discarded")?;
    done(&letters, discarded)
}

/// Broken when something that was asked for was not done.
fn done(letters: &Selection, count: usize) -> Result<Outcome, ToolError> {
    let all = letters.report_missing()?;
    Ok(if count < letters.found.len() {
        Outcome::Broken
    } else {
        all
    })
}

impl Which {
    /// The ids asked for; none for all.
    fn ids(&self) -> Option<&[String]> {
        (!self.all).then_some(&self.ids)
    }
}

fn died_at(letter: &DeadLetter) -> String {
    letter
        .died_ms()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string())
}

fn print_line(out: &mut impl Write, letter: &DeadLetter) -> io::Result<()> {
    let whose = letter.parse().map_or_else(
        || "no readable job".to_owned(),
        |job| format!("job {} of shopper {}", job.job_id, job.data.user_id),
    );
    let DeadLetter {
        id,
        product,
        reason,
        attempts,
        ..
    } = letter;
    let times = if *attempts == 1 {
        "attempt"
    } else {
        "attempts"
    };
    writeln!(
        out,
        "{id}  {}  {product}  {whose}  {attempts} {times}: {reason}",
        died_at(letter)
    )
}

fn as_json(letter: &DeadLetter) -> Value {
    // Most letters hold JSON, which is shown as such; what is not is shown as text.
    let job = serde_json::from_slice(&letter.job)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&letter.job)));
    json!({
        "id": letter.id,
        "diedAt": died_at(letter),
        "product": letter.product,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "job": job,
    })
}
