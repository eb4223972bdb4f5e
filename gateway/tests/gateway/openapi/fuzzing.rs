//! Whatever the document allows is answered as the document says, and what it forbids is refused.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::{
    orders::migrated,
    support::{
        Gateway, World, one_product,
        tokens::{JwksFile, Key},
    },
};

const OPERATIONS_TOKEN: &str = "a-token-for-tests";

/// Requests per call and phase; the phase of edge cases has as many as there are edges.
const EXAMPLES: u32 = 50;

/// Some forty seconds on two idle cores.
const LONGEST: Duration = Duration::from_mins(5);

/// The directory with the Python packages of Schemathesis.
fn packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let install = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/schemathesis/install");
        let output = std::process::Command::new(install)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{install} failed");
        String::from_utf8(output.stdout).unwrap().trim_end().into()
    })
}

/// Fuzzes the calls of `gateway`. Always the same requests: what is found once is found again.
async fn fuzz(gateway: &Gateway, shopper: &str) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("schemathesis.toml");
    let bearer = |token: &str| format!("headers = {{ Authorization = \"Bearer {token}\" }}\n");
    let tokens = format!(
        "seed = 1\n{}[[operations]]\ninclude-tag = \"operations\"\n{}",
        bearer(shopper),
        bearer(OPERATIONS_TOKEN)
    );
    std::fs::write(&config, tokens).unwrap();
    let packages = packages();
    let fuzzer = Command::new("python3")
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // It keeps a database of examples where it runs.
        .current_dir(directory.path())
        .arg(packages.join("bin/schemathesis"))
        .arg("--config-file")
        .arg(&config)
        .arg("--no-color")
        .arg("run")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"))
        .args(["--url", &format!("http://{}", gateway.client.address)])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &EXAMPLES.to_string()])
        .args(["--continue-on-failure", "--warnings", "off"])
        .args(["--generation-database", "none"])
        // How fast it makes up data says something of this machine, and nothing of the gateway.
        .args(["--suppress-health-check", "too_slow"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LONGEST, fuzzer).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fuzzer_with_the_document_finds_nothing() {
    let (world, postgres) = World::with_ledger().await;
    migrated(&postgres.url()).await;
    // The names in the document's examples, so that these reach a sale.
    world
        .announce("sneaker-drop", one_product("sneaker-001", 100_000))
        .await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--operations-token", OPERATIONS_TOKEN]);
    let gateway = world.gateway_with(&arguments).await;
    fuzz(&gateway, &key.token("ann")).await;
}
