//! Every reason of an event; `docs/events.md` is the table for readers.

/// Whether an event is news or trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
pub enum Kind {
    /// News.
    Normal,
    /// Something a person should look at.
    Warning,
}

impl Kind {
    /// The word in `type` of an event.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Makes the enum, its list and its words from one table, so that none can be forgotten.
macro_rules! reasons {
    ($( #[doc = $doc:literal] $name:ident => $kind:ident, $action:literal; )*) => {
        /// Why an event is published.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $( #[doc = $doc] $name, )*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$name, )*];

            /// The word in `reason` of an event; never changes its meaning.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$name => stringify!($name), )* }
            }

            /// Whether it is news or trouble.
            pub fn kind(self) -> Kind {
                match self { $( Self::$name => Kind::$kind, )* }
            }

            /// The word in `action` of an event: what the operator was doing.
            pub fn action(self) -> &'static str {
                match self { $( Self::$name => $action, )* }
            }
        }
    };
}

reasons! {
    /// The sale is in force and waits for its opening.
    Scheduled => Normal, "Schedule";
    /// Buys are taken.
    Opened => Normal, "Open";
    /// Nothing is left to sell.
    SoldOut => Normal, "Observe";
    /// There is stock again, or more of it.
    Restocked => Normal, "Restock";
    /// Intake was closed by hand; the queue is kept.
    Suspended => Normal, "Suspend";
    /// Intake was opened again.
    Resumed => Normal, "Resume";
    /// The sale is over: no buy is taken any more.
    Closed => Normal, "Close";
    /// Every buy that was taken has its final outcome.
    Drained => Normal, "Drain";
    /// The number of workers was changed.
    Scaled => Normal, "Scale";
    /// A change of the workers' pods that nobody asked for waits until none of them runs.
    UpdateHeld => Normal, "Apply";
    /// The workers for the opening are ready.
    Prewarmed => Normal, "Prewarm";
    /// Something that an earlier warning told of works again.
    Recovered => Normal, "Observe";
    /// What the sale held in Redis is freed and the object may go.
    Released => Normal, "Release";
    /// The sale ended long enough ago for its object to be deleted.
    Expired => Normal, "Expire";
    /// The operator keeps its hands off, as the annotation asks.
    Paused => Normal, "Pause";
    /// The operator works for the sale again.
    Unpaused => Normal, "Unpause";
    /// The spec cannot be carried out as written.
    InvalidSpec => Warning, "Validate";
    /// Something was changed that may not change any more.
    ForbiddenEdit => Warning, "Validate";
    /// The spec names what the operator's configuration does not allow.
    NotAllowed => Warning, "Validate";
    /// Another sale has one of the products.
    ProductTaken => Warning, "Validate";
    /// Something else scales the worker Deployment too.
    AutoscalerConflict => Warning, "Validate";
    /// Another installation of the operator looks after the sale.
    OperatorConflict => Warning, "Claim";
    /// A Secret, or its key, is not there.
    SecretMissing => Warning, "Dereference";
    /// An address in a Secret is no address of a store.
    AddressUnusable => Warning, "Dereference";
    /// Redis does not answer.
    QueueUnreachable => Warning, "Connect";
    /// PostgreSQL does not answer.
    DatabaseUnreachable => Warning, "Connect";
    /// PostgreSQL has lost commits that shoppers were told of.
    LedgerWentBack => Warning, "Observe";
    /// PostgreSQL has not the tables that this version needs.
    SchemaMissing => Warning, "Connect";
    /// The operator's role in PostgreSQL may not do what it has to.
    RightMissing => Warning, "Connect";
    /// Redis could lose buys that were acknowledged, or acknowledges none for want of replicas.
    NotDurable => Warning, "Connect";
    /// PostgreSQL could lose orders that were confirmed.
    LedgerNotDurable => Warning, "Connect";
    /// The workers for the opening were not ready in time.
    NotPrewarmed => Warning, "Prewarm";
    /// Workers that were asked for cannot run.
    WorkersUnavailable => Warning, "Scale";
    /// The queue asks for more workers than its busy products can use.
    LimitedByHotProducts => Warning, "Scale";
    /// Buys were still waiting when the time to drain was over.
    DrainTimedOut => Warning, "Drain";
    /// Buys were given up, as the annotation allows.
    QueueAbandoned => Warning, "Drain";
    /// A deletion waits for something that only people can mend.
    DeletionBlocked => Warning, "Release";
    /// A deletion left things behind that could not be freed.
    LeftBehind => Warning, "Release";
    /// Dead letters went with a deleted sale.
    DeadLettersDropped => Warning, "Release";
    /// The API server refused what was to be written.
    ApplyFailed => Warning, "Apply";
    /// A visit of the object failed again and again; it is made again by itself.
    ReconcileFailed => Warning, "Reconcile";
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = include_str!("../../../docs/events.md");

    /// Reason and type of each row of the table.
    fn documented() -> Vec<(String, String)> {
        TABLE
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<_> = line.split('|').map(str::trim).collect();
                assert_eq!(cells.len(), 6, "a row has four cells: {line}");
                assert!(cells.iter().skip(1).take(4).all(|cell| !cell.is_empty()));
                (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
            })
            .collect()
    }

    #[test]
    fn every_reason_is_documented_in_order() {
        let expected: Vec<_> = Reason::ALL
            .iter()
            .map(|reason| {
                (
                    reason.as_str().to_owned(),
                    reason.kind().as_str().to_owned(),
                )
            })
            .collect();
        assert_eq!(documented(), expected);
    }

    #[test]
    fn words_fit_the_interface() {
        for reason in Reason::ALL {
            assert!(reason.as_str().len() <= 128 && reason.action().len() <= 128);
        }
    }
}
