//! The directory that holds everything a run keeps: the servers' data, passwords and logs.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use tempfile::TempDir;

/// Begins the name of every temporary data directory.
const TEMPORARY_PREFIX: &str = "flashsale-";

/// Held locked for as long as a run uses the directory. The kernel lets go of it however the run
/// ends, so a free lock tells a leftover from a directory in use.
const LOCK_FILE: &str = "flashsale.lock";

/// How long a lock is waited for. Of a run that was killed, a child that had only just become its
/// program can hold the lock for a moment longer.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How often it is tried meanwhile.
const LOCK_INTERVAL: Duration = Duration::from_millis(10);

/// The owner may do everything, others may only pass through: a root's PostgreSQL runs as another
/// user and must reach its own directory below this one.
const MODE: u32 = 0o711;

/// A leftover younger than this may be a directory that another run is just making.
const LEFTOVER_AGE: Duration = Duration::from_mins(1);

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It could not be made, opened or written to.
    #[error("could not use `{path}` as data directory; check the path and its permissions", path = .0.display())]
    Unusable(PathBuf, #[source] io::Error),
    /// Another run uses it.
    #[error("`{}` is in use by another run: stop that one or choose another data directory", .0.display())]
    InUse(PathBuf),
}

/// A data directory in use by this process alone. Clones share it; a temporary one is removed when
/// the last clone is dropped.
#[derive(Debug, Clone)]
pub struct DataDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Absolute path.
    path: PathBuf,
    /// Removes the directory when dropped; absent for a directory that is kept.
    temporary: Option<TempDir>,
    /// Holds the lock until dropped.
    _lock: File,
}

impl DataDir {
    /// The directory `path` when one is given, a temporary one otherwise.
    pub fn open(path: Option<&Path>) -> Result<Self, DataDirError> {
        match path {
            Some(path) => Self::kept(path),
            None => Self::temporary(),
        }
    }

    /// A fresh directory in the system's place for temporary files (`TMPDIR`, else `/tmp`).
    ///
    /// Also removes what earlier runs of this user had to leave behind because they were killed.
    pub fn temporary() -> Result<Self, DataDirError> {
        let place = env::temp_dir();
        remove_leftovers(&place);
        let unusable = unusable(&place);
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempdir()
            .map_err(&unusable)?;
        fs::set_permissions(temporary.path(), Permissions::from_mode(MODE)).map_err(&unusable)?;
        let path = temporary.path().canonicalize().map_err(&unusable)?;
        Self::locked(path, Some(temporary))
    }

    /// The directory `path`, made if it does not exist, kept at the end and reused the next time.
    pub fn kept(path: &Path) -> Result<Self, DataDirError> {
        make(path).map_err(unusable(path))?;
        let path = path.canonicalize().map_err(unusable(path))?;
        Self::locked(path, None)
    }

    fn locked(path: PathBuf, temporary: Option<TempDir>) -> Result<Self, DataDirError> {
        Ok(Self(Arc::new(Inner {
            _lock: lock(&path)?,
            path,
            temporary,
        })))
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether it stays when the run ends.
    pub fn is_kept(&self) -> bool {
        self.0.temporary.is_none()
    }

    /// Makes the directory `name` below it unless it is there, and gives its path. Only the owner
    /// may enter it.
    pub fn subdirectory(&self, name: &str) -> Result<PathBuf, DataDirError> {
        let path = self.path().join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(DataDirError::Unusable(path, source))
            }
            _ => Ok(path),
        }
    }
}

/// Makes `path` with a fitting mode. A directory that is there already keeps the mode it has.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> DataDirError {
    move |source| DataDirError::Unusable(path.to_path_buf(), source)
}

fn lock(directory: &Path) -> Result<File, DataDirError> {
    let unusable = unusable(directory);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join(LOCK_FILE))
        .map_err(&unusable)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_PATIENCE => {
                thread::sleep(LOCK_INTERVAL);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse(directory.to_path_buf()));
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
    }
}

/// Removes temporary data directories whose run is over. A run killed by SIGKILL cannot do that
/// itself, and each leaves some 50 MB or more. What cannot be removed is left for the next time.
fn remove_leftovers(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else {
        return;
    };
    for entry in entries.flatten() {
        let named_like_ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(TEMPORARY_PREFIX));
        if named_like_ours && is_leftover(&entry.path()) {
            let removed = fs::remove_dir_all(entry.path());
            tracing::debug!(path = %entry.path().display(), ?removed, "leftover of a killed run");
        }
    }
}

fn is_leftover(directory: &Path) -> bool {
    let ours = directory
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == Uid::effective().as_raw());
    ours && File::open(directory.join(LOCK_FILE))
        .is_ok_and(|file| is_old(&file) && file.try_lock().is_ok())
}

fn is_old(file: &File) -> bool {
    file.metadata()
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > LEFTOVER_AGE))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn temporary_directory_goes_with_its_last_clone() {
        let directory = DataDir::temporary().unwrap();
        let clone = directory.clone();
        let path = directory.path().to_path_buf();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
        drop(directory);
        assert!(path.exists());
        drop(clone);
        assert!(!path.exists());
    }

    #[test]
    fn given_directory_is_kept_and_not_shared() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep/data");
        let directory = DataDir::kept(&path).unwrap();
        assert!(directory.is_kept());
        let error = DataDir::kept(&path).unwrap_err();
        assert!(matches!(error, DataDirError::InUse(_)), "{error}");
        drop(directory);
        DataDir::kept(&path).unwrap();
    }

    #[test]
    fn leftovers_are_removed_and_directories_in_use_are_not() {
        let place = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - 2 * LEFTOVER_AGE;
        let make_old = |name: &str| {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            let file = lock(&path).unwrap();
            file.set_modified(long_ago).unwrap();
            (path, file)
        };
        let (in_use, _held) = make_old("flashsale-in-use");
        let (leftover, lock_of_leftover) = make_old("flashsale-leftover");
        drop(lock_of_leftover);
        let stranger = place.path().join("flashsale-stranger");
        fs::create_dir(&stranger).unwrap();
        let young = place.path().join("flashsale-young");
        fs::create_dir(&young).unwrap();
        drop(lock(&young).unwrap());

        remove_leftovers(place.path());

        assert!(!leftover.exists());
        assert!(in_use.exists() && stranger.exists() && young.exists());
    }
}
