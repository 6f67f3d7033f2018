//! The store: files and index kept in step.

use crate::db::{Db, FILE};
use crate::error::{Result, StoreError};
use crate::files::{Files, Placed};
use crate::index::{self, Located, Target};
use crate::outbox::{self, Lane, Outgoing, Sent};
use crate::query::{self, Found, Query};
use crate::queue::{self, Counts, Failure, Lease, NewJob};
use crate::record::{Incoming, Record};
use crate::same::same_content;
use crate::sweep;
use crate::uid::Uid;
use crate::{NewOutgoing, now};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use hilum_dicom::object;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, broadcast};

/// What happens to an object whose SOP Instance UID is stored with another content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// It is refused: two different objects must not have one UID.
    #[default]
    Refuse,
    /// The first one stays, and the sender is told that all is well.
    Keep,
    /// The new one takes its place.
    Replace,
}

/// How a store behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// PostgreSQL URL; SQLite in the store's folder without one.
    pub database: Option<String>,
    /// Objects with a known UID and another content.
    pub duplicates: Duplicates,
    /// Most bytes of one object.
    pub max_object: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            database: None,
            duplicates: Duplicates::default(),
            max_object: 1 << 30,
        }
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingested {
    /// It is new.
    Stored,
    /// The very same was there already.
    Known,
    /// Another with this UID was there and stays.
    Kept,
    /// It took the place of another.
    Replaced,
}

/// What [`Store::open`] had to mend after a process that did not close the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Half-received files removed.
    pub unfinished: usize,
    /// Files that were on the disk but not in the index, and are now.
    pub indexed: usize,
    /// Files that are no valid objects, moved to `quarantine`.
    pub quarantined: usize,
    /// Rows without a file, removed.
    pub lost: usize,
    /// Deletions that were finished.
    pub deleted: usize,
}

/// Objects received so far, and the work on them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: Files,
    db: Db,
    options: Options,
    /// Two copies of one object that come at once are taken one after the other.
    locks: Vec<Mutex<()>>,
    /// Tells who asked that something of a study changed.
    changes: broadcast::Sender<String>,
}

const LOCKS: usize = 64;

/// Changes that a listener may lag behind before it is told that it missed some.
const CHANGES: usize = 4096;

impl Store {
    /// Opens the store at `root`, making it where it is missing, and mends what a killed process left. `job` says which
    /// work an object found on the disk gives rise to.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process has it open; [`StoreError::Io`], [`StoreError::Database`],
    /// [`StoreError::Version`].
    pub async fn open(
        root: &Path,
        options: Options,
        job: impl Fn(&Record, &str) -> Option<NewJob>,
    ) -> Result<(Self, Recovered)> {
        let files = Files::open(root)?;
        let db = Db::open(options.database.as_deref(), &root.join(FILE)).await?;
        let store = Store::with(files, db, options);
        let recovered = store.recover(job).await?;
        Ok((store, recovered))
    }

    /// Joins a store that another process has open, to work on its queue. Needs a database that several processes can share.
    ///
    /// # Errors
    /// [`StoreError::Query`] without a database URL, else those of [`Store::open`].
    pub async fn join(root: &Path, options: Options) -> Result<Self> {
        if options.database.is_none() {
            return Err(StoreError::Query {
                reason: "a store without a database URL belongs to one process".to_owned(),
            });
        }
        let files = Files::join(root);
        let db = Db::open(options.database.as_deref(), &root.join(FILE)).await?;
        Ok(Store::with(files, db, options))
    }

    fn with(files: Files, db: Db, options: Options) -> Self {
        Store {
            inner: Arc::new(Inner {
                files,
                db,
                options,
                locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
                changes: broadcast::channel(CHANGES).0,
            }),
        }
    }

    /// Study Instance UIDs (subjects of jobs) of what this process changes from now on: objects that came or went, jobs that were
    /// asked for, taken, done or failed. What other processes do is not among them.
    pub fn changes(&self) -> broadcast::Receiver<String> {
        self.inner.changes.subscribe()
    }

    fn changed(&self, study: &str) {
        // Nobody may be listening.
        let _ = self.inner.changes.send(study.to_owned());
    }

    /// The database, for tables of what builds on the store.
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// Closes the store: the next one that opens it need not look at every file.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub async fn close(self) -> Result<()> {
        self.inner.db.close().await;
        self.inner.files.mark_clean()
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        self.inner.files.root()
    }

    /// Most bytes of one object.
    pub fn max_object(&self) -> u64 {
        self.inner.options.max_object
    }

    /// Parses and checks a data set without storing it.
    ///
    /// # Errors
    /// As [`Store::ingest`].
    pub fn check(&self, incoming: &Incoming<'_>) -> Result<Record> {
        let limit = self.inner.options.max_object;
        let bytes = incoming.data.len() as u64;
        if bytes > limit {
            return Err(StoreError::TooLarge { bytes, limit });
        }
        check(incoming)
    }

    /// Stores a checked data set. When this returns, file and row are there for good.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], [`StoreError::Conflict`], [`StoreError::DiskFull`], [`StoreError::Io`],
    /// [`StoreError::Database`]. Nothing is stored then.
    pub async fn ingest(
        &self,
        mut record: Record,
        incoming: &Incoming<'_>,
        job: Option<&NewJob>,
    ) -> Result<Ingested> {
        let head = part10_head(&record, incoming.source)?;
        record.size = (head.len() + incoming.data.len()) as u64;
        let _guard = self.lock(&record.instance).await;
        let before = index::locate(&self.inner.db, &record.instance).await?;
        let outcome = match &before {
            None => Ingested::Stored,
            Some(old) if old.sha256 == record.sha256 => return self.known(old, &record),
            Some(old) if self.known_in_another_syntax(old, &record, incoming)? => {
                return Ok(Ingested::Known);
            }
            Some(_) => match self.inner.options.duplicates {
                Duplicates::Refuse => return Err(StoreError::Duplicate),
                Duplicates::Keep => return Ok(Ingested::Kept),
                Duplicates::Replace => Ingested::Replaced,
            },
        };
        match &before {
            None => self.add(&record, &head, incoming, job).await?,
            Some(old) => self.replace(old, &record, &head, incoming, job).await?,
        }
        self.changed(record.study.as_str());
        Ok(outcome)
    }

    /// Places an object that is not there yet.
    async fn add(
        &self,
        record: &Record,
        head: &[u8],
        incoming: &Incoming<'_>,
        job: Option<&NewJob>,
    ) -> Result<()> {
        // Flushing to the disk takes milliseconds; other associations go on meanwhile.
        let placed =
            tokio::task::block_in_place(|| self.inner.files.place(record, head, incoming.data))?;
        let source = incoming.source;
        if let Err(error) = index::insert(&self.inner.db, record, source, job, now()).await {
            if placed == Placed::New {
                let path = Files::relative(&record.study, &record.series, &record.instance);
                self.inner.files.remove(&path)?;
            }
            return Err(error);
        }
        Ok(())
    }

    /// Puts an object into another's place. The old one was acknowledged: until the new one is on the disk as a whole, nothing
    /// of it is touched.
    async fn replace(
        &self,
        old: &Located,
        record: &Record,
        head: &[u8],
        incoming: &Incoming<'_>,
        job: Option<&NewJob>,
    ) -> Result<()> {
        let (db, files) = (&self.inner.db, &self.inner.files);
        index::swapping(db, &record.instance).await?;
        let swap = index::swap(db, old, record, incoming.source, job, now()).await?;
        tokio::task::block_in_place(|| files.place(record, head, incoming.data))?;
        let left = swap.left.clone();
        if let Err(error) = swap.done().await {
            if left.is_some() {
                let path = Files::relative(&record.study, &record.series, &record.instance);
                files.remove(&path)?;
            }
            return Err(error);
        }
        if let Some(path) = left {
            files.remove(&path)?;
            index::deleted(db, &path).await?;
            self.changed(old.study.as_str());
        }
        Ok(())
    }

    /// The same object once more: its file must still be there before anybody is told so.
    fn known(&self, old: &Located, record: &Record) -> Result<Ingested> {
        if old.study != record.study || old.series != record.series {
            return Err(StoreError::Duplicate);
        }
        let path = self.root().join(old.relative());
        match std::fs::metadata(&path) {
            Ok(_) => Ok(Ingested::Known),
            Err(e) => Err(StoreError::io(&path, e)),
        }
    }

    /// The same object in another transfer syntax: the one that came first stays.
    fn known_in_another_syntax(
        &self,
        old: &Located,
        record: &Record,
        incoming: &Incoming<'_>,
    ) -> Result<bool> {
        let place = (&old.study, &old.series) == (&record.study, &record.series);
        if !place || old.transfer_syntax == record.transfer_syntax.as_str() {
            return Ok(false);
        }
        let path = self.root().join(old.relative());
        tokio::task::block_in_place(|| {
            let stored = std::fs::read(&path).map_err(|e| StoreError::io(&path, e))?;
            let came = with_syntax(incoming.data, incoming.transfer_syntax);
            Ok(same_content(&stored, &came))
        })
    }

    async fn lock(&self, instance: &Uid) -> tokio::sync::MutexGuard<'_, ()> {
        let sum = instance.as_str().bytes().fold(0usize, |sum, b| {
            sum.wrapping_mul(31).wrapping_add(usize::from(b))
        });
        self.inner.locks[sum % LOCKS].lock().await
    }

    /// Deletes objects, and with the last one of a study all that was made of it: its reading, its jobs, what of it is to be
    /// sent, and the rows that others keep of it ([`Db::goes_with_studies`]). Returns how many objects there were.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Io`]; what is not deleted then goes when the store is opened next.
    pub async fn delete(&self, target: &Target) -> Result<usize> {
        let made_of = |objects: &[Located]| self.inner.files.made_of(objects);
        let deleted = index::delete(&self.inner.db, target, made_of).await?;
        let count = self.remove(&deleted.paths).await.map(|()| deleted.objects);
        if let Target::Study(uid) = target {
            self.changed(uid.as_str());
        }
        count
    }

    /// Takes away what a worker made of a study that was deleted meanwhile. False when the study is there or another has a job
    /// on it: then nothing is touched.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub async fn sweep(&self, study: &Uid, made: &[NewOutgoing]) -> Result<bool> {
        let Some(mut paths) = index::sweep_study(&self.inner.db, study).await? else {
            return Ok(false);
        };
        paths.extend(made.iter().map(|m| PathBuf::from(&m.path)));
        self.remove(&paths).await?;
        Ok(true)
    }

    /// Removes files that are noted in `deletions`.
    async fn remove(&self, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            tokio::task::block_in_place(|| self.inner.files.remove(path))?;
            index::deleted(&self.inner.db, path).await?;
            if let Some(study) = Files::study_of(path) {
                self.changed(study);
            }
        }
        Ok(())
    }

    /// Removes files of `outbox` that every destination has, or that a worker left which did not get to the end, when nobody
    /// touched them for `age`: a study that is being read again writes them anew. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Io`].
    pub async fn prune_outbox(&self, age: Duration) -> Result<usize> {
        let files = &self.inner.files;
        let old = files.old_outgoing(age)?;
        if old.is_empty() {
            return Ok(0);
        }
        let unsent = sweep::unsent(&self.inner.db).await?;
        let mut count = 0;
        for path in old.iter().filter(|p| !unsent.contains(*p)) {
            if files.is_old(path, age) {
                files.remove(path)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Answers a search.
    ///
    /// # Errors
    /// [`StoreError::Query`], [`StoreError::Database`].
    pub async fn find(&self, query: &Query) -> Result<Vec<Found>> {
        query::find(&self.inner.db, query).await
    }

    /// The stored objects that a search stands for, in order of series and instance number.
    ///
    /// # Errors
    /// [`StoreError::Query`], [`StoreError::Database`].
    pub async fn objects(&self, query: &Query) -> Result<Vec<Located>> {
        query::objects(&self.inner.db, query).await
    }

    /// The object with this UID.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn locate(&self, instance: &Uid) -> Result<Option<Located>> {
        index::locate(&self.inner.db, instance).await
    }

    /// The file of an object.
    pub fn path(&self, object: &Located) -> PathBuf {
        self.root().join(object.relative())
    }

    /// Takes a job that is due. `lease_ms` is how long the worker may be silent.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn lease(&self, kind: &str, worker: &str, lease_ms: i64) -> Result<Option<Lease>> {
        let lease = queue::lease(&self.inner.db, kind, worker, lease_ms).await?;
        if let Some(lease) = &lease {
            self.changed(&lease.subject);
        }
        Ok(lease)
    }

    /// Says that the worker is still at it; false when the lease was lost.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn heartbeat(&self, lease: &Lease, lease_ms: i64) -> Result<bool> {
        queue::heartbeat(&self.inner.db, lease, lease_ms).await
    }

    /// The job is done and its results are to be sent, both or neither; false when the lease was lost.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn complete(&self, lease: &Lease, results: &[NewOutgoing]) -> Result<bool> {
        let done = queue::complete(&self.inner.db, lease, results).await?;
        self.changed(&lease.subject);
        Ok(done)
    }

    /// The job was not done; false when the lease was lost.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn fail(&self, lease: &Lease, error: &str, failure: &Failure) -> Result<bool> {
        let failed = queue::fail(&self.inner.db, lease, error, failure).await?;
        self.changed(&lease.subject);
        Ok(failed)
    }

    /// Asks for a job.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn request(&self, job: &NewJob) -> Result<()> {
        let db = &self.inner.db;
        let mut tx = db.work.begin_with(db.begin()).await?;
        queue::request(db, &mut tx, job).await?;
        tx.commit().await?;
        self.changed(&job.subject);
        Ok(())
    }

    /// Puts objects of a study into the outbox; those that are in it for the same destination stay as they are.
    ///
    /// # Errors
    /// [`StoreError::Database`]; none are put in then.
    pub async fn send(&self, study: &str, objects: &[NewOutgoing]) -> Result<()> {
        let db = &self.inner.db;
        let mut tx = db.work.begin_with(db.begin()).await?;
        for object in objects {
            outbox::put(db, &mut tx, object, study).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Takes something that is to be sent.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn lease_outgoing(&self, worker: &str, lease_ms: i64) -> Result<Option<Outgoing>> {
        self.lease_outgoing_of(worker, Lane::Any, lease_ms).await
    }

    /// Takes something that is to be sent to the destinations of `lane`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn lease_outgoing_of(
        &self,
        worker: &str,
        lane: Lane<'_>,
        lease_ms: i64,
    ) -> Result<Option<Outgoing>> {
        outbox::lease(&self.inner.db, worker, lane, lease_ms).await
    }

    /// Says that the sender is still at it; false when the lease was lost.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn heartbeat_outgoing(&self, out: &Outgoing, lease_ms: i64) -> Result<bool> {
        outbox::heartbeat(&self.inner.db, out, lease_ms).await
    }

    /// SOP Instance UIDs of the objects of a study that go or went out from here.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn own_objects(&self, study: &str) -> Result<HashSet<String>> {
        outbox::of_study(&self.inner.db, study).await
    }

    /// Says how an attempt to send ended; false when the lease was lost.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn finish_outgoing(&self, out: &Outgoing, sent: &Sent, error: &str) -> Result<bool> {
        outbox::finish(&self.inner.db, out, sent, error).await
    }

    /// Jobs by state.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn jobs(&self) -> Result<Counts> {
        queue::counts(&self.inner.db, "jobs").await
    }

    /// What is to be sent, by state.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn outgoing(&self) -> Result<Counts> {
        queue::counts(&self.inner.db, "outbox").await
    }

    async fn recover(&self, job: impl Fn(&Record, &str) -> Option<NewJob>) -> Result<Recovered> {
        let mut report = Recovered {
            unfinished: self.inner.files.clear_incoming()?,
            ..Recovered::default()
        };
        queue::release(&self.inner.db).await?;
        for path in index::deletions(&self.inner.db).await? {
            self.inner.files.remove(&path)?;
            index::deleted(&self.inner.db, &path).await?;
            report.deleted += 1;
        }
        for instance in index::swaps(&self.inner.db).await? {
            self.follow_file(&instance, &job).await?;
            index::swapped(&self.inner.db, &instance).await?;
        }
        if !self.inner.files.take_clean()? {
            self.compare(&job, &mut report).await?;
        }
        Ok(report)
    }

    /// Makes the row of an object whose file was being replaced that of the file as it is.
    async fn follow_file(
        &self,
        instance: &Uid,
        job: &impl Fn(&Record, &str) -> Option<NewJob>,
    ) -> Result<()> {
        let Some(old) = index::locate(&self.inner.db, instance).await? else {
            return Ok(());
        };
        let path = self.path(&old);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // What has no file is looked for below.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(StoreError::io(&path, e)),
        };
        let record = stored_record(&bytes)?;
        if record.sha256 == old.sha256 {
            return Ok(());
        }
        let source = source_of(&bytes);
        let job = job(&record, &source);
        let swap = index::swap(&self.inner.db, &old, &record, &source, job.as_ref(), now());
        swap.await?.done().await
    }

    /// Brings files and index in step: every file into the index, every row without a file out of it.
    async fn compare(
        &self,
        job: &impl Fn(&Record, &str) -> Option<NewJob>,
        report: &mut Recovered,
    ) -> Result<()> {
        let rows = index::all(&self.inner.db).await?;
        let known: BTreeSet<PathBuf> = rows.iter().map(Located::relative).collect();
        let mut there = BTreeSet::new();
        for path in self.inner.files.walk() {
            let path = path?;
            if !known.contains(&path) {
                self.adopt(&path, job, report).await?;
            }
            there.insert(path);
        }
        for row in rows.iter().filter(|r| !there.contains(&r.relative())) {
            let db = &self.inner.db;
            let mut tx = db.work.begin_with(db.begin()).await?;
            index::forget(&mut tx, row).await?;
            tx.commit().await?;
            report.lost += 1;
        }
        Ok(())
    }

    async fn adopt(
        &self,
        path: &Path,
        job: &impl Fn(&Record, &str) -> Option<NewJob>,
        report: &mut Recovered,
    ) -> Result<()> {
        let full = self.root().join(path);
        let bytes = std::fs::read(&full).map_err(|e| StoreError::io(&full, e))?;
        let record = stored_record(&bytes)
            .ok()
            .filter(|r| Files::relative(&r.study, &r.series, &r.instance) == path);
        let Some(record) = record else {
            self.inner.files.quarantine(path)?;
            report.quarantined += 1;
            return Ok(());
        };
        let source = source_of(&bytes);
        let job = job(&record, &source);
        match index::insert(&self.inner.db, &record, &source, job.as_ref(), now()).await {
            Ok(()) => report.indexed += 1,
            Err(StoreError::Conflict { .. } | StoreError::Duplicate) => {
                self.inner.files.quarantine(path)?;
                report.quarantined += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn check(incoming: &Incoming<'_>) -> Result<Record> {
    let data = parse_data_set(incoming.data, incoming.transfer_syntax)?;
    Record::new(&data, incoming)
}

/// Parses a data set without file meta information, with all the checks that a file gets.
///
/// # Errors
/// [`StoreError::Dicom`].
pub fn parse_data_set(data: &[u8], transfer_syntax: &str) -> Result<InMemDicomObject> {
    Ok(object::parse(&with_syntax(data, transfer_syntax))?.data)
}

/// The data set behind the smallest file meta information that names its transfer syntax.
fn with_syntax(data: &[u8], transfer_syntax: &str) -> Vec<u8> {
    let mut syntax = transfer_syntax.as_bytes().to_vec();
    if syntax.len() % 2 == 1 {
        syntax.push(0);
    }
    let mut bytes = Vec::with_capacity(data.len() + syntax.len() + 140);
    bytes.resize(128, 0);
    bytes.extend(b"DICM\x02\0\x10\0UI");
    bytes.extend(u16::try_from(syntax.len()).unwrap_or(0).to_le_bytes());
    bytes.extend(&syntax);
    bytes.extend(data);
    bytes
}

/// Preamble and file meta information of a stored object.
///
/// # Errors
/// [`StoreError::Dicom`] when they cannot be encoded.
pub fn part10_head(record: &Record, source: &str) -> Result<Vec<u8>> {
    let encoding = |e: &dyn std::fmt::Display| {
        StoreError::Dicom(hilum_dicom::DicomError::Parse {
            reason: e.to_string(),
        })
    };
    let mut meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(record.sop_class.as_str())
        .media_storage_sop_instance_uid(record.instance.as_str())
        .transfer_syntax(record.transfer_syntax.as_str());
    if !source.is_empty() {
        meta = meta.source_application_entity_title(source);
    }
    let meta = meta.build().map_err(|e| encoding(&e))?;
    let mut head = vec![0u8; 128];
    head.extend(b"DICM");
    meta.write(&mut head).map_err(|e| encoding(&e))?;
    Ok(head)
}

/// The record of a file of the store.
fn stored_record(bytes: &[u8]) -> Result<Record> {
    let object = object::parse(bytes)?;
    let data = data_set(bytes).ok_or(hilum_dicom::DicomError::NotDicom)?;
    let incoming = Incoming {
        data,
        transfer_syntax: &object.transfer_syntax,
        sop_class: None,
        instance: None,
        source: "",
    };
    let mut record = Record::new(&object.data, &incoming)?;
    record.size = bytes.len() as u64;
    Ok(record)
}

/// The data set of a file that [`Store::ingest`] wrote: what follows the file meta information by its group length.
fn data_set(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.get(140..144)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    bytes.get(144usize.checked_add(length)?..)
}

fn source_of(bytes: &[u8]) -> String {
    dicom_object::FileMetaTable::from_reader(bytes.get(128..).unwrap_or_default())
        .ok()
        .and_then(|m| m.source_application_entity_title)
        .map(|s| s.trim_matches([' ', '\0']).to_owned())
        .unwrap_or_default()
}
