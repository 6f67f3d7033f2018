//! A node that reads by itself: what its reader was given.

#![allow(dead_code)] // every test file uses its own part

use crate::common::Node;
use hilum_node::audit::Audit;
use hilum_node::auto::{self, Reader, StudyFiles, Work};
use hilum_node::config::Config;
use hilum_node::web::WebClient;
use hilum_store::NewOutgoing;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A reader that keeps what it was given.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<StudyFiles>>);

impl Reader for Recorder {
    fn read(&self, study: &StudyFiles) -> Result<Vec<NewOutgoing>, String> {
        self.0.lock().unwrap().push(study.clone());
        Ok(Vec::new())
    }
}

/// A worker on a node's store.
pub struct Reads {
    recorder: Arc<Recorder>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Reads {
    pub fn start(node: &Node, config: &Config, web: Arc<dyn WebClient>) -> Self {
        let work = Work {
            worker: "tester".to_owned(),
            store: node.store.clone(),
            config: config.clone(),
            audit: Audit::open(&node.dir.path().join("work.xml")).unwrap(),
            web,
        };
        let (recorder, stop) = (
            Arc::new(Recorder::default()),
            Arc::new(AtomicBool::new(false)),
        );
        let (reader, flag, handle) = (Arc::clone(&recorder), Arc::clone(&stop), node.handle());
        let thread = std::thread::spawn(move || auto::work(&work, reader.as_ref(), &handle, &flag));
        Reads {
            recorder,
            stop,
            thread: Some(thread),
        }
    }

    /// Studies that were read, sorted, each as often as it was read.
    pub fn studies(&self) -> Vec<String> {
        let read = self.recorder.0.lock().unwrap();
        let mut studies: Vec<String> = read.iter().map(|s| s.study.clone()).collect();
        studies.sort();
        studies
    }

    /// Waits until these were read, and a moment longer to see that no more are.
    pub fn expect(&self, studies: &[&str]) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.studies() != studies && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(self.studies(), studies);
    }

    /// How many files a study had, each time it was read.
    pub fn files(&self, study: &str) -> Vec<usize> {
        let read = self.recorder.0.lock().unwrap();
        let of = read.iter().filter(|s| s.study == study);
        of.map(|s| s.files.len()).collect()
    }

    /// Where the results of a study go.
    pub fn send_to(&self, study: &str) -> Vec<String> {
        let read = self.recorder.0.lock().unwrap();
        let of = read.iter().find(|s| s.study == study);
        of.map(|s| s.send_to.clone()).unwrap_or_default()
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
