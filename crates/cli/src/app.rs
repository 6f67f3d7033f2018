//! The command line as a whole.

use crate::verbs::{
    bench, data, doctor, drr, inspect, methods, phantom, read, run, score, text, weights,
};
use clap::{Parser, Subcommand};

/// Reads chest X-rays and reproduces published methods. Research use only: not a medical device.
#[derive(Debug, Parser)]
#[command(
    name = "hilum",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct App {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Read chest X-rays: findings, masks, measurements and a draft report
    Read(read::Args),
    /// Show what a network sees of a file, and how it came about
    Inspect(inspect::Args),
    /// List, check and convert weight files
    #[command(subcommand)]
    Weights(weights::Verb),
    /// List the methods and whether their claims hold here
    Methods(methods::Args),
    /// Train a method, or go on with a stopped training
    Train(run::Args),
    /// Measure the trained weights of a method on its test split
    Eval(run::Args),
    /// Train and measure a method, and say whether the paper's claim holds here
    Reproduce(run::Args),
    /// Count, split and check sets of images
    #[command(subcommand)]
    Data(data::Verb),
    /// Sections and labels of reports
    #[command(subcommand)]
    Text(text::Verb),
    /// Score texts against references
    Score(Box<score::Args>),
    /// Project a CT to a radiograph with its exact geometry
    Drr(Box<drr::Args>),
    /// Make phantom studies: images, masks, reports and the truth
    Phantom(phantom::Args),
    /// Check this machine and this installation
    Doctor(doctor::Args),
    /// Measure speed
    #[command(subcommand)]
    Bench(bench::Verb),
}
