//! Attempts to log in between leaving for the provider and coming back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a person may take at the provider.
const LASTS: Duration = Duration::from_secs(600);
/// Attempts that are kept at most; with more, the oldest goes.
const MOST: usize = 1000;

/// What is needed to end an attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) next: String,
    /// Hash of what the browser's cookie holds.
    browser: String,
    since: Instant,
}

impl Attempt {
    pub(super) fn new(nonce: String, verifier: String, next: String, browser: &str) -> Self {
        Attempt {
            nonce,
            verifier,
            next,
            browser: known_by(browser),
            since: Instant::now(),
        }
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() > LASTS
    }
}

fn known_by(browser: &str) -> String {
    crate::access::digest(&["oidc", browser])
}

/// Attempts by their state.
#[derive(Debug, Default)]
pub(super) struct Pending {
    attempts: Mutex<HashMap<String, Attempt>>,
}

impl Pending {
    pub(super) fn put(&self, state: String, attempt: Attempt) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, a| !a.is_over());
        if attempts.len() >= MOST {
            let oldest = attempts.iter().min_by_key(|(_, a)| a.since);
            if let Some(state) = oldest.map(|(state, _)| state.clone()) {
                attempts.remove(&state);
            }
        }
        attempts.insert(state, attempt);
    }

    /// The attempt with this state, once, and only for the browser that began it: else somebody could log another person's browser in
    /// under his own account.
    pub(super) fn take(&self, state: &str, browser: Option<&str>) -> Option<Attempt> {
        let browser = known_by(browser?);
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.get(state)?.browser != browser {
            return None;
        }
        attempts.remove(state).filter(|a| !a.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(next: &str) -> Attempt {
        Attempt::new("n".into(), "v".into(), next.into(), "chrome")
    }

    #[test]
    fn an_attempt_ends_once_and_in_its_browser() {
        let pending = Pending::default();
        pending.put("s".into(), attempt("/a"));
        assert!(pending.take("s", None).is_none());
        assert!(pending.take("s", Some("firefox")).is_none());
        assert!(pending.take("other", Some("chrome")).is_none());
        assert_eq!(pending.take("s", Some("chrome")).unwrap().next, "/a");
        assert!(pending.take("s", Some("chrome")).is_none());
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let pending = Pending::default();
        for n in 0..=MOST {
            pending.put(n.to_string(), attempt("/"));
        }
        assert!(pending.take("0", Some("chrome")).is_none());
        assert!(pending.take(&MOST.to_string(), Some("chrome")).is_some());
        assert_eq!(pending.attempts.lock().unwrap().len(), MOST - 1);
    }
}
