//! Reads a history, line by line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use super::{Entry, Line, VERSION};

/// A longer line is no line of a history; without a bound, a wrong file could fill the memory.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("the history {0} could not be read: {1}")]
    File(PathBuf, #[source] io::Error),
    /// A line is not one of a history.
    #[error("{path}:{line} is no line of a history ({reason}); see docs/history.md")]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// How a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the line `end`.
    Complete,
    /// After a whole line that is not `end`: the load was killed or still runs.
    Open,
    /// In the middle of a line, which was left out.
    Truncated,
}

/// Reads one file.
#[derive(Debug)]
pub struct HistoryReader<R = BufReader<File>> {
    path: PathBuf,
    input: R,
    buffer: Vec<u8>,
    line: u64,
    bytes: u64,
    ending: Ending,
}

impl HistoryReader {
    /// Opens `path`.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::File(path.to_owned(), source))?;
        Ok(Self::new(path, BufReader::with_capacity(1 << 20, file)))
    }
}

impl<R: BufRead> HistoryReader<R> {
    /// Reads `input`; errors call it `path`.
    pub fn new(path: &Path, input: R) -> Self {
        Self {
            path: path.to_owned(),
            input,
            buffer: Vec::new(),
            line: 0,
            bytes: 0,
            ending: Ending::Open,
        }
    }

    /// The next line; none at the end.
    pub fn next_line(&mut self) -> Result<Option<Line>, ReadError> {
        self.buffer.clear();
        let mut limited = io::Read::take(&mut self.input, LONGEST_LINE);
        let read = limited.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|source| ReadError::File(self.path.clone(), source))?;
        if read == 0 {
            return if self.line == 0 {
                Err(self.malformed("the file is empty"))
            } else {
                Ok(None)
            };
        }
        self.line += 1;
        self.bytes += u64::try_from(read).unwrap_or(0);
        if !self.buffer.ends_with(b"\n") {
            if u64::try_from(read).unwrap_or(u64::MAX) == LONGEST_LINE {
                return Err(self.malformed("it is longer than 16 MiB"));
            }
            // The writer was killed, or is writing it this very moment.
            if self.line == 1 {
                return Err(self.malformed("it is cut off, and the only one"));
            }
            self.ending = Ending::Truncated;
            return Ok(None);
        }
        let line: Line =
            serde_json::from_slice(&self.buffer).map_err(|error| self.malformed(&error))?;
        self.check_version(&line)?;
        self.ending = match line.entry {
            Entry::End { .. } => Ending::Complete,
            _ => Ending::Open,
        };
        Ok(Some(line))
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How the file ended; known once [`Self::next_line`] has answered none.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    fn check_version(&self, line: &Line) -> Result<(), ReadError> {
        match (&line.entry, self.line) {
            (Entry::Start { version, .. }, 1) if *version == VERSION => Ok(()),
            (Entry::Start { version, .. }, 1) => Err(self.malformed(&format!(
                "version {version} of the format; this build reads {VERSION}"
            ))),
            (Entry::Start { .. }, _) => Err(self.malformed("a second `start`")),
            (_, 1) => Err(self.malformed("the first line is not `start`")),
            _ => Ok(()),
        }
    }

    fn malformed(&self, reason: &(impl ToString + ?Sized)) -> ReadError {
        ReadError::Line {
            path: self.path.clone(),
            line: self.line.max(1),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"type":"start","us":0,"at":1,"version":1,"program":"p","run":"r-","gateways":[],"shoppers":1,"presses":1}"#;
    const END: &str = r#"{"type":"end","us":9,"at":9,"interrupted":false}"#;

    fn read(text: &str) -> Result<(usize, Ending), ReadError> {
        let mut reader = HistoryReader::new(Path::new("h"), text.as_bytes());
        let mut lines = 0;
        while reader.next_line()?.is_some() {
            lines += 1;
        }
        Ok((lines, reader.ending()))
    }

    #[test]
    fn a_history_is_complete_with_its_last_line_and_open_without() {
        let whole = format!("{START}\n{END}\n");
        assert_eq!(read(&whole).unwrap(), (2, Ending::Complete));
        assert_eq!(read(&format!("{START}\n")).unwrap(), (1, Ending::Open));
    }

    #[test]
    fn a_last_line_that_was_cut_off_anywhere_is_left_out_and_told() {
        for length in 1..=END.len() {
            let text = format!("{START}\n{}", &END[..length]);
            assert_eq!(read(&text).unwrap(), (1, Ending::Truncated), "{text}");
        }
    }

    #[test]
    fn a_broken_line_elsewhere_is_an_error_with_its_number() {
        let error = read(&format!("{START}\n{}\n{END}\n", &END[..20])).unwrap_err();
        assert!(error.to_string().starts_with("h:2 "), "{error}");
        for (text, words) in [
            (String::new(), "empty"),
            (format!("{END}\n"), "not `start`"),
            (format!("{START}\n{START}\n"), "second `start`"),
            (
                START.replace("\"version\":1", "\"version\":2") + "\n",
                "this build reads 1",
            ),
            (START.to_owned(), "cut off"),
            (
                format!("{START}\n{{\"type\":\"unheard-of\",\"us\":1,\"at\":1}}\n"),
                "unheard-of",
            ),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn fields_that_are_unknown_are_passed_over() {
        let further = END.replace("\"us\"", "\"further\":[1],\"us\"");
        assert_eq!(
            read(&format!("{START}\n{further}\n")).unwrap(),
            (2, Ending::Complete)
        );
    }
}
