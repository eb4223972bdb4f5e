//! Where worker pods answer probes.

use flashsale_e2e::{
    operator::{SOON, Stage, one_product},
    patience::until,
    services::Services,
};

#[tokio::test]
async fn workers_listen_where_the_operator_says() {
    let stage = Stage::set(Services::start().await).await;
    let address = ["--worker-listen-address", "fd00::7"];
    let _operator = stage.operator_with("operator", &address).await;
    stage.create("drop", one_product("shoe", 5)).await;
    until("its workers are told where", SOON, || async {
        let Some(deployment) = stage.workers("drop").await else {
            return false;
        };
        let pod = deployment.spec.and_then(|spec| spec.template.spec);
        let variables = pod.unwrap().containers.remove(0).env.unwrap();
        variables.into_iter().any(|variable| {
            variable.name == "FLASHSALE_PROBES_LISTEN"
                && variable.value.as_deref() == Some("[fd00::7]:9091")
        })
    })
    .await;
}
