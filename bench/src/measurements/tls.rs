//! What TLS to the stores costs: the same buys and the same settlement with it and without, in turn,
//! at servers of their own that speak both.

use std::mem;

use super::settlement;
use crate::{
    environment::{Stores, Way},
    error::{Result, wrong},
    session::Session,
};

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    let secured = Stores::start_secured().await?;
    let usual = mem::replace(&mut session.stores, secured);
    let measured = both(session).await;
    let secured = mem::replace(&mut session.stores, usual);
    secured.stop().await?;
    measured
}

async fn both(session: &mut Session) -> Result<()> {
    for (link, way) in ways(&session.stores)? {
        let gateway = way.gateway().await?;
        let (load, used) = session.buy(&gateway, session.usual()).await?;
        let used = used.of_buys(|id| format!("link-time of={id} link={link}"));
        session.record_each(used, load.requests)?;
        gateway.stop().await?;
    }
    for (link, way) in ways(&session.stores)? {
        let used = settlement::settle_by(session, way).await?;
        let used = used.of_orders(|id| format!("link-time of={id} link={link}"));
        session.record_each(used, session.arguments.jobs())?;
    }
    Ok(())
}

fn ways(stores: &Stores) -> Result<[(&'static str, Way); 2]> {
    let secured = stores
        .secured_way()
        .ok_or_else(|| wrong("the stores do not speak TLS"))?;
    Ok([("plain", stores.way()), ("tls", secured)])
}
