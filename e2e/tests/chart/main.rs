//! The chart, rendered by helm for every switch that it has, and installed in a control plane by Helm 3
//! and Helm 4.
//!
//! `FLASHSALE_GENERATE=1` writes what is generated (see `generated.rs`) instead of comparing it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say by unwrapping what they take for granted"
)]

mod certificates;
mod definition;
mod dockerfile;
mod flags;
mod generated;
mod helm;
mod jobs;
mod laws;
mod manifests;
mod monitoring;
mod network;
mod old_clusters;
mod operations;
mod passes;
mod refused;
mod release;
mod replicas;
mod rights;
mod shapes;
mod stores;
mod switches;
mod values;
