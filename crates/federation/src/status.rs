//! gRPC's status codes as errors of a client. Participants use three of the codes; all others are the transport's.

use crate::error::FederationError;
use crate::participant::Refusal;
use std::error::Error as _;
use tonic::{Code, Status};

/// Longest reason that is sent: it travels as a header.
const LONGEST_REASON: usize = 1000;

/// A refusal as it is sent.
pub(crate) fn of(refusal: Refusal) -> Status {
    let (code, reason) = match refusal {
        Refusal::Unfit(reason) => (Code::InvalidArgument, reason),
        Refusal::Failed(reason) => (Code::Aborted, reason),
    };
    Status::new(
        code,
        reason.chars().take(LONGEST_REASON).collect::<String>(),
    )
}

/// What a status says of a client.
pub(crate) fn error(client: String, status: &Status) -> FederationError {
    let reason = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition | Code::Unauthenticated => {
            FederationError::Refused { client, reason }
        }
        Code::Aborted => FederationError::Failed { client, reason },
        // tonic's code for a message beyond the limit, here or at the client.
        Code::OutOfRange => FederationError::TooLong { client, reason },
        Code::Unimplemented | Code::Internal => FederationError::Nonsense {
            client,
            reason: with_sources(status),
        },
        _ => FederationError::Gone {
            client,
            reason: with_sources(status),
        },
    }
}

/// The message and, below it, what the transport saw.
fn with_sources(status: &Status) -> String {
    chain(status.message().to_owned(), status.source())
}

/// A text with the causes that it does not name yet.
pub(crate) fn chain(
    mut text: String,
    mut source: Option<&(dyn std::error::Error + 'static)>,
) -> String {
    while let Some(cause) = source {
        let more = cause.to_string();
        if !more.is_empty() && !text.contains(&more) {
            text = if text.is_empty() {
                more
            } else {
                format!("{text}: {more}")
            };
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: &Status) -> FederationError {
        error("client 2".to_owned(), status)
    }

    #[test]
    fn every_status_is_an_error_that_names_the_client() {
        let unfit = of(Refusal::Unfit("another version".to_owned()));
        assert!(matches!(told(&unfit), FederationError::Refused { .. }));
        let failed = of(Refusal::Failed("diverged".to_owned()));
        assert!(matches!(told(&failed), FederationError::Failed { .. }));
        let gone = told(&Status::unavailable("reset"));
        assert_eq!(gone.to_string(), "client 2 is gone: reset");
        assert!(matches!(
            told(&Status::unimplemented("")),
            FederationError::Nonsense { .. }
        ));
    }

    #[test]
    fn a_long_reason_is_cut_before_it_is_a_header() {
        let status = of(Refusal::Failed("ä".repeat(5000)));
        assert_eq!(status.message().chars().count(), LONGEST_REASON);
    }
}
