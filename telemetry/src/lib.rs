//! What every process of the system shows of itself: logs, health probes, metrics, and how it is
//! asked to stop. And the one limit of the system that each of them raises for itself. Knows nothing of what the process does.

pub mod build_info;
pub mod logging;
pub mod memory;
pub mod open_files;
pub mod probes;
mod process_metrics;
pub mod shutdown;
