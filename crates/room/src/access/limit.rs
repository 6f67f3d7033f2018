//! A limit on attempts to log in, by name and by address.

use crate::error::{Result, RoomError};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Attempts of late that failed or have not ended.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: Mutex<HashMap<String, Vec<Instant>>>,
}

/// Attempts within [`WINDOW`] after which no more attempts are let through.
const MOST: usize = 5;
/// How long an attempt counts.
const WINDOW: Duration = Duration::from_secs(300);
/// Names and addresses that are kept at most; with more, all old ones go.
const KEPT: usize = 10_000;

impl Attempts {
    /// Begins an attempt under all of these keys. It counts as one that failed until [`Self::succeeded`] is called: attempts that are made
    /// at the same time must not all find that they are the first.
    ///
    /// # Errors
    /// [`RoomError::TooMany`] with the seconds to wait.
    pub(crate) fn begin(&self, keys: &[String]) -> Result<()> {
        let now = Instant::now();
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() > KEPT {
            failed.retain(|_, times| times.iter().any(|t| now.duration_since(*t) < WINDOW));
        }
        for key in keys {
            let Some(times) = failed.get_mut(key) else {
                continue;
            };
            times.retain(|t| now.duration_since(*t) < WINDOW);
            if times.len() >= MOST {
                let wait = WINDOW.saturating_sub(now.duration_since(times[0]));
                return Err(RoomError::TooMany(wait.as_secs().max(1)));
            }
        }
        for key in keys {
            failed.entry(key.clone()).or_default().push(now);
        }
        Ok(())
    }

    /// An attempt succeeded: what failed before was a slip.
    pub(crate) fn succeeded(&self, keys: &[String]) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            failed.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_are_enough_and_a_success_forgives() {
        let attempts = Attempts::default();
        let keys = ["name:a".to_owned(), "from:1".to_owned()];
        for _ in 0..MOST {
            attempts.begin(&keys).unwrap();
        }
        assert!(matches!(
            attempts.begin(&keys),
            Err(RoomError::TooMany(1..=300))
        ));
        // Another name from the same address is held up too.
        let other = ["name:b".to_owned(), "from:1".to_owned()];
        assert!(attempts.begin(&other).is_err());
        attempts.succeeded(&keys);
        attempts.begin(&keys).unwrap();
    }

    #[test]
    fn attempts_at_the_same_time_are_counted_before_they_end() {
        let attempts = Attempts::default();
        let keys = ["name:a".to_owned()];
        let let_through = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..40)
                .map(|_| scope.spawn(|| attempts.begin(&keys).is_ok()))
                .collect();
            tries
                .into_iter()
                .filter_map(|t| t.join().ok())
                .filter(|ok| *ok)
                .count()
        });
        assert_eq!(let_through, MOST);
    }
}
