//! `flashsale load`: a crowd in front of a running gateway.

use std::{
    io::{self, Write as _},
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use flashsale_domain::id::ProductId;
use flashsale_queue::connect::{self, RedisClient};
use flashsale_telemetry::shutdown;
use flashsale_transport::{StoreUrl, TlsSource};
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Outcome, ToolError};
use crate::{
    connection::RedisTlsArgs,
    crowd::{CrowdArgs, positive},
    display::Display,
    history::{Entry, HistoryWriter, VERSION},
    load::{
        self, LoadError,
        book::Book,
        crowd::{Arrivals, Crowd},
        engine::Engine,
        events::EventReader,
        passes::Passes,
        readings::Readings,
        report::Report,
        sockets::Sockets,
        target::Target,
        tokens::Tokens,
        verify::Verifier,
    },
    progress::Progress,
};

/// Time to get ready before the first shopper is due.
const LEAD: Duration = Duration::from_millis(200);

/// Further time to get ready for each socket that is to be open before.
const SOCKETS_LEAD: Duration = Duration::from_millis(2);

/// Send shoppers to a running gateway, open loop, and check that every acknowledged buy reaches
/// an outcome.
///
/// Each press of the Buy button has its instant drawn beforehand, and its latency counts from
/// there: a gateway that falls behind is not asked less often. The gateway must run with
/// `--auth-mode off`, since every shopper is a stranger, or accept --tokens. Where a sale asks for
/// a pass, each shopper gets one by proof of work before the first press; with many of them give the
/// gateway a low --pass-difficulty. Ctrl-C ends the crowd and reports so far.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale load --url http://127.0.0.1:8080 --crowd 100000
  flashsale load --url http://127.0.0.1:8080 --rate 2000 --duration 30 --product sneaker-001
  flashsale load --url http://127.0.0.1:8080 --crowd 5000 --json | jq .latencies.ack
  flashsale load --url http://127.0.0.1:8080 --crowd 5000 --history run.jsonl && flashsale check run.jsonl

With --redis-url (or FLASHSALE_REDIS_URL) outcomes are timed to the instant; without it they are
asked for at the end, from the gateway, and buy-to-confirmation is not measured.

Exit status: 0 every acknowledged buy has an outcome, 1 one has none, 3 it could not be run.")]
pub(super) struct Arguments {
    /// The gateway; several may be given, and shoppers are spread over them.
    #[arg(long = "url", required = true, value_name = "URL")]
    urls: Vec<String>,

    /// Shoppers a second, one pace throughout; goes with --duration.
    #[arg(long, value_parser = positive, requires = "duration", conflicts_with = "crowd", required_unless_present = "crowd")]
    rate: Option<f64>,

    /// Seconds that --rate is kept up.
    #[arg(long, value_name = "SECONDS", value_parser = positive, requires = "rate")]
    duration: Option<f64>,

    /// Shoppers that come as to an opening: all at once, then fewer and fewer.
    #[arg(long, value_name = "SHOPPERS", value_parser = clap::value_parser!(u32).range(1..))]
    crowd: Option<u32>,

    /// What they want; several may be given. Without it: everything on offer.
    #[arg(long = "product", value_name = "PRODUCT", value_delimiter = ',')]
    products: Vec<ProductId>,

    /// Addresses of this machine that connections come from, in turn, separated by commas, so that
    /// the gateway's limits for one address do not hold for the whole crowd. On Linux all of
    /// 127.0.0.0/8 are addresses of this machine.
    #[arg(long = "source", value_name = "ADDRESS", value_delimiter = ',')]
    sources: Vec<IpAddr>,

    /// File with a bearer token on each line, one for each shopper, for a gateway that runs with
    /// `--auth-mode jwt`. The subjects are the tokens', so confirmations are not timed.
    #[arg(long, value_name = "FILE", conflicts_with = "history")]
    tokens: Option<PathBuf>,

    #[command(flatten)]
    shape: CrowdArgs,

    /// Redis, for outcomes to the instant: redis://…, redis+sentinel://… or redis+cluster://…;
    /// rediss for TLS.
    #[arg(
        long,
        env = "FLASHSALE_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    redis_url: Option<StoreUrl>,

    #[command(flatten)]
    redis_tls: RedisTlsArgs,

    /// Write every request, answer and event with its times into this new file, for `flashsale
    /// check`; docs/history.md has the format. Give --redis-url as well, so that the clock by
    /// which sales open and close is in it to the microsecond.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,

    /// Shoppers that listen on Socket.io sockets for the history.
    #[arg(
        long,
        value_name = "SHOPPERS",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(0..=20_000),
        requires = "history"
    )]
    sockets: u32,

    /// Print the report as JSON for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<Outcome, ToolError> {
    let stop = shutdown::on_signals()?;
    let targets = arguments.urls.iter().map(|url| Target::parse(url));
    let targets: Vec<Target> = targets.collect::<Result<_, _>>().map_err(LoadError::from)?;
    let crowd = Arc::new(draw(&arguments, &targets).await?);
    let history = open_history(&arguments, &crowd)?;
    let report = match &history {
        None => send(&arguments, &targets, crowd, None, &stop).await?,
        Some(history) => {
            let failed = stop.child_token();
            let sending = send(&arguments, &targets, crowd, Some(history), &failed);
            tokio::pin!(sending);
            let report = tokio::select! {
                report = &mut sending => report?,
                () = history.failed().cancelled() => {
                    failed.cancel();
                    sending.await?
                }
            };
            history.check().map_err(LoadError::from)?;
            report
        }
    };
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(Outcome::holds_if(report.holds()))
}

async fn draw(arguments: &Arguments, targets: &[Target]) -> Result<Crowd, LoadError> {
    let arrivals = match (arguments.crowd, arguments.rate, arguments.duration) {
        (Some(shoppers), _, _) => arguments.shape.opening(shoppers),
        (None, Some(rate), Some(seconds)) => Arrivals::Steady {
            rate,
            over: Duration::from_secs_f64(seconds),
        },
        _ => return Err(LoadError::Numbers("give --crowd, or --rate and --duration")),
    };
    let first = first(targets)?;
    let uniform = arguments.shape.is_uniform();
    let offers = load::offers_of(first, &arguments.products, uniform).await?;
    Crowd::draw(&arguments.shape.plan(arrivals, offers))
}

/// The history, if one is wanted, with its first line.
fn open_history(
    arguments: &Arguments,
    crowd: &Crowd,
) -> Result<Option<Arc<HistoryWriter>>, LoadError> {
    let Some(path) = &arguments.history else {
        return Ok(None);
    };
    let history = HistoryWriter::create(path)?;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    history.note(Entry::Start {
        version: VERSION,
        program: concat!("flashsale ", env!("CARGO_PKG_VERSION")).to_owned(),
        run: crowd.run().to_owned(),
        gateways: arguments.urls.clone(),
        shoppers: count(crowd.shoppers()),
        presses: count(crowd.presses().len()),
    });
    Ok(Some(Arc::new(history)))
}

/// What listens and reads beside the crowd, until it is dropped.
struct Listening {
    _events: Option<EventReader>,
    _sockets: Option<Sockets>,
    readings: Option<Readings>,
}

impl Listening {
    async fn start(
        arguments: &Arguments,
        targets: &[Target],
        client: Option<&RedisClient>,
        book: &Arc<Book>,
    ) -> Result<Self, ToolError> {
        let (mut events, mut sockets, mut readings) = (None, None, None);
        if let Some(client) = client {
            let started = EventReader::start(connect::shared(client)?, Arc::clone(book), None);
            events = Some(started.await.map_err(LoadError::Events)?);
        }
        if let Some(history) = book.history() {
            let count = usize::try_from(arguments.sockets).unwrap_or(0);
            sockets = Some(Sockets::open(count, targets, book, history).await);
            let redis = client.map(connect::shared).transpose()?;
            readings = Some(Readings::start(targets, redis, book, history).await);
        }
        Ok(Self {
            _events: events,
            _sockets: sockets,
            readings,
        })
    }

    async fn end(self) {
        if let Some(readings) = self.readings {
            readings.finish().await;
        }
    }
}

/// What the crowd needs to buy where sales ask for passes.
async fn passes(
    arguments: &Arguments,
    targets: &[Target],
    crowd: &Arc<Crowd>,
    tokens: Option<&Arc<Tokens>>,
) -> Result<Option<Arc<Passes>>, LoadError> {
    let first = first(targets)?;
    let guarded = load::guarded_sales(first).await?;
    let connections = arguments.shape.connections();
    Passes::get(crowd, first, guarded, tokens, connections).await
}

fn first(targets: &[Target]) -> Result<&Target, LoadError> {
    let first = targets.first();
    first.ok_or(LoadError::Numbers("give at least one --url"))
}

async fn send(
    arguments: &Arguments,
    targets: &[Target],
    crowd: Arc<Crowd>,
    history: Option<&Arc<HistoryWriter>>,
    stop: &CancellationToken,
) -> Result<Report, ToolError> {
    let tls = TlsSource::directory(arguments.redis_tls.redis_tls.as_deref());
    let url = arguments.redis_url.as_deref();
    let client = url.map(|url| connect::redis_client_with(url, &tls));
    let client = client.transpose()?;
    let tokens = arguments.tokens.as_deref();
    let tokens = tokens.map(|path| Tokens::read(path, crowd.shoppers()));
    let tokens = tokens.transpose()?.map(Arc::new);
    let passes = passes(arguments, targets, &crowd, tokens.as_ref()).await?;
    // Sockets know the crowd by a book, and the crowd starts when they are open.
    let sockets = history.map_or(0, |_| arguments.sockets);
    let lead = LEAD + SOCKETS_LEAD * sockets;
    let book = Book::new(crowd, Instant::now() + lead).map_err(LoadError::from)?;
    let book = Arc::new(book.with_history(history.map(Arc::clone)));
    let listening = Listening::start(arguments, targets, client.as_ref(), &book).await?;
    let progress = Progress::start(Display::new(), Arc::clone(&book), None);
    let engine = Engine {
        targets: targets.to_vec(),
        connections: arguments.shape.connections(),
        patience: arguments.shape.give_up,
        sources: arguments.sources.clone(),
        tokens,
        passes,
    };
    engine.run(&book, stop).await;
    let elapsed = book.start().elapsed();
    let started_at = Timestamp::now() - elapsed;
    let verifier = Verifier {
        redis: client.as_ref().map(connect::shared).transpose()?,
        gateways: targets.to_vec(),
        patience: arguments.shape.settle_patience,
    };
    let found = verifier.run(&book, &CancellationToken::new()).await;
    progress.finish().await;
    listening.end().await;
    book.close_history(stop.is_cancelled());
    Ok(Report::new(&book, started_at, elapsed, &found))
}
