//! A listener in this process on a free port, with its store in a temporary folder.

#![allow(dead_code)] // every test file uses its own part

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use hilum_node::audit::Audit;
use hilum_node::config::Config;
use hilum_node::scp::{Listener, Running, Totals};
use hilum_store::Store;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub struct Node {
    pub address: SocketAddr,
    pub dir: tempfile::TempDir,
    pub store: Store,
    runtime: tokio::runtime::Runtime,
    running: Running,
}

impl Node {
    /// On a free port.
    pub fn start(config: &Config) -> Self {
        Node::on(config, 0)
    }

    pub fn on(config: &Config, port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut config = config.clone();
        config.node.port = port;
        let (store, address, running) = runtime.block_on(async {
            let (store, _) = Store::open(dir.path(), config.store.options(), |_, _| None)
                .await
                .unwrap();
            let audit = Audit::open(&dir.path().join("audit.xml")).unwrap();
            let listener = Listener::bind(&config, store.clone(), audit).await.unwrap();
            let address = listener.address();
            (store, address, listener.start())
        });
        Node {
            address,
            dir,
            store,
            runtime,
            running,
        }
    }

    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    pub fn totals(&self) -> Totals {
        self.running.totals()
    }

    pub fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn stop(self) -> Totals {
        self.runtime.block_on(self.running.stop())
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    let tcp = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    tcp.local_addr().unwrap().port()
}

/// Writes one small film of a patient, in a study of its own.
pub fn write_film(dir: &Path, study: usize, patient: &str, date: &str) -> PathBuf {
    let mut film = object(study, 0, 8);
    film.put(DataElement::new(tags::PATIENT_ID, VR::LO, patient));
    film.put(DataElement::new(tags::STUDY_DATE, VR::DA, date));
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE)
        .media_storage_sop_instance_uid(format!("1.2.3.{study}.1.0"))
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let path = dir.join(format!("film-{study}.dcm"));
    film.with_meta(meta).unwrap().write_to_file(&path).unwrap();
    path
}

/// Writes `count` small objects of one study into a folder. The pixels make them `side` x `side` x 2 bytes large.
pub fn write_objects(dir: &Path, study: usize, count: usize, side: u16) -> Vec<PathBuf> {
    (0..count)
        .map(|n| {
            let path = dir.join(format!("{study}-{n}.dcm"));
            let object = object(study, n, side);
            let meta = FileMetaTableBuilder::new()
                .media_storage_sop_class_uid(uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE)
                .media_storage_sop_instance_uid(format!("1.2.3.{study}.1.{n}"))
                .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
            object
                .with_meta(meta)
                .unwrap()
                .write_to_file(&path)
                .unwrap();
            path
        })
        .collect()
}

pub fn object(study: usize, n: usize, side: u16) -> InMemDicomObject {
    let pixels = vec![u16::try_from(n % 1000).unwrap(); usize::from(side) * usize::from(side)];
    let us = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        DataElement::new(
            tags::SOP_CLASS_UID,
            VR::UI,
            uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
        ),
        DataElement::new(
            tags::SOP_INSTANCE_UID,
            VR::UI,
            format!("1.2.3.{study}.1.{n}"),
        ),
        DataElement::new(tags::STUDY_DATE, VR::DA, "20260102"),
        DataElement::new(tags::MODALITY, VR::CS, "CR"),
        DataElement::new(tags::PATIENT_NAME, VR::PN, format!("Müller^Test{study}")),
        DataElement::new(tags::PATIENT_ID, VR::LO, format!("P{study}")),
        DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, format!("1.2.3.{study}")),
        DataElement::new(
            tags::SERIES_INSTANCE_UID,
            VR::UI,
            format!("1.2.3.{study}.1"),
        ),
        DataElement::new(tags::INSTANCE_NUMBER, VR::IS, (n + 1).to_string()),
        us(tags::SAMPLES_PER_PIXEL, 1),
        DataElement::new(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        us(tags::ROWS, side),
        us(tags::COLUMNS, side),
        us(tags::BITS_ALLOCATED, 16),
        us(tags::BITS_STORED, 12),
        us(tags::HIGH_BIT, 11),
        us(tags::PIXEL_REPRESENTATION, 0),
        DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())),
    ])
}

/// Where a program is, or a word on stderr that the test is skipped without it.
pub fn tool(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&paths)
        .map(|p| p.join(name))
        .find(|p| p.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// The data set of a DICOM file with file meta information.
pub fn data_set(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    bytes[144 + length..].to_vec()
}
