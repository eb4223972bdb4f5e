//! The certificates of the stores in a worker's pod: files that follow their Secrets, so that a
//! renewed certificate needs no new pod.

use flashsale_domain::sale::spec::SecretKeyRef;
use flashsale_transport::tls::FILES;
use k8s_openapi::api::core::v1::{KeyToPath, SecretVolumeSource, Volume, VolumeMount};

/// Readable by the pod's group alone.
const MODE: i32 = 0o440;

/// Where the certificates of a store are.
pub(super) struct Directory {
    /// Name of the volume.
    volume: &'static str,
    /// The directory in the container.
    pub(super) path: &'static str,
    /// The variable that tells the worker.
    pub(super) variable: &'static str,
}

const REDIS: Directory = Directory {
    volume: "redis-tls",
    path: "/etc/flashsale/redis-tls",
    variable: "FLASHSALE_REDIS_TLS",
};

const DATABASE: Directory = Directory {
    volume: "database-tls",
    path: "/etc/flashsale/database-tls",
    variable: "FLASHSALE_DATABASE_TLS",
};

/// Those of both stores.
pub(super) const DIRECTORIES: [Directory; 2] = [REDIS, DATABASE];

/// Whether `name` is one of the volumes.
pub(crate) fn is_volume(name: &str) -> bool {
    let mut directories = DIRECTORIES.iter();
    directories.any(|directory| directory.volume == name)
}

pub(super) fn mounts() -> Vec<VolumeMount> {
    let mounts = DIRECTORIES.iter().map(|directory| VolumeMount {
        name: directory.volume.to_owned(),
        mount_path: directory.path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    });
    mounts.collect()
}

/// Of the Secrets with the addresses that the worker gets.
pub(super) fn volumes(redis: &SecretKeyRef, database: &SecretKeyRef) -> Vec<Volume> {
    vec![
        volume(&REDIS, &redis.name),
        volume(&DATABASE, &database.name),
    ]
}

/// A Secret need not have certificates: the directory is empty then.
fn volume(directory: &Directory, secret: &str) -> Volume {
    let items = FILES.map(|file| KeyToPath {
        key: file.to_owned(),
        path: file.to_owned(),
        mode: None,
    });
    Volume {
        name: directory.volume.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            items: Some(items.to_vec()),
            optional: Some(true),
            default_mode: Some(MODE),
        }),
        ..Volume::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_both_secrets_are_mounted_where_the_worker_looks_for_them() {
        let secret = |name: &str| SecretKeyRef {
            name: name.to_owned(),
            key: "uri".to_owned(),
        };
        let volumes = volumes(&secret("cache"), &secret("settling"));
        let volumes = serde_json::to_value(volumes).unwrap();
        for (index, secret) in ["cache", "settling"].into_iter().enumerate() {
            let source = &volumes[index]["secret"];
            assert_eq!(source["secretName"], secret);
            assert_eq!(source["optional"], true);
            assert_eq!(source["defaultMode"], 0o440);
            let items = source["items"].as_array().unwrap();
            let keys: Vec<_> = items.iter().map(|item| item["key"].as_str()).collect();
            assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key"].map(Some));
            for item in items {
                assert_eq!(item["key"], item["path"]);
            }
            assert_eq!(volumes[index]["name"], mounts()[index].name.as_str());
        }
        let paths = mounts().into_iter().map(|mount| mount.mount_path);
        let told = DIRECTORIES.iter().map(|directory| directory.path);
        assert!(paths.eq(told));
    }
}
