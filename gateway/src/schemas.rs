//! Schemas of texts that are not any text, each made from what the code accepts or says.

use flashsale_domain::{lifecycle::Phase, outcome::Outcome};
use utoipa::openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, SchemaType, Type};

use crate::orders::CANCELLED;

/// Ids of dead letters.
const LETTER_ID: &str = "^[0-9]{1,19}-[0-9]{1,19}$";

fn words(description: &str, words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(description))
        .enum_values(Some(words))
        .build()
}

/// Where a sale stands.
pub(crate) fn sale_status() -> Object {
    let is_told =
        |phase: &Phase| !matches!(phase, Phase::Pending | Phase::Settling | Phase::Failed);
    let told = Phase::ALL.into_iter().filter(is_told);
    words("Where it stands.", told.map(Phase::as_str))
}

/// Where a buy stands.
pub(crate) fn order_status() -> Object {
    let ended = Outcome::ALL.map(Outcome::as_str);
    let all = ["queued"].into_iter().chain(ended).chain([CANCELLED]);
    words(
        "`queued`, or the final outcome. A confirmed buy whose order was cancelled is `cancelled`.",
        all,
    )
}

/// Where a buy stands that was just taken.
pub(crate) fn queued() -> Object {
    words("Always `queued`.", ["queued"])
}

/// Ids of letters to replay or discard.
pub(crate) fn letter_ids() -> Array {
    let id = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .pattern(Some(LETTER_ID))
        .examples(["1715423000000-0"])
        .build();
    ArrayBuilder::new()
        .items(id)
        .description(Some("Their ids; one named twice is one."))
        .min_items(Some(1))
        .max_items(Some(200))
        .build()
}
