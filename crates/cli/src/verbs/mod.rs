//! The verbs, one file each.

pub mod bench;
mod bench_layers;
mod bench_net;
mod bench_peers;
pub mod data;
pub mod doctor;
pub mod drr;
pub mod inspect;
pub mod methods;
mod npy;
pub mod phantom;
pub mod read;
pub mod run;
pub mod score;
pub mod text;
pub mod weights;

use crate::app::Verb;
use crate::exit::Code;
use anyhow::Result;

/// Does what was asked for.
pub fn run(verb: Verb) -> Result<Code> {
    match verb {
        Verb::Read(args) => read::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Weights(verb) => weights::run(&verb),
        Verb::Methods(args) => methods::run(&args),
        Verb::Train(args) => run::run(run::Task::Train, &args),
        Verb::Eval(args) => run::run(run::Task::Eval, &args),
        Verb::Reproduce(args) => run::run(run::Task::Reproduce, &args),
        Verb::Data(verb) => data::run(&verb),
        Verb::Text(verb) => text::run(&verb),
        Verb::Score(args) => score::run(&args),
        Verb::Drr(args) => drr::run(&args),
        Verb::Phantom(args) => phantom::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Bench(verb) => bench::run(&verb),
    }
}
