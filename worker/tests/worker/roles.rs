//! A worker whose role may settle and no more.

use std::net::SocketAddr;

use flashsale_domain::outcome::{JobState, Outcome};
use flashsale_queue::turnstile::Admission;
use flashsale_testbed::{
    fixtures::{
        patience::until,
        queue::{admit, buy, depth, record},
        roles::{Logins, login, roles_of},
        sales::{open, sale},
        services::Services,
    },
    ports::free_port,
};
use flashsale_worker::{
    config::{ConnectionArgs, LaneArgs, ProbeArgs},
    server::{self, ServerError},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::probes::{SOON, readiness};

/// Starts what the binary runs, on connections of its own.
fn start(
    services: &Services,
    database_url: &str,
) -> (
    SocketAddr,
    CancellationToken,
    JoinHandle<Result<(), ServerError>>,
) {
    let probes = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let stop = CancellationToken::new();
    let running = tokio::spawn(server::run(
        ConnectionArgs {
            redis_url: services.redis.url().into(),
            redis_tls: None,
            database_tls: None,
            database_url: database_url.into(),
            database_transaction_pooler: false,
        },
        LaneArgs {
            sales: Vec::new(),
            lanes: 2,
            batch_size: Some(7),
        },
        ProbeArgs {
            probes_listen: probes,
        },
        stop.clone(),
    ));
    (probes, stop, running)
}

#[tokio::test]
async fn it_settles_a_whole_sale_from_the_first_takeover_to_the_last_unit() {
    let services = Services::start().await;
    let logins = Logins::create(&services.ledger, &services.database_url).await;
    let sale = sale("drop", &[("p", 40), ("q", 5)]);
    open(&services, &sale).await;
    let mut buys = Vec::new();
    for user in 0..45 {
        buys.push(buy(
            &sale,
            &format!("u{user}"),
            usize::from(user >= 40),
            "k",
        ));
    }
    let admissions = admit(&services, &sale, &buys).await;
    let is_queued = |admission: &Admission| matches!(admission, Admission::Queued { .. });
    assert!(admissions.iter().all(is_queued));

    let (probes, stop, running) = start(&services, &logins.worker);
    readiness(probes, "200", &[]).await;
    until("both lanes are empty", SOON, async || {
        depth(&services, &sale, 0).await + depth(&services, &sale, 1).await == 0
    })
    .await;
    for buy in &buys {
        let record = record(&services, &sale, buy.job_id).await.unwrap();
        let confirmed = matches!(
            record.state,
            JobState::Final {
                outcome: Outcome::Confirmed,
                ..
            }
        );
        assert!(confirmed, "{record:?}");
    }
    for level in services.ledger.stock(&sale.id).await.unwrap() {
        assert_eq!(level.stock, 0, "{level:?}");
    }
    assert_eq!(services.ledger.oversold(&sale.id).await.unwrap(), 0);
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn without_a_right_it_is_not_ready_and_says_which_until_it_has_it() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    open(&services, &sale).await;
    let ledger = &services.ledger;
    let roles = roles_of(&services.database_url);
    ledger.create_roles(&roles).await.unwrap();
    // As after an upgrade that brought a function without --create-roles.
    let revoke = format!(
        "REVOKE EXECUTE ON FUNCTION settle_jobs(text, text, uuid, bigint, bigint, bigint, uuid[], text[], text[],
                                                bigint[]) FROM {}",
        roles.worker
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(revoke))
        .execute(ledger.pool())
        .await
        .unwrap();
    let worker = roles.worker.to_string();
    let url = login(ledger, &services.database_url, "late_worker", &worker).await;
    let job = buy(&sale, "u", 0, "k");
    admit(&services, &sale, std::slice::from_ref(&job)).await;

    let (probes, stop, running) = start(&services, &url);
    let parts = [
        r#""postgresql","ready":false"#,
        "lacks EXECUTE on the function settle_jobs",
        "flashsale migrate --create-roles",
    ];
    readiness(probes, "503", &parts).await;
    let waiting = record(&services, &sale, job.job_id).await.unwrap();
    assert!(
        matches!(waiting.state, JobState::Queued { .. }),
        "{waiting:?}"
    );

    ledger.create_roles(&roles).await.unwrap();
    readiness(probes, "200", &[]).await;
    until("the buy that waited is settled", SOON, async || {
        let record = record(&services, &sale, job.job_id).await.unwrap();
        matches!(
            record.state,
            JobState::Final {
                outcome: Outcome::Confirmed,
                ..
            }
        )
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
}
