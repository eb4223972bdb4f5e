//! Certificate authorities, and certificates of servers and clients.

use std::{fs, io, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

/// Why a certificate could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It could not be made.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] Error),
    /// It could not be written.
    #[error("a certificate could not be written: {0}")]
    Write(#[from] io::Error),
}

/// An authority that nobody knows yet.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let mut parameters = parameters(name, &[])?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let pem = parameters.self_signed(&key)?.pem();
        let issuer = Issuer::new(parameters, key);
        Ok(Self { issuer, pem })
    }

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate of a server at these hosts, names or IP addresses. It is one of a client too:
    /// servers connect to each other with it.
    pub fn server(&self, hosts: &[&str]) -> Result<Pair, CertificateError> {
        self.sign(
            "server",
            hosts,
            &[
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
        )
    }

    /// The certificate of a client called `name`.
    pub fn client(&self, name: &str) -> Result<Pair, CertificateError> {
        self.sign(name, &[], &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    fn sign(
        &self,
        name: &str,
        hosts: &[&str],
        usages: &[ExtendedKeyUsagePurpose],
    ) -> Result<Pair, CertificateError> {
        let mut parameters = parameters(name, hosts)?;
        parameters.extended_key_usages = usages.to_vec();
        parameters.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok(Pair {
            certificate: parameters.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// Writes `ca.crt`, `tls.crt` and `tls.key` to `directory`, each whole at once; what is not given is
/// removed.
pub fn write(
    directory: &Path,
    authority: Option<&Authority>,
    pair: Option<&Pair>,
) -> Result<(), CertificateError> {
    fs::create_dir_all(directory)?;
    let files = [
        ("ca.crt", authority.map(Authority::pem)),
        ("tls.crt", pair.map(|pair| pair.certificate.as_str())),
        ("tls.key", pair.map(|pair| pair.key.as_str())),
    ];
    for (name, contents) in files {
        let file = directory.join(name);
        match contents {
            Some(contents) => {
                let new = directory.join(format!("{name}.new"));
                fs::write(&new, contents)?;
                fs::rename(&new, &file)?;
            }
            None if file.exists() => fs::remove_file(&file)?,
            None => {}
        }
    }
    Ok(())
}

fn parameters(name: &str, hosts: &[&str]) -> Result<CertificateParams, Error> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts)?;
    parameters.distinguished_name.remove(DnType::CommonName);
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}
