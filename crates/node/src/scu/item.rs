//! A file that is sent: what it is, and its data set in the transfer syntax that the other side takes.

use crate::dataset;
use crate::error::{NodeError, Result};
use crate::scu::session::Proposed;
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::FileMetaTable;
use std::path::{Path, PathBuf};

/// A file that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The file.
    pub path: PathBuf,
    /// Its SOP Class UID.
    pub sop_class: String,
    /// Its SOP Instance UID.
    pub instance: String,
    /// Its transfer syntax.
    pub transfer_syntax: String,
}

/// Transfer syntaxes between which a data set can be written anew without touching pixel data.
const NATIVE: [&str; 4] = [
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.2",
];

impl Item {
    /// Looks at a file. One without file meta information is read as a whole.
    ///
    /// # Errors
    /// [`NodeError::File`], [`NodeError::NotDicom`], [`NodeError::DataSet`].
    pub fn of_file(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        if let Some((meta, _)) = head(&bytes) {
            return Ok(Item {
                path: path.to_owned(),
                sop_class: trimmed(&meta.media_storage_sop_class_uid),
                instance: trimmed(&meta.media_storage_sop_instance_uid),
                transfer_syntax: meta.transfer_syntax().to_owned(),
            });
        }
        let object = hilum_dicom::object::parse(&bytes).map_err(|e| match e {
            hilum_dicom::DicomError::NotDicom => NodeError::NotDicom,
            other => NodeError::DataSet(other.to_string()),
        })?;
        let uid = |tag: Tag, name| {
            let text = object.data.get(tag).and_then(|e| e.to_str().ok());
            text.map(|t| trimmed(&t))
                .filter(|t| !t.is_empty())
                .ok_or_else(|| NodeError::DataSet(format!("attribute {name} is missing")))
        };
        Ok(Item {
            path: path.to_owned(),
            sop_class: uid(tags::SOP_CLASS_UID, "SOPClassUID")?,
            instance: uid(tags::SOP_INSTANCE_UID, "SOPInstanceUID")?,
            transfer_syntax: object.transfer_syntax,
        })
    }

    /// The presentation context that it needs: as it is, and where the pixel data allow it in the two syntaxes that everybody
    /// takes.
    pub(crate) fn proposed(&self) -> Proposed {
        let mut transfer_syntaxes = vec![self.transfer_syntax.clone()];
        if self.is_native() {
            let others = NATIVE[..2].iter().filter(|s| **s != self.transfer_syntax);
            transfer_syntaxes.extend(others.map(|s| (*s).to_owned()));
        }
        Proposed {
            sop_class: self.sop_class.clone(),
            transfer_syntaxes,
        }
    }

    fn is_native(&self) -> bool {
        NATIVE.contains(&self.transfer_syntax.as_str())
    }

    /// Whether it can be sent in a transfer syntax.
    pub(crate) fn fits(&self, accepted: &str) -> bool {
        accepted == self.transfer_syntax || (self.is_native() && NATIVE.contains(&accepted))
    }

    /// The data set in an accepted transfer syntax; as it is in the file where that is the file's own.
    pub(crate) fn data(&self, accepted: &str) -> Result<Vec<u8>> {
        let mut bytes = read(&self.path)?;
        if accepted == self.transfer_syntax
            && let Some((_, start)) = head(&bytes)
        {
            bytes.drain(..start);
            return Ok(bytes);
        }
        let object =
            hilum_dicom::object::parse(&bytes).map_err(|e| NodeError::DataSet(e.to_string()))?;
        dataset::encode(&object.data, accepted)
    }
}

fn trimmed(uid: &str) -> String {
    uid.trim_end_matches(['\0', ' ']).to_owned()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| NodeError::File {
        path: path.display().to_string(),
        source,
    })
}

/// File meta information and where the data set starts, of a file that follows PS3.10 and gives all that is needed.
fn head(bytes: &[u8]) -> Option<(FileMetaTable, usize)> {
    let start = bytes.get(140..144)?;
    if bytes.get(128..140)? != b"DICM\x02\0\0\0UL\x04\0" {
        return None;
    }
    let length = u32::from_le_bytes([start[0], start[1], start[2], start[3]]) as usize;
    let start = length.checked_add(144).filter(|&s| s < bytes.len())?;
    let next = u16::from_le_bytes([*bytes.get(start)?, *bytes.get(start + 1)?]);
    let table = hilum_image::guard::catch(|| FileMetaTable::from_reader(&bytes[128..start]));
    let meta = table.ok()?.ok()?;
    let complete = !trimmed(&meta.media_storage_sop_class_uid).is_empty()
        && !trimmed(&meta.media_storage_sop_instance_uid).is_empty()
        && !meta.transfer_syntax().is_empty();
    // A group length that lies shows in another element of group 2 behind it.
    (complete && next != 2).then_some((meta, start))
}
