//! The sending side: associations, C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET.

mod item;
mod remote;
mod send;
mod session;

pub use item::Item;
pub use remote::Remote;
pub use send::{Origin, Retries, SendReport, Sender};
pub use session::{Gotten, Moved, Proposed, Session};
