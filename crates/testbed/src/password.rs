//! Generated passwords, kept in a file that only their server and we can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::Rng;
use rand::distr::Alphanumeric;

/// 32 letters and digits carry 190 bits, beyond guessing, and need no escaping in a URL.
const LENGTH: usize = 32;

/// Reads the password in `file`, or generates one and writes it there (mode 0600).
pub fn read_or_create(file: &Path) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(password) => Ok(password.trim_end().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(file),
        Err(error) => Err(error),
    }
}

fn create(file: &Path) -> io::Result<String> {
    let password: String = rand::rng()
        .sample_iter(Alphanumeric)
        .take(LENGTH)
        .map(char::from)
        .collect();
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?
        .write_all(password.as_bytes())?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn password_is_generated_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        let password = read_or_create(&file).unwrap();
        assert_eq!(password.len(), LENGTH);
        assert_eq!(read_or_create(&file).unwrap(), password);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
