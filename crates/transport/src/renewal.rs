//! Certificates in files that somebody replaces while we run.

use tokio::sync::Mutex;

use crate::{
    StoreUrl,
    tls::{Certificates, Peer, TlsSource},
};

/// Follows the files of a directory.
#[derive(Debug)]
pub struct Renewal {
    /// The address that they are for.
    url: StoreUrl,
    source: TlsSource,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    used: Certificates,
    /// Why those that the files have now are not used, as it was logged.
    refused: Option<String>,
}

impl Renewal {
    /// `used` is what `source` had when it was read first.
    pub fn new(url: StoreUrl, source: TlsSource, used: Certificates) -> Self {
        Self {
            url,
            source,
            state: Mutex::new(State {
                used,
                refused: None,
            }),
        }
    }

    /// Has `connect` try what the files have now, if that is something else than what is used, and
    /// uses it when it works: a mistake in a file must not end connections that do.
    pub async fn renew<T>(
        &self,
        peer: Peer,
        connect: impl AsyncFnOnce(&str, &Certificates) -> Result<T, String>,
    ) -> Option<T> {
        let mut state = self.state.lock().await;
        let tried = match self.source.load_again(peer).await {
            Ok(found) if found == state.used => {
                state.refused = None;
                return None;
            }
            Ok(found) => match connect(&self.url, &found).await {
                Ok(connected) => Ok((found, connected)),
                Err(error) => Err(error),
            },
            Err(error) => Err(error.to_string()),
        };
        match tried {
            Ok((found, connected)) => {
                tracing::info!("the certificates for {peer} changed: connecting anew with them");
                *state = State {
                    used: found,
                    refused: None,
                };
                Some(connected)
            }
            Err(error) => {
                if state.refused.as_ref() != Some(&error) {
                    tracing::warn!(
                        %error,
                        "the certificates for {peer} changed and do not work, the former ones are \
                         used until they do: {error}"
                    );
                    state.refused = Some(error);
                }
                None
            }
        }
    }
}
