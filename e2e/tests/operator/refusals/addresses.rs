//! Sales whose addresses cannot be had: they say what is wrong with which Secret, and go on by
//! themselves once it is mended.

use std::time::Instant;

use flashsale_e2e::{
    operator::{Stage, one_product, with},
    services::Services,
};
use serde_json::json;

/// A part of an address that nobody but its owner may read.
const PASSWORD: &str = "correct-horse";

/// A sale whose Secret of its own name is wrong.
struct Broken {
    /// Name of the sale, its product and its Secret.
    name: &'static str,
    /// Which of the two references names the Secret.
    field: &'static str,
    /// What the Secret holds; none when there is no Secret.
    holds: Option<(&'static str, Vec<u8>)>,
    /// Reason of the refusal.
    reason: &'static str,
    /// What its message must say.
    says: &'static str,
}

fn broken() -> Vec<Broken> {
    let redis = |name, holds, reason, says| Broken {
        name,
        field: "redisSecretRef",
        holds,
        reason,
        says,
    };
    let secret = format!("postgres://shop:{PASSWORD}@db:port/shop").into_bytes();
    vec![
        redis(
            "late",
            None,
            "SecretMissing",
            "create it with the address under key url",
        ),
        redis(
            "keyless",
            Some(("address", b"redis://localhost".to_vec())),
            "SecretMissing",
            "has no key url",
        ),
        redis(
            "binary",
            Some(("url", vec![0xff, 0xfe])),
            "SecretMissing",
            "write the address as text",
        ),
        redis(
            "words",
            Some(("url", b"the usual one".to_vec())),
            "AddressUnusable",
            "redis://",
        ),
        redis(
            "empty",
            Some(("url", Vec::new())),
            "AddressUnusable",
            "redis://",
        ),
        redis(
            "swapped",
            Some(("url", b"postgres://localhost/shop".to_vec())),
            "AddressUnusable",
            "redis://",
        ),
        Broken {
            name: "typo",
            field: "databaseSecretRef",
            holds: Some(("url", secret)),
            reason: "AddressUnusable",
            says: "postgres://",
        },
        Broken {
            name: "mysql",
            field: "databaseSecretRef",
            holds: Some(("url", b"mysql://localhost/shop".to_vec())),
            reason: "AddressUnusable",
            says: "postgres://",
        },
    ]
}

#[tokio::test]
async fn a_sale_without_addresses_says_so_and_opens_once_they_are_there() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    let broken = broken();
    for case in &broken {
        if let Some((key, value)) = &case.holds {
            stage.write_secret_key(case.name, key, value.clone()).await;
        }
        let reference = json!({ case.field: {"name": case.name} });
        stage
            .create(case.name, with(one_product(case.name, 5), &reference))
            .await;
    }
    for case in &broken {
        let said = stage
            .until_condition(case.name, "Accepted", "False", case.reason)
            .await;
        println!("{} · {said}", case.reason);
        assert!(said.contains(case.says), "{}: {said}", case.name);
        assert!(!said.contains(PASSWORD), "{said}");
        stage.until_event(case.name, case.reason).await;
    }
    let mended = Instant::now();
    for case in &broken {
        let address = match case.field {
            "redisSecretRef" => stage.services.redis.url(),
            _ => stage.services.database_url.clone(),
        };
        stage.write_secret(case.name, &address).await;
    }
    for case in &broken {
        stage.until_phase(case.name, "Open").await;
        stage
            .until_condition(case.name, "Accepted", "True", "Accepted")
            .await;
    }
    println!(
        "{} sales were open {:?} after their Secrets were mended",
        broken.len(),
        mended.elapsed()
    );
    assert!(!operator.log().contains(PASSWORD) && !operator.log().contains("panicked"));
}
