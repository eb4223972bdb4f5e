use super::*;

fn offer(product: &str, weight: u64) -> Offer {
    Offer {
        sale: SaleId::new("drop").unwrap(),
        product: ProductId::new(product).unwrap(),
        weight,
    }
}

fn plan() -> CrowdPlan {
    CrowdPlan {
        arrivals: Arrivals::Opening {
            shoppers: 20_000,
            over: Duration::from_secs(4),
        },
        offers: vec![offer("a", 300), offer("b", 100), offer("c", 0)],
        double_share: 0.05,
        impatient_share: 0.02,
        impatient_presses: 8,
        greedy_share: 0.01,
    }
}

#[test]
fn an_opening_is_fullest_at_its_beginning_and_ends_in_time() {
    let crowd = Crowd::draw(&plan()).unwrap();
    let first = crowd
        .presses()
        .iter()
        .filter(|press| !press.again && !press.second);
    let (early, late): (Vec<&Press>, Vec<&Press>) =
        first.partition(|press| press.meant_us < 2_000_000);
    assert_eq!(early.len() + late.len(), 20_000);
    assert!(
        early.len() > 2 * late.len(),
        "{} {}",
        early.len(),
        late.len()
    );
    assert!(late.iter().all(|press| press.meant_us <= 4_000_000));
    assert!(crowd.presses().is_sorted_by_key(|press| press.meant_us));
}

#[test]
fn wishes_follow_the_weights() {
    let crowd = Crowd::draw(&plan()).unwrap();
    let count = |name: &str| {
        (0..20_000)
            .filter(|shopper| crowd.wish(*shopper).unwrap().product.as_str() == name)
            .count()
    };
    assert!((14_000..16_000).contains(&count("a")));
    assert_eq!(count("c"), 0);
}

#[test]
fn some_press_again_and_some_far_too_often() {
    let crowd = Crowd::draw(&plan()).unwrap();
    let again = crowd.presses().iter().filter(|press| press.again).count();
    // 5 % once more, 2 % seven times more.
    assert!((3_000..4_600).contains(&again), "{again}");
    let second: Vec<&Press> = crowd
        .presses()
        .iter()
        .filter(|press| press.second)
        .collect();
    assert!((100..300).contains(&second.len()), "{}", second.len());
    let first = Press {
        second: false,
        ..*second[0]
    };
    assert_ne!(crowd.key(first), crowd.key(*second[0]));
}

#[test]
fn a_steady_stream_has_one_pace() {
    let steady = CrowdPlan {
        arrivals: Arrivals::Steady {
            rate: 1000.0,
            over: Duration::from_secs(2),
        },
        double_share: 0.0,
        impatient_share: 0.0,
        greedy_share: 0.0,
        ..plan()
    };
    let crowd = Crowd::draw(&steady).unwrap();
    let instants: Vec<u64> = crowd.presses().iter().map(|press| press.meant_us).collect();
    assert_eq!(instants.len(), 2_000);
    assert_eq!(instants[..3], [0, 1_000, 2_000]);
}

#[test]
fn a_shopper_is_known_by_their_user_id_and_strangers_are_not() {
    let crowd = Crowd::draw(&plan()).unwrap();
    assert_eq!(crowd.shopper(&crowd.user(77)), Some(77));
    assert_eq!(crowd.shopper("somebody"), None);
    let other = Crowd::draw(&plan()).unwrap();
    assert_eq!(other.shopper(&crowd.user(77)), None);
}
