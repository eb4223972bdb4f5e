//! The kinds of problems: one list, from which statuses, documents, metrics and docs/api.md come.

use http::StatusCode;

/// Every problem's `type` is this followed by the kind's slug.
const BASE: &str = "https://flashsale.dev/problems/";

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:ident, $title:literal;)*) => {
        /// What kind of problem it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $($(#[$doc])* $name,)*
        }

        impl ProblemKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The last part of the `type`, also the label in metrics.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The kind in words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

problem_kinds! {
    /// A buy without an Idempotency-Key.
    IdempotencyKeyMissing = "idempotency-key-missing", BAD_REQUEST, "The Idempotency-Key is missing";
    /// An Idempotency-Key outside its alphabet.
    IdempotencyKeyInvalid = "idempotency-key-invalid", BAD_REQUEST, "The Idempotency-Key is not valid";
    /// A body that is not what the call takes.
    BodyInvalid = "body-invalid", BAD_REQUEST, "The body is not valid";
    /// An event that its provider has not signed, or not now.
    SignatureInvalid = "signature-invalid", BAD_REQUEST, "The signature is not valid";
    /// Bytes that are no HTTP.
    HttpInvalid = "http-invalid", BAD_REQUEST, "The request is not HTTP";
    /// No token, or not a good one.
    Unauthorized = "unauthorized", UNAUTHORIZED, "Not authenticated";
    /// The token's subject cannot be a user id.
    SubjectUnsupported = "subject-unsupported", FORBIDDEN, "The account's id cannot be used";
    /// The token lacks a scope.
    InsufficientScope = "insufficient-scope", FORBIDDEN, "The token does not allow this";
    /// Before the opening, or while intake is paused.
    SaleNotOpen = "sale-not-open", FORBIDDEN, "The sale is not open";
    /// After the closing.
    SaleClosed = "sale-closed", FORBIDDEN, "The sale is closed";
    /// A buy without a good pass, in a sale that asks for one.
    PassRequired = "pass-required", FORBIDDEN, "A pass is needed";
    /// What was brought for a pass does not count.
    ProofRefused = "proof-refused", FORBIDDEN, "The proof does not count";
    /// A page of another origin that may not open sockets.
    OriginNotAllowed = "origin-not-allowed", FORBIDDEN, "The origin is not allowed";
    /// No sale offers the product.
    UnknownProduct = "unknown-product", NOT_FOUND, "Unknown product";
    /// No such sale is in force.
    UnknownSale = "unknown-sale", NOT_FOUND, "Unknown sale";
    /// No such job, or somebody else's.
    UnknownOrder = "unknown-order", NOT_FOUND, "Unknown order";
    /// No such address.
    NotFound = "not-found", NOT_FOUND, "Nothing here";
    /// The address has other methods.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The body did not arrive in time.
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// Every unit is sold or spoken for.
    SoldOut = "sold-out", CONFLICT, "Sold out";
    /// The price in force is above what the shopper would pay.
    PriceHigher = "price-higher", CONFLICT, "The price is higher";
    /// The order is paid.
    OrderPaid = "order-paid", CONFLICT, "The order is paid";
    /// The order is cancelled.
    OrderCancelled = "order-cancelled", CONFLICT, "The order is cancelled";
    /// The window of the order is over.
    PaymentOver = "payment-over", CONFLICT, "The time to pay is over";
    /// The sale has no payment provider.
    PaymentNotOffered = "payment-not-offered", CONFLICT, "Not paid here";
    /// The body is larger than the limit.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// A body that is no JSON by its own account.
    MediaTypeUnsupported = "media-type-unsupported", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported";
    /// The client expects what no server here does.
    ExpectationFailed = "expectation-failed", EXPECTATION_FAILED, "The expectation cannot be met";
    /// The key was used for another product.
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key was used for another buy";
    /// A WebSocket was asked for, but not in its protocol.
    UpgradeRequired = "upgrade-required", UPGRADE_REQUIRED, "Not a WebSocket handshake";
    /// The shopper asks too often.
    QuotaExceeded = "quota-exceeded", TOO_MANY_REQUESTS, "Too many requests";
    /// Address and headers are larger than the limit.
    HeadTooLarge = "head-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large";
    /// Something in the gateway or in Redis is not as it must be.
    Internal = "internal-error", INTERNAL_SERVER_ERROR, "Internal error";
    /// The body is in a transfer coding other than chunked.
    TransferCodingUnsupported = "transfer-coding-unsupported", NOT_IMPLEMENTED, "The transfer coding is not supported";
    /// The lane of the product has no room.
    LaneFull = "lane-full", SERVICE_UNAVAILABLE, "The queue is full";
    /// Too few replicas of Redis have the buy.
    NotReplicated = "not-replicated", SERVICE_UNAVAILABLE, "Not yet safe";
    /// The payment provider is out of reach.
    ProviderUnavailable = "provider-unavailable", SERVICE_UNAVAILABLE, "The payment provider is out of reach";
    /// A store is out of reach.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable";
}

impl ProblemKind {
    /// The stable `type`.
    pub fn uri(self) -> String {
        format!("{BASE}{}", self.slug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_the_interface_lists_every_kind_with_its_status() {
        let page = include_str!("../../../docs/api.md");
        for kind in ProblemKind::ALL {
            let row = format!("| `{}` | {} |", kind.slug(), kind.status().as_u16());
            assert!(page.contains(&row), "docs/api.md lacks the row {row}");
        }
    }
}
