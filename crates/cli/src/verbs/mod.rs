//! The verbs, one file each.

pub mod audit;
mod audit_shortcut;
pub mod bench;
mod bench_attribution;
mod bench_layers;
mod bench_net;
mod bench_peers;
mod bench_similar;
pub mod calibrate;
#[cfg(feature = "ct")]
pub mod ct;
pub mod data;
#[cfg(feature = "node")]
pub mod deidentify;
pub mod doctor;
#[cfg(feature = "node")]
mod doctor_node;
pub mod drr;
mod drr_along;
#[cfg(feature = "ct")]
pub mod drr_set;
#[cfg(feature = "node")]
pub mod echo;
#[cfg(feature = "federation")]
pub mod federated_client;
mod federation;
#[cfg(feature = "node")]
pub mod find;
#[cfg(feature = "node")]
pub mod get;
pub mod index;
pub mod inspect;
mod labelled;
#[cfg(feature = "node")]
pub mod listen;
pub mod measure;
mod measure_masks;
pub mod methods;
#[cfg(feature = "node")]
pub mod move_;
#[cfg(feature = "node")]
mod node_parts;
#[cfg(feature = "node")]
mod node_read;
mod npy;
#[cfg(feature = "objects")]
pub mod objects;
pub mod phantom;
#[cfg(feature = "node")]
pub mod queue;
pub mod quiz;
pub mod read;
pub mod run;
pub mod score;
#[cfg(feature = "node")]
pub mod send;
#[cfg(feature = "node")]
pub mod serve;
#[cfg(feature = "node")]
mod serve_demo;
pub mod text;
pub mod weights;
#[cfg(feature = "node")]
pub mod worker;

use crate::app::Verb;
use crate::exit::Code;
use anyhow::Result;

/// Does what was asked for.
pub fn run(verb: Verb) -> Result<Code> {
    match verb {
        Verb::Read(args) => read::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Weights(verb) => weights::run(&verb),
        Verb::Measure(args) => measure::run(&args),
        Verb::Quiz(verb) => quiz::run(&verb),
        Verb::Methods(args) => methods::run(&args),
        Verb::Train(args) => run::run(run::Task::Train, &args),
        Verb::Eval(args) => run::run(run::Task::Eval, &args),
        Verb::Reproduce(args) => run::run(run::Task::Reproduce, &args),
        #[cfg(feature = "federation")]
        Verb::FederatedClient(args) => federated_client::run(&args),
        Verb::Data(verb) => data::run(&verb),
        Verb::Text(verb) => text::run(&verb),
        Verb::Score(args) => score::run(&args),
        Verb::Drr(args) => drr::run(&args),
        #[cfg(feature = "objects")]
        Verb::Objects(verb) => objects::run(&verb),
        #[cfg(feature = "ct")]
        Verb::DrrSet(verb) => drr_set::run(&verb),
        #[cfg(feature = "ct")]
        Verb::Ct(verb) => ct::run(&verb),
        Verb::Calibrate(args) => calibrate::run(&args),
        Verb::Audit(verb) => audit::run(&verb),
        Verb::Index(verb) => index::run(&verb),
        Verb::Phantom(args) => phantom::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        #[cfg(feature = "node")]
        Verb::Listen(args) => listen::run(&args),
        #[cfg(feature = "node")]
        Verb::Serve(args) => serve::run(&args),
        #[cfg(feature = "node")]
        Verb::Send(args) => send::run(&args),
        #[cfg(feature = "node")]
        Verb::Echo(args) => echo::run(&args),
        #[cfg(feature = "node")]
        Verb::Find(args) => find::run(&args),
        #[cfg(feature = "node")]
        Verb::Move(args) => move_::run(&args),
        #[cfg(feature = "node")]
        Verb::Get(args) => get::run(&args),
        #[cfg(feature = "node")]
        Verb::Queue(verb) => queue::run(&verb),
        #[cfg(feature = "node")]
        Verb::Worker(args) => worker::run(&args),
        #[cfg(feature = "node")]
        Verb::Deidentify(args) => deidentify::run(&args),
        Verb::Bench(verb) => bench::run(&verb),
    }
}
