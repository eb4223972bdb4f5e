//! One run: its servers, its figures, and what is told while it goes on.

use std::time::Instant;

use flashsale_domain::sale::Sale;
use flashsale_testbed::{figures::Latencies, program::Program};

use crate::{
    arguments::RunArguments,
    environment::{
        Stores, Used,
        shop::{self, HUGE_STOCK, product_prefix},
        verification::all_taken,
    },
    error::Result,
    figures::Figures,
    load::wrk::{self, How, Load},
    metrics::{self, Unit, table::QUANTILES},
    processor::{self, MachineTime},
};

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) arguments: RunArguments,
    pub(crate) stores: Stores,
    pub(crate) figures: Figures,
    /// The greatest share of the processor that other programs used during a round.
    pub(crate) others_used: f64,
    started: Instant,
    /// Sales so far; each gets a name of its own, so that a gateway cannot take one for the next.
    sales: u32,
}

/// A round that has begun.
pub(crate) struct Round {
    machine: MachineTime,
    /// Processor seconds that the run had used.
    ours: f64,
}

impl Session {
    pub(crate) async fn start(arguments: RunArguments) -> Result<Self> {
        let started = Instant::now();
        Ok(Self {
            arguments,
            stores: Stores::start().await?,
            figures: Figures::default(),
            others_used: 0.0,
            started,
            sales: 0,
        })
    }

    /// Stops the servers; answers the figures.
    pub(crate) async fn stop(self) -> Result<Figures> {
        self.stores.stop().await?;
        Ok(self.figures)
    }

    /// The number of the next sale.
    pub(crate) fn next_sale(&mut self) -> u32 {
        self.sales += 1;
        self.sales
    }

    /// Opens a new sale of one product that does not sell out, and waits until `gateway` knows it.
    /// Its buys are answered once `replicas` of Redis have them.
    pub(crate) async fn open_sale(&mut self, gateway: &Program, replicas: u8) -> Result<Sale> {
        let mut sale = shop::sale(self.next_sale(), 1, HUGE_STOCK);
        sale.durability.redis_replicas = replicas;
        self.stores.empty().await?;
        self.put_on_sale(gateway, &sale).await?;
        self.stores.settle_down().await?;
        Ok(sale)
    }

    /// Opens `sale` and waits until `gateway` knows it.
    pub(crate) async fn put_on_sale(&self, gateway: &Program, sale: &Sale) -> Result<()> {
        shop::open(&self.stores, sale).await?;
        self.until_known(gateway, sale).await
    }

    /// Waits until `gateway` knows `sale`.
    pub(crate) async fn until_known(&self, gateway: &Program, sale: &Sale) -> Result<()> {
        let path = format!("/sales/{}", sale.id);
        Ok(gateway.answers(gateway.address, &path).await?)
    }

    /// Without tokens over the usual number of connections, for as long as the run says.
    pub(crate) fn usual(&self) -> How<'static> {
        How {
            connections: wrk::CONNECTIONS,
            seconds: self.arguments.load_seconds(),
            tokens: None,
        }
    }

    /// Sends `server` buys of `product`; answers what wrk says.
    pub(crate) async fn send(
        &mut self,
        server: &Program,
        product: &str,
        how: How<'_>,
    ) -> Result<Load> {
        let run = self.next_sale();
        wrk::run(self.stores.data_dir.path(), server, product, run, how).await
    }

    /// Has `gateway` take as many buys of a new sale as it can, and checks that all it acknowledged
    /// were taken. Answers what wrk says, and the processor time used meanwhile.
    pub(crate) async fn buy(&mut self, gateway: &Program, how: How<'_>) -> Result<(Load, Used)> {
        self.buy_replicated(gateway, 0, how).await
    }

    /// The same where `replicas` of Redis must have each buy before it is answered.
    pub(crate) async fn buy_replicated(
        &mut self,
        gateway: &Program,
        replicas: u8,
        how: How<'_>,
    ) -> Result<(Load, Used)> {
        let sale = self.open_sale(gateway, replicas).await?;
        let before = self.stores.used([gateway])?;
        let product = sale.products[0].id.as_str();
        let load = self.send(gateway, product, how).await?;
        let used = self.stores.used([gateway])?.since(before);
        // wrk gives up the answers that are on their way when its time is over, one a connection.
        all_taken(&self.stores, &sale, load.requests, how.connections).await?;
        Ok((load, used))
    }

    /// Has `gateway` take `buys` buys of sale number `sale`, spread over its `products`.
    pub(crate) async fn buy_exactly(
        &mut self,
        gateway: &Program,
        (sale, products): (u32, u32),
        buys: u32,
    ) -> Result<()> {
        let (prefix, run) = (product_prefix(sale), self.next_sale());
        let directory = self.stores.data_dir.path();
        wrk::run_exact(directory, gateway, (&prefix, products), run, buys).await
    }

    pub(crate) fn begin(&self, round: u32) -> Result<Round> {
        self.tell(&format!("round {round} of {}", self.arguments.rounds()));
        Ok(Round {
            machine: MachineTime::look()?,
            ours: self.seconds()?,
        })
    }

    /// Ends it: notes how much others used of the machine meanwhile. All children but the servers
    /// must have ended.
    pub(crate) fn end(&mut self, round: &Round) -> Result<()> {
        let ours = self.seconds()? - round.ours;
        let others = MachineTime::look()?.share_of_others(&round.machine, ours);
        self.others_used = self.others_used.max(others);
        let others = Unit::Share.format(others);
        self.tell(&format!("other programs used {others} of the processor"));
        Ok(())
    }

    /// Processor seconds used by this run.
    fn seconds(&self) -> Result<f64> {
        let servers = self.stores.postgres_seconds()? + self.stores.redis_seconds()?;
        Ok(processor::own_seconds()? + servers)
    }

    /// Notes this round's value of `series` and tells it. A series that is in no table would be
    /// shown nowhere, and is an error.
    pub(crate) fn record(&mut self, series: &str, measured: f64) -> Result<()> {
        let row = metrics::row(series).ok_or_else(|| {
            format!("no table has the series `{series}`; this is a bug of the bench")
        })?;
        self.figures.add(series, measured);
        self.tell(&format!("{}: {}", row.title, row.unit.format(measured)));
        Ok(())
    }

    /// Notes the processor time, in seconds, that `count` orders or requests cost, under each series
    /// in microseconds.
    pub(crate) fn record_each<S: AsRef<str>>(
        &mut self,
        used: impl IntoIterator<Item = (S, f64)>,
        count: u32,
    ) -> Result<()> {
        for (series, seconds) in used {
            self.record(series.as_ref(), seconds * 1e6 / f64::from(count))?;
        }
        Ok(())
    }

    /// Notes milliseconds of `series` under the name of each quantile.
    pub(crate) fn record_quantiles<'a>(
        &mut self,
        series: &str,
        quantiles: impl IntoIterator<Item = &'a (&'static str, f64)>,
    ) -> Result<()> {
        for (quantile, milliseconds) in quantiles {
            self.record(&format!("{series} quantile={quantile}"), *milliseconds)?;
        }
        Ok(())
    }

    /// The same for the first `shown` of all quantiles.
    pub(crate) fn record_latencies(
        &mut self,
        series: &str,
        latencies: &Latencies,
        shown: usize,
    ) -> Result<()> {
        for (quantile, share) in &QUANTILES[..shown] {
            self.record_quantiles(series, &[(*quantile, latencies.quantile_ms(*share)?)])?;
        }
        Ok(())
    }

    /// Says on stderr what goes on, with the seconds since the start.
    pub(crate) fn tell(&self, text: &str) {
        eprintln!("[{:>4} s] {text}", self.started.elapsed().as_secs());
    }
}
