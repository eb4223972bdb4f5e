//! Structured logs on standard error.
//!
//! Standard error, because what a hand tool prints on standard output is its result.

use std::env;
use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Turns colours off, whatever its value (<https://no-color.org>).
const NO_COLOR_VARIABLE: &str = "NO_COLOR";

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object a line, the fields of the event at its top level.
    Json,
    /// One line to read by eye.
    Text,
}

impl LogFormat {
    /// Whether lines are JSON, given whether they go to a terminal.
    pub fn is_json(self, to_terminal: bool) -> bool {
        match self {
            Self::Auto => !to_terminal,
            Self::Json => true,
            Self::Text => false,
        }
    }
}

/// The arguments by which a binary lets its user choose logs; for `#[command(flatten)]`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct LogArgs {
    /// How log lines look: text on a terminal and JSON otherwise, or always one of them.
    #[arg(
        long,
        env = "FLASHSALE_LOG_FORMAT",
        value_enum,
        default_value = "auto",
        global = true
    )]
    pub log_format: LogFormat,

    /// Which events are logged: error, warn, info, debug, trace, also by module, e.g.
    /// `info,flashsale_worker=debug`.
    #[arg(
        long,
        env = "FLASHSALE_LOG",
        value_name = "FILTER",
        default_value = "info",
        global = true
    )]
    pub log_level: String,
}

impl LogArgs {
    /// Starts logging as the arguments say; see [`init`].
    pub fn init(&self) -> Result<(), LoggingError> {
        init(self.log_format, &self.log_level)
    }
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is malformed.
    #[error("`{filter}` is no log filter: write e.g. `info` or `info,flashsale_worker=debug`")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Something in this process logs already.
    #[error("logging is set up already; call this once, at the start of the process")]
    AlreadySet(#[from] TryInitError),
}

/// Starts logging to standard error for the whole process. To be called once, before anything logs.
///
/// `filter` is what [`EnvFilter`] takes, e.g. `info` or `warn,flashsale_gateway=debug`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let to_terminal = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if format.is_json(to_terminal) {
        lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .try_init()?;
    } else {
        let colours = to_terminal && env::var_os(NO_COLOR_VARIABLE).is_none();
        lines.with_ansi(colours).finish().try_init()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        log: LogArgs,
    }

    #[test]
    fn format_follows_the_terminal_unless_told() {
        assert!(LogFormat::Auto.is_json(false));
        assert!(!LogFormat::Auto.is_json(true));
        assert!(LogFormat::Json.is_json(true));
        assert!(!LogFormat::Text.is_json(false));
    }

    #[test]
    fn arguments_choose_format_and_level() {
        let arguments = ["program", "--log-format", "json", "--log-level", "debug"];
        let log = Program::try_parse_from(arguments)
            .unwrap_or_else(|e| panic!("{e}"))
            .log;
        assert_eq!(log.log_format, LogFormat::Json);
        assert_eq!(log.log_level, "debug");
    }

    #[test]
    fn malformed_filter_says_what_to_write() {
        let error = init(LogFormat::Text, "a=b=c").unwrap_err();
        assert!(error.to_string().contains("write e.g. `info`"), "{error}");
    }
}
