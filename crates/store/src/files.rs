//! The files of the store. A name is made of UIDs and nothing else, and a file has its final name only when all of
//! it is on the disk.
//!
//! ```text
//! DIR/instances/<study>/<series>/<instance>.dcm   what was received
//! DIR/incoming/*.part                              what is being received
//! DIR/readings/<study>/, DIR/outbox/               what was made of a study, and what of it is to be sent
//! DIR/room/thumbnails/<instance>-<size>.png        small pictures, made by the reading room
//! DIR/quarantine/                                  files found under instances/ that are no valid objects
//! DIR/lock                                         held while a process has the store open
//! DIR/clean                                        there when the last process closed the store
//! ```

use crate::error::{Result, StoreError};
use crate::index::Located;
use crate::record::Record;
use crate::sweep;
use crate::uid::Uid;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folders of a store.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    /// Held by the process that receives; others only read.
    _lock: Option<File>,
}

/// What [`Files::place`] found at the final name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// The file is new.
    New,
    /// A file was there that the index did not know; it was replaced.
    Replaced,
}

const DIRS: [&str; 3] = ["instances", "incoming", "quarantine"];
const CLEAN: &str = "clean";
const OUTBOX: &str = "outbox";
const THUMBNAILS: &str = "room/thumbnails";

impl Files {
    /// Makes the folders where they are missing and takes the lock.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        for dir in DIRS {
            let path = root.join(dir);
            make_private(&path).map_err(|e| StoreError::io(&path, e))?;
        }
        let path = root.join("lock");
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let lock = options.open(&path).map_err(|e| StoreError::io(&path, e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Files {
                root: root.to_owned(),
                _lock: Some(lock),
            }),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: root.to_owned(),
            }),
            Err(fs::TryLockError::Error(e)) => Err(StoreError::io(&path, e)),
        }
    }

    /// The folders of a store that another process has open.
    pub(crate) fn join(root: &Path) -> Self {
        Files {
            root: root.to_owned(),
            _lock: None,
        }
    }

    /// The store's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where an object lies, relative to the store's folder.
    pub(crate) fn relative(study: &Uid, series: &Uid, instance: &Uid) -> PathBuf {
        let mut path = PathBuf::from("instances");
        path.push(study.as_str());
        path.push(series.as_str());
        path.push(format!("{instance}.dcm"));
        path
    }

    /// The study that a path made by [`Files::relative`] belongs to.
    pub(crate) fn study_of(path: &Path) -> Option<&str> {
        path.strip_prefix("instances").ok()?.iter().next()?.to_str()
    }

    /// Writes an object to the disk under its final name and returns when it is there for good.
    pub(crate) fn place(&self, record: &Record, head: &[u8], data: &[u8]) -> Result<Placed> {
        let target = self.root.join(Files::relative(
            &record.study,
            &record.series,
            &record.instance,
        ));
        let incoming = self.root.join("incoming");
        let fail = |e| StoreError::io(&target, e);
        let mut part = tempfile::Builder::new()
            .suffix(".part")
            .tempfile_in(&incoming)
            .map_err(|e| StoreError::io(&incoming, e))?;
        part.write_all(head).map_err(fail)?;
        part.write_all(data).map_err(fail)?;
        part.as_file().sync_data().map_err(fail)?;
        let made = self.make_series(&record.study, &record.series)?;
        let there = target.exists();
        part.persist(&target).map_err(|e| fail(e.error))?;
        for dir in made {
            sync(&dir).map_err(|e| StoreError::io(&dir, e))?;
        }
        Ok(if there { Placed::Replaced } else { Placed::New })
    }

    /// Makes the folders of a series. Returns the folders that must be flushed, deepest first.
    fn make_series(&self, study: &Uid, series: &Uid) -> Result<Vec<PathBuf>> {
        let instances = self.root.join("instances");
        let study_dir = instances.join(study.as_str());
        let series_dir = study_dir.join(series.as_str());
        let mut changed = vec![series_dir.clone()];
        for (dir, parent) in [(&study_dir, &instances), (&series_dir, &study_dir)] {
            match make_one(dir) {
                Ok(true) => changed.push(parent.clone()),
                Ok(false) => {}
                Err(e) => return Err(StoreError::io(dir, e)),
            }
        }
        Ok(changed)
    }

    /// Removes a file or folder of the store; one that is gone already is no error. Folders of received objects that become
    /// empty go too.
    pub(crate) fn remove(&self, relative: &Path) -> Result<()> {
        let path = self.root.join(sweep::inside(relative)?);
        let removed = match fs::symlink_metadata(&path) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(e) => Err(e),
        };
        match removed {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::io(&path, e)),
        }
        if relative.starts_with("instances") {
            for dir in path.ancestors().skip(1).take(2) {
                // Not empty is the usual case; the folder then stays.
                if fs::remove_dir(dir).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Small pictures that the reading room made of objects, relative to the store's folder.
    pub(crate) fn made_of(&self, objects: &[Located]) -> Result<Vec<PathBuf>> {
        let folder = Path::new(THUMBNAILS);
        let wanted: HashSet<&str> = objects.iter().map(|o| o.instance.as_str()).collect();
        let names = self.names(folder)?;
        let of_these = names.iter().filter(|name| {
            let object = name.rsplit_once('-').map_or("", |(object, _)| object);
            wanted.contains(object)
        });
        Ok(of_these.map(|name| folder.join(name)).collect())
    }

    /// Names of the files in a folder; none when the folder is not there.
    fn names(&self, folder: &Path) -> Result<Vec<String>> {
        let path = self.root.join(folder);
        let fail = |e| StoreError::io(&path, e);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(fail(e)),
        };
        entries
            .map(|entry| {
                Ok(entry
                    .map_err(fail)?
                    .file_name()
                    .to_string_lossy()
                    .into_owned())
            })
            .collect()
    }

    /// Files in `outbox`, relative to the store's folder, that nobody touched for so long.
    pub(crate) fn old_outgoing(&self, age: Duration) -> Result<Vec<PathBuf>> {
        let folder = Path::new(OUTBOX);
        let names = self.names(folder)?;
        let paths = names.into_iter().map(|name| folder.join(name));
        Ok(paths.filter(|path| self.is_old(path, age)).collect())
    }

    /// Whether nobody touched a file for so long.
    pub(crate) fn is_old(&self, relative: &Path, age: Duration) -> bool {
        let modified = fs::metadata(self.root.join(relative)).and_then(|m| m.modified());
        modified.is_ok_and(|m| m.elapsed().is_ok_and(|e| e >= age))
    }

    /// Removes what was being received when the last process ended.
    pub(crate) fn clear_incoming(&self) -> Result<usize> {
        let dir = self.root.join("incoming");
        let mut count = 0;
        for entry in fs::read_dir(&dir).map_err(|e| StoreError::io(&dir, e))? {
            let path = entry.map_err(|e| StoreError::io(&dir, e))?.path();
            fs::remove_file(&path).map_err(|e| StoreError::io(&path, e))?;
            count += 1;
        }
        Ok(count)
    }

    /// Paths of all files under `instances`, relative to the store's folder.
    pub(crate) fn walk(&self) -> impl Iterator<Item = Result<PathBuf>> + '_ {
        walkdir::WalkDir::new(self.root.join("instances"))
            .into_iter()
            .filter(|e| e.as_ref().map_or(true, |e| e.file_type().is_file()))
            .map(|entry| {
                let entry = entry.map_err(|e| StoreError::io(&self.root, e.into()))?;
                let relative = entry.path().strip_prefix(&self.root);
                Ok(relative.unwrap_or(entry.path()).to_owned())
            })
    }

    /// Moves a file that is no valid object out of the way; it is not deleted.
    pub(crate) fn quarantine(&self, relative: &Path) -> Result<PathBuf> {
        let from = self.root.join(relative);
        let dir = self.root.join("quarantine");
        let name = relative.to_string_lossy().replace(['/', '\\'], "_");
        let kept = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempfile_in(&dir)
            .and_then(|f| f.keep().map_err(|e| e.error))
            .map_err(|e| StoreError::io(&dir, e))?;
        fs::rename(&from, &kept.1).map_err(|e| StoreError::io(&from, e))?;
        Ok(kept.1)
    }

    /// Whether the last process closed the store; from now on it is open.
    pub(crate) fn take_clean(&self) -> Result<bool> {
        let path = self.root.join(CLEAN);
        match fs::remove_file(&path) {
            Ok(()) => {
                sync(&self.root).map_err(|e| StoreError::io(&path, e))?;
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(StoreError::io(&path, e)),
        }
    }

    /// Says that the store was closed with file and index in step.
    pub(crate) fn mark_clean(&self) -> Result<()> {
        let path = self.root.join(CLEAN);
        let written = File::create(&path).and_then(|f| f.sync_all());
        written
            .and_then(|()| sync(&self.root))
            .map_err(|e| StoreError::io(&path, e))
    }
}

/// Makes a folder that only its owner can enter: what lies there is about patients.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Makes one folder; true when it was not there.
fn make_one(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(unix)]
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_dir: &Path) -> io::Result<()> {
    Ok(())
}
