//! The way back: files of anybody's to readings and masks.

use crate::error::{ObjectError, Result};
use crate::item::Item;
use crate::report::{self, KnownImage, References};
use crate::seg::{self, Segmentation, Structures};
use crate::{code, source};
use dicom_dictionary_std::{tags, uids};
use hilum_core::{AgeGroup, ImageRecord, Reading, View};
use hilum_dicom::object::{self, Object, text};
use hilum_dicom::{Limits, Recipe, load_bytes};
use hilum_image::guard;
use sha2::{Digest, Sha256};
use std::path::Path;

/// One file.
#[derive(Debug, Clone)]
pub enum Opened {
    /// A structured report.
    Report(Box<ReportFile>),
    /// A segmentation.
    Segmentation(Segmentation),
    /// An image that reports and segmentations may refer to.
    Image(Box<KnownImage>),
}

/// A structured report with what its header says.
#[derive(Debug, Clone)]
pub struct ReportFile {
    /// SOP Instance UID.
    pub instance: String,
    /// The content.
    pub tree: Item,
    /// Study and patient in the header; no images.
    pub header: References,
}

/// What the files of one study say.
#[derive(Debug, Clone)]
pub struct Study {
    /// The reading; null for segmentations alone.
    pub reading: Option<Reading>,
    /// Masks of the reading's images; without a reading of the images that the segmentations were drawn on, in order.
    pub structures: Vec<Structures>,
    /// Study Instance UID.
    pub study_uid: String,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// Opens the bytes of a file.
///
/// # Errors
/// [`ObjectError`] with the reason; never a panic, whatever the bytes are.
pub fn open(bytes: &[u8], path: &Path, limits: &Limits) -> Result<Opened> {
    guard::catch(|| open_unguarded(bytes, path, limits)).unwrap_or_else(|reason| {
        Err(ObjectError::Report {
            reason: format!("internal error: {reason}"),
        })
    })
}

fn open_unguarded(bytes: &[u8], path: &Path, limits: &Limits) -> Result<Opened> {
    if hilum_image::RasterKind::sniff(bytes).is_some() {
        return image(bytes, path, limits).map(|i| Opened::Image(Box::new(i)));
    }
    let object = object::parse(bytes)?;
    let class = text(&object.data, tags::SOP_CLASS_UID).unwrap_or_default();
    if class == uids::SEGMENTATION_STORAGE {
        return seg::decode(&object, limits).map(Opened::Segmentation);
    }
    if class.starts_with("1.2.840.10008.5.1.4.1.1.88.") {
        return report_file(&object).map(|r| Opened::Report(Box::new(r)));
    }
    if object.data.get(tags::PIXEL_DATA).is_some() {
        return image(bytes, path, limits).map(|i| Opened::Image(Box::new(i)));
    }
    Err(ObjectError::OtherObject {
        class,
        modality: text(&object.data, tags::MODALITY).unwrap_or_else(|| "no modality".to_owned()),
    })
}

fn report_file(object: &Object) -> Result<ReportFile> {
    let data = &object.data;
    Ok(ReportFile {
        instance: text(data, tags::SOP_INSTANCE_UID).unwrap_or_default(),
        tree: Item::parse(data)?,
        header: References {
            images: Vec::new(),
            modalities: Vec::new(),
            study_uid: text(data, tags::STUDY_INSTANCE_UID).ok_or_else(|| ObjectError::Report {
                reason: "it has no Study Instance UID".to_owned(),
            })?,
            patient_id: text(data, tags::PATIENT_ID),
            study_date: text(data, tags::STUDY_DATE).and_then(|d| hilum_dicom::meta::iso_date(&d)),
            seed: String::new(),
        },
    })
}

fn image(bytes: &[u8], path: &Path, limits: &Limits) -> Result<KnownImage> {
    let loaded = load_bytes(bytes, path, Recipe::Voi, 0, limits)?;
    let side = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
    let meta = loaded.meta.clone().unwrap_or_default();
    let view = if meta.view == View::Unknown {
        "unknown"
    } else {
        "file"
    };
    Ok(KnownImage {
        instance: meta.sop_uid.clone().unwrap_or_default(),
        study: meta.study_uid.clone().unwrap_or_default(),
        record: ImageRecord {
            path: path.to_string_lossy().into_owned(),
            sha256: source::hex(&Sha256::digest(bytes)),
            width: side(loaded.width),
            height: side(loaded.height),
            view: meta.view,
            view_source: view.to_owned(),
            laterality: meta.laterality,
            spacing: meta.spacing,
            inverted: false,
            age_group: meta.age_years.map(|age| {
                if age < 18.0 {
                    AgeGroup::Paediatric
                } else {
                    AgeGroup::Adult
                }
            }),
            masks: None,
        },
    })
}

/// Puts files together: a study for each report, with the segmentations and images of the same Study Instance UID; a
/// study for segmentations that have no report.
pub fn assemble(files: Vec<Opened>) -> Vec<std::result::Result<Study, (String, ObjectError)>> {
    let (mut reports, mut segmentations, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        match file {
            Opened::Report(report) => reports.push(report),
            Opened::Segmentation(seg) => segmentations.push(seg),
            Opened::Image(image) => images.push(*image),
        }
    }
    let mut studies = Vec::new();
    let mut told: Vec<String> = Vec::new();
    for report in reports {
        let uid = report.header.study_uid.clone();
        let of: Vec<&Segmentation> = segmentations
            .iter()
            .filter(|s| s.study_uid == uid)
            .collect();
        studies.push(study(&report, &of, &images).map_err(|e| (report.instance.clone(), e)));
        told.push(uid);
    }
    let mut alone: Vec<&str> = Vec::new();
    for seg in segmentations
        .iter()
        .filter(|s| !told.contains(&s.study_uid))
    {
        if !alone.contains(&seg.study_uid.as_str()) {
            alone.push(&seg.study_uid);
        }
    }
    for uid in alone {
        let of: Vec<&Segmentation> = segmentations
            .iter()
            .filter(|s| s.study_uid == uid)
            .collect();
        let mut sources: Vec<String> = Vec::new();
        for source in of
            .iter()
            .flat_map(|s| &s.frames)
            .filter_map(|f| f.source.as_ref())
        {
            if !sources.contains(source) {
                sources.push(source.clone());
            }
        }
        let mut notes = Vec::new();
        let structures = structures(&of, &sources, &mut notes);
        studies.push(Ok(Study {
            reading: None,
            structures,
            study_uid: uid.to_owned(),
            notes,
        }));
    }
    studies
}

fn study(report: &ReportFile, segs: &[&Segmentation], images: &[KnownImage]) -> Result<Study> {
    let (tree, header) = (&report.tree, &report.header);
    let (reading, mut notes, instances) = if report::is_own(tree) {
        let reading = report::reading(tree, header)?;
        (reading, Vec::new(), report::instances(tree))
    } else {
        let (reading, notes) = report::from_others(tree, header, images)?;
        let instance = |record: &ImageRecord| {
            let known = images.iter().find(|k| k.record.sha256 == record.sha256);
            known.map_or_else(String::new, |k| k.instance.clone())
        };
        let instances: Vec<String> = reading.images.iter().map(instance).collect();
        (reading, notes, instances)
    };
    let structures = structures(segs, &instances, &mut notes);
    Ok(Study {
        reading: Some(reading),
        structures,
        study_uid: header.study_uid.clone(),
        notes,
    })
}

/// Masks of lungs and heart by image; parts of one structure (two lungs, lobes) are united.
fn structures(
    segs: &[&Segmentation],
    instances: &[String],
    notes: &mut Vec<String>,
) -> Vec<Structures> {
    let mut found: Vec<Structures> = Vec::new();
    for seg in segs {
        for frame in &seg.frames {
            let segment = &seg.segments[frame.segment];
            let image = match &frame.source {
                Some(uid) => instances.iter().position(|i| i == uid),
                None if instances.len() <= 1 => Some(0),
                None => None,
            };
            let Some(image) = image else {
                notes.push(format!(
                    "segment {:?} belongs to no image of the reading",
                    segment.label
                ));
                continue;
            };
            let at = found
                .iter()
                .position(|s| s.image == image)
                .unwrap_or_else(|| {
                    found.push(Structures {
                        image,
                        ..Structures::default()
                    });
                    found.len() - 1
                });
            let target = match organ(segment) {
                Some(Organ::Lungs) => &mut found[at].lungs,
                Some(Organ::Heart) => &mut found[at].heart,
                None => {
                    notes.push(format!(
                        "segment {:?} is neither lung nor heart",
                        segment.label
                    ));
                    continue;
                }
            };
            let united = match target.take() {
                None => frame.mask.clone(),
                Some(old) => match old.or(&frame.mask) {
                    Ok(both) => both,
                    Err(_) => {
                        notes.push(format!("segment {:?} is of another size", segment.label));
                        old
                    }
                },
            };
            *target = Some(united);
        }
    }
    notes.sort();
    notes.dedup();
    found.retain(|s| s.lungs.is_some() || s.heart.is_some());
    found
}

enum Organ {
    Lungs,
    Heart,
}

/// By the coded structure, else by its name.
fn organ(segment: &seg::Segment) -> Option<Organ> {
    let structure = segment.structure.as_ref();
    let lungs = ["39607008", "3341006", "44029006"];
    let coded = structure.filter(|c| c.scheme == code::SCT);
    if coded.is_some_and(|c| lungs.contains(&&*c.value)) {
        return Some(Organ::Lungs);
    }
    if structure == Some(&code::HEART) {
        return Some(Organ::Heart);
    }
    let words = structure.map_or(String::new(), |c| c.meaning.to_lowercase());
    let label = segment.label.to_lowercase();
    let says = |word: &str| words == word || label == word || label == format!("{word}s");
    let sided = |word: &str| says(&format!("left {word}")) || says(&format!("right {word}"));
    if says("lung") || sided("lung") {
        Some(Organ::Lungs)
    } else if says("heart") {
        Some(Organ::Heart)
    } else {
        None
    }
}
