//! Numbers of a moment ago. Every page of the list says how many rows there are, of all states and of what was asked for; counting looks at
//! every row, and the answer changes with the rows alone.

use super::question::StateCounts;
use crate::error::Result;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a number is kept when nothing changes here; another process may change rows too.
const FRESH: Duration = Duration::from_secs(1);

/// Numbers that are kept at most; with more, all go.
const KEPT: usize = 256;

#[derive(Debug)]
struct Kept<T>(Mutex<HashMap<String, (Instant, u64, T)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Mutex::default())
    }
}

impl<T: Copy> Kept<T> {
    fn get(&self, key: &str, version: u64) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, of, value) = kept.get(key)?;
        (*of == version && at.elapsed() < FRESH).then_some(*value)
    }

    fn put(&self, key: &str, version: u64, value: T) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key.to_owned(), (Instant::now(), version, value));
    }
}

/// What was counted lately.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Goes up with every change of the list.
    version: AtomicU64,
    /// Held while counting: readers that ask the same wait for one answer instead of all making it.
    counting: tokio::sync::Mutex<()>,
    states: Kept<StateCounts>,
    rows: Kept<i64>,
}

impl Totals {
    /// The list changed.
    pub(crate) fn changed(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Studies by state; `count` is asked when that is not known.
    pub(super) async fn states(
        &self,
        count: impl Future<Output = Result<StateCounts>>,
    ) -> Result<StateCounts> {
        self.known_or(&self.states, "", count).await
    }

    /// How many rows fit `question`; `count` is asked when that is not known.
    pub(super) async fn rows(
        &self,
        question: &str,
        count: impl Future<Output = Result<i64>>,
    ) -> Result<i64> {
        self.known_or(&self.rows, question, count).await
    }

    async fn known_or<T: Copy>(
        &self,
        kept: &Kept<T>,
        key: &str,
        count: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let version = || self.version.load(Ordering::SeqCst);
        if let Some(value) = kept.get(key, version()) {
            return Ok(value);
        }
        let _one_at_a_time = self.counting.lock().await;
        // A change while it is counted makes the number an old one, so the version is that of before.
        let before = version();
        if let Some(value) = kept.get(key, before) {
            return Ok(value);
        }
        let value = count.await?;
        kept.put(key, before, value);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_number_is_counted_once_until_the_list_changes() {
        let totals = Totals::default();
        let asked = AtomicU64::new(0);
        let count = |n: i64| {
            let asked = &asked;
            async move {
                asked.fetch_add(1, Ordering::SeqCst);
                Ok(n)
            }
        };
        assert_eq!(totals.rows("a", count(1)).await.unwrap(), 1);
        assert_eq!(totals.rows("a", count(2)).await.unwrap(), 1);
        assert_eq!(totals.rows("b", count(3)).await.unwrap(), 3);
        totals.changed();
        assert_eq!(totals.rows("a", count(4)).await.unwrap(), 4);
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_change_while_it_is_counted_is_not_missed() {
        let totals = Totals::default();
        let count = async {
            totals.changed();
            Ok(1)
        };
        assert_eq!(totals.rows("a", count).await.unwrap(), 1);
        assert_eq!(totals.rows("a", async { Ok(2) }).await.unwrap(), 2);
    }
}
