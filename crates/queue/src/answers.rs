//! What gateways have answered to the buys of a sale, over all of them and since it began, for the report after the
//! sale.
//!
//! Each gateway adds what it answered about once a second, off the way of any buy. These are counts and not the
//! truth: what became of buys is in the ledger. A gateway that is killed takes the counts of its last second along.

use std::{collections::BTreeMap, sync::LazyLock};

use flashsale_domain::id::SaleId;
use redis::{AsyncCommands, Cmd, ErrorKind, Pipeline, RedisResult, Script, ServerErrorKind, Value};

use crate::{connect::Queue, figures::BuysByAnswer, keys::SaleKeys};

/// Begins the fields that are no answers.
const MARK: char = '@';

/// Field: when the first answer was added, in milliseconds since the Unix epoch.
const SINCE: &str = "@since";

/// Sales in one round trip: a few milliseconds in which Redis does nothing else.
const CHUNK: usize = 500;

static ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("answers/add.lua")));

/// What a gateway has answered to the buys of one sale since its last batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The sale.
    pub sale: SaleId,
    /// Grows from batch to batch. A batch that is sent again has the same number and the same counts.
    pub number: u64,
    /// The counts.
    pub answers: BuysByAnswer,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is counted, now or since it was sent before.
    Yes,
    /// The sale is not in force: nobody will ask.
    NotInForce,
    /// Redis refused it, e.g. because its memory is full. It may be sent again.
    Refused,
}

/// What gateways have answered to the buys of a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// When the first answer was added, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// `queued`, `replayed` or the slug of a problem, and how often it was answered.
    pub by_answer: BuysByAnswer,
}

/// Adds batches of the gateway `name`, each of another sale, and answers what became of each, in their order. A
/// batch that was added counts once, however often it is sent.
///
/// # Errors
/// Whether batches were added is unknown then: they have to be sent again as they are.
pub async fn add(
    connection: &mut impl Queue,
    name: &str,
    batches: &[Batch],
) -> RedisResult<Vec<Added>> {
    let mut added = Vec::with_capacity(batches.len());
    for chunk in batches.chunks(CHUNK) {
        let mut calls = pipeline();
        for batch in chunk {
            calls.add_command(call(name, batch));
        }
        let mut answers: Vec<RedisResult<Value>> = calls.query_async(connection).await?;
        if answers.iter().any(is_script_missing) {
            // In a cluster each server has scripts of its own: one goes with each call.
            let mut calls = pipeline();
            for batch in chunk {
                let mut load = redis::cmd("SCRIPT");
                load.arg("LOAD").arg(include_str!("answers/add.lua"));
                calls.add_command(load).ignore();
                calls.add_command(call(name, batch));
            }
            answers = calls.query_async(connection).await?;
        }
        added.extend(answers.into_iter().map(|answer| match answer {
            Ok(Value::Int(1)) => Added::Yes,
            Ok(_) => Added::NotInForce,
            Err(error) => {
                tracing::debug!(%error, "answers were not added: {error}");
                Added::Refused
            }
        }));
    }
    Ok(added)
}

/// Commands of which each may fail by itself.
fn pipeline() -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    pipeline
}

fn call(name: &str, batch: &Batch) -> Cmd {
    let keys = SaleKeys::new(&batch.sale);
    let mut call = redis::cmd("EVALSHA");
    call.arg(ADD.get_hash())
        .arg(2)
        .arg(keys.record())
        .arg(keys.answers())
        .arg(format!("{MARK}{name}"))
        .arg(batch.number)
        .arg(SINCE);
    for (answer, count) in &batch.answers {
        call.arg(answer).arg(count);
    }
    call
}

fn is_script_missing(answer: &RedisResult<Value>) -> bool {
    let missing = ErrorKind::Server(ServerErrorKind::NoScript);
    answer.as_ref().is_err_and(|error| error.kind() == missing)
}

/// What gateways have answered to the buys of a sale; none when nobody has counted, or Redis lost the counts.
///
/// # Errors
/// Redis cannot be asked.
pub async fn read(connection: &mut impl Queue, sale: &SaleId) -> RedisResult<Option<Answers>> {
    let fields: BTreeMap<String, String> =
        connection.hgetall(SaleKeys::new(sale).answers()).await?;
    if fields.is_empty() {
        return Ok(None);
    }
    let since_ms = fields.get(SINCE).and_then(|text| text.parse().ok());
    let answers = fields
        .into_iter()
        .filter(|(field, _)| !field.starts_with(MARK));
    Ok(Some(Answers {
        since_ms,
        by_answer: answers
            .filter_map(|(answer, count)| Some((answer, count.parse().ok()?)))
            .collect(),
    }))
}
