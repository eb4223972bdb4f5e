//! Which Redis server holds each sale, and since which start.

use flashsale_domain::id::SaleId;
use redis::RedisResult;

use super::{SharedConnection, cluster, link::Link, run_id::server_id};
use crate::keys::SaleKeys;

impl SharedConnection {
    /// The name of the server that has each of `sales`, in their order, see [`server_id`].
    ///
    /// # Errors
    /// When one of the servers does not answer.
    pub async fn server_ids(&self, sales: &[&SaleId]) -> RedisResult<Vec<String>> {
        let link = self.link().await?;
        match &*link {
            Link::Server { .. } | Link::Relayed { .. } => {
                let id = server_id(&mut self.clone()).await?;
                Ok(vec![id; sales.len()])
            }
            Link::Cluster { connection, .. } => {
                let records = sales.iter().map(|sale| SaleKeys::new(sale));
                let records: Vec<String> = records.map(|keys| keys.record().to_owned()).collect();
                cluster::server_ids(connection, &records).await
            }
        }
    }
}
