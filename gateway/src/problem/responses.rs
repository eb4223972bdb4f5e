//! What calls may be refused with, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Response,
    ResponseBuilder, SchemaFormat, Type,
};

/// Names the problems of a call: each status with the slugs of its problems, and where another call
/// is named, all others that it has.
macro_rules! problems {
    ($name:ident $(: $other:ident)? { $($status:literal: $slugs:literal),+ $(,)? }) => {
        /// What the call may be refused with.
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                let problems = $crate::problem::responses::describe(&[$(($status, $slugs)),+]);
                $(let others = <$other as utoipa::IntoResponses>::responses();
                let problems = others.into_iter().chain(problems).collect();)?
                problems
            }
        }
    };
}

pub(crate) use problems;

/// The answers with these statuses. One that says when to come back has the header `Retry-After`, and one
/// about a quota also says what is left of it.
pub(crate) fn describe(problems: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let responses = problems.iter().map(|(status, slugs)| {
        let schema = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let mut response = ResponseBuilder::new()
            .description(*slugs)
            .content("application/problem+json", content);
        if matches!(status, 429 | 503) {
            let seconds = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                .minimum(Some(0));
            response = response.header("Retry-After", header(seconds, "Seconds"));
        }
        if *status == 429 {
            for (name, about) in [
                ("RateLimit", "What is left of the quota"),
                ("RateLimit-Policy", "The quota"),
            ] {
                let text = ObjectBuilder::new().schema_type(Type::String);
                response = response.header(name, header(text, about));
            }
        }
        (status.to_string(), response.build().into())
    });
    responses.collect()
}

fn header(schema: ObjectBuilder, about: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(schema.build()))
        .description(Some(about))
        .build()
}
