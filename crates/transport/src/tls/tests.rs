use super::*;

#[test]
fn a_directory_may_be_empty_but_not_missing() {
    let directory = tempfile::tempdir().unwrap();
    let source = TlsSource::Directory(directory.path().to_owned());
    assert!(source.load(Peer::Redis).unwrap().is_empty());
    let missing = TlsSource::Directory(directory.path().join("missing"));
    let error = missing.load(Peer::Redis).unwrap_err().to_string();
    assert!(error.contains("/missing of --redis-tls"), "{error}");
    assert!(error.contains("ca.crt, tls.crt, tls.key"), "{error}");
}

#[test]
fn files_that_are_not_what_they_are_called_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (name, contents, expected) in [
        ("ca.crt", "", "ca.crt is no certificate in PEM format"),
        ("ca.crt", "x", "ca.crt is no certificate in PEM format"),
        ("tls.crt", "x", "there is tls.crt without tls.key"),
        ("tls.key", "x", "there is tls.key without tls.crt"),
    ] {
        let file = directory.path().join(name);
        fs::write(&file, contents).unwrap();
        let source = TlsSource::Directory(directory.path().to_owned());
        let error = source.load(Peer::PostgreSql).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("--database-tls"), "{error}");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_key_has_to_fit_the_certificate() {
    let authority = flashsale_testbed::certificates::Authority::new("ours").unwrap();
    let [one, other] = ["one", "other"].map(|name| authority.client(name).unwrap());
    let take = |certificate: &str, key: &str| {
        Certificates::new(None, Some(certificate.into()), Some(key.into()))
    };
    take(&one.certificate, &one.key).unwrap();
    let error = take(&one.certificate, &other.key).unwrap_err();
    assert!(matches!(error, CertificateError::Pair(_)), "{error}");
    let error = take(&one.certificate, "x").unwrap_err().to_string();
    assert!(error.contains("tls.key is no private key"), "{error}");
}
