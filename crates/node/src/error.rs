//! What goes wrong on the network.

use std::io;

/// Errors of the network. Messages never hold values of a data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The connection could not be made.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The other side closed the connection between two units.
    #[error("the connection was closed")]
    Closed,
    /// Nothing came in time.
    #[error("nothing came within {seconds} s")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
    /// Bytes that are no protocol data unit.
    #[error("malformed protocol data unit: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// A unit or message over a limit.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A unit that has no place here.
    #[error("unexpected {what}")]
    Unexpected {
        /// What came.
        what: String,
    },
    /// The association was rejected.
    #[error("association rejected: {reason}")]
    Rejected {
        /// The other side's reason.
        reason: String,
        /// Whether it may be tried again.
        transient: bool,
    },
    /// The other side ended the association at once.
    #[error("association aborted by the other side")]
    Aborted,
    /// No presentation context that the operation needs was accepted.
    #[error("not accepted by the other side: {what}")]
    NotAccepted {
        /// SOP class or transfer syntax.
        what: String,
    },
    /// The operation was answered with a failure.
    #[error("status {status:#06X}{comment}")]
    Status {
        /// Status.
        status: u16,
        /// The comment with a separator before it, empty without one.
        comment: String,
    },
    /// A file that is no DICOM object, and was not meant to be one as far as its first bytes tell.
    #[error("not a DICOM object")]
    NotDicom,
    /// A data set that cannot be read or written.
    #[error("data set: {0}")]
    DataSet(String),
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] hilum_store::StoreError),
    /// A DICOMweb server that is not there, or answers otherwise than the standard says.
    #[error("DICOMweb: {what}")]
    Web {
        /// What went wrong.
        what: String,
        /// Whether it may be tried again.
        transient: bool,
    },
    /// Certificates or keys.
    #[error("TLS: {0}")]
    Tls(String),
    /// The configuration.
    #[error("configuration: {0}")]
    Config(String),
}

/// Result with [`NodeError`].
pub type Result<T, E = NodeError> = std::result::Result<T, E>;

impl NodeError {
    /// Whether the same may work in a moment: the other side or the way there was not ready.
    pub fn is_transient(&self) -> bool {
        match self {
            NodeError::Connect { .. }
            | NodeError::Io(_)
            | NodeError::Closed
            | NodeError::TimedOut { .. }
            | NodeError::Aborted => true,
            NodeError::Rejected { transient, .. } | NodeError::Web { transient, .. } => *transient,
            // A7xx: out of resources (PS3.4, table GG.4-1).
            NodeError::Status { status, .. } => status & 0xFF00 == 0xA700,
            _ => false,
        }
    }

    /// Whether an object that was not sent for this reason may get there later. Only what lies in the object itself stays: a
    /// destination that fails or refuses may be mended, set up otherwise, or have room again.
    pub fn may_pass(&self) -> bool {
        match self {
            // Does not match SOP class (A9xx), and attributes or instances that are not valid (PS3.7, annex C). Other refusals,
            // C000 and 0110 above all, are given by archives for troubles of their own.
            NodeError::Status { status, .. } => {
                status & 0xFF00 != 0xA900 && !matches!(status, 0x0106 | 0x0117 | 0x0120 | 0x0121)
            }
            NodeError::Web { transient, .. } => *transient,
            NodeError::NotDicom | NodeError::DataSet(_) => false,
            NodeError::File { source, .. } => source.kind() != io::ErrorKind::NotFound,
            _ => true,
        }
    }

    /// Kind in snake case: what goes to a log above debug, where no word of a peer or of a data set may stand.
    pub fn kind(&self) -> &'static str {
        match self {
            NodeError::Connect { .. } => "connect",
            NodeError::Io(_) => "connection",
            NodeError::Closed => "closed",
            NodeError::TimedOut { .. } => "timed_out",
            NodeError::Malformed { .. } => "malformed",
            NodeError::TooLong { .. } => "too_long",
            NodeError::Unexpected { .. } => "unexpected_unit",
            NodeError::Rejected { .. } => "rejected",
            NodeError::Aborted => "aborted_by_peer",
            NodeError::NotAccepted { .. } => "not_accepted",
            NodeError::Status { .. } => "refused",
            NodeError::NotDicom => "not_dicom",
            NodeError::DataSet(_) => "data_set",
            NodeError::File { .. } => "file",
            NodeError::Store(error) => error.kind(),
            NodeError::Web { .. } => "dicomweb",
            NodeError::Tls(_) => "tls",
            NodeError::Config(_) => "configuration",
        }
    }

    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        NodeError::Malformed {
            reason: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_the_object_stays() {
        let status = |status| NodeError::Status {
            status,
            comment: String::new(),
        };
        for passes in [0x0110, 0x0122, 0x0124, 0xA700, 0xC000, 0xC123] {
            assert!(status(passes).may_pass(), "{passes:#x}");
        }
        for stays in [0xA900, 0xA901, 0x0106, 0x0117] {
            assert!(!status(stays).may_pass(), "{stays:#x}");
        }
        let file = |kind: io::ErrorKind| NodeError::File {
            path: String::new(),
            source: kind.into(),
        };
        assert!(!file(io::ErrorKind::NotFound).may_pass());
        assert!(file(io::ErrorKind::PermissionDenied).may_pass());
        // A certificate may be renewed, a destination come back into the configuration.
        assert!(NodeError::Tls(String::new()).may_pass());
        assert!(NodeError::Config(String::new()).may_pass());
        assert!(!NodeError::DataSet(String::new()).may_pass());
        assert!(!NodeError::NotDicom.may_pass());
    }
}
