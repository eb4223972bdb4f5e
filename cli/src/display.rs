//! Where commands that run for a while print: lasting lines to standard output, what moves to the
//! terminal behind standard error, neither in the way of the other.

use std::io::{self, IsTerminal, Write as _};

use indicatif::{MultiProgress, ProgressBar};

/// Standard output and the moving lines below it; clones share them.
#[derive(Debug, Clone)]
pub struct Display {
    bars: MultiProgress,
    moves: bool,
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

impl Display {
    /// Draws moving lines only if standard error is a terminal.
    pub fn new() -> Self {
        Self {
            bars: MultiProgress::new(),
            moves: io::stderr().is_terminal(),
        }
    }

    /// Whether anything may move.
    pub fn moves(&self) -> bool {
        self.moves
    }

    /// Prints lasting text and a line end.
    pub fn line(&self, text: impl AsRef<str>) {
        self.bars.suspend(|| {
            // Who closed the pipe does not want to read on; the sale goes on all the same.
            let _ = writeln!(io::stdout(), "{}", text.as_ref());
        });
    }

    /// Prints a warning that stays.
    pub fn warning(&self, text: impl AsRef<str>) {
        let label = console::style("warning:").yellow().bold();
        self.line(format!("{label} {}", text.as_ref()));
    }

    /// Prints passing text, on its own line, for where nothing moves.
    pub fn passing(&self, text: impl AsRef<str>) {
        let _ = writeln!(io::stderr(), "{}", text.as_ref());
    }

    /// Adds a moving line.
    pub fn add(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
    }
}
