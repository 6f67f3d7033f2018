//! Data sets of messages: decoded with the checks of the file reader, encoded in the character set they name.

use crate::error::{NodeError, Result};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

/// Reads a data set.
///
/// # Errors
/// [`NodeError::DataSet`].
pub fn decode(bytes: &[u8], transfer_syntax: &str) -> Result<InMemDicomObject> {
    hilum_store::parse_data_set(bytes, transfer_syntax)
        .map_err(|e| NodeError::DataSet(e.to_string()))
}

/// Writes a data set, its texts in the character set that it names.
///
/// # Errors
/// [`NodeError::DataSet`].
pub fn encode(object: &InMemDicomObject, transfer_syntax: &str) -> Result<Vec<u8>> {
    let syntax = TransferSyntaxRegistry.get(transfer_syntax).ok_or_else(|| {
        NodeError::DataSet(format!("transfer syntax {transfer_syntax} is not known"))
    })?;
    let mut bytes = Vec::new();
    object
        .write_dataset_with_ts(&mut bytes, syntax)
        .map_err(|e| NodeError::DataSet(e.to_string()))?;
    Ok(bytes)
}

/// Says that the texts are UTF-8, where one needs it.
pub fn mark_unicode(object: &mut InMemDicomObject) {
    let ascii = object
        .iter()
        .all(|e| e.to_str().map_or(true, |text| text.is_ascii()));
    if !ascii {
        object.put(DataElement::new(
            tags::SPECIFIC_CHARACTER_SET,
            VR::CS,
            "ISO_IR 192",
        ));
    }
}

/// Data set and transfer syntax of a DICOM file with file meta information; `None` when it has none.
pub fn split_file(bytes: &[u8]) -> Option<(&[u8], String)> {
    let length = bytes.get(140..144)?;
    if bytes.get(128..132)? != b"DICM" {
        return None;
    }
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    let start = length.checked_add(144)?;
    let meta =
        hilum_image::guard::catch(|| dicom_object::FileMetaTable::from_reader(&bytes[128..]));
    let syntax = meta.ok()?.ok()?.transfer_syntax().to_owned();
    Some((bytes.get(start..)?, syntax))
}
