//! The structured report as a DICOM file: Comprehensive SR (PS3.3, A.35.3).

use super::write::tree;
use crate::context::{Context, ObjectKind};
use crate::error::Result;
use crate::item::{meaning, put_schemes};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use hilum_dicom::write::DataSet;

/// The bytes of `sr.dcm`.
///
/// # Errors
/// A reading that contradicts itself.
pub(crate) fn encode(context: &Context<'_>) -> Result<Vec<u8>> {
    let kind = ObjectKind {
        name: "sr",
        class: uids::COMPREHENSIVE_SR_STORAGE,
        modality: "SR".to_owned(),
        series_number: "9901",
        description: "Hilum: reading (research only)",
        number: 0,
    };
    let mut set = context.object(&kind);
    set.sequence(
        tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE,
        Vec::new(),
    );
    set.sequence(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new());
    context.moment(&mut set, tags::CONTENT_DATE, tags::CONTENT_TIME);
    flags(context, &mut set);
    let images: Vec<usize> = (0..context.sources.images.len()).collect();
    let mut study = DataSet::default();
    study.sequence(
        tags::REFERENCED_SERIES_SEQUENCE,
        context.series_references(&images, tags::REFERENCED_SOP_SEQUENCE),
    );
    study.text(tags::STUDY_INSTANCE_UID, VR::UI, &context.sources.study_uid);
    set.sequence(
        tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
        vec![study],
    );
    put_schemes(&mut set);
    tree(context.reading, &context.references())?.put_into(&mut set, true);
    Ok(set.file(kind.class, &context.instance(&kind))?)
}

/// Complete when the gate let every image pass; verified when a person signed, else nobody has looked at it.
fn flags(context: &Context<'_>, set: &mut DataSet) {
    let reading = context.reading;
    let stopped = |image: usize| {
        let reasons = &reading.gate.reasons;
        reasons.iter().any(|r| r.blocking && r.image == image)
    };
    let count = (0..reading.images.len()).filter(|&i| stopped(i)).count();
    if count == 0 && reading.gate.analysable {
        set.text(tags::COMPLETION_FLAG, VR::CS, "COMPLETE");
    } else {
        set.text(tags::COMPLETION_FLAG, VR::CS, "PARTIAL");
        let words = format!("{count} of {} images not analysed", reading.images.len());
        set.text(tags::COMPLETION_FLAG_DESCRIPTION, VR::LO, &words);
    }
    let Some(signature) = &context.signature else {
        set.text(tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY");
        set.text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED");
        return;
    };
    set.text(tags::PRELIMINARY_FLAG, VR::CS, "FINAL");
    set.text(tags::VERIFICATION_FLAG, VR::CS, "VERIFIED");
    let mut observer = DataSet::default();
    observer.text(
        tags::VERIFYING_OBSERVER_NAME,
        VR::PN,
        &meaning(&signature.name),
    );
    observer.sequence(
        tags::VERIFYING_OBSERVER_IDENTIFICATION_CODE_SEQUENCE,
        Vec::new(),
    );
    observer.text(
        tags::VERIFYING_ORGANIZATION,
        VR::LO,
        &meaning(&signature.organisation),
    );
    // The object's own zone is that of the film, if any.
    let at = format!("{}{}+0000", signature.at.date, signature.at.time);
    observer.text(tags::VERIFICATION_DATE_TIME, VR::DT, &at);
    set.sequence(tags::VERIFYING_OBSERVER_SEQUENCE, vec![observer]);
}
