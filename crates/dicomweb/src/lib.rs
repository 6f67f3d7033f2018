//! DICOMweb (PS3.18) over the store.
//!
//! [`router`] answers QIDO-RS, WADO-RS and STOW-RS and can be mounted in any axum application; [`Server`] serves it on a port of
//! its own. [`Client`] asks other servers.

mod account;
pub mod client;
pub mod error;
mod frames;
mod listener;
mod media;
mod metadata;
mod multipart;
mod peers;
mod qido;
mod rendered;
mod routes;
mod server;
mod serving;
mod state;
mod stow;
mod wado;

pub use account::{Access, Caller, Observer};
pub use client::{Client, ClientError};
pub use error::WebError;
pub use listener::{WebLimits, WebListener};
pub use peers::Peers;
pub use routes::router;
pub use server::Server;
pub use serving::serve;
pub use state::{WebState, check_token};
pub use wado::decoder;
