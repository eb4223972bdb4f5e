//! What spans fields, as CEL rules that the API server evaluates before it stores anything, each
//! with a sentence that says what to write.
//!
//! An object may have been stored before a rule existed, and its status, labels and finalizer must
//! be written all the same. API servers from 1.30 on skip a rule while the value that it is about
//! stays as it is, so each rule sits at the innermost object that has all its fields; those of the
//! whole object, which every write changes, let through what was there before.
//!
//! API servers before 1.25 drop these rules without a word, so the operator judges every spec
//! again ([`flashsale_domain::sale::validation`] and [`crate::reconcile::validate`]).

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

/// A rule of one object within the definition.
struct Rule {
    /// In CEL, where `self` is that object and `oldSelf`, on an update, what it was; true is good.
    cel: &'static str,
    /// What to write instead.
    message: &'static str,
    /// The field to point at, from that object on.
    field: &'static str,
    /// Whether an object that is being created is judged although the rule asks for `oldSelf`, which
    /// is then a CEL optional.
    optional_old_self: bool,
}

impl Rule {
    /// A rule that looks at one version alone, or at updates alone.
    const fn new(cel: &'static str, message: &'static str, field: &'static str) -> Self {
        Self {
            cel,
            message,
            field,
            optional_old_self: false,
        }
    }
}

/// Rules by the path of the object that they are about. API servers estimate the cost of each from the
/// longest lists that the schema allows, and refuse a rule that may cost too much: the ids of products
/// are listed once in a list of their own, and not for each product.
const RULES: [(&[&str], &[Rule]); 3] = [
    (
        &[],
        &[
            // Nobody can change the name of what is stored. Not `oldSelf.hasValue()`, which API servers
            // before 1.30 refuse: they drop `optionalOldSelf`, and this then takes every update.
            Rule {
                optional_old_self: true,
                ..Rule::new(
                    "has(oldSelf.metadata) || self.metadata.name.size() <= 44",
                    "write a name of at most 44 characters; pods and labels carry it",
                    ".metadata.name",
                )
            },
            // What may not change once the sale has opened.
            Rule::new(
                "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || (has(self.spec.opensAt) == has(oldSelf.spec.opensAt) && (!has(self.spec.opensAt) || self.spec.opensAt == oldSelf.spec.opensAt))",
                "the sale has opened, opensAt stays as it is; suspend the sale to close its intake",
                ".spec.opensAt",
            ),
            Rule::new(
                "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || (has(self.spec.currency) ? self.spec.currency : 'USD') == (has(oldSelf.spec.currency) ? oldSelf.spec.currency : 'USD')",
                "the sale has opened, its currency stays as it is; sell in another one by another FlashSale",
                ".spec.currency",
            ),
            Rule::new(
                "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || has(self.spec.payment) == has(oldSelf.spec.payment)",
                "the sale has opened, whether its orders have to be paid stays as it is; sell otherwise by another FlashSale",
                ".spec.payment",
            ),
            Rule::new(
                "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || !has(self.spec.payment) || !has(oldSelf.spec.payment) || (has(self.spec.payment.provider) ? self.spec.payment.provider : '') == (has(oldSelf.spec.payment.provider) ? oldSelf.spec.payment.provider : '')",
                "the sale has opened, the provider of its payments stays as it is; sell otherwise by another FlashSale",
                ".spec.payment.provider",
            ),
            Rule::new(
                "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || [self.spec.products.map(product, product.id)].all(ids, oldSelf.spec.products.all(old, old.id in ids))",
                "the sale has opened, its products stay; write stock 0 to take one off sale",
                ".spec.products",
            ),
            Rule::new(
                "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || (has(self.spec.databaseSecretRef) == has(oldSelf.spec.databaseSecretRef) && (!has(self.spec.databaseSecretRef) || self.spec.databaseSecretRef == oldSelf.spec.databaseSecretRef))",
                "the sale has opened, databaseSecretRef stays as it is; change the address inside the Secret",
                ".spec.databaseSecretRef",
            ),
            Rule::new(
                "!has(oldSelf.status) || !has(oldSelf.status.openedAt) || (has(self.spec.redisSecretRef) == has(oldSelf.spec.redisSecretRef) && (!has(self.spec.redisSecretRef) || self.spec.redisSecretRef == oldSelf.spec.redisSecretRef))",
                "the sale has opened, redisSecretRef stays as it is; change the address inside the Secret",
                ".spec.redisSecretRef",
            ),
        ],
    ),
    (
        &["spec"],
        &[
            // What a time zone makes of a time is for the operator to judge.
            Rule::new(
                "has(self.timeZone) || !has(self.opensAt) || self.opensAt.matches('([Zz]|[+-][0-9]{2}:[0-9]{2})$')",
                "opensAt has no offset; write one, e.g. 2026-11-27T09:00:00+01:00, or write timeZone, e.g. Europe/Berlin",
                ".opensAt",
            ),
            Rule::new(
                "has(self.timeZone) || !has(self.closesAt) || self.closesAt.matches('([Zz]|[+-][0-9]{2}:[0-9]{2})$')",
                "closesAt has no offset; write one, e.g. 2026-11-27T09:00:00+01:00, or write timeZone, e.g. Europe/Berlin",
                ".closesAt",
            ),
            Rule::new(
                "!has(self.opensAt) || !has(self.closesAt) || ![self.opensAt, self.closesAt].all(time, time.matches('T.*(Z|[+-][0-9]{2}:[0-9]{2})$')) || timestamp(self.opensAt) < timestamp(self.closesAt)",
                "the sale closes before it opens; write a closesAt later than opensAt",
                ".closesAt",
            ),
            Rule::new(
                "!has(self.databaseSecretRef) || !has(self.redisSecretRef) || self.databaseSecretRef.name != self.redisSecretRef.name || self.databaseSecretRef.key != self.redisSecretRef.key",
                "databaseSecretRef and redisSecretRef name one key of one Secret; write the key of each address",
                ".redisSecretRef",
            ),
        ],
    ),
    (
        &["spec", "worker"],
        &[
            Rule::new(
                "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
                "minReplicas is more than maxReplicas; write a smaller minReplicas or a greater maxReplicas",
                ".minReplicas",
            ),
            Rule::new(
                "!has(self.fallback) || !has(self.maxReplicas) || self.fallback.replicas <= self.maxReplicas",
                "fallback.replicas is more than maxReplicas; write at most maxReplicas",
                ".fallback.replicas",
            ),
        ],
    ),
];

pub(super) fn add(schema: &mut JSONSchemaProps) {
    name_metadata(schema);
    for (path, rules) in RULES {
        if let Some(object) = property(schema, path) {
            object.x_kubernetes_validations = Some(rules.iter().map(validation).collect());
        }
    }
}

fn validation(rule: &Rule) -> ValidationRule {
    ValidationRule {
        rule: rule.cel.to_owned(),
        message: Some(rule.message.to_owned()),
        field_path: Some(rule.field.to_owned()),
        optional_old_self: rule.optional_old_self.then_some(true),
        ..ValidationRule::default()
    }
}

/// A rule can only point at a field that the schema names, which goes without saying for the name.
fn name_metadata(schema: &mut JSONSchemaProps) {
    let of_type = |name: &str| JSONSchemaProps {
        type_: Some(name.to_owned()),
        ..JSONSchemaProps::default()
    };
    let metadata = JSONSchemaProps {
        properties: Some(BTreeMap::from([("name".to_owned(), of_type("string"))])),
        ..of_type("object")
    };
    let properties = schema.properties.get_or_insert_default();
    properties.insert("metadata".to_owned(), metadata);
}

/// The schemas right below `schema`: of properties, of entries of a list, of values of a map.
pub(super) fn below(schema: &mut JSONSchemaProps) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let properties = schema.properties.iter_mut();
    let entries = schema.items.as_mut().and_then(|items| match items {
        JSONSchemaPropsOrArray::Schema(entry) => Some(entry.as_mut()),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    });
    let values = schema.additional_properties.as_mut();
    let values = values.and_then(|values| match values {
        JSONSchemaPropsOrBool::Schema(value) => Some(value.as_mut()),
        JSONSchemaPropsOrBool::Bool(_) => None,
    });
    let properties = properties.flat_map(BTreeMap::values_mut);
    properties.chain(entries).chain(values)
}

/// The schema of the property at `path`.
pub(super) fn property<'a>(
    schema: &'a mut JSONSchemaProps,
    path: &[&str],
) -> Option<&'a mut JSONSchemaProps> {
    let mut names = path.iter();
    names.try_fold(schema, |schema, name| {
        schema.properties.as_mut()?.get_mut(*name)
    })
}
