//! Rendered YAML as objects.

use serde_json::Value;

/// All objects of one rendering.
#[derive(Debug, PartialEq)]
pub(crate) struct Manifests(pub(crate) Vec<Value>);

impl Manifests {
    /// Reads what `helm template` printed.
    pub(crate) fn parse(text: &str) -> Self {
        let documents = text.split("\n---").map(|document| {
            let document = document.trim_start_matches("---");
            serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}:\n{document}"))
        });
        Self(documents.collect())
    }

    /// The objects of one kind.
    pub(crate) fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The object of that kind and name.
    pub(crate) fn named(&self, kind: &str, name: &str) -> &Value {
        self.of(kind)
            .find(|object| object["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// Every pod that the objects make, with the labels it will carry.
    pub(crate) fn pods(&self) -> Vec<Pod<'_>> {
        self.0.iter().filter_map(pod).collect()
    }

    /// The arguments of the one container of a workload.
    pub(crate) fn arguments(&self, kind: &str, name: &str) -> Vec<&str> {
        let spec = pod(self.named(kind, name)).unwrap().spec;
        strings(&spec["containers"][0]["args"])
    }
}

/// A pod to be.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    /// The object that makes it.
    pub(crate) owner: &'a Value,
    pub(crate) metadata: &'a Value,
    pub(crate) spec: &'a Value,
}

impl Pod<'_> {
    /// Its containers, those that run first included.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Value> {
        let list = |field: &str| self.spec[field].as_array().into_iter().flatten();
        list("initContainers").chain(list("containers"))
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> String {
        title(self.owner)
    }
}

fn pod(owner: &Value) -> Option<Pod<'_>> {
    let template = match owner["kind"].as_str()? {
        "Pod" => owner,
        "Deployment" | "StatefulSet" | "Job" => &owner["spec"]["template"],
        _ => return None,
    };
    Some(Pod {
        owner,
        metadata: &template["metadata"],
        spec: &template["spec"],
    })
}

/// Kind, namespace and name.
pub(crate) fn title(object: &Value) -> String {
    let field = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let metadata = &object["metadata"];
    format!(
        "{} {}/{}",
        field(&object["kind"]),
        field(&metadata["namespace"]),
        field(&metadata["name"])
    )
}

/// The strings of a list; none where there is no list.
pub(crate) fn strings(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap()).collect()
}
