//! How messages reach the clients.

use super::client::Client;
use crate::error::Result;

/// A way to the clients of a federation. Only bytes cross it, and how many cases a client has.
pub trait Transport {
    /// Number of clients.
    fn count(&self) -> usize;

    /// Cases of a client.
    fn size(&self, client: usize) -> usize;

    /// Sends a message to a client and waits for its answer.
    ///
    /// # Errors
    /// A client that fails or is not there.
    fn ask(&mut self, client: usize, message: &[u8]) -> Result<Vec<u8>>;
}

/// Clients in this process.
pub struct InProcess {
    /// The clients.
    pub clients: Vec<Client>,
}

impl Transport for InProcess {
    fn count(&self) -> usize {
        self.clients.len()
    }

    fn size(&self, client: usize) -> usize {
        self.clients[client].size()
    }

    fn ask(&mut self, client: usize, message: &[u8]) -> Result<Vec<u8>> {
        self.clients[client].answer(message)
    }
}
