//! What every process of the system shows of itself: logs, health probes, metrics, and how it is
//! asked to stop. And what each of them asks of the system: to listen, and to open more files. Knows nothing of what the
//! process does.

pub mod build_info;
mod listen;
pub mod logging;
pub mod memory;
pub mod open_files;
pub mod probes;
pub mod process;
mod process_metrics;
mod registration;
pub mod shutdown;
mod table;

pub use self::{listen::listen, registration::Register};
