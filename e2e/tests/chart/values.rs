//! Values to install with, and how they are put together.

use serde_json::{Map, Value};

/// Stores by Secret, nobody authenticated: the least that installs.
pub(crate) const PLAIN: &str = "
database: {existingSecret: ledger}
redis: {existingSecret: cache}
auth: {mode: 'off'}
";

/// Stores by address, shoppers with tokens.
pub(crate) const ADDRESSES: &str = "
database: {url: 'postgres://flashsale:secret@db.example.com:6432/flashsale?sslmode=verify-full'}
redis: {url: 'rediss://:secret@redis.example.com:6380/0'}
auth: {jwksUrl: 'https://id.example.com/keys', issuer: 'https://id.example.com/', audience: shop}
";

/// Stores that come with the release.
pub(crate) const DEV: &str = "
dev: {enabled: true}
auth: {mode: 'off'}
";

/// Everything that can be switched on.
pub(crate) const EVERYTHING: &str = "
database: {existingSecret: ledger, transactionPooler: true}
redis: {existingSecret: cache}
auth: {jwksSecret: keys, issuer: 'https://id.example.com/', audience: shop}
imagePullSecrets: [registry]
monitoring: {podMonitors: always, rules: always, dashboards: true, labels: {release: prometheus}}
networkPolicy:
  saleNamespaces: [market]
  shoppersFrom: [{namespaceSelector: {matchLabels: {name: ingress}}}]
gateway:
  corsOrigins: ['https://shop.example.com', 'https://app.example.com']
  trustedProxies: [10.42.0.0/16, '2001:db8::/48']
  proxyHeader: forwarded
  accessLog: true
  payments: {existingSecret: {name: providers}}
  pass:
    existingSecret: {name: passes}
    verifier: {url: 'https://verifier.example.com/siteverify', siteKey: '0x4AAA', existingSecret: {name: verifier}}
  signInUrl: 'https://id.example.com/sign-in?shop=1'
  operations: {existingSecret: {name: operations}}
  autoscaling: {enabled: true}
  service: {type: LoadBalancer, nodePort: 30080}
  ingress: {enabled: true, className: nginx, hosts: [shop.example.com], tls: [{secretName: tls, hosts: [shop.example.com]}]}
";

/// PostgreSQL with a role for each part.
pub(crate) const ROLES: &str = "
database: {existingSecret: ledger, workerSecret: settling, gatewaySecret: reading}
redis: {existingSecret: cache}
auth: {mode: 'off'}
";

/// In one namespace, by somebody who may make nothing outside of it.
pub(crate) const NAMESPACED: &str = "
database: {existingSecret: ledger}
redis: {existingSecret: cache}
auth: {mode: 'off'}
operator: {namespaced: true}
crds: {install: false}
rbac: {aggregateRoles: false}
";

/// One of each way to install.
pub(crate) const INSTALLATIONS: [&str; 6] = [PLAIN, ADDRESSES, DEV, EVERYTHING, ROLES, NAMESPACED];

/// Reads values.
pub(crate) fn parse(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"))
}

/// `values` with the one at `path` (its keys joined by dots) set to `to`.
pub(crate) fn with(mut values: Value, path: &str, to: &Value) -> Value {
    let mut at = &mut values;
    for key in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    *at = to.clone();
    values
}
