//! Certificates in the Secrets that have the addresses.

use flashsale_e2e::{
    operator::{Stage, one_product},
    services::Services,
};
use flashsale_testbed::{
    certificates::{self, Authority},
    data_dir::DataDir,
    redis::{AppendFsync, Redis},
};
use serde_json::json;
use tempfile::TempDir;

/// Stores that want certificates of an authority, and what their Secrets say.
struct Stores {
    authority: Authority,
    servers: TempDir,
    redis: Redis,
    database_url: String,
}

impl Stores {
    async fn start(services: &Services) -> Self {
        let data_dir = DataDir::temporary().unwrap();
        let servers = tempfile::tempdir().unwrap();
        let authority = Authority::new("first").unwrap();
        write_servers(&servers, &authority);
        let postgres = services.postgres.as_ref().unwrap();
        postgres.use_certificates(servers.path()).await.unwrap();
        let redis = Redis::start_with_tls(&data_dir, AppendFsync::EverySecond, servers.path());
        Self {
            redis: redis.await.unwrap(),
            database_url: format!("{}?sslmode=verify-full", postgres.url()),
            authority,
            servers,
        }
    }

    /// Writes the Secrets of both stores; the client certificate is signed by `signer`.
    async fn write_secrets(&self, stage: &Stage, signer: Option<&Authority>, trusts: bool) {
        let redis_url = self.redis.tls_url("localhost").unwrap();
        for (name, url) in [
            ("flashsale-redis", &redis_url),
            ("flashsale-database", &self.database_url),
        ] {
            let mut values = vec![("url".to_owned(), url.clone().into_bytes())];
            if trusts {
                values.push(("ca.crt".to_owned(), self.authority.pem().into()));
            }
            if let Some(signer) = signer {
                let pair = signer.client("flashsale").unwrap();
                values.push(("tls.crt".to_owned(), pair.certificate.into()));
                values.push(("tls.key".to_owned(), pair.key.into()));
            }
            stage.write_secret_keys(name, values).await;
        }
    }

    /// Replaces the authority and the servers' certificates, and closes their connections.
    async fn rotate(&mut self, services: &mut Services) {
        self.authority = Authority::new("second").unwrap();
        write_servers(&self.servers, &self.authority);
        let postgres = services.postgres.as_mut().unwrap();
        postgres
            .use_certificates(self.servers.path())
            .await
            .unwrap();
        postgres.restart().await.unwrap();
        self.redis.restart().await.unwrap();
    }
}

fn write_servers(directory: &TempDir, authority: &Authority) {
    let pair = authority.server(&["localhost", "127.0.0.1"]).unwrap();
    certificates::write(directory.path(), Some(authority), Some(&pair)).unwrap();
}

/// Waits until the sale says that it is not ready, and this.
async fn not_ready(stage: &Stage, expected: &str) {
    let what = format!("not ready: {expected}");
    stage
        .until("drop", &what, |status| {
            let mut conditions = status.conditions.iter();
            conditions.any(|condition| {
                condition.type_ == "Accepted"
                    && condition.status != "True"
                    && condition.message.contains(expected)
            })
        })
        .await;
}

#[tokio::test]
async fn a_sale_opens_with_the_certificates_of_its_secrets_and_follows_them() {
    let mut stage = Stage::set(Services::start_own().await).await;
    let mut stores = Stores::start(&stage.services).await;
    let stranger = Authority::new("stranger").unwrap();
    let own = Authority::new("own").unwrap();
    stores.write_secrets(&stage, Some(&own), false).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    not_ready(&stage, "as ca.crt").await;
    stores.write_secrets(&stage, Some(&stranger), true).await;
    not_ready(&stage, "does not accept the client certificate").await;
    let halves = vec![
        ("url".to_owned(), stores.database_url.clone().into_bytes()),
        ("tls.crt".to_owned(), stores.authority.pem().into()),
    ];
    stage.write_secret_keys("flashsale-database", halves).await;
    not_ready(&stage, "there is tls.crt without tls.key").await;
    stores
        .write_secrets(&stage, Some(&stores.authority), true)
        .await;
    stage.until_phase("drop", "Open").await;
    stage.until_replicas("drop", 1).await;
    let workers = stage.workers("drop").await.unwrap();

    stores.rotate(&mut stage.services).await;
    stores
        .write_secrets(&stage, Some(&stores.authority), true)
        .await;
    stage.edit("drop", json!({"suspend": true})).await;
    stage.until_phase("drop", "Suspended").await;
    // Workers follow the files themselves.
    let now = stage.workers("drop").await.unwrap();
    let template = |deployment: k8s_openapi::api::apps::v1::Deployment| {
        serde_json::to_value(deployment.spec.unwrap().template).unwrap()
    };
    assert_eq!(template(now), template(workers));
}
