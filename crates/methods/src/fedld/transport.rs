//! How messages reach the clients.

use super::client::Client;
use crate::error::Result;
use hilum_kernels::Params;

/// Sees the answer of each client.
pub type Take<'a> = &'a mut dyn FnMut(usize, &[u8]) -> Result<()>;

/// A way to the clients of a federation. Only bytes cross it, and how many cases a client has; a client's own model crosses
/// to be measured, where the algorithm leaves one with each.
pub trait Transport {
    /// Number of clients.
    fn count(&self) -> usize;

    /// Cases of a client.
    fn size(&self, client: usize) -> usize;

    /// A client as errors name it.
    fn name(&self, client: usize) -> String {
        format!("client {}", client + 1)
    }

    /// How many clients it keeps under way where `most` are allowed.
    fn at_once(&self, most: usize) -> usize {
        most.min(self.count())
    }

    /// Sends a message to every client and hands their answers to `take`, in the order of the clients. No more than `at_once`
    /// are under way, or wait to be taken.
    ///
    /// # Errors
    /// A client that fails or is not there; what `take` fails with.
    fn ask(&mut self, message: Vec<u8>, at_once: usize, take: Take<'_>) -> Result<()>;

    /// One round of every client by itself.
    ///
    /// # Errors
    /// As [`Transport::ask`].
    fn alone(&mut self) -> Result<()>;

    /// The model of a client's own, to be measured.
    ///
    /// # Errors
    /// As [`Transport::ask`]; an algorithm whose clients keep none.
    fn model(&mut self, client: usize) -> Result<Params>;
}

/// Clients in this process, one after the other: one of them trains at a time.
pub struct InProcess<'a> {
    /// The clients.
    pub clients: Vec<Client<'a>>,
}

impl Transport for InProcess<'_> {
    fn count(&self) -> usize {
        self.clients.len()
    }

    fn size(&self, client: usize) -> usize {
        self.clients[client].size()
    }

    fn at_once(&self, _most: usize) -> usize {
        1
    }

    fn ask(&mut self, message: Vec<u8>, _at_once: usize, take: Take<'_>) -> Result<()> {
        for (k, client) in self.clients.iter_mut().enumerate() {
            let answer = client.answer(&message)?;
            take(k, &answer)?;
        }
        Ok(())
    }

    fn alone(&mut self) -> Result<()> {
        self.clients.iter_mut().try_for_each(Client::alone)
    }

    fn model(&mut self, client: usize) -> Result<Params> {
        self.clients[client].model().cloned()
    }
}
