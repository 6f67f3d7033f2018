//! What a client can be asked.

/// Bytes of the longest [`Call::Begin`].
pub const LONGEST_SETUP: usize = 64 << 10;

/// Name of the header that carries which run a call belongs to.
pub(crate) const SESSION: &str = "hilum-session";
/// Name of the header that carries the secret.
pub(crate) const SECRET: &str = "hilum-secret";

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Take part in a run: a description goes, what the client has for it comes back.
    Begin,
    /// One round: the global state goes, the client's own comes back.
    Answer,
    /// One round without the others; nothing crosses.
    Alone,
    /// The client's whole model, to be measured.
    Model,
}

impl Call {
    const ALL: [Call; 4] = [Call::Begin, Call::Answer, Call::Alone, Call::Model];

    /// Path of the gRPC method.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Call::Begin => "/hilum.Federation/Begin",
            Call::Answer => "/hilum.Federation/Answer",
            Call::Alone => "/hilum.Federation/Alone",
            Call::Model => "/hilum.Federation/Model",
        }
    }

    /// The call of a path.
    pub(crate) fn of(path: &str) -> Option<Self> {
        Call::ALL.into_iter().find(|c| c.path() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_found_by_its_path_and_nothing_else_is() {
        for call in Call::ALL {
            assert_eq!(Call::of(call.path()), Some(call));
        }
        assert_eq!(Call::of("/hilum.Federation/begin"), None);
    }
}
