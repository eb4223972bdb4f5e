//! Who may settle, and in which order: takeovers and the numbers of batches.

use flashsale_domain::job::Job;
use flashsale_ledger::{BatchTurn, Fault};
use flashsale_testbed::fixtures::{
    poison::{POISON, poison_the_ledger},
    queue::job,
    sales::{open, sale},
    services::Services,
};

use futures_util::future::join_all;

use super::{assert_law_1, letters, order_ids, settle, until_waiting};

#[tokio::test]
async fn a_driver_that_was_replaced_can_settle_nothing_more() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let jobs = [job(&sale, "u", p, "k"), job(&sale, "v", p, "k")];
    let jobs: Vec<&Job> = jobs.iter().collect();
    let paused = ledger.take_over(&sale.id, p).await.unwrap();
    // Its successor settles the batch: the second shopper is told that nothing is left.
    settle(ledger, &sale, &[jobs[0].clone(), jobs[1].clone()]).await;
    ledger.restock(&sale.id, p, 5, None).await.unwrap();
    let late = ledger
        .settle(&sale.id, p, &paused.next(0..=9), &jobs)
        .await
        .unwrap_err();
    assert_eq!(late.fault(), Fault::Fenced);
    assert!(!late.is_outage());
    let again = settle(ledger, &sale, &[jobs[0].clone(), jobs[1].clone()]).await;
    assert_eq!(letters(&again), "rs", "nothing is decided twice");
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_batch_sent_again_gets_the_answers_of_the_first_time() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let jobs = [job(&sale, "u", p, "k"), job(&sale, "v", p, "k")];
    let jobs: Vec<&Job> = jobs.iter().collect();
    let turn = ledger.take_over(&sale.id, p).await.unwrap().next(5..=9);
    let first = ledger.settle(&sale.id, p, &turn, &jobs).await.unwrap();
    assert_eq!(letters(&first), "cs");
    ledger.restock(&sale.id, p, 5, None).await.unwrap();
    let again = ledger.settle(&sale.id, p, &turn, &jobs).await.unwrap();
    assert_eq!((letters(&again).as_str(), again.confirmed), ("rs", 0));
    assert_eq!(order_ids(&again), order_ids(&first));
    let other = job(&sale, "w", p, "k");
    let error = ledger
        .settle(&sale.id, p, &turn, &[&other])
        .await
        .unwrap_err();
    assert_eq!(
        error.fault(),
        Fault::OutOfTurn,
        "another batch of the same number"
    );
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_batch_sent_ahead_is_refused_until_the_one_before_it_is_settled() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let (first, second) = (job(&sale, "u", p, "k"), job(&sale, "v", p, "k"));
    let first_turn = ledger.take_over(&sale.id, p).await.unwrap().next(0..=9);
    let second_turn = following(&first_turn);
    let ahead = async || ledger.settle(&sale.id, p, &second_turn, &[&second]).await;
    assert_eq!(ahead().await.unwrap_err().fault(), Fault::OutOfTurn);
    assert_law_1(ledger).await;
    ledger
        .settle(&sale.id, p, &first_turn, &[&first])
        .await
        .unwrap();
    let settlement = ahead().await.unwrap();
    assert_eq!((settlement.confirmed, settlement.stock), (1, 7));
    assert_law_1(ledger).await;
}

/// The turn of the batch behind the one of `turn`.
fn following(turn: &BatchTurn) -> BatchTurn {
    BatchTurn {
        batch: turn.batch + 1,
        ..turn.clone()
    }
}

#[tokio::test]
async fn a_batch_sent_ahead_follows_the_one_that_is_being_settled() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 900)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let batch = |of: &str| -> Vec<Job> {
        (0..200)
            .map(|nth| job(&sale, &format!("{of}{nth}"), p, "k"))
            .collect()
    };
    let (first, second) = (batch("a"), batch("b"));
    let first_turn = ledger.take_over(&sale.id, p).await.unwrap().next(0..=9);
    // Connecting takes long on a busy machine, and whoever waits for the row gives up after a second
    // and a half.
    let connections = join_all((0..4).map(|_| ledger.pool().acquire())).await;
    drop(connections);
    // Whoever holds the row keeps both waiting, so that the second is certainly sent ahead.
    let mut holder = ledger.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM products FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let send = async |turn: &BatchTurn, jobs: &[Job]| {
        let jobs: Vec<&Job> = jobs.iter().collect();
        ledger.settle(&sale.id, p, turn, &jobs).await.unwrap()
    };
    let (first, second, ()) = tokio::join!(
        send(&first_turn, &first),
        async {
            until_waiting(ledger, 1).await;
            send(&following(&first_turn), &second).await
        },
        async {
            until_waiting(ledger, 2).await;
            holder.commit().await.unwrap();
        }
    );
    assert_eq!((first.confirmed, first.stock), (200, 700));
    assert_eq!((second.confirmed, second.stock), (200, 500));
    assert!(order_ids(&first).last() < order_ids(&second).first());
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_job_with_an_order_is_not_refused_by_a_rule_that_came_later() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let job = job(&sale, POISON, p, "k");
    let first = settle(ledger, &sale, std::slice::from_ref(&job)).await;
    poison_the_ledger(&services).await;
    let again = settle(ledger, &sale, &[job]).await;
    assert_eq!(letters(&again), "r");
    assert_eq!(order_ids(&again), order_ids(&first));
    assert_law_1(ledger).await;
}

/// All that come again were turned away, so that nothing else calls for a second look at them.
#[tokio::test]
async fn who_was_turned_away_is_turned_away_again_though_units_came_back() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 0)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let jobs = [job(&sale, "u", p, "k"), job(&sale, "v", p, "k")];
    assert_eq!(letters(&settle(ledger, &sale, &jobs).await), "ss");
    ledger.restock(&sale.id, p, 5, None).await.unwrap();
    assert_eq!(letters(&settle(ledger, &sale, &jobs).await), "ss");
    assert_eq!(
        letters(&settle(ledger, &sale, &[job(&sale, "u", p, "new")]).await),
        "c"
    );
    assert_law_1(ledger).await;
}

/// Batches are cut anew by whoever takes a lane over: the entry can be the first or the last one of
/// a batch, and the one whose time it shares.
#[tokio::test]
async fn who_was_turned_away_is_found_by_the_very_time_of_the_entry() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 0)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let job = job(&sale, "u", p, "k");
    let told = async |appended_ms| {
        let turn = ledger.take_over(&sale.id, p).await.unwrap();
        let turn = turn.next(appended_ms);
        letters(&ledger.settle(&sale.id, p, &turn, &[&job]).await.unwrap())
    };
    assert_eq!(told(5..=5).await, "s");
    ledger.restock(&sale.id, p, 5, None).await.unwrap();
    for appended_ms in [5..=5, 3..=5, 5..=9] {
        assert_eq!(told(appended_ms.clone()).await, "s", "{appended_ms:?}");
    }
}
