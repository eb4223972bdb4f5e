//! The end of sockets whose token has ended.

use std::time::Duration;

use tokio::time::sleep;

use super::Sockets;
use crate::identity::Identity;

/// How often sockets are looked through, and so how long one may outlive its token. With ten thousand
/// sockets a look takes less than a millisecond.
const INTERVAL: Duration = Duration::from_secs(1);

/// Disconnects sockets whose token ends, or whose key leaves the key set.
pub(crate) async fn run(sockets: Sockets, identity: Identity) {
    loop {
        sleep(INTERVAL).await;
        sockets.end_where(|validity| identity.is_ended(validity));
    }
}
