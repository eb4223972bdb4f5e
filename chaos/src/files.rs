//! Files that the harness writes and reads.

use std::{fs, io, path::Path};

use serde::{Serialize, de::DeserializeOwned};

use crate::error::ChaosError;

/// Makes `directory` anew: what an earlier run has left in it goes.
pub fn empty(directory: &Path) -> Result<(), ChaosError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ChaosError::file(directory)(error))
        }
        _ => create(directory),
    }
}

/// Makes `directory` where it is missing.
pub(crate) fn create(directory: &Path) -> Result<(), ChaosError> {
    fs::create_dir_all(directory).map_err(ChaosError::file(directory))
}

/// Writes text.
pub(crate) fn write(file: &Path, text: impl AsRef<[u8]>) -> Result<(), ChaosError> {
    fs::write(file, text).map_err(ChaosError::file(file))
}

/// Reads text.
pub(crate) fn read(file: &Path) -> Result<String, ChaosError> {
    fs::read_to_string(file).map_err(ChaosError::file(file))
}

/// Writes a value as JSON.
pub fn write_json(file: &Path, value: &impl Serialize) -> Result<(), ChaosError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| ChaosError::Wrong(format!("a result is no JSON: {error}")))?;
    write(file, text)
}

/// A value from its JSON, which stands in `file`.
pub(crate) fn parse_json<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ChaosError> {
    serde_json::from_str(text)
        .map_err(|error| ChaosError::Wrong(format!("{}: {error}", file.display())))
}
