//! Being the one who works.

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::election::Loss;

/// Leadership that is held: a task renews the lease until it is lost or released.
///
/// Dropping it stops renewing without a release: another leads when the lease has expired.
#[derive(Debug)]
#[must_use = "the lease is renewed for as long as this lives"]
pub struct Leadership {
    /// Ends the renewal with a release.
    release: CancellationToken,
    loss: watch::Receiver<Option<Loss>>,
    task: JoinHandle<()>,
}

impl Leadership {
    /// Leads for as long as `renewal` goes on, which ends with a loss, or with none once it is asked to
    /// release the lease.
    pub(super) fn start<R>(renewal: impl FnOnce(CancellationToken) -> R) -> Self
    where
        R: Future<Output = Option<Loss>> + Send + 'static,
    {
        let release = CancellationToken::new();
        let (sender, loss) = watch::channel(None);
        let renewal = renewal(release.clone());
        let task = tokio::spawn(async move {
            if let Some(loss) = renewal.await {
                sender.send_replace(Some(loss));
            }
        });
        Self {
            release,
            loss,
            task,
        }
    }

    /// Waits until leadership is lost, and says why; the fence is closed by then. When the task that
    /// renews is gone, for whatever reason, that is a loss too, and the fence closes in time.
    pub async fn lost(&mut self) -> Loss {
        match self.loss.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(loss)) => loss.clone(),
            Ok(None) | Err(_) => Loss::Overdue,
        }
    }

    /// Gives the lease up, so that another leads within its retry period. To be called when nothing
    /// works any more: from here on others may.
    pub async fn release(mut self) {
        self.release.cancel();
        // A renewal that panicked leaves nothing to release.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.task.abort();
    }
}
