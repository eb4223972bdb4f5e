//! Why there are as many workers as there are.

crate::words! {
    /// What decided the number of workers, as in conditions, events and logs.
    pub enum Reason {
        /// As many as the depth (or `minReplicas`) asks for.
        AtNeed = "AtNeed",
        /// As many as the coming opening asks for.
        Prewarming = "Prewarming",
        /// Held by a stabilization window: the need was different a while ago.
        Stabilizing = "Stabilizing",
        /// One more than that: a lane has had no driver for too long.
        Spare = "Spare",
        /// As many as busy lanes can use; the depth asks for more.
        LimitedByHotProducts = "LimitedByHotProducts",
        /// `maxReplicas`; the lanes could use more.
        LimitedByMaxReplicas = "LimitedByMaxReplicas",
        /// Slowed or held by a policy of `behavior`.
        LimitedByPolicy = "LimitedByPolicy",
        /// The need is as good as what is there.
        WithinTolerance = "WithinTolerance",
        /// The queue cannot be read: nobody goes.
        Unreadable = "Unreadable",
        /// The queue could not be read for long: as many as the fallback says, and nobody goes.
        Fallback = "Fallback",
        /// Nobody is needed.
        Dormant = "Dormant",
    }
}
