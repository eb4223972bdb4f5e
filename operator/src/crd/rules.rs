//! What spans fields, as CEL rules that the API server evaluates before it stores anything, each
//! with a sentence that says what to write.
//!
//! API servers before 1.25 drop these rules without a word, so the operator judges every spec
//! again ([`flashsale_core::sale::validation`] and [`crate::reconcile::validate`]).

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

/// A rule of the whole object, which sees `metadata.name`, `spec`, `status` and, on an update, their
/// old values.
struct Rule {
    /// In CEL; true is good.
    cel: &'static str,
    /// What to write instead.
    message: &'static str,
    /// The field to point at.
    field: &'static str,
}

/// Rules that look at one version of the object. Quantities of the cost estimate stay small: none
/// of them walks a list inside a list.
const RULES: [Rule; 5] = [
    Rule {
        cel: "self.metadata.name.size() <= 44",
        message: "write a name of at most 44 characters; pods and labels carry it",
        field: "",
    },
    Rule {
        cel: "!has(self.spec.opensAt) || !has(self.spec.closesAt) || self.spec.opensAt < self.spec.closesAt",
        message: "the sale closes before it opens; write a closesAt later than opensAt",
        field: ".spec.closesAt",
    },
    Rule {
        cel: "!has(self.spec.worker) || !has(self.spec.worker.minReplicas) || !has(self.spec.worker.maxReplicas) || self.spec.worker.minReplicas <= self.spec.worker.maxReplicas",
        message: "minReplicas is more than maxReplicas; write a smaller minReplicas or a greater maxReplicas",
        field: ".spec.worker.minReplicas",
    },
    Rule {
        cel: "!has(self.spec.worker) || !has(self.spec.worker.fallback) || !has(self.spec.worker.maxReplicas) || self.spec.worker.fallback.replicas <= self.spec.worker.maxReplicas",
        message: "fallback.replicas is more than maxReplicas; write at most maxReplicas",
        field: ".spec.worker.fallback.replicas",
    },
    Rule {
        cel: "!has(self.spec.databaseSecretRef) || !has(self.spec.redisSecretRef) || self.spec.databaseSecretRef.name != self.spec.redisSecretRef.name || self.spec.databaseSecretRef.key != self.spec.redisSecretRef.key",
        message: "databaseSecretRef and redisSecretRef name one key of one Secret; write the key of each address",
        field: ".spec.redisSecretRef",
    },
];

/// Rules of an update, for what may not change once the sale has opened (`status.openedAt` is set).
const TRANSITIONS: [Rule; 4] = [
    Rule {
        cel: "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || (has(self.spec.opensAt) == has(oldSelf.spec.opensAt) && (!has(self.spec.opensAt) || self.spec.opensAt == oldSelf.spec.opensAt))",
        message: "the sale has opened, opensAt stays as it is; suspend the sale to close its intake",
        field: ".spec.opensAt",
    },
    Rule {
        cel: "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || self.spec.products.size() >= oldSelf.spec.products.size()",
        message: "the sale has opened, its products stay; write stock 0 to take one off sale",
        field: ".spec.products",
    },
    Rule {
        cel: "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || (has(self.spec.databaseSecretRef) == has(oldSelf.spec.databaseSecretRef) && (!has(self.spec.databaseSecretRef) || self.spec.databaseSecretRef == oldSelf.spec.databaseSecretRef))",
        message: "the sale has opened, databaseSecretRef stays as it is; change the address inside the Secret",
        field: ".spec.databaseSecretRef",
    },
    Rule {
        cel: "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || (has(self.spec.redisSecretRef) == has(oldSelf.spec.redisSecretRef) && (!has(self.spec.redisSecretRef) || self.spec.redisSecretRef == oldSelf.spec.redisSecretRef))",
        message: "the sale has opened, redisSecretRef stays as it is; change the address inside the Secret",
        field: ".spec.redisSecretRef",
    },
];

pub(super) fn add(schema: &mut JSONSchemaProps) {
    let rules = RULES.iter().chain(&TRANSITIONS).map(|rule| ValidationRule {
        rule: rule.cel.to_owned(),
        message: Some(rule.message.to_owned()),
        field_path: (!rule.field.is_empty()).then(|| rule.field.to_owned()),
        reason: Some("FieldValueInvalid".to_owned()),
        ..ValidationRule::default()
    });
    schema.x_kubernetes_validations = Some(rules.collect());
}

/// The schema of the property at `path`; `[]` steps into the entries of a list.
pub(super) fn property<'a>(
    schema: &'a mut JSONSchemaProps,
    path: &[&str],
) -> Option<&'a mut JSONSchemaProps> {
    let Some((first, rest)) = path.split_first() else {
        return Some(schema);
    };
    let next = if *first == "[]" {
        match schema.items.as_mut()? {
            JSONSchemaPropsOrArray::Schema(entry) => entry.as_mut(),
            JSONSchemaPropsOrArray::Schemas(_) => return None,
        }
    } else if let Some(property) = schema.properties.as_mut()?.get_mut(*first) {
        property
    } else {
        match schema.additional_properties.as_mut()? {
            JSONSchemaPropsOrBool::Schema(value) => value.as_mut(),
            JSONSchemaPropsOrBool::Bool(_) => return None,
        }
    };
    property(next, rest)
}
