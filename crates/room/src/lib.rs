//! The reading room: what a person looks at, corrects and signs.
//!
//! A [`Room`] sits on a [`hilum_store::Store`]: objects, queue and readings are the store's, and the room adds a work list, edits,
//! signatures, accounts and an audit log in tables of its own. [`Server`] serves the HTTP API, DICOMweb and the web application.
//! How studies are read is the business of whoever works on the store's queue.
//!
//! Nothing here overwrites what a model said: [`edits`] are rows that are added, and [`edits::Edited`] is made of both each time.

pub mod access;
pub mod annotations;
mod assets;
mod audit;
pub mod compare;
mod db;
pub mod edits;
pub mod error;
mod events;
pub mod labels;
pub mod list;
mod pixels;
pub mod priority;
mod provider;
mod routes;
pub mod runs;
mod server;
mod sign;
mod state;
pub mod study;
mod upload;
mod wrap;

pub use error::{Result, RoomError};
pub use server::{Server, router};
pub use state::{Room, RoomOptions};
pub use upload::Uploaded;
