//! Reading what was received with the pipeline, and the threads that do it.

use crate::exit::Usage;
use crate::places;
use anyhow::{Context, Result};
use hilum_image::{Limits, Recipe};
use hilum_node::auto::{self, StudyFiles, Work};
use hilum_node::scu::Item;
use hilum_objects::Kind;
use hilum_pipeline::{Extras, Reader, Study};
use hilum_store::NewOutgoing;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

/// Reads studies with the pipeline, into `readings` of the store's folder. Objects that are to be sent are kept in `outbox` under
/// their UIDs, so that a later reading of the same study does not change what is under way.
struct PipelineReader {
    reader: Reader,
    objects: hilum_objects::Options,
    readings: PathBuf,
    outbox: PathBuf,
}

impl PipelineReader {
    fn new(work: &Work, extras: Extras) -> Result<Self> {
        let models = places::store(work.config.read.models.as_deref())?;
        let kinds: Result<Vec<Kind>, String> =
            work.config.read.objects.iter().map(|k| k.parse()).collect();
        let kinds = kinds.map_err(|e| Usage(format!("read.objects: {e}")))?;
        let objects = hilum_objects::Options {
            kinds,
            segmenter: models.segmenter().map(hilum_pipeline::Model::reference),
            ..hilum_objects::Options::default()
        };
        let outbox = work.store.root().join("outbox");
        std::fs::create_dir_all(&outbox).with_context(|| outbox.display().to_string())?;
        Ok(PipelineReader {
            reader: Reader::new(models, Recipe::default(), Limits::default(), true).with(extras),
            objects,
            readings: work.store.root().join("readings"),
            outbox,
        })
    }

    /// Keeps a copy of an object under its UID.
    fn keep(&self, file: &Path) -> Result<NewOutgoing> {
        let item = Item::of_file(file)?;
        let uid = hilum_store::Uid::new(&item.instance, "SOPInstanceUID")?;
        let mut part = tempfile::NamedTempFile::new_in(&self.outbox)?;
        std::io::copy(&mut std::fs::File::open(file)?, &mut part)?;
        part.as_file().sync_all()?;
        part.persist(self.outbox.join(format!("{uid}.dcm")))?;
        Ok(NewOutgoing {
            destination: String::new(),
            sop_uid: uid.to_string(),
            sop_class: item.sop_class,
            path: format!("outbox/{uid}.dcm"),
        })
    }
}

impl auto::Reader for PipelineReader {
    fn read(&self, study: &StudyFiles) -> Result<Vec<NewOutgoing>, String> {
        let wanted = Study {
            id: Some(study.study.clone()),
            files: study.files.clone(),
        };
        let mut outcome = self.reader.read(&wanted);
        let written = outcome
            .write(&self.readings, None)
            .map_err(|e| e.to_string())?;
        let (Some(folder), Some(reading)) = (written, &outcome.reading) else {
            let kinds: Vec<&str> = outcome
                .failed
                .iter()
                .map(|f| f.error.kind.as_str())
                .collect();
            return Err(format!("no image could be read: {}", kinds.join(", ")));
        };
        let objects = hilum_objects::files::write(&self.readings, &folder, reading, &self.objects);
        let files = objects.map_err(|e| e.to_string())?.files;
        if study.send_to.is_empty() {
            return Ok(Vec::new());
        }
        let dicom = files.iter().filter(|name| name.ends_with(".dcm"));
        dicom
            .map(|name| self.keep(&folder.join(name)).map_err(|e| e.to_string()))
            .collect()
    }
}

/// How studies are read, beyond what the configuration says.
#[derive(Debug, Default)]
pub struct Reading {
    /// What a reading says beyond findings and measurements.
    pub extras: Extras,
    /// Whether reading gives way to everything else that this process does.
    pub nice: bool,
}

/// Starts `count` threads that read, and the senders.
pub fn start_workers(
    work: Work,
    count: usize,
    how: Reading,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<JoinHandle<()>>> {
    let nice = how.nice;
    let reader = Arc::new(PipelineReader::new(&work, how.extras)?);
    let runtime = tokio::runtime::Handle::current();
    let mut threads = Vec::new();
    for n in 0..count {
        let (mut work, reader) = (work.clone(), Arc::clone(&reader));
        work.worker = format!("{}/{n}", work.worker);
        let (runtime, stop) = (runtime.clone(), Arc::clone(stop));
        threads.push(
            std::thread::Builder::new()
                .name(format!("reader-{n}"))
                .spawn(move || {
                    if nice {
                        give_way();
                    }
                    auto::work(&work, reader.as_ref(), &runtime, &stop);
                })?,
        );
    }
    let stop = Arc::clone(stop);
    threads.push(
        std::thread::Builder::new()
            .name("sender".to_owned())
            .spawn(move || auto::deliver(&work, &runtime, &stop))?,
    );
    Ok(threads)
}

/// The calling thread gives way to the others. Linux counts niceness by thread; elsewhere nothing happens.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "priority not lowered");
    }
}
