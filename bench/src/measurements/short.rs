//! The short form: what a baseline holds and nothing else, each beside its limit.

use super::{acknowledgement, memory, settlement};
use crate::{error::Result, session::Session};

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    settlement::load_rows(session).await?;
    settlement::default_batch(session).await?;
    let emptied = memory::fill_and_empty(session, session.arguments.jobs()).await?;
    session.record("redis-queued", emptied.queued_bytes)?;
    session.record("redis-settled", emptied.settled_bytes)?;
    acknowledgement::gateway_alone(session).await
}
