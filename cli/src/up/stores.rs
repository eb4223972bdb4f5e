//! PostgreSQL and Redis: private ones, or those whose addresses were given.

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use flashsale_testbed::{data_dir::DataDir, postgres::Postgres, redis::Redis};
use flashsale_transport::TlsSource;
use url::Url;

use super::{ToolError, UpConfig};
use crate::display::Display;

/// Wait before a store that could not be started again is tried again.
const REVIVAL_WAIT: Duration = Duration::from_secs(5);

/// The two stores. Dropping it stops the private ones.
#[derive(Debug)]
pub(super) struct Stores {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    database_url: String,
    redis_url: String,
    /// The directories of certificates for stores that were given, as absolute paths.
    database_tls: Option<PathBuf>,
    redis_tls: Option<PathBuf>,
    /// When a store that could not be started again is tried again.
    next_attempt: Option<Instant>,
}

impl Stores {
    /// Starts what is not given, both at once.
    pub(super) async fn start(
        config: &UpConfig,
        data_dir: &DataDir,
        display: &Display,
    ) -> Result<Self, ToolError> {
        let postgres = async {
            if let Some(url) = &config.database_url {
                return Ok::<_, ToolError>((url.to_string(), None));
            }
            let own = Postgres::start(data_dir).await?;
            Ok((own.url(), Some(own)))
        };
        let redis = async {
            if let Some(url) = &config.redis_url {
                return Ok::<_, ToolError>((url.to_string(), None));
            }
            let own = Redis::start(data_dir, config.appendfsync).await?;
            Ok((own.url(), Some(own)))
        };
        let ((database_url, postgres), (redis_url, redis)) = tokio::try_join!(postgres, redis)?;
        // Gateways and workers have another working directory. A private store has no TLS.
        let directory = |path: &Option<PathBuf>, is_given: bool| match path {
            Some(path) if is_given => std::path::absolute(path)
                .map(Some)
                .map_err(ToolError::Certificates),
            _ => Ok(None),
        };
        let stores = Self {
            database_tls: directory(&config.database.tls.database_tls, postgres.is_none())?,
            redis_tls: directory(&config.redis_tls.redis_tls, redis.is_none())?,
            database_url,
            redis_url,
            postgres,
            redis,
            next_attempt: None,
        };
        stores.introduce(display);
        Ok(stores)
    }

    /// Address of PostgreSQL, password included.
    pub(super) fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Address of Redis, password included.
    pub(super) fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// The certificates for PostgreSQL.
    pub(super) fn database_tls(&self) -> TlsSource {
        TlsSource::directory(self.database_tls.as_deref())
    }

    /// The certificates for Redis.
    pub(super) fn redis_tls(&self) -> TlsSource {
        TlsSource::directory(self.redis_tls.as_deref())
    }

    /// How gateways and workers find the stores, as variables; those without a value must not be
    /// inherited.
    pub(super) fn variables(&self) -> [(&'static str, Option<OsString>); 4] {
        let directory = |path: &Option<PathBuf>| path.clone().map(OsString::from);
        [
            (
                "FLASHSALE_DATABASE_URL",
                Some(self.database_url.clone().into()),
            ),
            ("FLASHSALE_DATABASE_TLS", directory(&self.database_tls)),
            ("FLASHSALE_REDIS_URL", Some(self.redis_url.clone().into())),
            ("FLASHSALE_REDIS_TLS", directory(&self.redis_tls)),
        ]
    }

    /// What to put before a hand tool so that it finds the stores. The passwords of private
    /// stores may be shown; those of others come from the caller's own environment.
    pub(super) fn environment(&self) -> String {
        let mut variables = String::new();
        if self.postgres.is_some() {
            variables = format!("FLASHSALE_DATABASE_URL='{}' ", self.database_url);
        }
        if self.redis.is_some() {
            variables = format!("{variables}FLASHSALE_REDIS_URL='{}' ", self.redis_url);
        }
        variables
    }

    /// Starts private stores again that died.
    pub(super) async fn revive(&mut self, display: &Display) {
        if self.next_attempt.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let mut failures = Vec::new();
        if let Some(postgres) = &mut self.postgres
            && !postgres.is_running()
        {
            let log = postgres.log_file();
            display.warning(format!(
                "PostgreSQL died, starting it again ({})",
                log.display()
            ));
            failures.extend(
                postgres
                    .restart()
                    .await
                    .err()
                    .map(|error| error.to_string()),
            );
        }
        if let Some(redis) = &mut self.redis
            && !redis.is_running()
        {
            let log = redis.log_file();
            display.warning(format!("Redis died, starting it again ({})", log.display()));
            failures.extend(redis.restart().await.err().map(|error| error.to_string()));
        }
        self.next_attempt = (!failures.is_empty()).then(|| Instant::now() + REVIVAL_WAIT);
        for failure in failures {
            display.warning(format!("{failure}; again in {REVIVAL_WAIT:?}"));
        }
    }

    /// Stops the private ones.
    pub(super) async fn stop(mut self, display: &Display) -> Result<(), ToolError> {
        if let Some(redis) = &mut self.redis {
            redis.stop().await?;
            display.line("stopped     Redis");
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.stop().await?;
            display.line("stopped     PostgreSQL");
        }
        Ok(())
    }

    fn introduce(&self, display: &Display) {
        let whose = |own: bool| {
            if own {
                "private"
            } else {
                "given, left as it is at the end"
            }
        };
        let postgres = whose(self.postgres.is_some());
        let redis = whose(self.redis.is_some());
        display.line(format!(
            "PostgreSQL  {} ({postgres})",
            place(&self.database_url)
        ));
        display.line(format!("Redis       {} ({redis})", place(&self.redis_url)));
    }
}

/// An address without its user and password. Several hosts are no URL.
fn place(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => {
            let host = url.host_str().unwrap_or("?");
            url.port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
        }
        Err(_) => "as given".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_address_has_no_password() {
        assert_eq!(place("redis://:secret@127.0.0.1:16379/"), "127.0.0.1:16379");
        assert_eq!(
            place("postgres://u:secret@db.example.com/shop"),
            "db.example.com"
        );
    }
}
