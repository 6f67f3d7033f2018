//! Sending many files: in as few associations as their kinds allow, with retries.

use crate::error::{NodeError, Result};
use crate::scu::item::Item;
use crate::scu::remote::Remote;
use crate::scu::session::{Proposed, Session};
use std::time::Duration;

/// On whose behalf objects are sent (C-MOVE).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Title of the application entity that asked.
    pub aet: String,
    /// Message ID of its request.
    pub message_id: u16,
}

/// How often something is tried again that may work later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often, after the first attempt.
    pub count: u32,
    /// How long is waited before the first of them; each further one waits twice as long.
    pub wait: Duration,
}

impl Retries {
    /// None.
    pub const NONE: Retries = Retries {
        count: 0,
        wait: Duration::ZERO,
    };

    /// How long to wait before retry `n` (from 0).
    pub fn wait_before(&self, n: u32) -> Duration {
        self.wait
            .saturating_mul(1 << n.min(10))
            .min(Duration::from_secs(3600))
    }
}

/// Numbers so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReport {
    /// Objects to be sent.
    pub total: usize,
    /// Objects that arrived.
    pub done: usize,
    /// Objects that did not.
    pub failed: usize,
}

impl SendReport {
    /// Nothing done yet.
    pub fn new(total: usize) -> Self {
        SendReport {
            total,
            done: 0,
            failed: 0,
        }
    }

    /// Objects that are still to be sent.
    pub fn remaining(&self) -> usize {
        self.total.saturating_sub(self.done + self.failed)
    }
}

/// Sends files to one application entity.
#[derive(Debug)]
pub struct Sender<'a> {
    remote: &'a Remote,
    origin: Option<Origin>,
    retries: Retries,
}

/// Presentation contexts of one association; 128 is the most there can be.
const CONTEXTS: usize = 120;

impl<'a> Sender<'a> {
    /// A sender that tries everything once.
    pub fn new(remote: &'a Remote) -> Self {
        Sender {
            remote,
            origin: None,
            retries: Retries::NONE,
        }
    }

    /// On whose behalf.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// How often something is tried again.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Sends `items`; `each` sees the numbers, the item's index and how it went, after every item.
    pub fn send(
        &self,
        items: &[Item],
        mut each: impl FnMut(&SendReport, usize, &Result<()>),
    ) -> SendReport {
        let mut report = SendReport::new(items.len());
        let mut at = 0;
        while at < items.len() {
            let (end, contexts) = batch(items, at);
            let mut open = None;
            for (i, item) in items.iter().enumerate().take(end).skip(at) {
                let result = self.one(&mut open, &contexts, item);
                match &result {
                    Ok(()) => report.done += 1,
                    Err(_) => report.failed += 1,
                }
                each(&report, i, &result);
            }
            if let Some(session) = open {
                // All answers are here; how the association ends changes nothing.
                let _ = Session::release(session);
            }
            at = end;
        }
        report
    }

    /// Sends one file in an association of its own.
    ///
    /// # Errors
    /// Those of [`Remote::associate`], [`NodeError::NotAccepted`], [`NodeError::Status`], [`NodeError::File`],
    /// [`NodeError::DataSet`].
    pub fn send_one(&self, item: &Item) -> Result<()> {
        let mut open = None;
        let result = self.one(&mut open, &[item.proposed()], item);
        if let Some(session) = open {
            // The answer is here; how the association ends changes nothing.
            let _ = Session::release(session);
        }
        result
    }

    fn one(&self, open: &mut Option<Session>, contexts: &[Proposed], item: &Item) -> Result<()> {
        let mut n = 0;
        loop {
            let error = match self.attempt(open, contexts, item) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !keeps_association(&error) {
                *open = None;
            }
            if !error.is_transient() || n >= self.retries.count {
                return Err(error);
            }
            std::thread::sleep(self.retries.wait_before(n));
            n += 1;
        }
    }

    fn attempt(
        &self,
        open: &mut Option<Session>,
        contexts: &[Proposed],
        item: &Item,
    ) -> Result<()> {
        let session = match open {
            Some(session) => session,
            None => open.insert(self.remote.associate(contexts)?),
        };
        let class = &item.sop_class;
        let accepted = session
            .context(class, |s| s == item.transfer_syntax)
            .or_else(|| session.context(class, |s| item.fits(s)));
        let Some((context, syntax)) = accepted else {
            return Err(NodeError::NotAccepted {
                what: format!(
                    "SOP class {} in transfer syntax {}",
                    item.sop_class, item.transfer_syntax
                ),
            });
        };
        let data = item.data(&syntax)?;
        session.store(
            context,
            &item.sop_class,
            &item.instance,
            &data,
            self.origin.as_ref(),
        )
    }
}

/// Whether the association is still usable after this error.
fn keeps_association(error: &NodeError) -> bool {
    matches!(
        error,
        NodeError::Status { .. }
            | NodeError::NotAccepted { .. }
            | NodeError::File { .. }
            | NodeError::NotDicom
            | NodeError::DataSet(_)
    )
}

/// The items from `start` that one association can carry, and their contexts.
fn batch(items: &[Item], start: usize) -> (usize, Vec<Proposed>) {
    let mut contexts: Vec<Proposed> = Vec::new();
    for (i, item) in items.iter().enumerate().skip(start) {
        let needed = item.proposed();
        if contexts.contains(&needed) {
            continue;
        }
        if contexts.len() == CONTEXTS {
            return (i, contexts);
        }
        contexts.push(needed);
    }
    (items.len(), contexts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(sop_class: usize, syntax: &str) -> Item {
        Item {
            path: "x".into(),
            sop_class: format!("1.2.{sop_class}"),
            instance: "1".into(),
            transfer_syntax: syntax.into(),
        }
    }

    #[test]
    fn many_kinds_of_objects_take_several_associations() {
        let items: Vec<Item> = (0..300).map(|i| item(i, "1.2.840.10008.1.2")).collect();
        let (end, contexts) = batch(&items, 0);
        assert_eq!((end, contexts.len()), (120, 120));
        assert_eq!(batch(&items, 240).0, 300);
        let same: Vec<Item> = (0..300).map(|_| item(1, "1.2.840.10008.1.2")).collect();
        assert_eq!(batch(&same, 0).0, 300);
    }

    #[test]
    fn compressed_pixels_go_as_they_are_or_not_at_all() {
        let jpeg = item(1, "1.2.840.10008.1.2.4.70");
        assert_eq!(jpeg.proposed().transfer_syntaxes.len(), 1);
        assert!(!jpeg.fits("1.2.840.10008.1.2.1"));
        let big = item(1, "1.2.840.10008.1.2.2");
        assert_eq!(big.proposed().transfer_syntaxes.len(), 3);
        assert!(big.fits("1.2.840.10008.1.2.1"));
    }

    #[test]
    fn waiting_doubles_up_to_an_hour() {
        let retries = Retries {
            count: 9,
            wait: Duration::from_secs(30),
        };
        assert_eq!(retries.wait_before(0), Duration::from_secs(30));
        assert_eq!(retries.wait_before(2), Duration::from_secs(120));
        assert_eq!(retries.wait_before(30), Duration::from_secs(3600));
    }
}
