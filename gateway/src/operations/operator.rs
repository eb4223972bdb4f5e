//! Requests of who has the operations token.

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use super::live::Operations;
use crate::{
    identity::bearer,
    problem::{Problem, not_found},
};

/// A request that brought the operations token.
#[derive(Debug, Clone)]
pub struct Operator(pub Operations);

impl<S: Sync> FromRequestParts<S> for Operator
where
    Option<Operations>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Where operations are off, these addresses are like any that is not there.
        let operations = Option::from_ref(state).ok_or_else(not_found)?;
        let token = bearer::token(&parts.headers);
        let admitted = operations.admit(
            token.as_ref().ok().copied(),
            parts.extensions.get().copied(),
        );
        // What is wrong with the header says more than that the token in it is not the one.
        token?;
        admitted?;
        Ok(Self(operations))
    }
}
