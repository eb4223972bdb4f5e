//! What a browser must not do with the shop's pages.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};

/// Scripts, styles and fonts from here alone, none of them inline; pictures of products from
/// anywhere that is encrypted.
///
/// `connect-src 'self'` includes the WebSocket of the same origin (CSP 3). Safari says so since
/// 15.4; older ones cannot run the shop's scripts, whose oldest Safari is 16.4. Socket.io polls
/// where a WebSocket is refused. Nothing makes scripts out of text, so that is forbidden too
/// (Trusted Types); no form is sent by the browser itself, and no other site may frame the shop.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: https:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// A shop needs none of these, nor does anything that gets into it.
const NO_PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), \
    gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), \
    publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()";

/// The headers, the same for every answer.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(NO_PERMISSIONS),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Adds what browsers are to mind.
pub(super) fn secure(headers: &mut HeaderMap) {
    headers.extend(HEADERS);
}
