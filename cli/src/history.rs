//! The history of a load: every request, answer and event with its times, one JSON object per
//! line. `docs/history.md` describes the format; this module reads and writes it.

mod entry;
mod reader;
mod writer;

pub use entry::{Asked, Entry, EventSource, Line, ProductOffer, SocketState, VERSION};
pub use reader::{Ending, HistoryReader, ReadError};
pub use writer::{HistoryWriter, WriteError};
