//! Writes a history while the load goes on.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Entry, Line};
use crate::load::crowd::micros;

/// Why a history could not be written. One with holes would be judged as if nothing had happened
/// in them, so the load ends at the first failure.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file could not be made.
    #[error(
        "the history {0} could not be made ({1}); name a file that does not exist yet, \
         in a directory that does"
    )]
    Create(PathBuf, #[source] io::Error),
    /// A line could not be written.
    #[error("the history {0} could not be written: {1}")]
    Write(PathBuf, #[source] io::Error),
}

/// A history that is being written; shared by everything that sends or hears something.
///
/// Each line is handed to the operating system by one write before [`Self::note`] returns, so that
/// nothing is kept in memory and a killed process loses at most the line it was writing.
#[derive(Debug)]
pub struct HistoryWriter {
    path: PathBuf,
    /// When the run began: the zero of `us`.
    began: Instant,
    file: Mutex<Writing>,
    /// Number of the next attempt.
    next_buy: AtomicU64,
    /// Cancelled when a line could not be written.
    failed: CancellationToken,
}

#[derive(Debug)]
struct Writing {
    file: File,
    /// One line; kept for its room.
    line: Vec<u8>,
    error: Option<io::Error>,
}

impl HistoryWriter {
    /// Makes the file. Times count from now on.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(|source| WriteError::Create(path.to_owned(), source))?;
        Ok(Self {
            path: path.to_owned(),
            began: Instant::now(),
            file: Mutex::new(Writing {
                file,
                line: Vec::new(),
                error: None,
            }),
            next_buy: AtomicU64::new(0),
            failed: CancellationToken::new(),
        })
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        micros(self.began.elapsed())
    }

    /// A number for one more attempt.
    pub fn number(&self) -> u64 {
        self.next_buy.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes what happens now.
    pub fn note(&self, entry: Entry) {
        let line = Line {
            us: self.now_us(),
            at: Timestamp::now().as_microsecond(),
            entry,
        };
        let mut writing = self.file.lock();
        if writing.error.is_none()
            && let Err(error) = writing.write(&line)
        {
            writing.error = Some(error);
            self.failed.cancel();
        }
    }

    /// Cancelled once a line could not be written.
    pub fn failed(&self) -> &CancellationToken {
        &self.failed
    }

    /// The error by which writing failed, if it did.
    pub fn check(&self) -> Result<(), WriteError> {
        let mut writing = self.file.lock();
        writing.error.take().map_or(Ok(()), |source| {
            Err(WriteError::Write(self.path.clone(), source))
        })
    }
}

impl Writing {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_line_is_in_the_file_before_the_next_thing_happens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history");
        let writer = HistoryWriter::create(&path).unwrap();
        for expected in 1..=3 {
            writer.note(Entry::End { interrupted: false });
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), expected);
            assert!(text.ends_with('\n'));
        }
        writer.check().unwrap();
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history");
        fs::write(&path, "precious").unwrap();
        let error = HistoryWriter::create(&path).unwrap_err();
        assert!(error.to_string().contains("does not exist yet"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_full_disk_is_an_error_and_ends_the_load() {
        let full = Path::new("/dev/full");
        let file = OpenOptions::new().append(true).open(full).unwrap();
        let writer = HistoryWriter {
            path: full.to_owned(),
            began: Instant::now(),
            file: Mutex::new(Writing {
                file,
                line: Vec::new(),
                error: None,
            }),
            next_buy: AtomicU64::new(0),
            failed: CancellationToken::new(),
        };
        writer.note(Entry::End { interrupted: false });
        assert!(writer.failed().is_cancelled());
        assert!(matches!(writer.check(), Err(WriteError::Write { .. })));
    }
}
