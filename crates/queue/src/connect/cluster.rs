//! Commands to a Redis Cluster: each goes to the server that has its keys.
//!
//! The client library knows the servers and follows moved slots, but it sends a whole pipeline to one
//! server, and a command without a key to any server. Our pipelines read many sales at once, so they
//! are split by slot here. A command without a key goes where the rest of its pipeline goes, so that
//! `TIME` is the clock of the sale's server.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use flashsale_transport::{CONNECT_TIMEOUT, Relay};
use futures_util::future::try_join_all;
use redis::{
    Arg, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    Value,
    aio::ConnectionLike as _,
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, Slot, SlotAddr},
};

use super::{destination::connection_config, run_id::id_of};
use crate::keys::PREFIX;

/// The slot of a command's first key; none when it has no key of ours.
fn slot(command: &Cmd) -> Option<Slot> {
    // In all commands that we use, keys and patterns of keys come before anything else that could
    // begin like one.
    command.args_iter().find_map(|argument| match argument {
        Arg::Simple(bytes) if bytes.starts_with(PREFIX.as_bytes()) => Some(Slot::for_key(bytes)),
        _ => None,
    })
}

fn primary_of(slot: Slot) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::SpecificNode(Route::with_slot(slot, SlotAddr::Master))
}

pub(super) async fn send(connection: &mut ClusterConnection, command: &Cmd) -> RedisResult<Value> {
    match slot(command) {
        Some(slot) => {
            let route = RoutingInfo::SingleNode(primary_of(slot));
            connection.route_command(command.clone(), route).await
        }
        None => connection.req_packed_command(command).await,
    }
}

pub(super) async fn send_all(
    connection: &ClusterConnection,
    pipeline: &Pipeline,
    offset: usize,
    count: usize,
) -> RedisResult<Vec<Value>> {
    let parts = parts(pipeline);
    if pipeline.is_transaction() || parts.len() <= 1 {
        let mut connection = connection.clone();
        let Some((&slot, _)) = parts.iter().next() else {
            return connection
                .req_packed_commands(pipeline, offset, count)
                .await;
        };
        let all = pipeline.clone();
        return connection
            .route_pipeline(all, offset, count, primary_of(slot))
            .await;
    }
    let sent = parts.into_iter().map(|(slot, part)| async move {
        let mut connection = connection.clone();
        let values = connection
            .route_pipeline(part.pipeline, 0, part.places.len(), primary_of(slot))
            .await?;
        RedisResult::Ok((part.places, values))
    });
    let mut answers = vec![Value::Nil; count];
    for (places, values) in try_join_all(sent).await? {
        if places.len() != values.len() {
            return Err(
                io::Error::other("a server answered fewer commands than it was sent").into(),
            );
        }
        for (place, value) in places.into_iter().zip(values) {
            answers[place] = value;
        }
    }
    Ok(answers)
}

/// The commands of one slot, and their places in the whole.
#[derive(Default)]
struct Part {
    pipeline: Pipeline,
    places: Vec<usize>,
}

/// Splits a pipeline by slot. A command without a key goes with the next command that has one, or
/// else with the previous one.
fn parts(pipeline: &Pipeline) -> HashMap<Slot, Part> {
    let mut parts: HashMap<Slot, Part> = HashMap::new();
    let slots: Vec<Option<Slot>> = pipeline.cmd_iter().map(slot).collect();
    let mut before = None;
    for (place, command) in pipeline.cmd_iter().enumerate() {
        let own = slots[place..].iter().flatten().next().copied().or(before);
        let Some(slot) = own else {
            continue;
        };
        before = Some(slot);
        let part = parts.entry(slot).or_default();
        part.pipeline.add_command(command.clone());
        part.places.push(place);
    }
    parts
}

/// The name of the server that has each of `keys`, in their order, see [`super::server_id`].
pub(super) async fn server_ids(
    connection: &ClusterConnection,
    keys: &[String],
) -> RedisResult<Vec<String>> {
    let slots: HashSet<Slot> = keys.iter().map(Slot::for_key).collect();
    let asked = slots.into_iter().map(|slot| async move {
        let mut info = redis::cmd("INFO");
        info.arg("server");
        let route = RoutingInfo::SingleNode(primary_of(slot));
        let answer = connection.clone().route_command(info, route).await;
        let text = answer.and_then(|value| Ok(String::from_redis_value(value)?));
        RedisResult::Ok((slot, id_of(text)?))
    });
    let ids: HashMap<Slot, String> = try_join_all(asked).await?.into_iter().collect();
    Ok(keys
        .iter()
        .map(|key| ids[&Slot::for_key(key)].clone())
        .collect())
}

/// Checks that the first of `servers` that answers belongs to a cluster. The client library would take
/// a standalone server for a cluster of one.
pub(super) async fn check_enabled(
    servers: &[ConnectionInfo],
    relay: Option<&Relay>,
) -> RedisResult<()> {
    let mut last = None;
    for server in servers {
        match info(&Client::open(server.clone())?, relay).await {
            Ok(_) => return Ok(()),
            Err(error) if error.clone().into_server_errors().is_some() => {
                let why = "the server belongs to no cluster: write redis:// for redis+cluster://";
                tracing::debug!(%error, "CLUSTER INFO was refused: {error}");
                return Err((ErrorKind::InvalidClientConfig, why).into());
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("the address names no server").into()))
}

async fn info(server: &Client, relay: Option<&Relay>) -> RedisResult<String> {
    let config = connection_config(relay, Some(CONNECT_TIMEOUT));
    let mut connection = server
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let mut ask = redis::cmd("CLUSTER");
    ask.arg("INFO").query_async(&mut connection).await
}

/// Checks that a server sees its cluster working. One that is cut off from the others hears no
/// messages.
pub(super) async fn check_member(server: &Client) -> RedisResult<()> {
    let info = info(server, None).await?;
    if info.lines().any(|line| line.trim() == "cluster_state:ok") {
        return Ok(());
    }
    Err(RedisError::from(io::Error::other(
        "the server is cut off from its cluster",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_sale(sale: &str) -> Slot {
        Slot::for_key(format!("fs:{{{sale}}}"))
    }

    #[test]
    fn a_command_goes_to_its_first_key() {
        let mut script = redis::cmd("EVALSHA");
        script.arg("0123").arg(1).arg("fs:{drop}").arg("fs:{other}");
        assert_eq!(slot(&script), Some(of_sale("drop")));
        let mut scan = redis::cmd("SCAN");
        scan.arg(0).arg("MATCH").arg("fs:{drop}:*");
        assert_eq!(slot(&scan), Some(of_sale("drop")));
        assert_eq!(slot(&redis::cmd("TIME")), None);
    }

    #[test]
    fn a_pipeline_is_split_by_sale_and_each_answer_keeps_its_place() {
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME").xlen("fs:{a}:lane:p");
        pipeline.xlen("fs:{b}:lane:p").xlen("fs:{a}:lane:q");
        pipeline.cmd("TIME");
        let parts = parts(&pipeline);
        let places = |sale| parts[&of_sale(sale)].places.clone();
        assert_eq!(places("a"), [0, 1, 3, 4]);
        assert_eq!(places("b"), [2]);
    }
}
