//! What to do about certificates that are refused, by us or by the server.

use std::{error::Error, io, sync::Arc};

use rustls::{AlertDescription, CertificateError};

use super::Peer;

/// What is wrong with the certificates of a connection to `peer`, and what to do about it; none when
/// `error` has another cause.
pub fn advice(error: &(dyn Error + 'static), peer: Peer) -> Option<String> {
    let option = peer.option();
    let error = tls_error(error)?;
    let sentence = match error {
        rustls::Error::InvalidCertificate(certificate) => of_server(certificate, peer),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => format!(
            "{peer} wants a client certificate: give tls.crt and tls.key, in the directory of \
             {option} or in the Secret that has the address"
        ),
        rustls::Error::AlertReceived(alert) if is_about_certificates(*alert) => format!(
            "{peer} does not accept the client certificate: give tls.crt and tls.key of an \
             authority that it trusts, in the directory of {option} or in the Secret that has the \
             address"
        ),
        _ => format!("TLS with {peer} failed: check that its port expects TLS"),
    };
    Some(format!("{sentence} ({error})"))
}

fn of_server(error: &CertificateError, peer: Peer) -> String {
    let option = peer.option();
    match error {
        CertificateError::UnknownIssuer => format!(
            "the certificate of {peer} is signed by an authority that is not trusted: give the \
             authority's certificate as ca.crt, in the directory of {option} or in the Secret that \
             has the address"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate of {peer} is for another host: write a name in the address that \
                 the certificate has, or have a certificate issued for this one"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {peer} has expired: renew it, or check the clocks")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {peer} is not valid yet: check the clocks")
        }
        _ => format!(
            "the certificate of {peer} cannot be used: have one issued for servers, and give the \
             certificate of its authority as ca.crt, in the directory of {option} or in the Secret \
             that has the address"
        ),
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            // What servers of TLS 1.2 say when there is no certificate.
            | AlertDescription::HandshakeFailure
    )
}

/// The error of TLS among the causes of `error`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // Neither shows what it holds as its source.
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inside| inside as &(dyn Error + 'static));
        let shared = error
            .downcast_ref::<Arc<dyn Error + Send + Sync>>()
            .map(|inside| inside.as_ref() as &(dyn Error + 'static));
        cause = inside.or(shared).or_else(|| error.source());
    }
    None
}
