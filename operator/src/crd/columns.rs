//! What `kubectl get fs` shows and selects by, and what `kubectl scale fs` moves.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceSubresourceScale, SelectableField,
};

/// Shown by `kubectl get` as such.
const ALWAYS: i32 = 0;

/// Shown by `kubectl get -o wide` only.
const WIDE: i32 = 1;

/// Name, type, path, priority and description of each column.
#[rustfmt::skip]
const COLUMNS: [(&str, &str, &str, i32, &str); 13] = [
    ("Phase", "string", ".status.phase", ALWAYS, "Where the sale stands."),
    ("Sold", "integer", ".status.sold", ALWAYS, "Units sold, over all products."),
    ("Remaining", "integer", ".status.remaining", ALWAYS, "Units left, over all products."),
    ("Queue", "integer", ".status.queueDepth", ALWAYS, "Jobs waiting or being settled."),
    ("Workers", "integer", ".status.readyReplicas", ALWAYS, "Workers that are ready."),
    ("Opens", "string", ".spec.opensAt", ALWAYS, "When the sale opens; empty: at once."),
    ("Closes", "string", ".spec.closesAt", WIDE, "When the sale closes; empty: by hand."),
    ("Desired", "integer", ".status.desiredReplicas", WIDE, "Workers that the queue asks for."),
    ("Dead", "integer", ".status.deadLetters", WIDE, "Jobs in the dead-letter lane."),
    ("Unpaid", "integer", ".status.pendingOrders", WIDE, "Orders that wait for their payment."),
    ("Ready", "string", r#".status.conditions[?(@.type=="Ready")].reason"#, WIDE, "Whether the sale works as it is written, in one word."),
    ("Scaling", "string", r#".status.conditions[?(@.type=="Scaling")].reason"#, WIDE, "Why there are as many workers as there are, in one word."),
    ("Age", "date", ".metadata.creationTimestamp", ALWAYS, "Age of the object."),
];

/// `kubectl scale fs/NAME --replicas=N` raises or lowers the floor; the queue still decides above it.
pub(super) fn scale() -> CustomResourceSubresourceScale {
    CustomResourceSubresourceScale {
        spec_replicas_path: ".spec.worker.minReplicas".to_owned(),
        status_replicas_path: ".status.replicas".to_owned(),
        label_selector_path: Some(".status.selector".to_owned()),
    }
}

/// `kubectl get fs --field-selector status.phase=Open`, on API servers from 1.31 on.
pub(super) fn selectable() -> Vec<SelectableField> {
    vec![SelectableField {
        json_path: ".status.phase".to_owned(),
    }]
}

pub(super) fn columns() -> Vec<CustomResourceColumnDefinition> {
    COLUMNS
        .map(
            |(name, type_, path, priority, description)| CustomResourceColumnDefinition {
                name: name.to_owned(),
                type_: type_.to_owned(),
                json_path: path.to_owned(),
                priority: (priority != ALWAYS).then_some(priority),
                description: Some(description.to_owned()),
                ..CustomResourceColumnDefinition::default()
            },
        )
        .to_vec()
}
