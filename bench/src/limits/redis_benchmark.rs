//! Load by redis-benchmark: the turnstile's script alone, one buy a call, as many as 64 connections
//! get decided. What Redis could acknowledge if HTTP cost nothing.

use flashsale_domain::sale::Sale;
use flashsale_queue::{keys::SaleKeys, turnstile::Turnstile};
use redis::{Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};
use tokio::process::Command;

use crate::{
    environment::{Stores, shop, verification},
    error::{Result, check},
    external,
    load::prefill,
};

const PROGRAM: &str = "redis-benchmark";

/// Connections, as many as load the gateway.
const CONNECTIONS: u32 = 64;

/// Buys for each second that an acknowledgement is measured for: redis-benchmark is told a number,
/// not a time, and decides about so many.
const BUYS_PER_SECOND: u32 = 20_000;

/// What redis-benchmark writes a new random number of twelve digits for.
const RANDOM: &str = "__rand_int__";

/// Numbers are drawn from as many as redis-benchmark can: given more, it draws 0 each time.
const NUMBERS: &str = "2147483647";

/// Columns behind the name of a test, which may itself hold commas: rate, and six latencies.
const COLUMNS: usize = 7;

/// Decides so many seconds of buys of sale `number`, `pipeline` calls on their way over each
/// connection; answers buys per second. All must have been taken.
pub(crate) async fn run(stores: &Stores, number: u32, seconds: u32, pipeline: u32) -> Result<f64> {
    let count = seconds * BUYS_PER_SECOND;
    let sale = shop::sale(number, 1, shop::HUGE_STOCK);
    stores.empty().await?;
    shop::open(stores, &sale).await?;
    // Redis knows the script from this one on.
    prefill::admit(stores, &sale, shop::buys(&sale, 1)).await?;
    let call = call(&sale).await?;
    stores.settle_down().await?;
    let mut benchmark = command(stores, count, pipeline)?;
    let rate = external::figure(PROGRAM, benchmark.args(&call), parse).await?;
    let taken = verification::taken(stores, &sale).await?;
    check!(
        taken == u64::from(count) + 1,
        "of {count} buys by {PROGRAM} {taken} were taken, one of the bench included"
    )?;
    Ok(rate)
}

fn command(stores: &Stores, count: u32, pipeline: u32) -> Result<Command> {
    let port = stores.redis.port().to_string();
    let mut command = Command::new(external::installed(PROGRAM, "redis-tools")?);
    command
        .args(["-h", "127.0.0.1", "-p", &port])
        .args(["-a", stores.redis.password()])
        .args(["-c", &CONNECTIONS.to_string()])
        .args(["-P", &pipeline.to_string()])
        .args(["-n", &count.to_string()])
        .args(["-r", NUMBERS, "--csv"]);
    Ok(command)
}

/// The call that the turnstile makes of one buy, with another shopper, key and job each time.
async fn call(sale: &Sale) -> Result<Vec<String>> {
    let (buys, keys) = (shop::buys(sale, 1), SaleKeys::new(&sale.id));
    let (turnstile, mut recorder) = (Turnstile::default(), Recorder::default());
    turnstile.admit(&mut recorder, &keys, &buys).await?;
    let Recorder(mut call) = recorder;
    for buy in &buys {
        for name in [
            buy.user.to_string(),
            buy.key.to_string(),
            buy.job_id.to_string(),
        ] {
            // Records of one name would overwrite each other, which costs less than new ones.
            check!(
                call.iter().any(|word| word.contains(&name)),
                "the turnstile's call does not hold `{name}` but is {call:?}"
            )?;
            let random = with_random_end(&name);
            for word in &mut call {
                *word = word.replace(&name, &random);
            }
        }
    }
    Ok(call)
}

/// As long as `name`, and another each time.
fn with_random_end(name: &str) -> String {
    let kept = name.len().saturating_sub(RANDOM.len());
    format!("{}{RANDOM}", &name[..kept])
}

/// A connection to nowhere that keeps what it is given, so that the call is the turnstile's own
/// whatever its arguments are.
#[derive(Debug, Default)]
struct Recorder(Vec<String>);

impl ConnectionLike for Recorder {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let words = command.args_iter().map(|word| match word {
            redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        });
        self.0 = words.collect();
        let queued = Value::Array(vec![Value::Int(1)]);
        Box::pin(std::future::ready(Ok(queued)))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// Calls per second: the first column behind the test's name in the last line.
fn parse(csv: &str) -> Option<f64> {
    let line = csv.lines().last()?;
    let rate = line.rsplit(',').nth(COLUMNS - 1)?.trim_matches('"');
    let rate: f64 = rate.parse().ok()?;
    (rate > 0.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_behind_a_name_with_commas() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                   \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
                   \"EVALSHA 4f a,{\"\"b\"\":1,\"\"c\"\":2}\",\"25000.50\",\"1.1\",\"0.3\",\"1.0\",\
                   \"1.5\",\"2.1\",\"4.0\"\n";
        assert_eq!(parse(csv), Some(25_000.5));
        assert_eq!(parse("Could not connect to Redis"), None);
        assert_eq!(parse(""), None);
    }

    #[tokio::test]
    async fn every_call_is_a_buy_of_another_shopper_key_and_job() {
        let sale = shop::sale(1, 1, 1);
        let call = call(&sale).await.unwrap();
        assert_eq!(call[0], "EVALSHA");
        let random: usize = call.iter().map(|word| word.matches(RANDOM).count()).sum();
        // Shopper, key and job as arguments, and each again in the job's JSON.
        assert_eq!(random, 6, "{call:?}");
    }
}
