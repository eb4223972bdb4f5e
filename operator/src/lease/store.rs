//! The Lease object on the API server.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use tokio::time::{Duration, timeout};

use super::{
    election::{Answer, Found, Request},
    record::Record,
};
use crate::crd::FIELD_MANAGER;

/// The one Lease that operators share. The version is the whole object as it was read, so that what
/// others wrote to it stays.
#[derive(Debug)]
pub(super) struct Store {
    leases: Api<Lease>,
    name: String,
    namespace: String,
    /// What was said of the last failure, so that an outage is one line in the log.
    complaint: Option<String>,
}

impl Store {
    pub(super) fn new(client: Client, namespace: &str, name: String) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name,
            namespace: namespace.to_owned(),
            complaint: None,
        }
    }

    /// Carries out `request`; what takes longer than `limit` has failed.
    pub(super) async fn perform(
        &mut self,
        request: Request<Lease>,
        limit: Duration,
    ) -> Answer<Lease> {
        let is_write = !matches!(request, Request::Read);
        let answer = match timeout(limit, self.send(request)).await {
            Ok(Ok(lease)) => Answer::Found(found(lease)),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Answer::Conflict,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Answer::Absent,
            Ok(Err(error)) => self.failed(&error.to_string(), is_write),
            Err(_) => self.failed("no answer in time", is_write),
        };
        if answer != Answer::Failed && self.complaint.take().is_some() {
            tracing::info!(lease = self.name, "the lease can be reached again");
        }
        answer
    }

    async fn send(&self, request: Request<Lease>) -> Result<Lease, kube::Error> {
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match request {
            Request::Read => self.leases.get(&self.name).await,
            Request::Create(record) => {
                let mut lease = Lease::default();
                lease.metadata.name = Some(self.name.clone());
                record.write_to(&mut lease);
                self.leases.create(&parameters, &lease).await
            }
            Request::Replace(record, mut lease) => {
                record.write_to(&mut lease);
                self.leases.replace(&self.name, &parameters, &lease).await
            }
        }
    }

    fn failed(&mut self, error: &str, is_write: bool) -> Answer<Lease> {
        if self.complaint.as_deref() != Some(error) {
            let verb = if is_write { "written" } else { "read" };
            tracing::warn!(
                lease = self.name,
                namespace = self.namespace,
                error,
                "the lease could not be {verb}; the operator needs get, create and update on leases \
                 of this namespace, and a reachable API server"
            );
            self.complaint = Some(error.to_owned());
        }
        Answer::Failed
    }
}

fn found(lease: Lease) -> Found<Lease> {
    Found {
        record: Record::of(&lease),
        version: lease,
    }
}
