//! What can go wrong between a server and its clients.

/// Error of this crate. `client` says which one, with its address.
#[derive(Debug, thiserror::Error)]
pub enum FederationError {
    /// A process that did not come up.
    #[error("{client} could not be started: {reason}")]
    Start {
        /// Which client.
        client: String,
        /// Why.
        reason: String,
    },
    /// A client that is not there, or no longer.
    #[error("{client} is gone: {reason}")]
    Gone {
        /// Which client.
        client: String,
        /// What was seen.
        reason: String,
    },
    /// No answer in time.
    #[error("{client} has not answered within {seconds} s")]
    Late {
        /// Which client.
        client: String,
        /// How long was waited.
        seconds: f64,
    },
    /// A message beyond the limit of whoever receives it.
    #[error("a message to or from {client} is too long: {reason}")]
    TooLong {
        /// Which client.
        client: String,
        /// Length and limit.
        reason: String,
    },
    /// A client that does not take part: another version, another secret, a message that does not fit.
    #[error("{client} refused: {reason}")]
    Refused {
        /// Which client.
        client: String,
        /// What it said.
        reason: String,
    },
    /// A client whose own work failed.
    #[error("{client} failed: {reason}")]
    Failed {
        /// Which client.
        client: String,
        /// What it said.
        reason: String,
    },
    /// Somebody else is at the address.
    #[error("{client} does not speak as a client does: {reason}")]
    Nonsense {
        /// Which client.
        client: String,
        /// What came.
        reason: String,
    },
    /// The user asked to stop.
    #[error("stopped")]
    Stopped,
    /// This machine.
    #[error("cannot {what}: {source}")]
    Io {
        /// Do what.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, FederationError>;
