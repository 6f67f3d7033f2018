//! What the server of a federation holds at once, and its limit.

use super::algorithm::Merge;
use crate::error::{MethodError, Result};

/// A round, as far as its memory goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How answers are merged.
    pub merge: Merge,
    /// Clients.
    pub clients: usize,
    /// Bytes of a whole state: four a parameter.
    pub state: usize,
    /// Bytes of a message.
    pub message: usize,
}

impl Load {
    /// Bytes that the server holds of states, messages and updates with so many clients under way at once: the global state
    /// and the one that is being read; either a running sum in double precision or every client's update; the message to
    /// all; for each client under way the copy that is being sent and the answer. Packing a message takes three
    /// states and the message before any of that.
    pub fn needed(self, at_once: usize) -> u64 {
        let gathered = match self.merge {
            Merge::Weighted => 2,
            _ => self.clients.max(2) as u64,
        };
        let states = (2 + gathered).saturating_mul(self.state as u64);
        let messages = (1 + 2 * at_once as u64).saturating_mul(self.message as u64);
        states.saturating_add(messages)
    }
}

/// What the server may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes at most.
    pub limit: u64,
}

impl Memory {
    /// How many clients may be under way at once.
    ///
    /// # Errors
    /// [`MethodError::Memory`] where not even one may.
    pub fn at_once(self, load: Load) -> Result<usize> {
        let needed = load.needed(1);
        if needed > self.limit {
            return Err(MethodError::Memory {
                what: format!("the server of {} clients", load.clients),
                needed,
                limit: self.limit,
            });
        }
        let more = (self.limit - needed) / (2 * load.message.max(1) as u64);
        Ok(usize::try_from(more).map_or(load.clients, |n| n.saturating_add(1).min(load.clients)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(merge: Merge, clients: usize) -> Load {
        Load {
            merge,
            clients,
            state: 10,
            message: 20,
        }
    }

    #[test]
    fn a_running_sum_takes_the_same_for_any_number_of_clients() {
        // Four states, the message, and two messages a client under way.
        assert_eq!(load(Merge::Weighted, 5).needed(1), 40 + 20 + 40);
        assert_eq!(load(Merge::Weighted, 5000).needed(1), 100);
        assert_eq!(load(Merge::Weighted, 5000).needed(3), 180);
        assert_eq!(load(Merge::Principal, 50).needed(1), 520 + 60);
    }

    #[test]
    fn more_memory_allows_more_at_once_and_too_little_is_an_error() {
        let of = |limit, merge, clients| Memory { limit }.at_once(load(merge, clients));
        assert_eq!(of(100, Merge::Weighted, 50).unwrap(), 1);
        assert_eq!(of(179, Merge::Weighted, 50).unwrap(), 2);
        assert_eq!(of(u64::MAX, Merge::Weighted, 50).unwrap(), 50);
        assert_eq!(of(580, Merge::Principal, 50).unwrap(), 1);
        let told = of(579, Merge::Principal, 50).unwrap_err();
        assert!(
            matches!(
                told,
                MethodError::Memory {
                    needed: 580,
                    limit: 579,
                    ..
                }
            ),
            "{told}"
        );
    }
}
