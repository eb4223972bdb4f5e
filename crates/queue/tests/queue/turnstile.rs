//! The turnstile's script on a real Redis.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_domain::{
    id::ProductId,
    outcome::JobState,
    sale::{RateLimit, Sale},
    stock::StockLevel,
};
use flashsale_queue::{
    catalogue,
    keys::SaleKeys,
    stock,
    turnstile::{Admission, Buy},
};
use flashsale_testbed::fixtures::{
    queue::{admit, buy, depth, record},
    sales::{open, sale},
    services::Services,
};
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use redis::AsyncCommands;

async fn one(services: &Services, sale: &Sale, buy: Buy) -> Admission {
    admit(services, sale, &[buy]).await.remove(0)
}

#[tokio::test]
async fn a_buy_is_queued_with_its_position_and_a_record() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let first = buy(&sale, "u1", 0, "k");
    assert_eq!(
        one(&services, &sale, first.clone()).await,
        Admission::Queued { position: 1 }
    );
    let second = buy(&sale, "u2", 0, "k");
    assert_eq!(
        one(&services, &sale, second).await,
        Admission::Queued { position: 2 }
    );
    let record = record(&services, &sale, first.job_id).await.unwrap();
    assert_eq!(record.state, JobState::Queued { ticket: 1 });
    assert_eq!(record.user_id.as_str(), "u1");
    assert_eq!(depth(&services, &sale, 0).await, 2);
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_makes_no_second_job() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5), ("q", 5)]);
    open(&services, &sale).await;
    let first = buy(&sale, "u1", 0, "k");
    one(&services, &sale, buy(&sale, "u0", 0, "k")).await;
    one(&services, &sale, first.clone()).await;
    let again = one(&services, &sale, buy(&sale, "u1", 0, "k")).await;
    assert_eq!(
        again,
        Admission::Replayed {
            job_id: first.job_id,
            position: 2
        }
    );
    assert_eq!(
        one(&services, &sale, buy(&sale, "u1", 1, "k")).await,
        Admission::KeyReused
    );
    assert_eq!(depth(&services, &sale, 0).await, 2);
    assert_eq!(depth(&services, &sale, 1).await, 0);
}

#[tokio::test]
async fn a_double_press_within_one_call_makes_one_job() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let buys = [
        buy(&sale, "u1", 0, "k"),
        buy(&sale, "u1", 0, "k"),
        buy(&sale, "u2", 0, "k"),
    ];
    let answers = admit(&services, &sale, &buys).await;
    assert_eq!(answers[0], Admission::Queued { position: 1 });
    assert_eq!(
        answers[1],
        Admission::Replayed {
            job_id: buys[0].job_id,
            position: 1
        }
    );
    assert_eq!(answers[2], Admission::Queued { position: 2 });
}

#[tokio::test]
async fn every_waiting_job_holds_one_unit() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 2), ("none", 0)]);
    open(&services, &sale).await;
    let buys: Vec<Buy> = (0..4)
        .map(|user| buy(&sale, &format!("u{user}"), 0, "k"))
        .collect();
    let answers = admit(&services, &sale, &buys).await;
    assert_eq!(answers[1], Admission::Queued { position: 2 });
    assert_eq!(answers[2..], [Admission::SoldOut, Admission::SoldOut]);
    assert_eq!(
        one(&services, &sale, buy(&sale, "u9", 1, "k")).await,
        Admission::SoldOut
    );
}

#[tokio::test]
async fn a_buy_above_what_the_shopper_would_pay_only_gets_its_first_answer_again() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3), ("none", 0)]);
    open(&services, &sale).await;
    let too_expensive = |user: &str, product| Buy {
        job: None,
        ..buy(&sale, user, product, "k")
    };
    let first = buy(&sale, "ann", 0, "k");
    let buys = [
        too_expensive("bob", 0),
        first.clone(),
        too_expensive("ann", 0),
        too_expensive("cid", 1),
    ];
    let replayed = Admission::Replayed {
        job_id: first.job_id,
        position: 1,
    };
    let answers = admit(&services, &sale, &buys).await;
    let position = Admission::Queued { position: 1 };
    let none = Admission::TooExpensive;
    assert_eq!(
        answers,
        [none, position, replayed.clone(), Admission::SoldOut]
    );
    // In a later call too; and who was refused leaves no key behind.
    assert_eq!(
        one(&services, &sale, too_expensive("ann", 0)).await,
        replayed
    );
    let taken = one(&services, &sale, buy(&sale, "bob", 0, "k")).await;
    assert_eq!(taken, Admission::Queued { position: 2 });
}

#[tokio::test]
async fn a_restock_is_news_and_an_older_figure_is_not() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 0)]);
    open(&services, &sale).await;
    let keys = SaleKeys::new(&sale.id);
    let level = |stock, version| {
        [StockLevel {
            product: ProductId::new("p").unwrap(),
            stock,
            version,
            settled_version: 0,
        }]
    };
    let mut queue = services.queue.clone();
    assert_eq!(
        stock::publish(&mut queue, &keys, &level(1, 9))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        stock::publish(&mut queue, &keys, &level(7, 8))
            .await
            .unwrap(),
        0
    );
    let buys = [buy(&sale, "u1", 0, "k"), buy(&sale, "u2", 0, "k")];
    let answers = admit(&services, &sale, &buys).await;
    assert_eq!(
        answers,
        [Admission::Queued { position: 1 }, Admission::SoldOut]
    );
}

/// The turnstile would count its jobs twice: as units that are gone, and as jobs that wait.
#[tokio::test]
async fn a_figure_with_a_batch_that_is_still_in_the_lane_is_left_to_its_acknowledgement() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    one(&services, &sale, buy(&sale, "u1", 0, "k")).await;
    let keys = SaleKeys::new(&sale.id);
    let mut queue = services.queue.clone();
    let level = StockLevel {
        product: ProductId::new("p").unwrap(),
        stock: 4,
        version: 9,
        settled_version: 8,
    };
    let levels = std::slice::from_ref(&level);
    assert_eq!(stock::publish(&mut queue, &keys, levels).await.unwrap(), 0);
    let restocked = StockLevel {
        stock: 7,
        settled_version: 1,
        ..level.clone()
    };
    let published = stock::publish(&mut queue, &keys, &[restocked]).await;
    assert_eq!(published.unwrap(), 1, "no batch is in this one");
    let later = StockLevel {
        version: 10,
        ..level.clone()
    };
    let published = stock::publish(&mut queue, &keys, &[later]).await;
    assert_eq!(published.unwrap(), 1, "Redis knows the batch");
}

#[tokio::test]
async fn the_rate_limit_is_a_bucket_that_refills() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 50)]);
    sale.turnstile.rate_limit = RateLimit {
        requests: 10,
        window: Duration::from_secs(1),
        burst: 2,
    };
    open(&services, &sale).await;
    let answers = admit(
        &services,
        &sale,
        &[
            buy(&sale, "u", 0, "a"),
            buy(&sale, "u", 0, "b"),
            buy(&sale, "u", 0, "c"),
            buy(&sale, "v", 0, "c"),
        ],
    )
    .await;
    assert!(matches!(answers[1], Admission::Queued { position: 2 }));
    let Admission::RateLimited { retry_after_ms } = answers[2] else {
        panic!("{answers:?}")
    };
    assert!((1..=100).contains(&retry_after_ms), "{retry_after_ms}");
    assert!(
        matches!(answers[3], Admission::Queued { .. }),
        "another shopper has their own bucket"
    );
    tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
    let later = one(&services, &sale, buy(&sale, "u", 0, "c")).await;
    assert!(matches!(later, Admission::Queued { .. }), "{later:?}");
}

#[tokio::test]
async fn a_repeat_beside_the_first_in_one_call_is_a_repeat() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let first = buy(&sale, "u", 0, "k");
    let answers = admit(&services, &sale, &[first.clone(), buy(&sale, "u", 0, "k")]).await;
    let again = Admission::Replayed {
        job_id: first.job_id,
        position: 1,
    };
    assert_eq!(answers, [Admission::Queued { position: 1 }, again]);
    assert_eq!(depth(&services, &sale, 0).await, 1);
}

/// The turn of the rate limiter's memory by Redis's clock, when it does not end within seconds.
async fn turn_that_lasts(services: &Services) -> u64 {
    let mut queue = services.queue.clone();
    loop {
        let (seconds, _): (u64, u64) = redis::cmd("TIME").query_async(&mut queue).await.unwrap();
        if seconds % 60 < 55 {
            return seconds / 60;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_rate_limit_remembers_the_turn_before_and_throws_older_ones_away() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 50)]);
    sale.turnstile.rate_limit = RateLimit {
        requests: 1,
        window: Duration::from_secs(30),
        burst: 1,
    };
    open(&services, &sale).await;
    let turn = turn_that_lasts(&services).await;
    let mut queue = services.queue.clone();
    let [now, before] = [turn, turn - 1].map(|turn| format!("fs:{{drop}}:pace:{}", turn % 2));
    let far = 10 * 60_000_000;
    for (key, of_turn, user) in [(&before, turn - 1, "recent"), (&now, turn - 2, "old")] {
        let fields = [("", of_turn.to_string()), (user, far.to_string())];
        let _: () = queue.hset_multiple(key, &fields).await.unwrap();
    }
    let recent = one(&services, &sale, buy(&sale, "recent", 0, "k")).await;
    assert!(
        matches!(recent, Admission::RateLimited { .. }),
        "{recent:?}"
    );
    let old = one(&services, &sale, buy(&sale, "old", 0, "k")).await;
    assert!(matches!(old, Admission::Queued { .. }), "{old:?}");
    let again = one(&services, &sale, buy(&sale, "old", 0, "l")).await;
    assert!(matches!(again, Admission::RateLimited { .. }), "{again:?}");
}

/// How many fields both halves of the rate limiter's memory have.
async fn remembered(services: &Services) -> usize {
    let mut queue = services.queue.clone();
    let mut fields = 0;
    for half in ["fs:{drop}:pace:0", "fs:{drop}:pace:1"] {
        let length: usize = queue.hlen(half).await.unwrap();
        fields += length;
    }
    fields
}

/// With authentication off somebody can make up as many shoppers as they like.
#[tokio::test]
async fn shoppers_who_are_turned_away_take_no_room() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 3), ("none", 0)]);
    sale.turnstile.max_queue_depth = 2;
    open(&services, &sale).await;
    turn_that_lasts(&services).await;
    let crowd = |product| -> Vec<Buy> {
        let made_up = |user| buy(&sale, &format!("u{user}"), product, "k");
        (0..100).map(made_up).collect()
    };
    let sold_out = admit(&services, &sale, &crowd(1)).await;
    assert_eq!(sold_out, vec![Admission::SoldOut; 100]);
    assert_eq!(remembered(&services).await, 0);
    let mut full = admit(&services, &sale, &crowd(0)).await;
    assert_eq!(full.split_off(2), vec![Admission::LaneFull; 98]);
    // Two shoppers, and the number of the turn.
    assert_eq!(remembered(&services).await, 3);
}

#[tokio::test]
async fn whoever_was_in_line_is_limited_where_there_is_nothing_to_get_as_well() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 5), ("none", 0)]);
    sale.turnstile.rate_limit = RateLimit {
        requests: 1,
        window: Duration::from_secs(30),
        burst: 3,
    };
    open(&services, &sale).await;
    one(&services, &sale, buy(&sale, "u", 0, "k")).await;
    let asked = [
        buy(&sale, "u", 1, "a"),
        buy(&sale, "u", 0, "k"),
        buy(&sale, "u", 1, "b"),
    ];
    let answers = admit(&services, &sale, &asked).await;
    assert_eq!(answers[0], Admission::SoldOut);
    assert!(matches!(answers[1], Admission::Replayed { .. }));
    assert!(matches!(answers[2], Admission::RateLimited { .. }));
}

/// What a half of the rate limiter's memory holds: its turn, and arrivals by shopper.
async fn remember(services: &Services, turn: u64, of_turn: u64, arrivals: &[(&str, u64)]) {
    let mut queue = services.queue.clone();
    let mut fields = vec![("", of_turn)];
    fields.extend(arrivals);
    let key = format!("fs:{{drop}}:pace:{}", turn % 2);
    let _: () = queue.hset_multiple(key, &fields).await.unwrap();
}

fn limited(answers: &[Admission]) -> usize {
    let is_limited = |answer: &&Admission| matches!(answer, Admission::RateLimited { .. });
    answers.iter().filter(is_limited).count()
}

/// A bucket that was full long ago holds no more than a full one.
#[tokio::test]
async fn a_shopper_who_was_idle_gets_one_burst_and_not_what_the_time_would_hold() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 50)]);
    sale.turnstile.rate_limit = RateLimit {
        requests: 10,
        window: Duration::from_secs(10),
        burst: 2,
    };
    open(&services, &sale).await;
    let turn = turn_that_lasts(&services).await;
    remember(&services, turn - 1, turn - 1, &[("u", 0)]).await;
    let keys = ["a", "b", "c", "d", "e", "f"];
    let buys = keys.map(|key| buy(&sale, "u", 0, key));
    assert_eq!(limited(&admit(&services, &sale, &buys).await), 4);
}

#[tokio::test]
async fn the_later_of_two_remembered_arrivals_counts() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 50)]);
    sale.turnstile.rate_limit = RateLimit {
        requests: 1,
        window: Duration::from_secs(30),
        burst: 1,
    };
    open(&services, &sale).await;
    let turn = turn_that_lasts(&services).await;
    let far = 10 * 60_000_000;
    remember(&services, turn, turn, &[("u", far)]).await;
    remember(&services, turn - 1, turn - 1, &[("u", 0)]).await;
    assert_eq!(
        limited(&admit(&services, &sale, &[buy(&sale, "u", 0, "k")]).await),
        1
    );
}

#[tokio::test]
async fn a_limit_of_more_than_a_minute_is_remembered_as_long_as_it_lasts() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 50)]);
    sale.turnstile.rate_limit = RateLimit {
        requests: 1,
        window: Duration::from_hours(1),
        burst: 1,
    };
    open(&services, &sale).await;
    let mut queue = services.queue.clone();
    let length = 2 * 3_600_000_000;
    let now = u64::try_from(catalogue::clock(&mut queue).await.unwrap()).unwrap();
    let turn = now / length;
    // Until in half an hour.
    let since_before = now + 1_800_000_000 - (turn - 1) * length;
    remember(&services, turn - 1, turn - 1, &[("u", since_before)]).await;
    assert_eq!(
        limited(&admit(&services, &sale, &[buy(&sale, "u", 0, "k")]).await),
        1
    );
}

#[tokio::test]
async fn what_a_half_of_the_memory_held_two_turns_ago_does_not_come_back() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 50)]);
    sale.turnstile.rate_limit = RateLimit {
        requests: 1,
        window: Duration::from_secs(30),
        burst: 1,
    };
    open(&services, &sale).await;
    let turn = turn_that_lasts(&services).await;
    let far = 10 * 60_000_000;
    remember(
        &services,
        turn,
        turn - 2,
        &[("first", far), ("second", far)],
    )
    .await;
    for user in ["first", "second"] {
        let answers = admit(&services, &sale, &[buy(&sale, user, 0, "k")]).await;
        assert_eq!(limited(&answers), 0, "{user}: {answers:?}");
    }
}

#[tokio::test]
async fn a_sale_that_is_shut_before_its_opening_says_so_and_answers_repeats() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let taken = buy(&sale, "u", 0, "taken");
    one(&services, &sale, taken.clone()).await;
    let mut queue = services.queue.clone();
    let now = Timestamp::from_microsecond(catalogue::clock(&mut queue).await.unwrap()).unwrap();
    sale.schedule.opens_at = Some(now + SignedDuration::from_hours(1));
    for (suspended, closing, expected) in [
        (true, false, Admission::Suspended),
        (false, true, Admission::Closed),
    ] {
        sale.suspended = suspended;
        catalogue::announce(&mut queue, &sale, closing)
            .await
            .unwrap();
        let answers = admit(
            &services,
            &sale,
            &[buy(&sale, "u", 0, "new"), taken.clone()],
        )
        .await;
        assert_eq!(answers[0], expected);
        assert!(
            matches!(answers[1], Admission::Replayed { .. }),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn a_full_lane_asks_to_come_back() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 50)]);
    sale.turnstile.max_queue_depth = 1;
    open(&services, &sale).await;
    let answers = admit(
        &services,
        &sale,
        &[buy(&sale, "u", 0, "k"), buy(&sale, "v", 0, "k")],
    )
    .await;
    assert_eq!(
        answers,
        [Admission::Queued { position: 1 }, Admission::LaneFull]
    );
}

#[tokio::test]
async fn a_product_or_sale_that_is_not_there_is_said_so() {
    let services = Services::start().await;
    let mut open_sale = sale("drop", &[("p", 5)]);
    open(&services, &open_sale).await;
    open_sale
        .products
        .push(flashsale_testbed::fixtures::sales::product("other", 1));
    assert_eq!(
        one(&services, &open_sale, buy(&open_sale, "u", 1, "k")).await,
        Admission::UnknownProduct
    );
    let nowhere = sale("nowhere", &[("p", 5)]);
    assert_eq!(
        one(&services, &nowhere, buy(&nowhere, "u", 0, "k")).await,
        Admission::UnknownSale
    );
}

/// Law 5, by Redis's clock alone: nobody else is alive in this test.
#[tokio::test]
async fn no_buy_passes_before_the_opening_or_from_the_closing_on() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 1_000_000)]);
    let mut queue = services.queue.clone();
    // Before the times are set: declaring may take as long as until the opening.
    open(&services, &sale).await;
    let now = Timestamp::from_microsecond(catalogue::clock(&mut queue).await.unwrap()).unwrap();
    let (opens, closes) = (
        now + SignedDuration::from_millis(300),
        now + SignedDuration::from_millis(600),
    );
    sale.schedule.opens_at = Some(opens);
    sale.schedule.closes_at = Some(closes);
    catalogue::announce(&mut queue, &sale, false).await.unwrap();
    let (mut early, mut queued, mut late) = (0, 0, 0);
    for number in 0.. {
        let before = catalogue::clock(&mut queue).await.unwrap();
        let answer = one(&services, &sale, buy(&sale, "u", 0, &format!("k{number}"))).await;
        let after = catalogue::clock(&mut queue).await.unwrap();
        match answer {
            Admission::NotOpen { opens_at_us } => {
                early += 1;
                assert_eq!(opens_at_us, opens.as_microsecond());
                assert!(before < opens.as_microsecond());
            }
            Admission::Queued { .. } => {
                queued += 1;
                assert!(after >= opens.as_microsecond() && before < closes.as_microsecond());
            }
            Admission::Closed => {
                late += 1;
                assert!(after >= closes.as_microsecond());
                if late == 10 {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(early > 0 && queued > 0, "{early} early, {queued} queued");
}

#[tokio::test]
async fn suspending_and_closing_take_effect_at_once() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    sale.suspended = true;
    let mut queue = services.queue.clone();
    catalogue::announce(&mut queue, &sale, false).await.unwrap();
    assert_eq!(
        one(&services, &sale, buy(&sale, "u", 0, "k")).await,
        Admission::Suspended
    );
    assert!(catalogue::close(&mut queue, &sale.id).await.unwrap());
    assert_eq!(
        one(&services, &sale, buy(&sale, "u", 0, "k")).await,
        Admission::Closed
    );
}

/// Law 3, for whoever was taken in the last moment and never got the answer.
#[tokio::test]
async fn a_repeat_gets_the_first_answer_also_from_a_sale_that_is_shut() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 5), ("q", 5)]);
    open(&services, &sale).await;
    let mut queue = services.queue.clone();
    let taken = buy(&sale, "u", 0, "k");
    let first = one(&services, &sale, taken.clone()).await;
    assert_eq!(first, Admission::Queued { position: 1 });
    let asked = [
        taken.clone(),
        buy(&sale, "u", 0, "another"),
        buy(&sale, "u", 1, "k"),
        buy(&sale, "v", 0, "k"),
    ];
    let answers = |refusal: Admission| {
        vec![
            Admission::Replayed {
                job_id: taken.job_id,
                position: 1,
            },
            refusal.clone(),
            Admission::KeyReused,
            refusal,
        ]
    };
    sale.suspended = true;
    catalogue::announce(&mut queue, &sale, false).await.unwrap();
    assert_eq!(
        admit(&services, &sale, &asked).await,
        answers(Admission::Suspended)
    );
    assert!(catalogue::close(&mut queue, &sale.id).await.unwrap());
    assert_eq!(
        admit(&services, &sale, &asked).await,
        answers(Admission::Closed)
    );
    let depth = depth(&services, &sale, 0).await;
    assert_eq!(depth, 1, "a shut sale takes nothing");
}

#[tokio::test]
async fn the_script_comes_back_after_redis_lost_it() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    one(&services, &sale, buy(&sale, "u", 0, "k")).await;
    let mut queue = services.queue.clone();
    redis::cmd("SCRIPT")
        .arg("FLUSH")
        .exec_async(&mut queue)
        .await
        .unwrap();
    let answer = one(&services, &sale, buy(&sale, "v", 0, "k")).await;
    assert_eq!(answer, Admission::Queued { position: 2 });
}

#[tokio::test]
async fn withdrawing_a_sale_frees_its_keys_and_no_others() {
    let services = Services::start().await;
    let (gone, stays) = (sale("drop", &[("p", 5)]), sale("drop.two", &[("q", 5)]));
    open(&services, &gone).await;
    open(&services, &stays).await;
    for number in 0..3 {
        one(&services, &gone, buy(&gone, &format!("u{number}"), 0, "k")).await;
        one(
            &services,
            &stays,
            buy(&stays, &format!("u{number}"), 0, "k"),
        )
        .await;
    }
    let mut queue = services.queue.clone();
    let before: Vec<String> = queue.keys("fs:{drop.two}*").await.unwrap();
    catalogue::withdraw(&mut queue, &gone.id).await.unwrap();
    let left: Vec<String> = queue.keys("fs:{drop}*").await.unwrap();
    assert_eq!(left, [SaleKeys::new(&gone.id).withdrawn()]);
    let after: Vec<String> = queue.keys("fs:{drop.two}*").await.unwrap();
    assert_eq!(after.len(), before.len());
    assert!(before.len() > 5);
}

#[tokio::test]
async fn a_lane_that_stops_being_empty_is_announced() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let mut pubsub = services.client().get_async_pubsub().await.unwrap();
    pubsub.subscribe("fs:wake").await.unwrap();
    one(&services, &sale, buy(&sale, "u", 0, "k")).await;
    one(&services, &sale, buy(&sale, "v", 0, "k")).await;
    let mut queue = services.queue.clone();
    let _: u64 = queue.publish("fs:wake", "end").await.unwrap();
    let mut messages = pubsub.on_message();
    let mut heard: Vec<String> = Vec::new();
    while heard.last().is_none_or(|last| last != "end") {
        heard.push(messages.next().await.unwrap().get_payload().unwrap());
    }
    assert_eq!(heard, ["drop p", "end"]);
}

#[tokio::test]
async fn how_fast_shoppers_asked_is_forgotten_and_their_keys_and_jobs_are_not() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    one(&services, &sale, buy(&sale, "u", 0, "k")).await;
    let mut queue = services.queue.clone();
    let paces: Vec<String> = queue.keys("fs:{drop}:pace:*").await.unwrap();
    assert_eq!(paces.len(), 1, "{paces:?}");
    let pace: i64 = queue.pttl(&paces[0]).await.unwrap();
    assert!((60_000..=120_000).contains(&pace), "{pace}");
    for kept in ["keys", "jobs", "lane:p"] {
        let life: i64 = queue.pttl(format!("fs:{{drop}}:{kept}")).await.unwrap();
        assert_eq!(life, -1, "{kept}");
    }
}
