//! A crash between any two steps leaves nothing wrong: the operator is killed again and again while
//! sales come, change and go.

use std::time::Duration;

use flashsale_e2e::{
    operator::{SOON, Stage, one_product},
    patience::until,
    services::Services,
};
use flashsale_queue::catalogue;
use kube::api::DeleteParams;

/// How many sales there are.
const SALES: usize = 6;

/// How many times the operator is killed.
const KILLS: u64 = 8;

fn name(sale: usize) -> String {
    format!("drop-{sale}")
}

#[tokio::test]
async fn an_operator_killed_again_and_again_leaves_nothing_wrong() {
    let stage = Stage::set(Services::start().await).await;
    kill_while(&stage, async {
        for sale in 0..SALES {
            stage
                .create(&name(sale), one_product(&format!("shoe-{sale}"), 10))
                .await;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    })
    .await;
    let operator = stage.lone_operator("settled").await;
    for sale in 0..SALES {
        stage.until_phase(&name(sale), "Open").await;
        assert_eq!(
            units(&stage, sale).await,
            Some(10),
            "declared once, not once a try"
        );
    }
    operator.kill().await;
    kill_while(&stage, async {
        for sale in 0..SALES {
            let product = one_product(&format!("shoe-{sale}"), 15);
            stage.edit(&name(sale), product).await;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    })
    .await;
    let operator = stage.lone_operator("edited").await;
    for sale in 0..SALES {
        let what = "15 units are left";
        stage
            .until(&name(sale), what, |status| status.remaining == Some(15))
            .await;
        assert_eq!(units(&stage, sale).await, Some(15), "restocked once");
    }
    operator.kill().await;
    kill_while(&stage, async {
        for sale in 0..SALES {
            stage
                .sales
                .delete(&name(sale), &DeleteParams::default())
                .await
                .unwrap();
        }
    })
    .await;
    let _operator = stage.lone_operator("last").await;
    tidied_up(&stage).await;
}

/// Runs `work` while operators live for ever longer moments.
async fn kill_while(stage: &Stage, work: impl Future<Output = ()>) {
    let kills = async {
        for kill in 1..=KILLS {
            let operator = stage.lone_operator(&format!("short-lived-{kill}")).await;
            tokio::time::sleep(Duration::from_millis(60 * kill)).await;
            operator.kill().await;
        }
    };
    tokio::join!(kills, work);
}

/// Units left in the ledger.
async fn units(stage: &Stage, sale: usize) -> Option<i32> {
    let levels = stage
        .services
        .ledger
        .stock(&stage.id(&name(sale)))
        .await
        .unwrap();
    levels.first().map(|level| level.stock)
}

async fn tidied_up(stage: &Stage) {
    until("every object is gone", SOON, || async {
        stage
            .sales
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    })
    .await;
    let mut queue = stage.services.queue.clone();
    assert!(
        catalogue::read_all(&mut queue)
            .await
            .unwrap()
            .announced
            .is_empty()
    );
    for sale in 0..SALES {
        assert_eq!(units(stage, sale).await, None, "{} is released", name(sale));
    }
}
