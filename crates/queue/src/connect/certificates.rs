//! Certificates as the client library of Redis takes them.

use std::io;

use flashsale_transport::tls::{Certificates, Peer, TlsError, advice};
use redis::{ClientTlsConfig, RedisError, TlsCertificates};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// The system's authorities together with the private one: the client library trusts either the
/// former or what it is given.
pub(super) fn redis_certificates(private: &Certificates) -> Result<TlsCertificates, TlsError> {
    let system = rustls_native_certs::load_native_certs();
    let own = private.authority().map(CertificateDer::pem_slice_iter);
    let own = own.into_iter().flatten().flatten();
    // The library refuses all of them for one that it cannot read.
    let mut readable = RootCertStore::empty();
    let trusted: Vec<pem::Pem> = system
        .certs
        .into_iter()
        .chain(own)
        .filter(|certificate| readable.add(certificate.clone()).is_ok())
        .map(|certificate| pem::Pem::new("CERTIFICATE", certificate.as_ref()))
        .collect();
    if trusted.is_empty() {
        let errors: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots(errors.join("; "), Peer::Redis.option()));
    }
    Ok(TlsCertificates {
        client_tls: private.identity().map(|identity| ClientTlsConfig {
            client_cert: identity.certificate.to_vec(),
            client_key: identity.key.to_vec(),
        }),
        root_cert: Some(pem::encode_many(&trusted).into_bytes()),
    })
}

/// `error`, with [`advice`] where there is any.
pub(super) fn explain(error: RedisError) -> RedisError {
    match advice(&error, Peer::Redis) {
        Some(advice) => io::Error::new(io::ErrorKind::InvalidData, advice).into(),
        None => error,
    }
}
