use crate::market::{Market, SALE};

#[tokio::test]
async fn letters_are_listed_and_shown_with_their_reason() {
    let market = Market::of_one(10).await;
    market.buy("p", 2).await;
    market.bury("p", "the price is missing").await;
    let letters = market.letters().await;

    let printed = market.run(&["dead", "list", "--sale", SALE]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    let lines: Vec<&str> = printed.out.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, (letter, shopper)) in lines.iter().zip(letters.iter().zip(["0", "1"])) {
        assert!(line.starts_with(letter.as_str()), "{line}");
        assert!(
            line.contains(&format!("of shopper p-shopper-{shopper}")),
            "{line}"
        );
        assert!(line.ends_with("3 attempts: the price is missing"), "{line}");
    }
    assert_eq!(lines[2], "2 dead letters in sale drop");

    let printed = market.run(&["dead", "list", "--sale", SALE, "--json"]);
    let first: serde_json::Value =
        serde_json::from_str(printed.out.lines().next().unwrap()).unwrap();
    assert_eq!(first["job"]["data"]["userId"], "p-shopper-0");

    let printed = market.run(&["dead", "show", "--sale", SALE, &letters[1]]);
    let shown: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(shown["id"], letters[1].as_str());
    assert_eq!(shown["reason"], "the price is missing");
}

#[tokio::test]
async fn a_replayed_letter_waits_in_its_lane_again_and_can_be_settled() {
    let market = Market::of_one(10).await;
    market.buy("p", 3).await;
    market.bury("p", "out of luck").await;
    let letters = market.letters().await;

    let printed = market.run(&["dead", "replay", "--sale", SALE, &letters[1]]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert_eq!(market.letters().await.len(), 2);
    assert_eq!(
        market.waiting("p").await[0].1.data.user_id.as_str(),
        "p-shopper-1"
    );
    assert_eq!(market.run(&["audit", "--sale", SALE]).status, Some(0));

    let printed = market.run(&["dead", "replay", "--sale", SALE, "--all"]);
    assert!(
        printed.out.contains("2 dead letters are back"),
        "{printed:?}"
    );
    market.settle("p").await;
    let printed = market.run(&["audit", "--sale", SALE]);
    assert!(
        printed.out.contains("3 acknowledged = 3 confirmed"),
        "{printed:?}"
    );
}

#[tokio::test]
async fn discarded_letters_are_gone_and_unknown_ids_are_told() {
    let market = Market::of_one(10).await;
    market.buy("p", 2).await;
    market.bury("p", "out of luck").await;
    let letters = market.letters().await;

    let printed = market.run(&["dead", "discard", "--sale", SALE, &letters[0], "1-1"]);
    assert_eq!(printed.status, Some(1), "{printed:?}");
    assert!(
        printed.out.contains("1 dead letters are discarded"),
        "{printed:?}"
    );
    assert!(
        printed.out.contains("there is no dead letter 1-1"),
        "{printed:?}"
    );
    assert_eq!(market.letters().await, letters[1..]);

    let printed = market.run(&["dead", "discard", "--sale", SALE, "--all"]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(market.letters().await.is_empty());
}

#[tokio::test]
async fn which_letters_must_be_said() {
    let market = Market::of_one(1).await;
    let printed = market.run(&["dead", "discard", "--sale", SALE]);
    assert_eq!(printed.status, Some(2), "{printed:?}");
}
