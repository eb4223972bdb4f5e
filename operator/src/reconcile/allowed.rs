//! Whether a sale names only images, Secrets and annotations that the operator's configuration allows
//! (pure).
//!
//! Workers get the addresses of the stores, so whoever chooses their image can read them, and a Secret
//! that a sale names is read by the operator on behalf of somebody who may not read it. What a sale was
//! accepted with stays allowed for it: a stricter configuration never stops a sale, it warns.

use flashsale_domain::sale::{spec::SecretKeyRef, validation::Mistake};
use serde_json::Value;

use super::deployable::Deployable;
use crate::{
    config::{Allowed, Pattern, Settings},
    crd::FlashSale,
};

/// Label and value of Secrets that sales may name.
pub const ALLOWED: (&str, &str) = ("flashsale.dev/allowed", "true");

/// What the configuration says of a spec.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// What the sale may not name.
    pub refused: Vec<Mistake>,
    /// What it may not name either, but was accepted with.
    pub tolerated: Vec<Mistake>,
}

impl Judgement {
    /// Whether anything of the workers' pods is refused.
    pub fn refuses_workers(&self) -> bool {
        let mut refused = self.refused.iter();
        refused.any(|mistake| mistake.path.starts_with("spec.worker"))
    }

    /// Whether a Secret is refused.
    pub fn refuses_secrets(&self) -> bool {
        let mut refused = self.refused.iter();
        refused.any(|mistake| mistake.path.ends_with("SecretRef.name"))
    }

    fn add(&mut self, was_accepted: bool, path: String, message: String) {
        let list = if was_accepted {
            &mut self.tolerated
        } else {
            &mut self.refused
        };
        list.push(Mistake { path, message });
    }
}

/// What `object`, as it is `written`, was accepted with: `accepted`, where that is known. Releases before
/// `status.lastAccepted` did not write it down, but showed the queue of every sale that was in force.
pub fn before(
    object: &FlashSale,
    written: &Deployable,
    accepted: Option<&Deployable>,
) -> Option<Deployable> {
    let status = object.status.as_ref();
    // Also where it is written down and cannot be read, since a later release wrote it: no sale is to stop
    // for that, and whoever may write a status could write any.
    let was_in_force = status.is_some_and(|status| status.queue_depth.is_some());
    let written = was_in_force.then_some(written);
    accepted.or(written).cloned()
}

/// The Secrets that `deployable` names, and where.
pub fn secrets(deployable: &Deployable) -> impl Iterator<Item = (&'static str, &SecretKeyRef)> {
    let named = [
        ("spec.redisSecretRef", &deployable.redis_secret_ref),
        ("spec.databaseSecretRef", &deployable.database_secret_ref),
        (
            "spec.worker.databaseSecretRef",
            &deployable.worker.database_secret_ref,
        ),
    ];
    named
        .into_iter()
        .filter_map(|(path, reference)| Some((path, reference.as_ref()?)))
}

/// Judges what is `written` by a sale in `namespace` that was accepted with `before`. `is_labelled` says
/// of a Secret whether it has the label [`ALLOWED`].
pub fn judge(
    written: &Deployable,
    before: Option<&Deployable>,
    settings: &Settings,
    namespace: &str,
    is_labelled: impl Fn(&str) -> bool,
) -> Judgement {
    let mut judgement = Judgement::default();
    image(&mut judgement, written, before, settings);
    for (path, reference) in secrets(written) {
        let name = &reference.name;
        if is_own(settings, name) || matches(&settings.allowed.secrets, name) || is_labelled(name) {
            continue;
        }
        let was_accepted =
            before.is_some_and(|before| secrets(before).any(|(_, known)| known == reference));
        let (label, value) = ALLOWED;
        let message = format!(
            "Secret {name} is not one that sales may name; if they may, label it: kubectl -n {namespace} \
             label secret {name} {label}={value}"
        );
        judgement.add(was_accepted, format!("{path}.name"), message);
    }
    annotations(&mut judgement, written, before, &settings.allowed);
    judgement
}

fn image(
    judgement: &mut Judgement,
    written: &Deployable,
    before: Option<&Deployable>,
    settings: &Settings,
) {
    let Some(image) = &written.worker.image else {
        return;
    };
    if *image == settings.worker.image || matches(&settings.allowed.images, image) {
        return;
    }
    let was_accepted = before.is_some_and(|before| before.worker.image.as_ref() == Some(image));
    let message = format!(
        "{image} is not an image that the operator's configuration allows; leave it out for the \
         default one, or have the operator run with --allow-worker-image={image}"
    );
    judgement.add(was_accepted, "spec.worker.image".to_owned(), message);
}

fn annotations(
    judgement: &mut Judgement,
    written: &Deployable,
    before: Option<&Deployable>,
    allowed: &Allowed,
) {
    for (path, key, value) in annotations_of(written) {
        // Keys without a prefix are private to people; systems act on those with their own.
        if !key.contains('/') || matches(&allowed.annotations, &key) {
            continue;
        }
        let was_accepted = before.is_some_and(|before| {
            annotations_of(before)
                .any(|(_, known, with)| (known, with) == (key.clone(), value.clone()))
        });
        let message = format!(
            "is not an annotation that the operator's configuration allows; take it out, or have the \
             operator run with --allow-pod-annotation={key}"
        );
        judgement.add(was_accepted, format!("{path}.{key}"), message);
    }
}

/// Every annotation of the pods of `deployable`: where it stands, its key, its value.
fn annotations_of(deployable: &Deployable) -> impl Iterator<Item = (&'static str, String, Value)> {
    let plain = deployable.worker.pod_annotations.iter();
    let plain = plain.map(|(key, value)| {
        (
            "spec.worker.podAnnotations",
            key.clone(),
            Value::from(value.as_str()),
        )
    });
    let template = deployable.worker.pod_template.as_ref();
    let of_template = template.and_then(|template| template["metadata"]["annotations"].as_object());
    let of_template = of_template.into_iter().flatten();
    let of_template = of_template.map(|(key, value)| {
        (
            "spec.worker.podTemplate.metadata.annotations",
            key.clone(),
            value.clone(),
        )
    });
    plain.chain(of_template)
}

/// Whether a Secret is one of the operator's own options, which every sale uses that names none.
fn is_own(settings: &Settings, name: &str) -> bool {
    let of_workers = settings.worker_database_secret.as_deref();
    [
        Some(settings.database_secret.as_str()),
        of_workers,
        Some(settings.redis_secret.as_str()),
    ]
    .contains(&Some(name))
}

fn matches(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployable(spec: &Value) -> Deployable {
        let mut spec = spec.clone();
        spec["products"] = json!([]);
        Deployable::of(&serde_json::from_value(spec).unwrap())
    }

    /// Where something is refused, and where tolerated, of what is `written` by a sale that was accepted
    /// with `before`. The Secret `open` is labelled.
    fn judged(written: &Value, before: Option<&Value>) -> [Vec<String>; 2] {
        let settings = Settings {
            allowed: Allowed {
                images: vec![Pattern::from("shop/*")],
                secrets: vec![Pattern::from("shop-*")],
                annotations: vec![Pattern::from("prometheus.io/*")],
            },
            ..Settings::example()
        };
        let before = before.map(deployable);
        let written = deployable(written);
        let found = judge(&written, before.as_ref(), &settings, "shop", |name| {
            name == "open"
        });
        [found.refused, found.tolerated]
            .map(|mistakes| mistakes.into_iter().map(|mistake| mistake.path).collect())
    }

    #[test]
    fn what_the_configuration_does_not_allow_is_refused() {
        let secret = |name: &str| json!({"redisSecretRef": {"name": name, "key": "url"}});
        let image = |image: &str| json!({"worker": {"image": image}});
        let annotation = |key: &str| json!({"worker": {"podAnnotations": {key: "x"}}});
        let in_template = |key: &str| {
            let annotations = json!({"metadata": {"annotations": {key: "x"}}});
            json!({"worker": {"podTemplate": annotations}})
        };
        let allowed = [
            json!({}),
            image("flashsale:test"),
            image("shop/worker:1"),
            secret("cache"),
            secret("owner"),
            secret("shop-redis"),
            secret("open"),
            annotation("team"),
            annotation("prometheus.io/port"),
            in_template("prometheus.io/port"),
        ];
        for written in allowed {
            assert_eq!(
                judged(&written, None),
                [const { Vec::<String>::new() }; 2],
                "{written}"
            );
        }
        let annotations = "spec.worker.podTemplate.metadata.annotations.linkerd.io/inject";
        for (written, path) in [
            (image("other:1"), "spec.worker.image"),
            (secret("other"), "spec.redisSecretRef.name"),
            (
                json!({"worker": {"databaseSecretRef": {"name": "other"}}}),
                "spec.worker.databaseSecretRef.name",
            ),
            (
                annotation("linkerd.io/inject"),
                "spec.worker.podAnnotations.linkerd.io/inject",
            ),
            (in_template("linkerd.io/inject"), annotations),
        ] {
            let expected = [vec![path.to_owned()], Vec::new()];
            assert_eq!(judged(&written, None), expected, "{written}");
            // What it was accepted with stays, and nothing else.
            let expected = [Vec::new(), vec![path.to_owned()]];
            assert_eq!(judged(&written, Some(&written)), expected, "{written}");
            assert_eq!(judged(&written, Some(&json!({})))[0], [path], "{written}");
        }
        let [key, other] =
            ["url", "token"].map(|key| json!({"redisSecretRef": {"name": "other", "key": key}}));
        assert_eq!(judged(&other, Some(&key))[0].len(), 1, "another key");
    }

    #[test]
    fn a_sale_in_force_was_accepted_with_what_it_names() {
        let mut object = FlashSale::new(
            "drop",
            serde_json::from_value(json!({"products": []})).unwrap(),
        );
        let written = deployable(&json!({"worker": {"image": "other:1"}}));
        let accepted = deployable(&json!({}));
        assert_eq!(before(&object, &written, None), None);
        object.status = serde_json::from_value(json!({"queueDepth": 0})).unwrap();
        assert_eq!(before(&object, &written, None).as_ref(), Some(&written));
        let known = before(&object, &written, Some(&accepted));
        assert_eq!(known, Some(accepted));
        let unreadable = json!({"queueDepth": 0, "lastAccepted": "{"});
        object.status = serde_json::from_value(unreadable).unwrap();
        assert_eq!(before(&object, &written, None).as_ref(), Some(&written));
    }
}
