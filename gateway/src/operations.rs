//! The operations interface: the running of all sales for who has the operations token, and what
//! can be done about dead letters. Off unless a token is configured.
//!
//! Figures come from many processes. Each gateway and worker tells of itself once a second
//! (`flashsale_queue::figures`; here `publisher`), workers tell of each settled batch anyway, and
//! the catalogue looks at the lanes anyway. A gateway with a token also listens to the first of
//! these; what it hears in a second becomes that second's figures (`tally`), two minutes of which
//! are kept (`history`). No buy passes any of it.
//!
//! For the report after a sale (`report`), every gateway also adds what it answered to counts in Redis
//! (`answer_log`); the rest of it is asked of the ledger.

mod access;
mod answer_log;
pub mod calls;
pub mod dead_letters;
mod figures;
mod fleet;
mod history;
mod live;
pub(crate) mod namespace;
mod operator;
mod publisher;
pub mod report;
mod seconds;
mod tally;

pub use access::NotAdmitted;
pub use answer_log::AnswerLog;
pub use figures::{Figures, LaneFigures, SaleFigures};
pub use fleet::{DrivenLane, GatewayView, WorkerView};
pub use history::{HistoryView, SaleHistory};
pub use live::Operations;
pub use operator::Operator;
pub use publisher::Publisher;
pub use tally::{BatchCounts, OutcomeCounts};
