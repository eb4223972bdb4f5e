//! One machine as a test bed: a private PostgreSQL, a private Redis and our own processes.
//!
//! `flashsale up`, the tests of every crate and the bench start what they need through this crate.
//! Everything started here listens on 127.0.0.1 only, on a free port, with a generated password,
//! keeps its files in one [`data_dir::DataDir`], and dies with the process that started it, even
//! if that process is ended by SIGKILL. A server that was already on the machine is never touched.
//!
//! ```no_run
//! use flashsale_testbed::{data_dir::DataDir, postgres::Postgres, redis::{AppendFsync, Redis}};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let data_dir = DataDir::temporary()?;
//! let mut postgres = Postgres::start(&data_dir).await?;
//! let mut redis = Redis::start(&data_dir, AppendFsync::EverySecond).await?;
//! println!("{} {}", postgres.url(), redis.url());
//! redis.stop().await?;
//! postgres.stop().await?;
//! # Ok(())
//! # }
//! ```

pub mod account;
pub mod answer;
pub mod binaries;
#[cfg(feature = "certificates")]
pub mod certificates;
pub mod cluster;
pub mod data_dir;
pub mod fault_proxy;
pub mod figures;
pub mod fixtures;
pub mod http;
pub mod launch;
mod log_tail;
pub mod password;
pub mod pgbouncer;
mod pid_file;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod program;
pub mod redis;
pub mod sentinel;
#[cfg(feature = "sockets")]
pub mod socket_io;
#[cfg(feature = "payments")]
pub mod stripe;
mod tls;
#[cfg(feature = "tokens")]
pub mod tokens;
