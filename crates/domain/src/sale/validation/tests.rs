use super::*;
use serde_json::json;

use crate::sale::{LatePolicy, WorkerPolicy, behavior::SelectPolicy};

fn spec(change: impl FnOnce(&mut serde_json::Value)) -> FlashSaleSpec {
    let mut value = json!({
        "products": [{"id": "sneaker-001", "name": "Sneaker", "price": 9900, "stock": 500}]
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn mistakes(change: impl FnOnce(&mut serde_json::Value)) -> Vec<String> {
    let id = SaleId::new("drop").unwrap();
    check_spec(id, &spec(change))
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_minimal_sale_gets_the_defaults() {
    let sale = check_spec(SaleId::new("drop").unwrap(), &spec(|_| {})).unwrap();
    assert_eq!(
        sale.turnstile.rate_limit.burst,
        sale.turnstile.rate_limit.requests
    );
    assert_eq!(sale.retry, JobOptions::default());
    assert_eq!(sale.schedule, Schedule::default());
    assert_eq!(sale.durability.redis_replicas, 0);
}

#[test]
fn a_sale_asks_for_up_to_five_replicas() {
    let asks = |replicas| spec(|value| value["durability"] = json!({"redisReplicas": replicas}));
    let sale = check_spec(SaleId::new("drop").unwrap(), &asks(2)).unwrap();
    assert_eq!(sale.durability.redis_replicas, 2);
    for wrong in [-1, 6] {
        let found = check_spec(SaleId::new("drop").unwrap(), &asks(wrong)).unwrap_err();
        let told = found[0].to_string();
        assert!(
            told.starts_with("spec.durability.redisReplicas: is"),
            "{told}"
        );
    }
}

#[test]
fn a_record_of_the_release_before_asks_for_no_replica() {
    let sale = check_spec(SaleId::new("drop").unwrap(), &spec(|_| {})).unwrap();
    let mut record = serde_json::to_value(&sale).unwrap();
    record.as_object_mut().unwrap().remove("durability");
    assert_eq!(serde_json::from_value::<Sale>(record).unwrap(), sale);
}

#[test]
fn prices_are_in_a_currency_that_has_minor_units() {
    let of = |code: &'static str| {
        check_spec(
            SaleId::new("drop").unwrap(),
            &spec(|value| value["currency"] = json!(code)),
        )
    };
    assert_eq!(of("JPY").unwrap().currency, Currency::JPY);
    for wrong in ["jpy", "EURO", "XAU", "ABC", ""] {
        let told = of(wrong).unwrap_err()[0].to_string();
        assert!(told.starts_with("spec.currency: is"), "{told}");
    }
    // A record of the release before names none.
    let sale = check_spec(SaleId::new("drop").unwrap(), &spec(|_| {})).unwrap();
    let mut record = serde_json::to_value(&sale).unwrap();
    assert_eq!(
        record.as_object_mut().unwrap().remove("currency"),
        Some(json!("USD"))
    );
    assert_eq!(serde_json::from_value::<Sale>(record).unwrap(), sale);
}

#[test]
fn prices_are_whole_numbers_that_json_holds_exactly() {
    let of = |price: i64| spec(|value| value["products"][0]["price"] = json!(price));
    let most = 9_007_199_254_740_991;
    for right in [0, most] {
        let sale = check_spec(SaleId::new("drop").unwrap(), &of(right)).unwrap();
        assert_eq!(sale.products[0].price, right);
    }
    for wrong in [-1, most + 1] {
        let found = check_spec(SaleId::new("drop").unwrap(), &of(wrong)).unwrap_err();
        let told = found[0].to_string();
        assert!(told.starts_with("spec.products[0].price: is"), "{told}");
    }
}

#[test]
fn every_mistake_is_told_at_once_with_its_path() {
    let found = mistakes(|value| {
        value["opensAt"] = json!("2026-12-01T10:00:00Z");
        value["closesAt"] = json!("2026-12-01T09:00:00Z");
        value["products"] = json!([
            {"id": "a", "name": "A", "price": -1, "stock": 1},
            {"id": "a", "name": "", "price": 1, "stock": -1, "maxPerUser": 0},
            {"id": "b b", "name": "B", "price": 1, "stock": 1},
            {"id": "c", "name": "C", "description": "c\0d", "price": 1, "stock": 1},
        ]);
        value["worker"] = json!({"minReplicas": 5, "maxReplicas": 2, "batchSize": 0});
    });
    for path in [
        "spec.closesAt:",
        "spec.products[0].price:",
        "spec.products[1].id:",
        "spec.products[1].name:",
        "spec.products[1].stock:",
        "spec.products[1].maxPerUser:",
        "spec.products[2].id:",
        "spec.products[3].description:",
        "spec.worker.minReplicas:",
        "spec.worker.batchSize:",
    ] {
        assert!(
            found.iter().any(|mistake| mistake.starts_with(path)),
            "{path} in {found:#?}"
        );
    }
}

#[test]
fn times_without_an_offset_need_a_time_zone() {
    let local = |zone: Option<&str>| {
        spec(|value| {
            value["opensAt"] = json!("2026-11-27T09:00:00");
            value["closesAt"] = json!("2026-11-27T10:00:00+01:00");
            value["timeZone"] = json!(zone);
        })
    };
    let checked = |zone| check_spec(SaleId::new("drop").unwrap(), &local(zone));
    let schedule = checked(Some("Europe/Berlin")).unwrap().schedule;
    assert_eq!(
        schedule.opens_at.unwrap().to_string(),
        "2026-11-27T08:00:00Z"
    );
    let told = |zone| checked(zone).unwrap_err()[0].to_string();
    assert!(told(None).starts_with("spec.opensAt: is 2026-11-27T09:00:00, without an offset"));
    assert!(told(Some("Europe/Berlim")).starts_with("spec.timeZone: is"));
    assert_eq!(local(Some("Mars")).closing(), schedule.closes_at);
}

#[test]
fn a_sale_without_products_is_refused() {
    assert!(mistakes(|value| value["products"] = json!([]))[0].contains("at least one product"));
}

fn workers(change: serde_json::Value) -> WorkerPolicy {
    let spec = spec(|value| value["worker"] = change);
    check_spec(SaleId::new("drop").unwrap(), &spec)
        .unwrap()
        .workers
}

#[test]
fn behavior_and_fallback_are_read_in_the_names_of_kubernetes() {
    let policy = workers(json!({
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 5, "tolerance": 0.1},
            "scaleDown": {"selectPolicy": "Min", "policies": [
                {"type": "Pods", "value": 2, "periodSeconds": 30},
                {"type": "Percent", "value": 50, "periodSeconds": 60},
            ]},
        },
        "fallback": {"failureThreshold": 3, "replicas": 4, "behavior": "currentReplicasIfHigher"},
    }));
    let up = &policy.behavior.scale_up;
    assert_eq!(up.stabilization_window, Some(Duration::from_secs(5)));
    assert_eq!(up.tolerance.millionths, 100_000);
    let down = &policy.behavior.scale_down;
    assert_eq!(down.select_policy, SelectPolicy::Min);
    assert_eq!(down.policies[1].period, Duration::from_mins(1));
    let fallback = policy.fallback.unwrap();
    assert_eq!((fallback.failure_threshold, fallback.replicas), (3, 4));
}

#[test]
fn a_record_from_before_behavior_is_still_read() {
    let mut record = serde_json::to_value(workers(json!({}))).unwrap();
    let fields = record.as_object_mut().unwrap();
    fields.remove("behavior").unwrap();
    fields.remove("fallback").unwrap();
    let policy: WorkerPolicy = serde_json::from_value(record).unwrap();
    assert_eq!(policy, workers(json!({})));
}

#[test]
fn every_mistake_about_scaling_is_told() {
    let found = mistakes(|value| {
        value["worker"] = json!({
            "maxReplicas": 5,
            "behavior": {
                "scaleUp": {"tolerance": 1.5, "stabilizationWindowSeconds": 3601},
                "scaleDown": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}]},
            },
            "fallback": {"failureThreshold": 0, "replicas": 6},
        });
    });
    for path in [
        "spec.worker.behavior.scaleUp.tolerance:",
        "spec.worker.behavior.scaleUp.stabilizationWindowSeconds:",
        "spec.worker.behavior.scaleDown.policies[0].value:",
        "spec.worker.behavior.scaleDown.policies[0].periodSeconds:",
        "spec.worker.fallback.failureThreshold:",
        "spec.worker.fallback.replicas: is 6, more than maxReplicas (5)",
    ] {
        assert!(
            found.iter().any(|mistake| mistake.starts_with(path)),
            "{path} in {found:#?}"
        );
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn every_mistake_about_pods_is_told() {
    let found = mistakes(|value| {
        value["worker"] = json!({
            "image": "a b",
            "nodeSelector": {"disk!": "ssd", "zone": "-"},
            "tolerations": [
                {"value": "x"},
                {"key": "dedicated", "operator": "Exists", "value": "x"},
                {"key": "dedicated", "value": "x", "tolerationSeconds": 5},
            ],
            "priorityClassName": "Very_High",
            "podAnnotations": {"": "x"},
            "podLabels": {"flashsale.dev/sale": "other"},
            "terminationGracePeriodSeconds": 0,
            "resources": {"limits": {"memory": "lots"}},
        });
    });
    for path in [
        "spec.worker.image:",
        "spec.worker.nodeSelector.disk!:",
        "spec.worker.nodeSelector.zone:",
        "spec.worker.tolerations[0].key:",
        "spec.worker.tolerations[1].value:",
        "spec.worker.tolerations[2].tolerationSeconds:",
        "spec.worker.priorityClassName:",
        "spec.worker.podAnnotations.:",
        "spec.worker.podLabels.flashsale.dev/sale:",
        "spec.worker.terminationGracePeriodSeconds:",
        "spec.worker.resources.limits.memory:",
    ] {
        assert!(
            found.iter().any(|mistake| mistake.starts_with(path)),
            "{path} in {found:#?}"
        );
    }
    assert_eq!(found.len(), 11, "{found:#?}");
}

#[test]
fn a_spec_that_says_much_of_its_pods_is_right() {
    let policy = workers(json!({
        "image": "registry.example.com/flashsale:1",
        "nodeSelector": {"kubernetes.io/arch": "amd64", "empty": ""},
        "tolerations": [
            {"operator": "Exists"},
            {"key": "dedicated", "value": "sales", "effect": "NoExecute", "tolerationSeconds": 0},
        ],
        "priorityClassName": "very-high",
        "podAnnotations": {"example.com/note": "anything, as long as it likes"},
        "podLabels": {"team": "shop"},
        "terminationGracePeriodSeconds": 3600,
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "256Mi"}},
    }));
    assert_eq!(policy, workers(json!({})));
}

#[test]
fn orders_have_to_be_paid_where_the_spec_says_so_within_bounds() {
    let of = |payment: serde_json::Value| {
        check_spec(
            SaleId::new("drop").unwrap(),
            &spec(|value| value["payment"] = payment),
        )
    };
    let seconds = |sale: &Sale| {
        let window = sale.payment.as_ref().unwrap();
        (window.window_seconds, window.grace_seconds)
    };
    assert_eq!(seconds(&of(json!({})).unwrap()), (600, 15));
    let short = of(json!({"windowSeconds": 2, "graceSeconds": 0})).unwrap();
    assert_eq!(seconds(&short), (2, 0));
    for (field, value) in [("windowSeconds", 1), ("graceSeconds", -1)] {
        let told = of(json!({field: value})).unwrap_err()[0].to_string();
        assert!(
            told.starts_with(&format!("spec.payment.{field}: is {value}")),
            "{told}"
        );
    }
    let provided = of(json!({"provider": "till-2", "onLate": "Refund"})).unwrap();
    let payment = provided.payment.unwrap();
    assert_eq!(payment.provider.as_deref(), Some("till-2"));
    assert_eq!(payment.on_late, LatePolicy::Refund);
    let plain = of(json!({})).unwrap().payment.unwrap();
    assert_eq!(
        (plain.provider, plain.on_late),
        (None, LatePolicy::Reacquire)
    );
    for name in ["", "Till", "-till", "till-", "a.b", &"a".repeat(64)] {
        let told = of(json!({"provider": name})).unwrap_err()[0].to_string();
        assert!(told.starts_with("spec.payment.provider: is "), "{told}");
    }
    let free = |payment: serde_json::Value| {
        let free = spec(|value| {
            value["products"][0]["price"] = json!(0);
            value["payment"] = payment;
        });
        check_spec(SaleId::new("drop").unwrap(), &free)
    };
    let told = free(json!({"provider": "till"})).unwrap_err()[0].to_string();
    assert!(told.starts_with("spec.products[0].price: is 0"), "{told}");
    assert!(free(json!({})).is_ok());
    // Records of the release before have no provider and say nothing of late payments.
    let record = json!({"windowSeconds": 60, "graceSeconds": 1});
    let window: PaymentWindow = serde_json::from_value(record).unwrap();
    assert_eq!(
        (window.provider, window.on_late),
        (None, LatePolicy::Reacquire)
    );
    // Those before that have no payment, and a sale without one writes none.
    let sale = check_spec(SaleId::new("drop").unwrap(), &spec(|_| ())).unwrap();
    assert!(
        serde_json::to_value(&sale)
            .unwrap()
            .get("payment")
            .is_none()
    );
}
