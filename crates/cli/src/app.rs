//! The command line as a whole.

#[cfg(feature = "federation")]
use crate::verbs::federated_client;
use crate::verbs::{
    audit, bench, calibrate, data, doctor, drr, index, inspect, measure, methods, phantom, quiz,
    read, run, score, text, weights,
};
#[cfg(feature = "ct")]
use crate::verbs::{ct, drr_set};
#[cfg(feature = "node")]
use crate::verbs::{deidentify, echo, find, get, listen, move_, queue, send, serve, worker};
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
    /// Be one client of a federation, in a process of its own
    #[cfg(feature = "federation")]
    FederatedClient(federated_client::Args),
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
    /// Calibrate the reader on your own labelled images, or any scores
    Calibrate(Box<calibrate::Args>),
    /// Is a model right for the right reason, and for whom does it fail?
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Known cases to compare readings with
    #[command(subcommand)]
    Index(index::Verb),
    /// Build sets of radiographs from folders of CTs, and score phrases grounded on their masks
    #[cfg(feature = "ct")]
    #[command(subcommand)]
    DrrSet(drr_set::Verb),
    /// Look at, convert and measure CTs
    #[cfg(feature = "ct")]
    #[command(subcommand)]
    Ct(ct::Verb),
    /// DICOM and FHIR objects of readings, written and read back
    #[cfg(feature = "objects")]
    #[command(subcommand)]
    Objects(crate::verbs::objects::Verb),
    /// Landmarks, lines and the twelve indices of CheXStruct on masks or images
    Measure(Box<measure::Args>),
    /// Staged questions on measured images, and scores of answers
    #[command(subcommand)]
    Quiz(quiz::Verb),
    /// Make phantom studies: images, masks, reports and the truth
    Phantom(phantom::Args),
    /// Serve the reading room: work list, viewer, corrections and sign-off in a browser
    #[cfg(feature = "node")]
    Serve(Box<serve::Args>),
    /// Receive, keep, find, move and read DICOM objects
    #[cfg(feature = "node")]
    Listen(Box<listen::Args>),
    /// Send DICOM files to a node
    #[cfg(feature = "node")]
    Send(Box<send::Args>),
    /// Ask a DICOM node whether it is there
    #[cfg(feature = "node")]
    Echo(echo::Args),
    /// Search a DICOM node or a DICOMweb server
    #[cfg(feature = "node")]
    Find(find::Args),
    /// Have a DICOM node send objects to another one
    #[cfg(feature = "node")]
    Move(move_::Args),
    /// Retrieve objects from a DICOMweb server
    #[cfg(feature = "node")]
    Get(get::Args),
    /// What a node still has to do, and trying again what it put aside
    #[cfg(feature = "node")]
    #[command(subcommand)]
    Queue(queue::Verb),
    /// Read studies that a listener received, on another machine
    #[cfg(feature = "node")]
    Worker(worker::Args),
    /// Take out of DICOM files what identifies the patient
    #[cfg(feature = "node")]
    Deidentify(Box<deidentify::Args>),
    /// Check this machine and this installation
    Doctor(doctor::Args),
    /// Measure speed
    #[command(subcommand)]
    Bench(bench::Verb),
}
