//! What the operator tells people, on a real API server.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says where"
)]

use flashsale_e2e::cluster::ControlPlane;
use flashsale_operator::events::{Publisher, Reason};
use k8s_openapi::api::{
    core::v1::{ConfigMap, ObjectReference},
    events::v1::Event,
};
use kube::{
    Api, Resource as _,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};

/// An object in a namespace of its own, a publisher, and the events of the namespace.
async fn stage() -> (ObjectReference, Publisher, Api<Event>) {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("events").await;
    let object = ConfigMap {
        metadata: ObjectMeta {
            name: Some("drop".to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    let objects: Api<ConfigMap> = Api::namespaced(cluster.client(), &namespace);
    let object = objects
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    let publisher = Publisher::new(cluster.client(), "operator-1");
    let events = Api::namespaced(cluster.client(), &namespace);
    (object.object_ref(&()), publisher, events)
}

/// Notes and counts, sorted.
async fn told(events: &Api<Event>) -> Vec<(String, i32)> {
    let listed = events.list(&ListParams::default()).await.unwrap();
    let mut told: Vec<_> = listed
        .into_iter()
        .map(|event| {
            let count = event.series.map_or(1, |series| series.count);
            (event.note.unwrap(), count)
        })
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn repeats_are_counted_and_other_sentences_are_other_events() {
    let (object, publisher, events) = stage().await;
    for note in ["0 to 3 workers", "3 to 5 workers", "0 to 3 workers"] {
        publisher.publish(&object, Reason::Scaled, note).await;
    }
    let expected = [("0 to 3 workers", 2), ("3 to 5 workers", 1)];
    assert_eq!(
        told(&events).await,
        expected.map(|(note, count)| (note.to_owned(), count))
    );
    let event = events
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .remove(0);
    assert_eq!(event.reason.as_deref(), Some("Scaled"));
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    assert_eq!(event.reporting_instance.as_deref(), Some("operator-1"));
    assert_eq!(event.regarding.unwrap().uid, object.uid);
}

#[tokio::test]
async fn deleted_event_is_published_anew_and_a_lost_one_harms_nobody() {
    let (mut object, publisher, events) = stage().await;
    publisher
        .publish(&object, Reason::NotDurable, "no append-only file")
        .await;
    events
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    publisher
        .publish(&object, Reason::NotDurable, "no append-only file")
        .await;
    publisher
        .publish(&object, Reason::ApplyFailed, "ü".repeat(2000))
        .await;
    let told = told(&events).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], ("no append-only file".to_owned(), 1));
    object.namespace = Some("nowhere".to_owned());
    publisher
        .publish(&object, Reason::Opened, "nobody hears it")
        .await;
}
