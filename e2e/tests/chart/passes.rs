//! What people are told of passes.

use serde_json::json;

use crate::{
    helm::notes,
    values::{DEV, parse, with},
};

#[test]
fn notes_warn_where_gateways_refuse_each_others_passes() {
    const SECRET: &str = "gateway.pass.existingSecret.name";
    let without = notes(&parse(DEV));
    for told in [
        "each gateway refuses passes that another one issued",
        "kubectl create secret generic flashsale-passes -n shop --from-literal=secret=",
        "--set gateway.pass.existingSecret.name=flashsale-passes",
    ] {
        assert!(without.contains(told), "{told} in {without}");
    }
    let with_secret = notes(&with(parse(DEV), SECRET, &json!("passes")));
    assert!(!with_secret.contains(SECRET), "{with_secret}");
}
