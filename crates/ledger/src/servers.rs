//! The servers that a PostgreSQL address names.
//!
//! libpq takes several hosts in one address, and so do we: `postgres://u:p@one:5432,two/db`. The
//! driver knows one, so such an address is taken apart into one for each host.

use std::{fmt, net::IpAddr, str::FromStr};

use flashsale_transport::{Relay, tls::Certificates};
use sqlx::{
    Error,
    postgres::{PgConnectOptions, PgSslMode},
};

/// Schemes of libpq's addresses.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// What would name the server a second time.
const HOST_PARAMETERS: [&str; 3] = ["host", "hostaddr", "port"];

/// What libpq calls the choice of a server, and the values by which it is one that takes writes.
const TARGET: &str = "target_session_attrs";
const WRITABLE_TARGETS: [&str; 2] = ["read-write", "primary"];

/// What the driver takes for the choice of a TLS mode, and for the certificate of an authority.
const MODE_PARAMETERS: [&str; 2] = ["sslmode", "ssl-mode"];
const AUTHORITY_PARAMETERS: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// One of the servers.
#[derive(Clone)]
pub(crate) struct Server {
    /// Host and port as the address has them, for messages.
    pub(crate) name: String,
    /// How to connect to it.
    pub(crate) options: PgConnectOptions,
    /// Whether it proves who it is, or need not: it is on this machine, or TLS is switched off.
    pub(crate) is_authenticated: bool,
}

impl fmt::Debug for Server {
    /// Without the password, which the options would show.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// The servers that `url` names, ready to be connected to, through `relay` if there is one.
pub(crate) fn named_by(
    url: &str,
    transaction_pooler: bool,
    certificates: &Certificates,
    relay: Option<&Relay>,
) -> Result<Vec<Server>, sqlx::Error> {
    let mut servers = parse(url, certificates)?;
    for server in &mut servers {
        let mut options = server.options.clone().application_name("flashsale");
        if transaction_pooler {
            // PgBouncer refuses a session that sets it; PostgreSQL's own default is as exact.
            options = options.extra_float_digits(None);
        }
        if let Some(relay) = relay.filter(|_| cfg!(target_os = "linux"))
            && options.get_socket().is_none()
            && !options.get_host().starts_with('/')
        {
            let directory = relay.socket_directory(options.get_host(), options.get_port())?;
            options = options.socket(directory);
        }
        server.options = options;
    }
    Ok(servers)
}

/// The servers that `url` names, in its order: at least one.
fn parse(url: &str, certificates: &Certificates) -> Result<Vec<Server>, Error> {
    let named = split(url)?;
    let secured = named
        .into_iter()
        .map(|(name, options)| secured(name, options, url, certificates));
    Ok(secured.collect())
}

/// Adds the private certificates, and makes the TLS mode as strict as they allow.
fn secured(
    name: String,
    mut options: PgConnectOptions,
    url: &str,
    certificates: &Certificates,
) -> Server {
    if let Some(authority) = certificates.authority() {
        options = options.ssl_root_cert_from_pem(authority.to_vec());
    }
    if let Some(identity) = certificates.identity() {
        options = options
            .ssl_client_cert_from_pem(&identity.certificate)
            .ssl_client_key_from_pem(&identity.key);
    }
    let is_chosen = has_parameter(url, &MODE_PARAMETERS);
    let has_authority =
        certificates.authority().is_some() || has_parameter(url, &AUTHORITY_PARAMETERS);
    let is_here = is_on_this_machine(&options);
    let mode = match options.get_ssl_mode() {
        // Whoever gives the certificate of an authority wants it to be used.
        PgSslMode::Prefer if !is_chosen && has_authority && options.get_socket().is_none() => {
            PgSslMode::VerifyFull
        }
        // As libpq does; the driver would look at no certificate.
        PgSslMode::Require if has_authority => PgSslMode::VerifyCa,
        mode => mode,
    };
    let is_authenticated = match mode {
        PgSslMode::Require => false,
        PgSslMode::Prefer | PgSslMode::Allow => is_here && !is_chosen,
        PgSslMode::Disable | PgSslMode::VerifyCa | PgSslMode::VerifyFull => true,
    };
    Server {
        name,
        options: options.ssl_mode(mode),
        is_authenticated,
    }
}

fn has_parameter(url: &str, names: &[&str]) -> bool {
    let (_, query) = url.split_once('?').unwrap_or_default();
    let mut parameters = query.split('&');
    parameters.any(|parameter| {
        let name = parameter
            .split_once('=')
            .map_or(parameter, |(name, _)| name);
        names.contains(&name)
    })
}

fn is_on_this_machine(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Host and port of each server as the address has them, and how to connect to it.
fn split(url: &str) -> Result<Vec<(String, PgConnectOptions)>, Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    // The driver's parser takes any scheme, and would look for PostgreSQL at the address of
    // another database.
    if !SCHEMES.contains(&scheme) {
        return Err(invalid("it does not begin with postgres://"));
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    if !hosts.contains(',') {
        return Ok(vec![(hosts.to_owned(), read(url)?)]);
    }
    let path = without_target(path)?;
    hosts
        .split(',')
        .map(|host| {
            if host.is_empty() || host.starts_with(':') {
                return Err(invalid(&format!("`{hosts}` has a host without a name")));
            }
            let options = read(&format!("{scheme}://{user}{host}{path}"))
                .map_err(|error| invalid(&format!("host `{host}`: {error}")))?;
            Ok((host.to_owned(), options))
        })
        .collect()
}

/// The address of one server.
fn read(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url)?;
    // The driver would look the address up as a name, brackets included.
    let address = options.get_host().strip_prefix('[');
    match address.and_then(|address| address.strip_suffix(']')) {
        Some(address) => {
            let address = address.to_owned();
            Ok(options.host(&address))
        }
        None => Ok(options),
    }
}

/// The part behind the hosts, without the parameter that asks for what is done anyway.
fn without_target(path: &str) -> Result<String, Error> {
    let Some((path, parameters)) = path.split_once('?') else {
        return Ok(path.to_owned());
    };
    let mut kept = Vec::new();
    for parameter in parameters.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if HOST_PARAMETERS.contains(&name) {
            return Err(invalid(&format!(
                "`{name}` behind the ? names one server; write all of them before the database"
            )));
        }
        if name != TARGET {
            kept.push(parameter);
        } else if !WRITABLE_TARGETS.contains(&value) {
            return Err(invalid(&format!(
                "{TARGET}={value} may lead to a server that takes no writes; leave it out"
            )));
        }
    }
    Ok(format!("{path}?{}", kept.join("&")))
}

fn invalid(words: &str) -> Error {
    Error::Configuration(words.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Vec<Server>, Error> {
        super::parse(url, &Certificates::default())
    }

    /// Host and port of each server.
    fn places(url: &str) -> Vec<(String, u16)> {
        let servers = parse(url).unwrap();
        let places = servers.iter().map(|server| {
            let options = &server.options;
            (options.get_host().to_owned(), options.get_port())
        });
        places.collect()
    }

    fn place(host: &str, port: u16) -> (String, u16) {
        (host.to_owned(), port)
    }

    #[test]
    fn an_address_names_one_server_or_several() {
        for (url, expected) in [
            (
                "postgres://u:p@db.example.com:7000/shop",
                vec![place("db.example.com", 7000)],
            ),
            (
                "postgresql://u:p%40,@one:7001,two:7002/shop?sslmode=disable",
                vec![place("one", 7001), place("two", 7002)],
            ),
            (
                "postgres://u:p,@[::1]:7001,[fe80::1],10.0.0.1:7003/shop?target_session_attrs=primary",
                vec![
                    place("::1", 7001),
                    place("fe80::1", 5432),
                    place("10.0.0.1", 7003),
                ],
            ),
            (
                "postgres://u:p@[fd00::5]/shop",
                vec![place("fd00::5", 5432)],
            ),
            (
                "postgres://one,two?target_session_attrs=read-write&sslmode=disable",
                vec![place("one", 5432), place("two", 5432)],
            ),
        ] {
            assert_eq!(places(url), expected, "{url}");
        }
        let servers = parse("postgres://ann:p%40ss@one,two/shop").unwrap();
        for server in servers {
            assert_eq!(server.options.get_username(), "ann");
            assert_eq!(server.options.get_database(), Some("shop"));
        }
    }

    #[test]
    fn a_bad_address_is_refused_in_words_without_its_password() {
        for (url, words) in [
            ("mysql://u:secret@one/db", "does not begin with postgres://"),
            ("one,two", "does not begin with postgres://"),
            ("postgres://u:secret@one,/db", "host without a name"),
            ("postgres://u:secret@,two/db", "host without a name"),
            ("postgres://u:secret@one,:5432/db", "host without a name"),
            ("postgres://u:secret@one:x,two/db", "host `one:x`"),
            ("postgres://u:secret@one,two:99999/db", "host `two:99999`"),
            ("postgres://u:secret@one,[::1/db", "host `[::1`"),
            ("postgres://u:secret@one,two/db?host=three", "`host` behind"),
            (
                "postgres://u:secret@one,two/db?target_session_attrs=standby",
                "takes no writes",
            ),
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_server_that_proves_nothing_is_found_out() {
        for (url, expected) in [
            ("postgres://u@db.example.com/shop", false),
            ("postgres://u@db.example.com/shop?sslmode=prefer", false),
            ("postgres://u@db.example.com/shop?sslmode=require", false),
            ("postgres://u@db.example.com/shop?sslmode=verify-ca", true),
            ("postgres://u@db.example.com/shop?sslmode=verify-full", true),
            ("postgres://u@db.example.com/shop?sslmode=disable", true),
            (
                "postgres://u@db.example.com/shop?sslmode=require&sslrootcert=/ca.crt",
                true,
            ),
            ("postgres://u@127.0.0.1/shop", true),
            ("postgres://u@[::1]/shop", true),
            ("postgres://u@localhost/shop?sslmode=require", false),
            ("postgres://u@%2Frun%2Fpostgresql/shop", true),
        ] {
            assert_eq!(parse(url).unwrap()[0].is_authenticated, expected, "{url}");
        }
    }
}
