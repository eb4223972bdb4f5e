//! Ways into the cluster: as its administrator, and as anybody else.

use std::{fs, path::PathBuf};

use kube::Client;
use uuid::Uuid;

use super::ControlPlane;

impl ControlPlane {
    /// A client with all rights. It belongs to the calling test's runtime: every test takes one of
    /// its own, also on a shared control plane.
    pub fn client(&self) -> Client {
        client(self.config.clone())
    }

    /// A client that acts as `user` in `groups`, by impersonation: it may do what roles bound to
    /// them allow. For a service account, `system:serviceaccount:NAMESPACE:NAME` and no groups.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = names(groups);
        client(config)
    }

    /// A kubeconfig for child processes that act as `user` in `groups`, like
    /// [`client_as`](Self::client_as).
    pub fn kubeconfig_as(&self, user: &str, groups: &[&str]) -> PathBuf {
        let mut accounts = self.accounts.clone();
        for account in accounts
            .auth_infos
            .iter_mut()
            .filter_map(|named| named.auth_info.as_mut())
        {
            account.impersonate = Some(user.to_owned());
            account.impersonate_groups = names(groups);
        }
        let path = self
            .files
            .path()
            .join(format!("kubeconfig-{}", Uuid::new_v4()));
        // JSON is YAML.
        fs::write(&path, serde_json::to_vec(&accounts).unwrap()).unwrap();
        path
    }
}

fn names(groups: &[&str]) -> Option<Vec<String>> {
    (!groups.is_empty()).then(|| groups.iter().map(ToString::to_string).collect())
}

fn client(config: kube::Config) -> Client {
    // Only the first call of a process can succeed, and one is enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::try_from(config).unwrap()
}
