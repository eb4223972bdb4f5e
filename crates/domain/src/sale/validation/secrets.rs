//! Judges which Secrets a sale names; what they hold is the cluster's business.

use super::{Findings, pods::is_dns_name};
use crate::sale::spec::{FlashSaleSpec, SecretKeyRef};

/// Longest key inside a Secret.
const LONGEST_KEY: usize = 253;

pub(super) fn check(spec: &FlashSaleSpec, findings: &mut Findings) {
    let database = spec.database_secret_ref.as_ref();
    let redis = spec.redis_secret_ref.as_ref();
    let workers = spec.worker.database_secret_ref.as_ref();
    for (path, reference) in [
        ("spec.databaseSecretRef", database),
        ("spec.redisSecretRef", redis),
        ("spec.worker.databaseSecretRef", workers),
    ] {
        if let Some(reference) = reference {
            check_reference(path, reference, findings);
        }
    }
    if redis.is_some() && redis == database {
        findings.add(
            "spec.redisSecretRef",
            "names the same key of the same Secret as databaseSecretRef; write the key of each \
             address",
        );
    }
    if workers.is_some() && workers == redis {
        findings.add(
            "spec.worker.databaseSecretRef",
            "names the same key of the same Secret as redisSecretRef; write the key of each address",
        );
    }
}

fn check_reference(path: &str, reference: &SecretKeyRef, findings: &mut Findings) {
    if !is_dns_name(&reference.name) {
        findings.add(
            format!("{path}.name"),
            format!(
                "is {:?}; write the name of a Secret: lower-case letters, digits, '-' and '.'",
                reference.name
            ),
        );
    }
    let key = &reference.key;
    let is_key = !key.is_empty()
        && key.len() <= LONGEST_KEY
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_key {
        findings.add(
            format!("{path}.key"),
            format!("is {key:?}; write letters, digits, '-', '_' and '.'"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(database: (&str, &str), redis: (&str, &str)) -> Vec<String> {
        let reference = |(name, key): (&str, &str)| SecretKeyRef {
            name: name.to_owned(),
            key: key.to_owned(),
        };
        let mut spec: FlashSaleSpec =
            serde_json::from_value(serde_json::json!({"products": []})).unwrap();
        spec.database_secret_ref = Some(reference(database));
        spec.redis_secret_ref = Some(reference(redis));
        let mut findings = Findings::default();
        check(&spec, &mut findings);
        findings
            .0
            .iter()
            .map(|mistake| mistake.path.clone())
            .collect()
    }

    #[test]
    fn names_and_keys_are_those_that_a_secret_can_have() {
        assert_eq!(
            told(("db", "url"), ("redis.prod", "URL_1")),
            Vec::<String>::new()
        );
        assert_eq!(
            told(("../pods", "url"), ("", "a b")),
            [
                "spec.databaseSecretRef.name",
                "spec.redisSecretRef.name",
                "spec.redisSecretRef.key"
            ]
        );
    }

    #[test]
    fn two_addresses_need_two_keys() {
        assert_eq!(
            told(("one", "url"), ("one", "url")),
            ["spec.redisSecretRef"]
        );
        assert_eq!(told(("one", "a"), ("one", "b")), Vec::<String>::new());
    }

    #[test]
    fn workers_may_have_the_address_of_all_but_not_that_of_redis() {
        let told = |workers: &str| {
            let spec = serde_json::json!({
                "products": [],
                "databaseSecretRef": {"name": "ledger"},
                "redisSecretRef": {"name": "cache"},
                "worker": {"databaseSecretRef": {"name": workers}},
            });
            let mut findings = Findings::default();
            check(&serde_json::from_value(spec).unwrap(), &mut findings);
            let paths = findings.0.iter().map(|mistake| mistake.path.clone());
            paths.collect::<Vec<_>>()
        };
        assert_eq!(told("settling"), Vec::<String>::new());
        assert_eq!(told("ledger"), Vec::<String>::new());
        assert_eq!(told("cache"), ["spec.worker.databaseSecretRef"]);
        assert_eq!(told("No"), ["spec.worker.databaseSecretRef.name"]);
    }
}
