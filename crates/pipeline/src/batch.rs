//! Many studies on all cores, answered in the order of the input.

use crate::collect::{Item, Study};
use crate::error::{PipelineError, Result};
use crate::read::{Outcome, Reader};
use hilum_core::FailedPath;
use hilum_reading::folder_names;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};

/// How a batch is read.
#[derive(Debug, Clone, Default)]
pub struct BatchOptions {
    /// Threads; all cores when null.
    pub jobs: Option<usize>,
    /// Folder for the files of every study.
    pub out: Option<PathBuf>,
}

/// One answer, in the order of the input.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The study's reading and its files that failed.
    pub outcome: Outcome,
    /// Where its files were written.
    pub written: Option<PathBuf>,
    /// Files that the answer stands for.
    pub files: usize,
}

/// Starts the threads of a batch: they serve the studies and the kernels under them.
///
/// # Errors
/// [`PipelineError::Threads`].
pub fn threads(jobs: Option<usize>) -> Result<rayon::ThreadPool> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(jobs.unwrap_or(0));
    builder.build().map_err(|e| PipelineError::Threads {
        jobs: jobs.unwrap_or(0),
        reason: e.to_string(),
    })
}

/// Reads every item on `pool` and hands the answers to `emit`, in order. `emit` may stop the batch; studies
/// under way are then finished and dropped.
pub fn run(
    reader: &Reader,
    items: &[Item],
    options: &BatchOptions,
    pool: &rayon::ThreadPool,
    mut emit: impl FnMut(Answer) -> ControlFlow<()>,
) {
    if items.len() > 1 {
        pool.install(|| reader.build_all());
    }
    let folders = folders(items);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = mpsc::sync_channel::<(usize, Answer)>(4 * pool.current_num_threads());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let work = |sender: &mut SyncSender<(usize, Answer)>, (at, item): (usize, &Item)| {
                if !stop.load(Ordering::Relaxed) {
                    // The receiver is only gone when the batch was stopped.
                    let _ =
                        sender.send((at, answer(reader, item, folders[at].as_deref(), options)));
                }
            };
            pool.install(|| {
                items
                    .iter()
                    .enumerate()
                    .par_bridge()
                    .for_each_with(sender, work)
            });
        });
        let mut waiting: BTreeMap<usize, Answer> = BTreeMap::new();
        let mut next = 0;
        for (at, answer) in receiver {
            waiting.insert(at, answer);
            while let Some(answer) = waiting.remove(&next) {
                next += 1;
                if !stop.load(Ordering::Relaxed) && emit(answer).is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    });
}

/// Folder of every item whose id is known.
fn folders(items: &[Item]) -> Vec<Option<String>> {
    let id = |item: &Item| {
        if let Item::Study(Study { id, .. }) = item {
            id.clone()
        } else {
            None
        }
    };
    let ids: Vec<Option<String>> = items.iter().map(id).collect();
    let mut names = folder_names(ids.iter().flatten().map(String::as_str)).into_iter();
    ids.iter()
        .map(|id| id.as_ref().and_then(|_| names.next()))
        .collect()
}

fn answer(reader: &Reader, item: &Item, folder: Option<&str>, options: &BatchOptions) -> Answer {
    let study = match item {
        Item::Study(study) => study,
        Item::Failed(failed) => {
            return Answer {
                outcome: only_failed(failed.clone()),
                written: None,
                files: 1,
            };
        }
    };
    let mut outcome = reader.read(study);
    let mut written = None;
    if let Some(out) = &options.out {
        match outcome.write(out, folder) {
            Ok(place) => written = place,
            Err(error) => fail_all(&mut outcome, study, &error),
        }
    }
    Answer {
        outcome,
        written,
        files: study.files.len(),
    }
}

fn only_failed(failed: FailedPath) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.failed.push(failed);
    outcome
}

/// A reading that could not be written counts as failed: whoever asked for files must not find them missing.
fn fail_all(outcome: &mut Outcome, study: &Study, error: &PipelineError) {
    let Some(reading) = outcome.reading.take() else {
        return;
    };
    for path in &study.files {
        if reading
            .images
            .iter()
            .any(|i| i.path == path.to_string_lossy())
        {
            outcome.failed.push(error.failed(path));
        }
    }
}
