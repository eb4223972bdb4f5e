//! The last good copy of the keys, in a file, for starts while the identity provider is away.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::unix_time::{since_epoch, unix_seconds};

/// Write permissions of anybody but the owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Copies of key sets, by the address that each was read from.
#[derive(Debug)]
pub(super) struct SavedKeys {
    path: PathBuf,
    copies: Mutex<BTreeMap<String, Copy>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Copy {
    /// Seconds since the Unix epoch.
    read_at: u64,
    /// The key set as it came.
    keys: Box<RawValue>,
}

/// Why a file of keys is not read.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("others than its owner may write to it, and could sign in as anybody; chmod 600 it")]
    Writable,
    #[error("it is no file of saved keys: {0}")]
    Json(#[from] serde_json::Error),
}

impl SavedKeys {
    /// What the file has. One that cannot be used is as good as none, and is overwritten with the
    /// next keys that are read.
    pub(super) fn load(path: &Path) -> Arc<Self> {
        let copies = match read(path) {
            Ok(copies) => copies,
            Err(LoadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                let path = path.display();
                tracing::warn!(%error, %path, "the saved keys in {path} are not used: {error}");
                BTreeMap::new()
            }
        };
        Arc::new(Self {
            path: path.to_owned(),
            copies: Mutex::new(copies),
        })
    }

    /// The key set that was read from `source` last, and how long ago that was.
    pub(super) async fn copy_of(&self, source: &str) -> Option<(Vec<u8>, Duration)> {
        let copies = self.copies.lock().await;
        let copy = copies.get(source)?;
        let age = unix_seconds().saturating_sub(copy.read_at);
        Some((copy.keys.get().into(), Duration::from_secs(age)))
    }

    /// Replaces the copy of what was just read from `source`. A failure is logged: the keys are in
    /// use already, and the next read saves again.
    pub(super) async fn save(&self, source: &str, keys: &[u8]) {
        let Ok(keys) = serde_json::from_slice(keys) else {
            return;
        };
        // Without the time, nobody could tell later how old they are.
        let Some(read_at) = since_epoch() else {
            tracing::warn!("the keys were not saved: the clock of this machine is before 1970");
            return;
        };
        let mut copies = self.copies.lock().await;
        copies.insert(source.to_owned(), Copy { read_at, keys });
        let json = serde_json::to_vec(&*copies).map_err(io::Error::from);
        let target = self.path.clone();
        // The lock is held until then, so that a later copy cannot be overwritten by an earlier one.
        let written = tokio::task::spawn_blocking(move || replace(&target, &json?)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            let path = self.path.display();
            tracing::warn!(%error, %path, "the keys could not be saved in {path}: {error}");
        }
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Copy>, LoadError> {
    let file = File::open(path)?;
    if file.metadata()?.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(LoadError::Writable);
    }
    Ok(serde_json::from_str(&io::read_to_string(file)?)?)
}

/// Writes another file and renames it, so that the file is always whole.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
    let mut name = path.file_name().ok_or_else(no_name)?.to_owned();
    // Two gateways of one machine may share the file.
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // Left behind by a process that was killed.
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEYS: &[u8] = br#"{"keys":[]}"#;

    #[tokio::test]
    async fn what_was_saved_is_there_after_a_restart_for_its_own_source() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let saved = SavedKeys::load(&path);
        assert!(saved.copy_of("https://a").await.is_none());
        saved.save("https://a", KEYS).await;
        saved.save("https://b", b"[7]").await;
        let again = SavedKeys::load(&path);
        let (keys, age) = again.copy_of("https://a").await.unwrap();
        assert_eq!(keys, KEYS);
        assert!(age < Duration::from_mins(1), "{age:?}");
        assert_eq!(again.copy_of("https://b").await.unwrap().0, b"[7]");
        assert!(again.copy_of("https://c").await.is_none());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_file_that_others_may_write_or_that_is_damaged_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        SavedKeys::load(&path).save("https://a", KEYS).await;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(SavedKeys::load(&path).copy_of("https://a").await.is_none());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(SavedKeys::load(&path).copy_of("https://a").await.is_some());
        fs::write(&path, "{").unwrap();
        assert!(SavedKeys::load(&path).copy_of("https://a").await.is_none());
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_written_to_is_no_reason_to_fail() {
        let saved = SavedKeys::load(Path::new("/nowhere/keys.json"));
        saved.save("https://a", KEYS).await;
        assert!(saved.copy_of("https://a").await.is_some());
    }
}
