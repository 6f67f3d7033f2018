//! Messages: a command set and perhaps a data set, put together from fragments.

use crate::command::{Command, MAX_COMMAND};
use crate::error::{NodeError, Result};
use crate::link::{Link, Unit};
use dicom_ul::Pdu;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A whole message.
#[derive(Debug)]
pub struct Message {
    /// Presentation context.
    pub context: u8,
    /// Command set.
    pub command: Command,
    /// Data set.
    pub data: Data,
}

/// The data set of a message.
#[derive(Debug)]
pub enum Data {
    /// There is none.
    None,
    /// All of it.
    Whole(Held),
    /// It was over a limit and was passed over.
    TooLong {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

/// What came in.
#[derive(Debug)]
pub enum Received {
    /// A message.
    Message(Box<Message>),
    /// The other side wants to end the association.
    Release,
}

/// Memory for data sets under way, shared by all associations.
#[derive(Debug)]
pub struct Budget {
    left: AtomicU64,
}

impl Budget {
    /// So many bytes altogether.
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Budget {
            left: AtomicU64::new(bytes),
        })
    }

    fn take(&self, bytes: u64) -> bool {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }
}

/// A data set in memory; its bytes go back to the budget when it is dropped.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u8>,
    taken: u64,
    budget: Arc<Budget>,
}

impl Held {
    fn new(budget: &Arc<Budget>) -> Self {
        Held {
            bytes: Vec::new(),
            taken: 0,
            budget: Arc::clone(budget),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn push(&mut self, data: &[u8]) -> bool {
        let more = data.len() as u64;
        if !self.budget.take(more) {
            return false;
        }
        self.taken += more;
        self.bytes.extend_from_slice(data);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}

/// Waits for the next message. A data set over `limit` bytes or over the budget is passed over, so that the sender can be told
/// why; one of more than four times the limit ends the association.
///
/// # Errors
/// As [`Link::receive`]; [`NodeError::Aborted`], [`NodeError::Unexpected`], [`NodeError::TooLong`].
pub fn receive(link: &mut Link, limit: u64, budget: &Arc<Budget>) -> Result<Received> {
    let mut assembly = Assembly::default();
    loop {
        match link.receive()? {
            Unit::Data => {
                for fragment in link.fragments() {
                    if assembly.done {
                        return Err(NodeError::malformed(
                            "fragments behind the end of a message",
                        ));
                    }
                    assembly.push(fragment, limit, budget)?;
                }
            }
            Unit::Other(pdu) => return other(*pdu, &assembly),
        }
        if assembly.done {
            return Ok(Received::Message(Box::new(assembly.finish()?)));
        }
    }
}

fn other(pdu: Pdu, assembly: &Assembly) -> Result<Received> {
    match pdu {
        Pdu::ReleaseRQ if assembly.context.is_none() => Ok(Received::Release),
        Pdu::AbortRQ { .. } => Err(NodeError::Aborted),
        pdu => Err(NodeError::Unexpected {
            what: pdu.short_description().to_string(),
        }),
    }
}

/// A message under construction.
#[derive(Default)]
struct Assembly {
    context: Option<u8>,
    command_bytes: Vec<u8>,
    command: Option<Command>,
    data: Option<Held>,
    /// Bytes of a data set that is passed over.
    passed_over: Option<u64>,
    limit: u64,
    done: bool,
}

impl Assembly {
    fn push(
        &mut self,
        part: crate::link::Fragment<'_>,
        limit: u64,
        budget: &Arc<Budget>,
    ) -> Result<()> {
        if *self.context.get_or_insert(part.context) != part.context {
            return Err(NodeError::malformed(
                "a message in two presentation contexts",
            ));
        }
        self.limit = limit;
        match (&self.command, part.command) {
            (None, true) => self.push_command(part.data, part.last),
            (Some(_), false) => self.push_data(part.data, part.last, budget),
            (None, false) => Err(NodeError::malformed("a data set before its command set")),
            (Some(_), true) => Err(NodeError::malformed("a command set in place of a data set")),
        }
    }

    fn push_command(&mut self, data: &[u8], last: bool) -> Result<()> {
        let bytes = self.command_bytes.len() + data.len();
        if bytes > MAX_COMMAND {
            return Err(NodeError::TooLong {
                what: "a command set",
                bytes: bytes as u64,
                limit: MAX_COMMAND as u64,
            });
        }
        self.command_bytes.extend_from_slice(data);
        if last {
            let command = Command::decode(&self.command_bytes)?;
            self.done = !command.has_data_set();
            self.command = Some(command);
        }
        Ok(())
    }

    fn push_data(&mut self, data: &[u8], last: bool, budget: &Arc<Budget>) -> Result<()> {
        let more = data.len() as u64;
        if let Some(bytes) = &mut self.passed_over {
            *bytes += more;
            if *bytes > self.limit.saturating_mul(4).max(1 << 20) {
                return Err(NodeError::TooLong {
                    what: "a data set",
                    bytes: *bytes,
                    limit: self.limit,
                });
            }
        } else {
            let held = self.data.get_or_insert_with(|| Held::new(budget));
            let bytes = held.bytes.len() as u64 + more;
            if bytes > self.limit || !held.push(data) {
                self.data = None;
                self.passed_over = Some(bytes);
            }
        }
        self.done = last;
        Ok(())
    }

    fn finish(self) -> Result<Message> {
        let (Some(context), Some(command)) = (self.context, self.command) else {
            return Err(NodeError::malformed("a message without a command set"));
        };
        let data = match (self.data, self.passed_over) {
            (Some(held), _) => Data::Whole(held),
            (None, Some(bytes)) => Data::TooLong {
                bytes,
                limit: self.limit,
            },
            (None, None) => Data::None,
        };
        Ok(Message {
            context,
            command,
            data,
        })
    }
}

/// Sends a message.
///
/// # Errors
/// [`NodeError::Io`].
pub fn send(
    link: &mut Link,
    context: u8,
    command: &Command,
    data: Option<&[u8]>,
    max_pdu: u32,
) -> Result<()> {
    link.send_message(context, true, &command.encode(), max_pdu)?;
    match data {
        Some(data) => link.send_message(context, false, data, max_pdu),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::field;
    use crate::link::Fragment;

    fn part(command: bool, last: bool, data: &[u8]) -> Fragment<'_> {
        Fragment {
            context: 1,
            command,
            last,
            data,
        }
    }

    #[test]
    fn a_data_set_over_the_limit_is_passed_over_and_gives_its_memory_back() {
        let budget = Budget::new(100);
        let command = Command::request(field::C_STORE_RQ, 1, "1.2").with_data_set();
        let mut assembly = Assembly::default();
        assembly
            .push(part(true, true, &command.encode()), 50, &budget)
            .unwrap();
        assembly
            .push(part(false, false, &[0; 40]), 50, &budget)
            .unwrap();
        assembly
            .push(part(false, true, &[0; 40]), 50, &budget)
            .unwrap();
        let message = assembly.finish().unwrap();
        assert!(matches!(
            message.data,
            Data::TooLong {
                bytes: 80,
                limit: 50
            }
        ));
        assert_eq!(budget.left.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn fragments_out_of_order_are_refused() {
        let budget = Budget::new(100);
        let mut assembly = Assembly::default();
        assert!(assembly.push(part(false, true, &[0]), 50, &budget).is_err());
        let mut two = Assembly::default();
        two.push(part(true, false, &[0; 4]), 50, &budget).unwrap();
        let elsewhere = Fragment {
            context: 3,
            ..part(true, true, &[0; 4])
        };
        assert!(two.push(elsewhere, 50, &budget).is_err());
    }
}
