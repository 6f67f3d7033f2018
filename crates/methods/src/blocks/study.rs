//! Methods that are studies: settings in two sizes, a run that leaves its outcome in the run folder, rows made of that
//! outcome. What they share stands here once; a method's `mod.rs` says who it is, what it runs and what its rows are.

use super::stored;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::Context;
use crate::curves::Curve;
use crate::error::Result;
use crate::info::MethodInfo;
use crate::method::Method;
use crate::scores::{self, Score};
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Where the run folder keeps what a study found.
pub const OUTCOME: &str = "outcome.json";

/// Settings of a method; the full ones are the default.
pub trait Settings: Default {
    /// The smallest that show that everything works.
    fn tiny() -> Self;

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`crate::MethodError::Config`] with what is wrong.
    fn validate(&self) -> Result<()>;

    /// Those of a run, checked.
    ///
    /// # Errors
    /// As [`Settings::validate`].
    fn of(ctx: &Context<'_>) -> Result<Self> {
        let own = match ctx.tiny {
            true => Self::tiny(),
            false => Self::default(),
        };
        own.validate()?;
        Ok(own)
    }
}

/// What an outcome stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the data.
    pub data_hash: String,
    /// Hash of the split.
    pub split_hash: String,
}

impl Trace {
    /// Of seeds and the hashes of data and split.
    pub fn new(seeds: &[u64], data_hash: &str, split_hash: &str) -> Self {
        Trace {
            seeds: seeds.to_vec(),
            data_hash: data_hash.to_owned(),
            split_hash: split_hash.to_owned(),
        }
    }
}

/// A method that trains many things, keeps what they said, and measures that.
pub trait Study: Sync {
    /// Settings.
    type Config: Settings;
    /// What a run leaves in [`OUTCOME`].
    type Outcome: DeserializeOwned;
    /// Who it is.
    const INFO: &'static MethodInfo;

    /// Runs everything, or goes on; writes [`OUTCOME`] and whatever else is to be looked at, and gives the paths.
    ///
    /// # Errors
    /// Data that are not there, a stop, a class missing, a diverging run.
    fn run(ctx: &Context<'_>, config: &Self::Config) -> Result<Vec<PathBuf>>;

    /// The rows of an outcome, the main claim first.
    ///
    /// # Errors
    /// What cannot be measured at all.
    fn rows(outcome: &Self::Outcome) -> Result<Vec<ClaimRow>>;

    /// What an outcome stands on.
    fn trace(outcome: &Self::Outcome) -> Trace;

    /// Points of an outcome to draw beside the rows; none unless a method keeps scores.
    fn curves(_outcome: &Self::Outcome) -> Vec<Curve> {
        Vec::new()
    }

    /// What an outcome's own method said of each case, for audits; none where it says nothing of cases.
    fn scores(_outcome: &Self::Outcome) -> Vec<Score> {
        Vec::new()
    }
}

impl<S: Study> Method for S {
    fn info(&self) -> &'static MethodInfo {
        S::INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        S::run(ctx, &S::Config::of(ctx)?)
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        let outcome: S::Outcome = stored::read(ctx, S::INFO.name, OUTCOME)?;
        let trace = S::trace(&outcome);
        scores::write(ctx, S::INFO.name, &S::scores(&outcome))?;
        Ok(ResultFile {
            seeds: trace.seeds,
            data_hash: trace.data_hash,
            split_hash: trace.split_hash,
            tiny: ctx.tiny,
            curves: S::curves(&outcome),
            ..ResultFile::new(S::INFO, S::rows(&outcome)?)
        })
    }
}
