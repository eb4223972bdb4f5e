//! What the operator cannot carry out: refused where it is written, with what to write, and of no
//! consequence to anybody else.

mod addresses;
mod records;
mod schema;
mod unreadable;
mod wrong;

use std::time::{Duration, Instant};

use flashsale_e2e::{
    cluster::told,
    operator::{SOON, Stage, one_product},
    patience::until,
    services::Services,
};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use self::wrong::Wrong;

/// How soon a good sale opens beside any number of wrong ones.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The fewest wrong sales worth the name of a table.
const FEWEST: usize = 36;

#[tokio::test]
async fn wrong_sales_are_refused_with_what_to_write_and_stop_nobody() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    let wrong = wrong::all();
    assert!(wrong.len() >= FEWEST, "{} are few", wrong.len());
    let mut failures = Vec::new();
    for (index, case) in wrong.iter().enumerate() {
        if let Err(failure) = refused(&stage, index, case).await {
            failures.push(format!("{}: {failure}", case.what));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let created = Instant::now();
    stage.create("good", one_product("good", 5)).await;
    stage.until_phase("good", "Open").await;
    println!(
        "{} wrong sales; a good one after them was open {:?} later",
        wrong.len(),
        created.elapsed()
    );
    assert!(created.elapsed() < AT_ONCE);
    assert!(operator.process.is_running());
    assert!(!operator.log().contains("panicked"), "{}", operator.log());
    all_can_be_deleted(&stage).await;
}

/// Writes the sale and waits for its refusal, by the schema or by condition; an error when there
/// is none that names the mistake.
async fn refused(stage: &Stage, index: usize, case: &Wrong) -> Result<(), String> {
    let name = case
        .name
        .clone()
        .unwrap_or_else(|| format!("wrong-{index}"));
    let (by, said) = match stage.try_create(&name, case.spec.clone()).await {
        Err(kube::Error::Api(status)) if status.code == 422 || status.code == 400 => {
            ("schema", status.message.clone())
        }
        Err(error) => return Err(format!("stored, and cannot be read back: {error}")),
        Ok(_) => ("condition", condition(stage, &name).await?),
    };
    let brief: String = said.chars().take(160).collect();
    println!("{by:>9} · {} · {brief}", case.what);
    let plain: String = without_indices(&said);
    // The rule about names cannot point at the field on API servers from 1.25 to 1.27.
    let is_about_name = case.name.is_some() && plain.contains("write a name");
    (is_about_name || plain.contains(case.says))
        .then_some(())
        .ok_or_else(|| format!("{by} does not name {}: {brief}", case.says))
}

async fn condition(stage: &Stage, name: &str) -> Result<String, String> {
    let deadline = Instant::now() + AT_ONCE;
    loop {
        let status = stage.status(name).await;
        let ready = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Accepted");
        match ready {
            Some(ready) if ready.status == "False" && ready.reason == "InvalidSpec" => {
                let phase = status.phase.as_deref();
                if phase != Some("Failed") {
                    return Err(format!("phase is {phase:?}"));
                }
                return Ok(ready.message.clone());
            }
            Some(ready) if ready.status == "True" => return Err("accepted".to_owned()),
            _ if Instant::now() > deadline => return Err(format!("no verdict: {ready:?}")),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// `spec.products[3].id` as `spec.products.id`: API servers differ in whether they tell the index.
fn without_indices(said: &str) -> String {
    let mut pieces = said.split('[');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(']') {
            Some((index, rest)) if index.bytes().all(|byte| byte.is_ascii_digit()) => plain += rest,
            _ => plain = format!("{plain}[{piece}"),
        }
    }
    plain
}

/// No refused sale keeps a finalizer for ever.
async fn all_can_be_deleted(stage: &Stage) {
    let all = ListParams::default();
    stage
        .sales
        .delete_collection(&DeleteParams::default(), &all)
        .await
        .unwrap();
    until("every sale is gone", SOON, || async {
        stage.sales.list(&all).await.unwrap().items.is_empty()
    })
    .await;
}

/// `kubectl` refuses a slip in a field's name. Who asks the API server without it gets a sale without
/// that field.
#[tokio::test]
async fn a_field_that_nobody_knows_is_refused_by_kubectl_and_otherwise_left_out() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let mut spec = one_product("slip", 5);
    spec["worker"] = json!({"maxReplica": 3});
    spec["closeAt"] = json!("2030-12-01T10:00:00Z");
    let object = json!({
        "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
        "metadata": {"name": "slip", "namespace": stage.namespace}, "spec": spec,
    });
    // An old API server tells `kubectl` of a new definition some seconds late.
    until("kubectl knows the fields", SOON, || async {
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let text = object.to_string();
        let output = stage.cluster.kubectl_with_input(&arguments, &text).await;
        let told = told(&output);
        !output.status.success()
            && ["closeAt", "maxReplica"]
                .iter()
                .all(|field| told.contains(field))
    })
    .await;
    stage.create("slip", spec).await;
    stage.until_phase("slip", "Open").await;
}
