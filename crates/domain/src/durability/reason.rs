//! Why a store keeps what it told, or does not.

crate::reasons! {
    /// Why a store keeps what it told, or does not.
    pub enum Reason {
        /// PostgreSQL does not sync what it writes.
        FsyncOff,
        /// PostgreSQL does not protect itself from pages that are half written.
        FullPageWritesOff,
        /// PostgreSQL confirms before it syncs.
        SynchronousCommitOff,
        /// There is one copy, which survives a crash.
        SingleCopy,
        /// Commits do not wait for the standbys that there are.
        AsyncStandbys,
        /// Commits are not to wait for standbys.
        SynchronousCommitLocal,
        /// Commits wait for a standby.
        SynchronousStandby,
        /// The operator's role may not see whether a standby is connected.
        StandbysNotVisible,
        /// Commits wait for a standby that is not connected.
        NoSynchronousStandby,
        /// Redis does not tell how it keeps its data.
        NotTold,
        /// Redis may throw away what it acknowledged when memory runs out.
        Evicts,
        /// Redis writes nothing to disk as it goes.
        NoAppendOnlyFile,
        /// The address leads to a replica.
        NotPrimary,
        /// Fewer replicas follow than an acknowledgement waits for.
        TooFewReplicas,
        /// Redis leaves it to its machine when its file is synced.
        AppendFsyncNo,
        /// Redis keeps a file; whether there are replicas is not told.
        AppendOnlyFile,
        /// Acknowledgements do not wait for the replicas that there are.
        AsyncReplicas,
        /// Acknowledgements wait for replicas.
        ReplicaAcknowledged,
    }
}
