//! What the answers of a server say about the server.

use std::slice;

use redis::{
    ErrorKind, RedisError, RedisResult, ServerError, ServerErrorKind, Value, aio::ConnectionLike,
};

/// Asks Redis for a write that changes nothing: a server that is a replica, or that refuses writes
/// because its disk or its replicas are gone, is of no use. Needs no rights beyond those that
/// announcing a sale needs.
///
/// # Errors
/// When Redis does not answer or takes no writes.
pub async fn check_writable(connection: &mut impl ConnectionLike) -> RedisResult<()> {
    // No sale has the empty id.
    redis::cmd("SREM")
        .arg(crate::keys::SALES)
        .arg("")
        .exec_async(connection)
        .await
}

/// The errors among answers, and within the answer to a transaction.
pub(super) fn errors_in(answers: &[Value]) -> impl Iterator<Item = &ServerError> {
    let all = answers.iter().flat_map(|answer| match answer {
        Value::Array(inner) => inner.as_slice(),
        answer => slice::from_ref(answer),
    });
    all.filter_map(|answer| match answer {
        Value::ServerError(error) => Some(error),
        _ => None,
    })
}

/// Whether the server is not the primary, or not any more: it is a replica, a replica cut off from
/// its primary, or a primary cut off from the replicas that it needs.
pub(super) fn is_of_the_wrong_server(error: &ServerError) -> bool {
    matches!(
        error.kind(),
        Some(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
    ) || error.code() == "NOREPLICAS"
}

/// Whether another server of a cluster has the keys.
pub(super) fn is_redirection(error: &ServerError) -> bool {
    matches!(
        error.kind(),
        Some(ServerErrorKind::Moved | ServerErrorKind::Ask)
    )
}

pub(super) fn belongs_to_a_cluster() -> RedisError {
    let why = "the server belongs to a Redis Cluster: write redis+cluster:// for redis://";
    (ErrorKind::InvalidClientConfig, why).into()
}
