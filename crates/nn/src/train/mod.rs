//! The one training loop and what it leaves in the run folder.

mod checkpoint;
mod curves;
mod run;
mod settings;

pub use run::{Outcome, RunInfo, StopFlag, fit};
pub use settings::{Batch, Scores, Task, TrainConfig};
