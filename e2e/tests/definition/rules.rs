//! Every rule refuses what it should, in a sentence that names the field, and nothing else.

use serde_json::{Value, json};

use crate::{create, patch, patch_status, product, refusal, sales, server, spec};

/// Fields of a spec that a rule refuses, what it must say, and how people would mend them.
struct Case {
    wrong: Value,
    says: &'static str,
    right: Value,
}

fn cases() -> Vec<Case> {
    let schedule = |opens: &str, closes: &str| json!({"opensAt": opens, "closesAt": closes});
    let secrets = |database: &str, redis: &str| {
        let reference = |key: &str| json!({"name": "stores", "key": key});
        json!({"databaseSecretRef": reference(database), "redisSecretRef": reference(redis)})
    };
    let workers =
        |least: i32, most: i32| json!({"worker": {"minReplicas": least, "maxReplicas": most}});
    let fallback = |replicas: i32| {
        let fallback = json!({"replicas": replicas, "failureThreshold": 1});
        json!({"worker": {"maxReplicas": 2, "fallback": fallback}})
    };
    let closes = "spec.closesAt: Invalid value: the sale closes before it opens; write a closesAt \
                  later than opensAt";
    vec![
        Case {
            wrong: schedule("2030-12-01T09:00:00Z", "2030-12-01T09:00:00Z"),
            says: closes,
            right: schedule("2030-12-01T09:00:00Z", "2030-12-01T09:00:01Z"),
        },
        // One instant, written twice: they are compared as times, not as text.
        Case {
            wrong: schedule("2030-12-01T09:00:00Z", "2030-12-01T10:00:00+01:00"),
            says: closes,
            right: schedule("2030-12-01T10:00:00+01:00", "2030-12-01T09:00:01Z"),
        },
        Case {
            wrong: json!({"opensAt": "2030-12-01T09:00:00"}),
            says: "spec.opensAt: Invalid value: opensAt has no offset; write one, e.g. \
                   2026-11-27T09:00:00+01:00, or write timeZone, e.g. Europe/Berlin",
            right: json!({"opensAt": "2030-12-01T09:00:00+01:00"}),
        },
        Case {
            wrong: json!({"closesAt": "2030-12-01T09:00:00.5"}),
            says: "spec.closesAt: Invalid value: closesAt has no offset; write one, e.g. \
                   2026-11-27T09:00:00+01:00, or write timeZone, e.g. Europe/Berlin",
            right: json!({"closesAt": "2030-12-01T09:00:00.5-01:00"}),
        },
        Case {
            wrong: workers(3, 2),
            says: "spec.worker.minReplicas: Invalid value: minReplicas is more than maxReplicas; \
                   write a smaller minReplicas or a greater maxReplicas",
            right: workers(2, 2),
        },
        Case {
            wrong: fallback(3),
            says: "spec.worker.fallback.replicas: Invalid value: fallback.replicas is more than \
                   maxReplicas; write at most maxReplicas",
            right: fallback(2),
        },
        Case {
            wrong: secrets("url", "url"),
            says: "spec.redisSecretRef: Invalid value: databaseSecretRef and redisSecretRef name \
                   one key of one Secret; write the key of each address",
            right: secrets("postgres", "redis"),
        },
    ]
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn what_contradicts_itself_is_refused_and_its_correction_taken() {
    let sales = sales(server().await, "rules");
    for (index, case) in cases().iter().enumerate() {
        let name = format!("sale-{index}");
        let said = refusal(create(&sales, &name, &spec(&case.wrong)).await);
        assert!(said.contains(case.says), "{}: {said:?}", case.wrong);
        let said = refusal(create(&sales, &name, &spec(&case.right)).await);
        assert_eq!(said, "", "{}", case.right);
        let edit = json!({ "spec": case.wrong });
        let said = refusal(patch(&sales, &name, &edit).await);
        assert!(said.contains(case.says), "edit to {edit}: {said:?}");
    }
    let local = json!({"opensAt": "2030-12-01T09:00:00", "timeZone": "Europe/Berlin"});
    let said = refusal(create(&sales, "local", &spec(&local)).await);
    assert_eq!(said, "", "{local}");
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn a_name_too_long_for_a_label_is_refused() {
    let sales = sales(server().await, "names");
    let said = refusal(create(&sales, &"n".repeat(45), &spec(&json!({}))).await);
    let sentence = "metadata.name: Invalid value: write a name of at most 44 characters; pods and \
                    labels carry it";
    assert!(said.contains(sentence), "{said:?}");
    let longest = "n".repeat(44);
    assert_eq!(
        refusal(create(&sales, &longest, &spec(&json!({}))).await),
        ""
    );
    let edit = json!({"spec": {"attempts": 5}});
    assert_eq!(refusal(patch(&sales, &longest, &edit).await), "");
}

/// Changes of [`open_spec`], and what is said of them once the sale has opened, if anything is.
fn edits() -> Vec<(Value, &'static str)> {
    let reference = |name: &str| json!({"name": name, "key": "url"});
    let products = |ids: &[&str]| ids.iter().map(|id| product(id, 7)).collect::<Value>();
    let opens = "spec.opensAt: Invalid value: the sale has opened, opensAt stays as it is; suspend \
                 the sale to close its intake";
    vec![
        (json!({"opensAt": "2026-01-01T00:00:00Z"}), opens),
        (json!({"opensAt": null}), opens),
        (
            json!({"currency": "EUR"}),
            "spec.currency: Invalid value: the sale has opened, its currency stays as it is; sell in \
             another one by another FlashSale",
        ),
        // What leaving it out means, written.
        (json!({"currency": "USD"}), ""),
        (
            json!({"products": products(&["shoe"])}),
            "spec.products: Invalid value: the sale has opened, its products stay; write stock 0 \
             to take one off sale",
        ),
        (
            json!({"products": products(&["shoe", "scarf"])}),
            "spec.products: Invalid value: the sale has opened, its products stay; write stock 0 \
             to take one off sale",
        ),
        (json!({"products": products(&["hat", "shoe"])}), ""),
        (
            json!({"redisSecretRef": reference("other")}),
            "spec.redisSecretRef: Invalid value: the sale has opened, redisSecretRef stays as it \
             is; change the address inside the Secret",
        ),
        (
            json!({"databaseSecretRef": reference("other")}),
            "spec.databaseSecretRef: Invalid value: the sale has opened, databaseSecretRef stays \
             as it is; change the address inside the Secret",
        ),
        (json!({"products": products(&["shoe", "hat", "scarf"])}), ""),
        (json!({"closesAt": "2030-12-01T12:00:00Z"}), ""),
        (json!({"suspend": true}), ""),
        (json!({"worker": {"minReplicas": 2}}), ""),
    ]
}

fn open_spec() -> Value {
    json!({
        "opensAt": "2026-01-01T09:00:00Z", "products": [product("shoe", 5), product("hat", 5)],
        "redisSecretRef": {"name": "redis", "key": "url"},
    })
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn what_an_open_sale_stands_on_stays_as_it_is() {
    let sales = sales(server().await, "open");
    for (index, (edit, says)) in edits().into_iter().enumerate() {
        let edit = json!({ "spec": edit });
        let before = format!("before-{index}");
        create(&sales, &before, &open_spec()).await.unwrap();
        assert_eq!(refusal(patch(&sales, &before, &edit).await), "", "{edit}");
        let open = format!("open-{index}");
        create(&sales, &open, &open_spec()).await.unwrap();
        let status = json!({"openedAt": "2026-01-01T09:00:00Z"});
        patch_status(&sales, &open, &status).await.unwrap();
        let said = refusal(patch(&sales, &open, &edit).await);
        if says.is_empty() {
            assert_eq!(said, "", "{edit}");
        } else {
            assert!(said.contains(says), "{edit}: {said:?}");
        }
    }
}
