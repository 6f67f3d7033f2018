//! What all objects of one reading share: sources, identifiers, time.

use crate::error::Result;
use crate::item::{ImageRef, reference};
use crate::report::References;
use crate::source::{Moment, Sources};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use hilum_core::{ModelRef, Reading};
use hilum_dicom::write::{DataSet, uid};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A person who looked at the reading, mended it where it had to be, and answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The person's name.
    pub name: String,
    /// The organisation that the person signs for.
    pub organisation: String,
    /// When, in UTC.
    pub at: Moment,
}

/// What persons said in a reading, so that it is not put into a model's mouth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readers {
    /// Answers to findings, by code.
    pub findings: BTreeMap<String, Answered>,
    /// Who measured, by place in the reading's measurements.
    pub measurements: BTreeMap<usize, String>,
}

/// A person's answer to a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The person's name.
    pub by: String,
    /// The model said the same; else the answer is the person's alone.
    pub confirms: bool,
}

/// One reading on its way into objects.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The reading.
    pub reading: &'a Reading,
    /// Its images.
    pub sources: &'a Sources,
    /// The time that the objects carry.
    pub at: Moment,
    /// The model that outlined lungs and heart.
    pub segmenter: Option<ModelRef>,
    /// Who signed it; null for a draft that nobody checked.
    pub signature: Option<Signature>,
    /// What persons said in it.
    pub readers: Readers,
    seed: String,
}

impl<'a> Context<'a> {
    /// UIDs are made from the reading without its wall time, and from `at`: the same again gives the same objects.
    ///
    /// # Errors
    /// A reading that is no JSON (numbers that are none).
    pub fn new(reading: &'a Reading, sources: &'a Sources, at: Moment) -> Result<Self> {
        let mut timeless = reading.clone();
        timeless.provenance.elapsed_ms = 0;
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&timeless)?);
        hash.update(sources.study_uid.as_bytes());
        hash.update(at.date.as_bytes());
        hash.update(at.time.as_bytes());
        Ok(Context {
            reading,
            sources,
            at,
            segmenter: None,
            signature: None,
            readers: Readers::default(),
            seed: crate::source::hex(&hash.finalize()),
        })
    }

    /// The same, signed: other objects than those of the draft, so they get other UIDs.
    #[must_use]
    pub fn signed(mut self, signature: Signature) -> Self {
        let mut hash = Sha256::new();
        for part in [
            &self.seed,
            &signature.name,
            &signature.organisation,
            &signature.at.date,
            &signature.at.time,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        self.seed = crate::source::hex(&hash.finalize());
        self.signature = Some(signature);
        self
    }

    /// A UID for a part of what is written.
    pub fn uid(&self, parts: &[&str]) -> String {
        let mut all: Vec<&[u8]> = vec![self.seed.as_bytes()];
        all.extend(parts.iter().map(|p| p.as_bytes()));
        uid(&all)
    }

    /// What the tree of the report refers to.
    pub fn references(&self) -> References {
        let images = self.sources.images.iter();
        References {
            images: images
                .clone()
                .map(|i| ImageRef {
                    class: i.class.clone(),
                    instance: i.instance.clone(),
                    frame: (i.frames > 1).then_some(1),
                })
                .collect(),
            modalities: images.map(|i| i.modality.clone()).collect(),
            study_uid: self.sources.study_uid.clone(),
            patient_id: self.sources.value(tags::PATIENT_ID),
            study_date: self
                .sources
                .value(tags::STUDY_DATE)
                .and_then(|d| hilum_dicom::meta::iso_date(&d)),
            seed: self.seed.clone(),
        }
    }

    /// Patient, study, series, equipment and identity of an object.
    pub(crate) fn object(&self, kind: &ObjectKind) -> DataSet {
        let mut set = self.sources.data_set();
        let series = self.uid(&["series", kind.name]);
        set.text(tags::SOP_CLASS_UID, VR::UI, kind.class);
        set.text(tags::SOP_INSTANCE_UID, VR::UI, &self.instance(kind));
        set.text(tags::STUDY_INSTANCE_UID, VR::UI, &self.sources.study_uid);
        set.text(tags::SERIES_INSTANCE_UID, VR::UI, &series);
        set.text(tags::SERIES_NUMBER, VR::IS, kind.series_number);
        set.text(tags::SERIES_DESCRIPTION, VR::LO, kind.description);
        set.text(
            tags::INSTANCE_NUMBER,
            VR::IS,
            &(kind.number + 1).to_string(),
        );
        set.text(tags::MODALITY, VR::CS, &kind.modality);
        self.equipment(&mut set);
        set
    }

    /// The program as the equipment.
    pub(crate) fn equipment(&self, set: &mut DataSet) {
        let version = &self.reading.provenance.version;
        set.text(tags::MANUFACTURER, VR::LO, "Hilum");
        set.text(
            tags::MANUFACTURER_MODEL_NAME,
            VR::LO,
            "Hilum chest X-ray reader",
        );
        set.text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "none");
        set.text(
            tags::SOFTWARE_VERSIONS,
            VR::LO,
            &crate::item::meaning(version),
        );
    }

    /// SOP Instance UID of an object.
    pub(crate) fn instance(&self, kind: &ObjectKind) -> String {
        self.uid(&["instance", kind.name, &kind.number.to_string()])
    }

    /// Date and time under the tags of a kind of object.
    pub(crate) fn moment(&self, set: &mut DataSet, date: Tag, time: Tag) {
        set.text(date, VR::DA, &self.at.date);
        set.text(time, VR::TM, &self.at.time);
    }

    /// References to images, by series (Referenced Series Sequence); `tag` holds the instances.
    pub(crate) fn series_references(&self, images: &[usize], tag: Tag) -> Vec<DataSet> {
        let mut series: Vec<(&str, Vec<DataSet>)> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for image in images.iter().filter_map(|&i| self.sources.images.get(i)) {
            if seen.contains(&image.instance.as_str()) {
                continue;
            }
            seen.push(&image.instance);
            let item = reference(&image.class, &image.instance, None);
            match series.iter_mut().find(|(uid, _)| *uid == image.series) {
                Some((_, list)) => list.push(item),
                None => series.push((&image.series, vec![item])),
            }
        }
        series
            .into_iter()
            .map(|(uid, list)| {
                let mut item = DataSet::default();
                item.text(tags::SERIES_INSTANCE_UID, VR::UI, uid);
                item.sequence(tag, list);
                item
            })
            .collect()
    }
}

/// What tells one kind of object from another.
#[derive(Debug, Clone)]
pub(crate) struct ObjectKind {
    /// Short name, part of the UIDs.
    pub name: &'static str,
    /// SOP class.
    pub class: &'static str,
    /// Modality.
    pub modality: String,
    /// Series number, high so that it follows the images.
    pub series_number: &'static str,
    /// Series description.
    pub description: &'static str,
    /// Position in the series from 0; for objects of one image that image's index.
    pub number: usize,
}
