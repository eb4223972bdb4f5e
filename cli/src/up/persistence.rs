//! What an acknowledgement and a confirmation promise depends on how the stores keep their data; this
//! says what that is.

use flashsale_domain::{
    durability::{Finding, judge_ledger, judge_redis},
    sale::Sale,
};
use flashsale_ledger::Ledger;
use flashsale_queue::{connect::Queue, durability::read_redis, keys::SaleKeys};
use redis::RedisResult;

use crate::display::Display;

/// Says what is kept, and warns of what can be lost. The error is a Redis that cannot be asked at
/// all; a ledger that cannot be asked is told by whatever needs it next.
pub(super) async fn report(
    connection: &mut impl Queue,
    ledger: &Ledger,
    sales: &[Sale],
    display: &Display,
) -> RedisResult<()> {
    // In a cluster, sales are on different servers.
    let mut told = Vec::new();
    for sale in sales {
        let settings = read_redis(connection, &SaleKeys::new(&sale.id)).await?;
        let finding = judge_redis(&settings, sale.durability.redis_replicas);
        if !told.contains(&finding) {
            tell(&finding, display);
            told.push(finding);
        }
    }
    if let Ok(settings) = ledger.settings().await {
        tell(&judge_ledger(&settings), display);
    }
    Ok(())
}

fn tell(finding: &Finding, display: &Display) {
    match finding.holds {
        Some(true) => display.line(format!("durability  {}", finding.message)),
        Some(false) | None => display.warning(finding.message.clone()),
    }
}
