//! What every method can be asked to do.

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::MethodInfo;
use std::path::PathBuf;

/// A method of the registry.
pub trait Method: Sync {
    /// What it is.
    fn info(&self) -> &'static MethodInfo;

    /// Trains, or goes on, and writes the weights it serves; gives their paths.
    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>>;

    /// Measures the trained weights on the test split.
    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile>;

    /// Trains what the claim needs, measures it, and says whether it holds.
    fn reproduce(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        self.train(ctx)?;
        self.eval(ctx)
    }
}
