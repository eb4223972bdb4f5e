//! The system account under which PostgreSQL runs.
//!
//! PostgreSQL refuses to run as root. A newcomer in a container often is root, so there the
//! servers run as the account that the distribution's package made for them.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

/// The account that PostgreSQL's packages create.
const POSTGRES_ACCOUNT: &str = "postgres";

/// Permission bit that lets everybody else pass through a directory.
const OTHERS_MAY_ENTER: u32 = 0o001;

/// A system user that a child runs as instead of the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name, for messages.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Numeric id of the user's primary group.
    pub gid: u32,
}

/// Why no fitting account was found, or why it cannot use a directory.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// We are root, and the account that PostgreSQL should run as does not exist.
    #[error(
        "PostgreSQL does not run as root and there is no user `{POSTGRES_ACCOUNT}`: \
         install the distribution's package (apt-get install postgresql) or run as another user"
    )]
    Missing,
    /// The user database could not be read.
    #[error("could not look up the user `{POSTGRES_ACCOUNT}`; check /etc/passwd")]
    Lookup(#[source] nix::Error),
    /// A directory on the way to the data is closed to the account.
    #[error(
        "`{}` is closed to the user `{account}`: run `chmod o+x` on it or choose another data \
         directory", directory.display()
    )]
    Unreachable {
        /// The first directory, from the root, that the account may not enter.
        directory: PathBuf,
        /// Name of the account.
        account: String,
    },
    /// A file could not be inspected or handed over.
    #[error("could not hand `{}` to the user `{account}`", path.display())]
    Handover {
        /// The path in question.
        path: PathBuf,
        /// Name of the account.
        account: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Account {
    /// The account PostgreSQL has to run as: none (the current user) unless we are root.
    pub fn for_postgres() -> Result<Option<Self>, AccountError> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let user = User::from_name(POSTGRES_ACCOUNT)
            .map_err(AccountError::Lookup)?
            .ok_or(AccountError::Missing)?;
        Ok(Some(Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        }))
    }

    /// Makes the account the owner of `path` (not of what is below it).
    pub fn take_over(&self, path: &Path) -> Result<(), AccountError> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(|source| self.handover(path, source))
    }

    /// Checks that the account may pass through every directory above `path`.
    pub fn can_reach(&self, path: &Path) -> Result<(), AccountError> {
        let mut ancestors: Vec<&Path> = path.ancestors().skip(1).collect();
        ancestors.reverse();
        for directory in ancestors {
            let metadata = directory
                .metadata()
                .map_err(|source| self.handover(directory, source))?;
            let open = metadata.uid() == self.uid || metadata.mode() & OTHERS_MAY_ENTER != 0;
            if !open {
                return Err(AccountError::Unreachable {
                    directory: directory.to_path_buf(),
                    account: self.name.clone(),
                });
            }
        }
        Ok(())
    }

    fn handover(&self, path: &Path, source: io::Error) -> AccountError {
        AccountError::Handover {
            path: path.to_path_buf(),
            account: self.name.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn nobody() -> Account {
        Account {
            name: "nobody".to_owned(),
            uid: 65_534,
            gid: 65_534,
        }
    }

    #[test]
    fn closed_directory_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o700)).unwrap();
        let error = nobody().can_reach(&root.path().join("data")).unwrap_err();
        assert!(
            matches!(&error, AccountError::Unreachable { directory, .. } if directory == root.path()),
            "{error}"
        );
    }

    #[test]
    fn directory_that_may_only_be_passed_through_is_enough() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o711)).unwrap();
        nobody().can_reach(&root.path().join("data")).unwrap();
    }
}
