//! A process's metrics as a table.

/// Declares a struct of metrics, and how they are registered ([`Register`](crate::Register)): one line for
/// each, with its kind, its name and what it tells. Below the struct stand counters that share a name, one for
/// each value of a label. `with` names parts that register themselves.
///
/// ```
/// flashsale_telemetry::metrics! {
///     /// Connections.
///     pub struct ConnectionMetrics {
///         open: gauge("connections", "Open connections."),
///     }
///     refused: counters("connections_refused_total", "Connections refused, by reason.", "reason") {
///         /// All places were taken.
///         refused_total: "total",
///     }
/// }
///
/// let registry = prometheus::Registry::new();
/// let register = flashsale_telemetry::Register::new(&registry, "gateway");
/// let metrics = ConnectionMetrics::new(register).unwrap();
/// metrics.refused_total.inc();
/// assert_eq!(registry.gather()[1].name(), "flashsale_gateway_connections_refused_total");
/// ```
#[macro_export]
macro_rules! metrics {
    (
        $(#[$about:meta])*
        $visibility:vis struct $name:ident $(with {
            $( $(#[$part_doc:meta])* $part:ident: $part_type:ty, )+
        })? {
            $( $field:ident: $kind:ident($metric:literal, $help:literal $(, $more:expr)*), )*
        }
        $( $family:ident: counters($family_metric:literal, $family_help:literal, $label:literal) {
            $( $(#[$one_doc:meta])* $one:ident: $value:literal, )+
        } )*
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        $visibility struct $name {
            $( $( $(#[$part_doc])* $visibility $part: $part_type, )+ )?
            $( #[doc = $help] $visibility $field: $crate::metric_type!($kind), )*
            $( $( $(#[$one_doc])* $visibility $one: ::prometheus::IntCounter, )+ )*
        }

        impl $name {
            /// The metrics, registered.
            $visibility fn new(register: $crate::Register<'_>) -> ::prometheus::Result<Self> {
                $( let $family = register.counters($family_metric, $family_help, &[$label])?; )*
                Ok(Self {
                    $( $( $part: <$part_type>::new(register)?, )+ )?
                    $( $field: register.$kind($metric, $help $(, $more)*)?, )*
                    $( $( $one: $family.with_label_values(&[$value]), )+ )*
                })
            }
        }
    };
}

/// The type of a metric that [`Register`](crate::Register) makes by this method.
#[doc(hidden)]
#[macro_export]
macro_rules! metric_type {
    (counter) => {
        ::prometheus::IntCounter
    };
    (counters) => {
        ::prometheus::IntCounterVec
    };
    (gauge) => {
        ::prometheus::IntGauge
    };
    (gauges) => {
        ::prometheus::IntGaugeVec
    };
    (float_gauges) => {
        ::prometheus::GaugeVec
    };
    (histogram) => {
        ::prometheus::Histogram
    };
    (histograms) => {
        ::prometheus::HistogramVec
    };
}
