//! People and tools can wait for a sale: `kubectl wait`, whatever reads kstatus (Flux, Helm 4), and
//! Argo CD with the script of `examples/argo-cd`.

use std::{
    env,
    process::Output,
    time::{Duration, Instant},
};

use flashsale_e2e::{
    cluster::{told, tools},
    operator::{Operator, SOON, Stage, one_product},
    patience::until,
    services::Services,
};
use flashsale_operator::crd::PAUSED;
use flashsale_queue::keys::SaleKeys;
use kube::api::DeleteParams;
use redis::AsyncCommands as _;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{figures::sample, ready::make_ready};

const HEALTH: &str = include_str!("../../../examples/argo-cd/health.lua");

/// What Argo CD makes of the sale as it is stored. Redis runs the script: it has the Lua 5.1 that Argo
/// CD's interpreter implements, and as few libraries.
async fn argo_cd(services: &Services, object: &Value) -> (String, String) {
    let script = format!(
        "local obj = cjson.decode(ARGV[1])\n\
         local function health()\n{HEALTH}\nend\n\
         local found = health()\n\
         return {{found.status, found.message}}"
    );
    let mut connection = services.queue.clone();
    redis::cmd("EVAL")
        .arg(script)
        .arg(0)
        .arg(object.to_string())
        .query_async(&mut connection)
        .await
        .unwrap()
}

/// What kstatus makes of it: the rules for kinds that it does not know, as its documentation has them.
fn kstatus(object: &Value) -> &'static str {
    let says = |about: &str, is: &str| {
        let conditions = object["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition["type"] == about && condition["status"] == is)
    };
    if !object["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else if object["status"]["observedGeneration"] != object["metadata"]["generation"]
        || says("Reconciling", "True")
    {
        "InProgress"
    } else if says("Stalled", "True") {
        "Failed"
    } else if says("Ready", "False") || says("Ready", "Unknown") {
        "InProgress"
    } else {
        "Current"
    }
}

struct Health<'a>(&'a Stage);

impl Health<'_> {
    /// Waits until both tools say this of the sale; answers what Argo CD shows.
    async fn until(&self, flux: &str, argo: &str) -> String {
        let stage = self.0;
        let deadline = Instant::now() + SOON;
        loop {
            let object = json!(stage.sales.get("drop").await.unwrap());
            let (health, message) = argo_cd(&stage.services, &object).await;
            if (kstatus(&object), health.as_str()) == (flux, argo) {
                println!("{flux} {argo}: {message}");
                return message;
            }
            assert!(
                Instant::now() < deadline,
                "not {flux} and {argo} but {} and {health}: {object:#}",
                kstatus(&object)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn kubectl_wait(&self, condition: &str, seconds: u32) -> (bool, String) {
        let stage = self.0;
        let output = stage
            .cluster
            .kubectl(&[
                "--namespace",
                &stage.namespace,
                "wait",
                &format!("--for=condition={condition}"),
                "fs/drop",
                &format!("--timeout={seconds}s"),
            ])
            .await;
        (output.status.success(), told(&output))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_tools_can_wait_for_a_sale() {
    let mut stage = Stage::set(Services::start_own().await).await;
    let operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage
        .until_condition("drop", "Ready", "False", "Starting")
        .await;
    let said = Health(&stage).until("InProgress", "Progressing").await;
    assert!(said.starts_with("Starting: "), "{said}");
    let (is_met, said) = Health(&stage).kubectl_wait("Ready", 1).await;
    assert!(!is_met, "no worker runs yet: {said}");

    make_ready(&stage, "drop").await;
    let (is_met, said) = Health(&stage).kubectl_wait("Ready", 40).await;
    assert!(is_met, "{said}");
    assert_eq!(Health(&stage).until("Current", "Healthy").await, "Open");

    // An edit that waits for people, and its correction.
    let taken = json!([{"id": "hat", "name": "Hat", "price": 1, "stock": 1}]);
    let before = stage.sales.get("drop").await.unwrap().spec.products.clone();
    stage.edit("drop", json!({ "products": taken })).await;
    let said = Health(&stage).until("Failed", "Degraded").await;
    assert!(said.starts_with("ForbiddenEdit: "), "{said}");
    let (is_met, said) = Health(&stage).kubectl_wait("Stalled", 40).await;
    assert!(is_met, "{said}");
    let stalled = format!(
        "flashsale_operator_stalled{{sale=\"{}\"}}",
        stage.id("drop")
    );
    until_sample(&operator, &stalled, 1.0).await;
    stage.edit("drop", json!({ "products": before })).await;
    Health(&stage).until("Current", "Healthy").await;

    stage.edit("drop", json!({ "suspend": true })).await;
    Health(&stage).until("Current", "Suspended").await;
    stage.edit("drop", json!({ "suspend": false })).await;
    Health(&stage).until("Current", "Healthy").await;

    // A paused sale is as it was until somebody edits it.
    stage.annotate("drop", PAUSED, json!("true")).await;
    Health(&stage).until("Current", "Suspended").await;
    stage.edit("drop", json!({ "suspend": true })).await;
    Health(&stage).until("InProgress", "Suspended").await;
    stage.edit("drop", json!({ "suspend": false })).await;
    stage.annotate("drop", PAUSED, Value::Null).await;
    Health(&stage).until("Current", "Healthy").await;

    // A deletion that waits for a buy which nobody settles.
    let lane = SaleKeys::new(&stage.id("drop")).lane(&"shoe".parse().unwrap());
    let _: String = stage
        .services
        .queue
        .xadd(lane, "*", &[("job", "no job")])
        .await
        .unwrap();
    stage
        .sales
        .delete("drop", &DeleteParams::default())
        .await
        .unwrap();
    stage
        .until_condition("drop", "Ready", "False", "Deleting")
        .await;
    let said = Health(&stage).until("Terminating", "Progressing").await;
    assert!(said.starts_with("Deleting: "), "{said}");
    let (is_met, said) = Health(&stage).kubectl_wait("Ready", 1).await;
    assert!(!is_met, "{said}");
}

/// A sale that never came into force is in nobody's queue, and counted all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_never_came_into_force_is_counted_as_failed() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    stage.create("first", one_product("shoe", 5)).await;
    stage.until_phase("first", "Open").await;
    stage.create("second", one_product("shoe", 5)).await;
    stage.until_phase("second", "Failed").await;
    for (phase, sales) in [("Failed", 1.0), ("Open", 1.0), ("Pending", 0.0)] {
        let series = format!("flashsale_operator_sales{{phase=\"{phase}\"}}");
        until_sample(&operator, &series, sales).await;
    }
}

async fn until_sample(operator: &Operator, series: &str, expected: f64) {
    until(&format!("{series} is {expected}"), SOON, || async {
        let found = sample(&operator.metrics().await, series);
        found.is_some_and(|found| (found - expected).abs() < f64::EPSILON)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_no_health() {
    let mut stage = Stage::set(Services::start_own().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_replicas("drop", 1).await;
    make_ready(&stage, "drop").await;
    Health(&stage).until("Current", "Healthy").await;
    let postgres = stage.services.postgres.as_mut().unwrap();
    postgres.kill().await.unwrap();
    stage
        .until_condition("drop", "Ready", "False", "Unreachable")
        .await;
    let said = Health(&stage).until("InProgress", "Degraded").await;
    assert!(said.starts_with("Unreachable: "), "{said}");
}

/// What the page says of Argo CD, for a sale with these conditions.
fn health(conditions: &Value, is_judged: bool) -> &'static str {
    let is = |name: &str, status: &str| conditions[name]["status"] == status;
    if is("Paused", "True") {
        return "Suspended";
    }
    if !is_judged || conditions["Ready"].is_null() {
        return "Progressing";
    }
    if is("QueueReachable", "False") || is("DatabaseReachable", "False") || is("Stalled", "True") {
        return "Degraded";
    }
    if !is("Ready", "True") {
        return "Progressing";
    }
    if is("Open", "False") && conditions["Open"]["reason"] == "Suspended" {
        "Suspended"
    } else {
        "Healthy"
    }
}

/// Conditions may be missing: an object is read at any time, and of releases that have fewer of them.
#[tokio::test]
async fn argo_cd_gets_an_answer_to_every_set_of_conditions() {
    let services = Services::start().await;
    let any = ["", "True", "False", "Unknown"];
    let sets = [
        ("Paused", &["", "True", "False"][..]),
        ("Ready", &any),
        ("Stalled", &["", "True", "False"]),
        ("QueueReachable", &any),
        ("DatabaseReachable", &["", "True", "False"]),
        ("Open", &["", "True", "False", "Unknown"]),
    ]
    .into_iter()
    .fold(vec![json!({})], |sets, (name, statuses)| {
        let with = |set: &Value, status: &str, reason: &str| {
            let mut set = set.clone();
            if !status.is_empty() {
                set[name] =
                    json!({"type": name, "status": status, "reason": reason, "message": "m"});
            }
            set
        };
        let of = |set: &Value| {
            let one = statuses.iter().map(|status| with(set, status, "Reason"));
            let suspended = (name == "Open").then(|| with(set, "False", "Suspended"));
            one.chain(suspended).collect::<Vec<_>>()
        };
        sets.iter().flat_map(of).collect()
    });
    for conditions in &sets {
        for generation in [1, 2] {
            let listed: Vec<_> = conditions.as_object().unwrap().values().collect();
            let object = json!({
                "metadata": {"generation": 2},
                "status": {"observedGeneration": generation, "phase": "Open", "conditions": listed},
            });
            let (found, message) = argo_cd(&services, &object).await;
            assert_eq!(found, health(conditions, generation == 2), "{object:#}");
            assert!(!message.is_empty(), "{object:#}");
        }
    }
    // Nobody has looked at it yet.
    let object = json!({"metadata": {"generation": 1}});
    assert_eq!(argo_cd(&services, &object).await.0, "Progressing");
    println!("{} sets of conditions", sets.len());
}

const PAGE: &str = include_str!("../../../docs/conditions.md");

/// Runs the page's command that waits for `condition`, in the namespace of `stage`.
async fn as_written(stage: &Stage, condition: &str) -> Output {
    let is_it = |line: &&str| line.contains(&format!("--for=condition={condition} "));
    let written = PAGE.lines().find(is_it).unwrap();
    let command = written.replace("-n shop ", &format!("-n {} ", stage.namespace));
    assert_ne!(command, written);
    let path = env::var("PATH").unwrap();
    Command::new("bash")
        .args(["-c", &command])
        .env("PATH", format!("{}:{path}", tools().await.display()))
        .env("KUBECONFIG", stage.cluster.kubeconfig())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_wait() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let name = "sneaker-drop";
    stage.create(name, one_product("shoe", 5)).await;
    stage.until_replicas(name, 1).await;
    make_ready(&stage, name).await;
    for condition in ["Ready", "Open"] {
        let output = as_written(&stage, condition).await;
        assert!(output.status.success(), "{condition}: {}", told(&output));
    }
    let taken = json!([{"id": "hat", "name": "Hat", "price": 1, "stock": 1}]);
    stage.edit(name, json!({ "products": taken })).await;
    let output = as_written(&stage, "Stalled").await;
    assert!(told(&output).contains("condition met"), "{}", told(&output));
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    // A sale that is closed and drained.
    let products = one_product("shoe", 5)["products"].clone();
    let over = json!({"products": products, "opensAt": "2026-01-01T00:00:00Z", "closesAt": "2026-01-02T00:00:00Z"});
    stage.edit(name, over).await;
    let output = as_written(&stage, "Drained").await;
    assert!(output.status.success(), "{}", told(&output));
}

/// The fields of a Kustomization as `kustomize.toolkit.fluxcd.io/v1` has them; a cluster with Flux would
/// refuse others.
#[test]
fn the_recipe_for_flux_is_one() {
    let (_, after) = PAGE.split_once("## Flux").unwrap();
    let recipe = after.split("```yaml\n").nth(1).unwrap();
    let recipe: Value = serde_saphyr::from_str(recipe.split("```").next().unwrap()).unwrap();
    assert_eq!(recipe["apiVersion"], "kustomize.toolkit.fluxcd.io/v1");
    assert_eq!(recipe["kind"], "Kustomization");
    let spec = recipe["spec"].as_object().unwrap();
    for (field, value) in spec {
        let fits = match field.as_str() {
            "interval" | "timeout" => value.as_str().is_some_and(|text| {
                text.strip_suffix(['s', 'm', 'h'])
                    .is_some_and(|number| number.parse::<u32>().is_ok())
            }),
            "path" => value.as_str().is_some_and(|path| path.starts_with("./")),
            "prune" | "wait" => value.is_boolean(),
            "sourceRef" => value["kind"] == "GitRepository" && value["name"].is_string(),
            _ => false,
        };
        assert!(fits, "{field}: {value}");
    }
    for required in ["interval", "prune", "sourceRef"] {
        assert!(spec.contains_key(required), "{required}");
    }
    // Without it Flux does not wait for sales.
    assert_eq!(spec["wait"], true);
}
