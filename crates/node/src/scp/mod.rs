//! The receiving side: associations, C-ECHO, C-STORE, C-FIND, C-MOVE.

pub(crate) mod accept;
mod association;
mod find;
mod listener;
mod move_;
mod store;

pub use association::{Refusals, Totals};
pub use listener::{Listener, Running};
