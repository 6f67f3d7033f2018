//! The zip archive of PyTorch 1.6 and later: `<name>/data.pkl`, `<name>/byteorder` and one entry
//! `<name>/data/<key>` a storage.

use super::extract::Storages;
use super::{Budget, PthError};
use crate::weights::pickle::Pickle;
use std::collections::HashMap;
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::result::ZipError;

type Zip<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The storages of an archive; each is unpacked once.
pub(super) struct ZipStorages<'a> {
    zip: Zip<'a>,
    prefix: String,
    unpacked: HashMap<String, Vec<u8>>,
}

/// Reads the pickle of an archive.
pub(super) fn open<'a>(
    bytes: &'a [u8],
    budget: &mut Budget,
) -> Result<(Pickle, ZipStorages<'a>), PthError> {
    let mut zip = ZipArchive::new(Cursor::new(bytes))?;
    let prefix = prefix(&zip)?;
    if zip
        .index_for_name(&format!("{prefix}constants.pkl"))
        .is_some()
    {
        return Err(PthError::TorchScript);
    }
    check_byte_order(&mut zip, &prefix, budget)?;
    let data = unpack(&mut zip, &format!("{prefix}data.pkl"), budget)?;
    let (pickle, _) = Pickle::read(&data)?;
    Ok((
        pickle,
        ZipStorages {
            zip,
            prefix,
            unpacked: HashMap::new(),
        },
    ))
}

/// The archive's own folder, with its slash.
fn prefix(zip: &Zip) -> Result<String, PthError> {
    let is_prefix = |p: &String| p.is_empty() || p.find('/') == Some(p.len() - 1);
    let names = zip
        .file_names()
        .filter_map(|n| Some(n.ok()?.strip_suffix("data.pkl")?.to_owned()));
    let found: Vec<String> = names.filter(is_prefix).collect();
    match &found[..] {
        [] => Err(PthError::MissingEntry {
            name: "data.pkl".to_owned(),
        }),
        [prefix] => Ok(prefix.clone()),
        _ => Err(PthError::AmbiguousArchive { count: found.len() }),
    }
}

/// Archives before PyTorch 2.1 have no such entry and are little-endian.
fn check_byte_order(zip: &mut Zip, prefix: &str, budget: &mut Budget) -> Result<(), PthError> {
    match unpack(zip, &format!("{prefix}byteorder"), budget) {
        Ok(order) if order == b"little" => Ok(()),
        Ok(order) => Err(PthError::ByteOrder {
            found: String::from_utf8_lossy(&order).into_owned(),
        }),
        Err(PthError::MissingEntry { .. }) => Ok(()),
        Err(e) => Err(e),
    }
}

fn unpack(zip: &mut Zip, name: &str, budget: &mut Budget) -> Result<Vec<u8>, PthError> {
    let entry = zip.by_name(name).map_err(|e| match e {
        ZipError::FileNotFound => PthError::MissingEntry {
            name: name.to_owned(),
        },
        e => PthError::Zip(e),
    })?;
    let size = entry.size();
    budget.spend(usize::try_from(size).unwrap_or(usize::MAX))?;
    let mut data = Vec::new();
    // The size is what the directory claims; the content may be longer and is cut off there.
    let read = entry.take(size).read_to_end(&mut data);
    read.map_err(|source| PthError::Entry {
        name: name.to_owned(),
        source,
    })?;
    if data.len() as u64 != size {
        let source = std::io::ErrorKind::UnexpectedEof.into();
        return Err(PthError::Entry {
            name: name.to_owned(),
            source,
        });
    }
    Ok(data)
}

impl Storages for ZipStorages<'_> {
    fn get(&mut self, key: &str, budget: &mut Budget) -> Result<&[u8], PthError> {
        if !self.unpacked.contains_key(key) {
            let data = unpack(&mut self.zip, &format!("{}data/{key}", self.prefix), budget)?;
            self.unpacked.insert(key.to_owned(), data);
        }
        let missing = || PthError::MissingEntry {
            name: key.to_owned(),
        };
        self.unpacked
            .get(key)
            .map(Vec::as_slice)
            .ok_or_else(missing)
    }
}
