//! TLS with PostgreSQL.

use flashsale_ledger::{Ledger, LedgerConfig, LedgerError};
use flashsale_testbed::{
    certificates::Authority, data_dir::DataDir, fixtures::patience::until, postgres::Postgres,
};
use flashsale_transport::{ReplyBounds, TlsSource};

use super::{Files, NOTICED};

async fn start(files: &Files) -> Postgres {
    let postgres = Postgres::start(&DataDir::temporary().unwrap())
        .await
        .unwrap();
    postgres
        .use_certificates(files.server.path())
        .await
        .unwrap();
    postgres
}

/// A ledger that connects by itself, and one that does so through a relay.
fn ledgers(url: &str, tls: &TlsSource) -> [Ledger; 2] {
    [None, Some(ReplyBounds::default())].map(|bounds| ledger_with(url, tls, bounds))
}

fn ledger(url: &str, tls: &TlsSource) -> Ledger {
    ledger_with(url, tls, None)
}

fn ledger_with(url: &str, tls: &TlsSource, bounds: Option<ReplyBounds>) -> Ledger {
    Ledger::open(&LedgerConfig {
        url: url.into(),
        tls: tls.clone(),
        connections: 1,
        transaction_pooler: false,
        ping_before_use: true,
        bounds,
    })
    .unwrap()
}

async fn is_encrypted(ledger: &Ledger) -> bool {
    let ask = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    ledger
        .snapshot(async |connection| {
            Ok(sqlx::query_scalar(ask).fetch_one(&mut *connection).await?)
        })
        .await
        .unwrap()
}

async fn backend(ledger: &Ledger) -> Result<i32, LedgerError> {
    ledger
        .snapshot(async |connection| {
            let ask = sqlx::query_scalar("SELECT pg_backend_pid()");
            Ok(ask.fetch_one(&mut *connection).await?)
        })
        .await
}

/// What a call and what a first look say.
async fn refusals(url: &str, tls: &TlsSource) -> Vec<String> {
    let mut refusals = Vec::new();
    for ledger in ledgers(url, tls) {
        refusals.push(ledger.check_writable().await.unwrap_err().to_string());
        refusals.push(ledger.try_to_connect().await.unwrap_err().to_string());
    }
    refusals
}

#[tokio::test]
async fn the_right_certificates_are_taken_by_every_mode_that_looks_at_them() {
    let files = Files::new();
    let postgres = start(&files).await;
    let url = postgres.url();
    for mode in [
        "?sslmode=verify-full",
        "?sslmode=verify-ca",
        "?sslmode=require",
        "",
    ] {
        for ledger in ledgers(&format!("{url}{mode}"), &files.source()) {
            ledger.check_writable().await.unwrap();
            assert!(is_encrypted(&ledger).await, "{mode}");
        }
    }
    // As libpq has it.
    let at = |name: &str| files.client.path().join(name).display().to_string();
    let url = format!(
        "{url}?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
        at("ca.crt"),
        at("tls.crt"),
        at("tls.key")
    );
    ledger(&url, &TlsSource::System)
        .check_writable()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_authority_is_looked_at_in_every_mode_but_disable() {
    let files = Files::new();
    let stranger = Authority::new("stranger").unwrap();
    let postgres = start(&files).await;
    files.write_client(Some(&stranger), Some(&files.authority));
    for mode in [
        "?sslmode=verify-full",
        "?sslmode=verify-ca",
        "?sslmode=require",
        "",
    ] {
        let url = format!("{}{mode}", postgres.url());
        for refusal in refusals(&url, &files.source()).await {
            assert!(refusal.contains("as ca.crt"), "{mode}: {refusal}");
        }
    }
    let url = format!("{}?sslmode=disable", postgres.url());
    let plain = ledger(&url, &files.source());
    assert!(!is_encrypted(&plain).await);
}

#[tokio::test]
async fn a_refusal_says_which_file_is_missing_or_wrong() {
    let files = Files::new();
    let stranger = Authority::new("stranger").unwrap();
    let postgres = start(&files).await;
    let url = format!("{}?sslmode=verify-full", postgres.url());
    let (own, other) = (Some(&files.authority), Some(&stranger));
    for (trusted, signer, expected) in [
        (None, own, "give the authority's certificate as ca.crt"),
        (own, None, "give tls.crt and tls.key"),
        (
            own,
            other,
            "does not accept the client certificate: give tls.crt",
        ),
    ] {
        files.write_client(trusted, signer);
        for refusal in refusals(&url, &files.source()).await {
            assert!(refusal.contains(expected), "{expected}: {refusal}");
            assert!(refusal.contains("--database-tls"), "{refusal}");
        }
    }
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let files = Files::new();
    let server = files.authority.server(&["localhost"]).unwrap();
    super::write(files.server.path(), Some(&files.authority), Some(&server));
    let postgres = start(&files).await;
    for refusal in refusals(&postgres.url(), &files.source()).await {
        assert!(refusal.contains("is for another host"), "{refusal}");
    }
    let url = postgres.url().replace("127.0.0.1", "localhost");
    for ledger in ledgers(&url, &files.source()) {
        ledger.check_writable().await.unwrap();
    }
}

#[tokio::test]
async fn replaced_files_are_used_without_a_restart() {
    let mut files = Files::new();
    let postgres = start(&files).await;
    let several = postgres
        .url()
        .replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1");
    let urls = [postgres.url(), several];
    let [one, several] = urls.map(|url| ledgers(&url, &files.source()));
    let ledgers = one.into_iter().chain(several).collect::<Vec<_>>();
    let mut backends = Vec::new();
    for ledger in &ledgers {
        // Of several servers the first call finds the primary, and its connection is not kept.
        backend(ledger).await.unwrap();
        backends.push(backend(ledger).await.unwrap());
    }
    files.rotate();
    postgres
        .use_certificates(files.server.path())
        .await
        .unwrap();
    // A mistake changes nothing.
    std::fs::write(files.client.path().join("ca.crt"), "no certificate").unwrap();
    tokio::time::sleep(2 * flashsale_transport::RELOAD_INTERVAL).await;
    for (ledger, before) in ledgers.iter().zip(&backends) {
        assert_eq!(backend(ledger).await.unwrap(), *before);
    }

    files.write_client(Some(&files.authority), Some(&files.authority));
    for (ledger, before) in ledgers.iter().zip(&backends) {
        until("the connection is replaced", NOTICED, || async {
            backend(ledger).await.is_ok_and(|now| now != *before)
        })
        .await;
        assert!(is_encrypted(ledger).await);
    }
}
