//! Whole files: read, de-identified, looked at for burned-in text, written.

use crate::apply::Deidentifier;
use crate::burned_in;
use crate::error::{DeidError, Result};
use crate::report::Report;
use dicom_dictionary_std::tags;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_object::FileMetaTableBuilder;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use hilum_dicom::object;

impl Deidentifier {
    /// De-identifies the bytes of a file. The new file has the same transfer syntax and nothing of the old file meta
    /// information.
    ///
    /// # Errors
    /// [`DeidError::Dicom`], [`DeidError::Write`].
    pub fn file(&self, bytes: &[u8]) -> Result<(Vec<u8>, Report)> {
        let parsed = object::parse(bytes)?;
        let suspicions = burned_in::suspect(bytes, &parsed.data);
        let (data, mut report) = self.apply(parsed.data);
        report.review = suspicions;
        report.review.extend(burned_in::overlays(&data));
        let uid = |tag| {
            let text = data.get(tag).and_then(|e| e.to_str().ok());
            text.map(|t| t.trim_matches([' ', '\0']).to_owned())
                .unwrap_or_default()
        };
        let fail = |e: &dyn std::fmt::Display| DeidError::Write(e.to_string());
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(uid(tags::SOP_CLASS_UID))
            .media_storage_sop_instance_uid(uid(tags::SOP_INSTANCE_UID))
            .transfer_syntax(parsed.transfer_syntax.as_str())
            .build()
            .map_err(|e| fail(&e))?;
        let syntax = TransferSyntaxRegistry
            .get(&parsed.transfer_syntax)
            .ok_or_else(|| {
                DeidError::Write(format!("transfer syntax {}", parsed.transfer_syntax))
            })?;
        let mut out = vec![0u8; 128];
        out.extend(b"DICM");
        meta.write(&mut out).map_err(|e| fail(&e))?;
        data.write_dataset_with_ts(&mut out, syntax)
            .map_err(|e| fail(&e))?;
        Ok((out, report))
    }
}
