//! Clients of a federation in processes of their own.
//!
//! A client's process keeps a [`Participant`] and [serves](serve) it on an address; the server's process has [`Clients`],
//! started on loopback or reached at addresses, and asks them. The calls are unary gRPC calls (tonic) with raw bytes as
//! messages: what the bytes mean is the method's affair, and nothing else crosses. Every message has a longest length,
//! every answer a longest time; pings find a machine that fell silent. Calls are not encrypted: between machines they
//! belong into a tunnel.

mod call;
mod clients;
mod codec;
mod error;
mod participant;
mod process;
mod status;

pub use bytes::Bytes;
pub use call::{Call, LONGEST_SETUP};
pub use clients::{Clients, Limits, Round};
pub use error::{FederationError, Result};
pub use participant::{Participant, Refusal, serve};
pub use process::Program;
