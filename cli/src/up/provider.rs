//! The payment provider of sales that name one: a stand-in on this machine, where no money moves, unless the environment says where gateways find their providers.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, io, net::SocketAddr, path::PathBuf};

use flashsale_domain::sale::Sale;
use flashsale_testbed::{
    data_dir::DataDir,
    password,
    stripe::{SECRET_KEY, Stripe},
};

use super::{ToolError, pages::reachable};

/// By which gateways are told of providers.
pub(super) const VARIABLE: &str = "FLASHSALE_PAYMENT_PROVIDERS";

/// The file that gateways read.
const FILE: &str = "payment-providers.yaml";

/// The secret by which events are signed.
const SECRET_FILE: &str = "payment-secret";

/// Stand-ins for the providers of sales, until they are dropped.
#[derive(Debug)]
pub(super) struct StandIns {
    providers: Vec<Stripe>,
    file: PathBuf,
}

impl StandIns {
    /// One for each provider that a sale names; events go to the gateway at `first`. None: no sale names one, no
    /// gateway runs here, or the environment says where providers are.
    pub(super) async fn start(
        sales: &[Sale],
        first: Option<SocketAddr>,
        data_dir: &DataDir,
    ) -> Result<Option<Self>, ToolError> {
        let payments = sales.iter().filter_map(|sale| sale.payment.as_ref());
        let names = payments.filter_map(|payment| payment.provider.as_deref());
        let names: BTreeSet<&str> = names.collect();
        let Some(first) = first.map(reachable).filter(|_| !names.is_empty()) else {
            return Ok(None);
        };
        if env::var_os(VARIABLE).is_some() {
            return Ok(None);
        }
        let secret = password::read_or_create(&data_dir.path().join(SECRET_FILE));
        let secret = format!("whsec_{}", secret.map_err(ToolError::SecretFile)?);
        let (mut providers, mut text) = (Vec::new(), String::new());
        for name in names {
            let provider = Stripe::start().await.map_err(ToolError::StandIn)?;
            provider.deliver_to(first, &format!("/payments/{name}/events"), &secret);
            let url = provider.url();
            // A text that is written to memory.
            let _ = write!(
                text,
                "{name}:\n  kind: stripe\n  secretKey: {SECRET_KEY}\n  apiUrl: {url}\n  \
                 webhookSecrets: [{secret}]\n  paymentMethods: [card, customer_balance]\n  \
                 returnUrl: \"http://{first}/shop/{{sale}}\"\n"
            );
            providers.push(provider);
        }
        let file = data_dir.path().join(FILE);
        let written = fs::write(&file, text);
        written.map_err(|error| {
            let what = format!("{}: {error}", file.display());
            ToolError::StandIn(io::Error::new(error.kind(), what))
        })?;
        Ok(Some(Self { providers, file }))
    }

    /// What gateways are told.
    pub(super) fn variable(&self) -> (&'static str, String) {
        (VARIABLE, self.file.display().to_string())
    }

    /// The line that introduces them.
    pub(super) fn introduction(&self) -> String {
        let urls: Vec<String> = self.providers.iter().map(Stripe::url).collect();
        let urls = urls.join(", ");
        format!("payments    {urls} (a stand-in for the provider; no money moves)")
    }

    /// Money that was paid and not paid back, in minor units of whatever currency, and how often money was paid
    /// back.
    pub(super) fn account(&self) -> (i64, u32) {
        let sessions = self.providers.iter().flat_map(Stripe::sessions);
        sessions.fold((0, 0), |(kept, refunds), session| {
            let kept = kept + session.paid - session.refunded;
            (kept, refunds + session.refunds)
        })
    }
}
