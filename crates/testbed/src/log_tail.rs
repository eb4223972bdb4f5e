//! The end of a log file, for error messages that show why a server did not start.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Enough for the reason and what led to it, little enough for one screen.
const LINES: usize = 15;

/// Far more than that many lines of a server's log take.
const BYTES: u64 = 16 * 1024;

/// The last lines of `file`; empty when it cannot be read, since this only decorates an error.
pub(crate) fn read(file: &Path) -> String {
    last_bytes(file)
        .map(|bytes| last_lines(&String::from_utf8_lossy(&bytes)))
        .unwrap_or_default()
}

fn last_bytes(file: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_shown() {
        let lines: Vec<String> = (0..100).map(|line| format!("line {line}")).collect();
        let text = lines.join("\n");
        let tail = last_lines(&text);
        assert!(
            tail.starts_with("line 85\n") && tail.ends_with("line 99"),
            "{tail}"
        );
    }

    #[test]
    fn missing_file_has_an_empty_tail() {
        assert_eq!(read(Path::new("/nonexistent/log")), "");
    }
}
