//! From the tree that Hilum wrote to the reading.

use super::write::{bounds, joined, section_names};
use super::{References, additions};
use crate::code::{self, Code};
use crate::error::{ObjectError, Result};
use crate::item::{Item, Value};
use hilum_core::{
    AgeGroup, Evidence, Finding, FindingStatus, Gate, GateReason, ImageRecord, Interval,
    Laterality, Line, Masks, Measurement, ModelRef, NamedLine, OperatingPoint, Point,
    PredictionSet, Provenance, Reading, Rect, Region, RegionKind, Report, Section, Sentence,
    Spacing, SpacingKind, StudyInfo, Unit, View,
};
use serde_json::json;
use std::collections::HashMap;

/// Whether a tree is one of Hilum's: it says where its reading came from.
pub fn is_own(tree: &Item) -> bool {
    tree.first(&code::PROVENANCE).is_some()
}

/// The reading that a tree of Hilum's carries. `refs` says what the header of the object says; its images may be
/// empty. The wall time is 0: it is not in the tree.
///
/// # Errors
/// [`ObjectError::Report`] where something is missing or makes no sense.
pub fn reading(tree: &Item, refs: &References) -> Result<Reading> {
    let mut additions = Vec::new();
    for item in tree
        .all(&code::PROVENANCE)
        .flat_map(|p| p.all(&code::ADDITION))
    {
        if let Value::Text(words) = &item.value {
            additions.push(additions::parse(&crate::item::unguarded(words))?);
        }
    }
    additions::apply(rows(tree, refs)?, additions)
}

/// What the rows of the templates carry.
pub(super) fn rows(tree: &Item, refs: &References) -> Result<Reading> {
    let mut reader = Reader::default();
    let images = reader.images(tree)?;
    let (findings, measurements) = reader.groups(tree)?;
    let gate = reader.gate(tree)?;
    let report = reader.report(tree)?;
    let empty: Reading = from_json(json!({
        "study": StudyInfo::default(), "images": [], "gate": Gate::default(), "findings": [], "measurements": [],
        "report": Report::default(), "provenance": provenance(tree)?,
    }))?;
    Ok(Reading {
        study: study(tree, refs),
        images,
        gate,
        findings,
        measurements,
        report,
        ..empty
    })
}

/// A value of a type that may grow: fields that the JSON lacks get their defaults.
fn from_json<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| wrong(e.to_string()))
}

/// SOP Instance UIDs of the library's images, in the order of the reading's images.
pub fn instances(tree: &Item) -> Vec<String> {
    tree.all(&code::IMAGE_LIBRARY)
        .flat_map(|l| l.all(&code::IMAGE_LIBRARY_GROUP))
        .flat_map(|g| &g.below)
        .filter_map(|item| match &item.value {
            Value::Image(image) => Some(image.instance.clone()),
            _ => None,
        })
        .collect()
}

fn wrong(reason: impl Into<String>) -> ObjectError {
    ObjectError::Report {
        reason: reason.into(),
    }
}

fn words(item: &Item, name: &Code) -> Result<String> {
    item.words(name)
        .ok_or_else(|| wrong(format!("there is no {}", name.meaning)))
}

fn flag(item: &Item, name: &Code) -> Result<bool> {
    match item.coded(name) {
        Some(c) if *c == code::YES => Ok(true),
        Some(c) if *c == code::NO => Ok(false),
        _ => Err(wrong(format!("{} is neither yes nor no", name.meaning))),
    }
}

fn number(item: &Item, name: &Code) -> Option<f64> {
    item.measured(name).map(|(value, _)| value)
}

#[derive(Default)]
struct Reader {
    /// SOP Instance UID and frame of each image.
    images: Vec<(String, Option<u32>)>,
    /// What is tracked under which UID.
    tracked: HashMap<String, Evidence>,
}

impl Reader {
    fn images(&mut self, tree: &Item) -> Result<Vec<ImageRecord>> {
        let library = tree
            .first(&code::IMAGE_LIBRARY)
            .ok_or_else(|| wrong("there is no image library"))?;
        let mut records = Vec::new();
        for item in library
            .all(&code::IMAGE_LIBRARY_GROUP)
            .flat_map(|g| &g.below)
        {
            if let Value::Image(image) = &item.value {
                self.images.push((image.instance.clone(), image.frame));
                records.push(record(item)?);
            }
        }
        Ok(records)
    }

    /// Which image an item refers to.
    fn index(&self, item: &Item) -> Result<usize> {
        let Value::Image(image) = &item.value else {
            return Err(wrong("a reference to an image is none"));
        };
        let place = match item.words(&code::IMAGE_INDEX) {
            Some(index) => index.parse().ok(),
            None => self
                .images
                .iter()
                .position(|(uid, frame)| *uid == image.instance && *frame == image.frame),
        };
        place
            .filter(|&at| at < self.images.len())
            .ok_or_else(|| wrong(format!("image {} is not in the library", image.instance)))
    }

    fn track(&mut self, group: &Item, evidence: Evidence) -> Result<()> {
        let uid = group
            .identified(&code::TRACKING_UID)
            .ok_or_else(|| wrong("a group is not tracked"))?;
        self.tracked.insert(uid.to_owned(), evidence);
        Ok(())
    }

    fn groups(&mut self, tree: &Item) -> Result<(Vec<Finding>, Vec<Measurement>)> {
        let mut findings: Vec<Finding> = Vec::new();
        let mut measurements = Vec::new();
        let holders = tree.all(&code::IMAGING_MEASUREMENTS);
        let groups = holders.flat_map(|m| m.all(&code::MEASUREMENT_GROUP));
        for group in groups {
            let id = words(group, &code::TRACKING_ID)?;
            if group.first(&code::IMAGE_REGION).is_some() {
                let region = self.region(group, id)?;
                self.track(group, Evidence::region(region.id.clone()))?;
                let finding = findings
                    .last_mut()
                    .ok_or_else(|| wrong("a region belongs to no finding"))?;
                finding.regions.push(region);
            } else if group.first(&code::FINDING).is_some() {
                let finding = finding(group, id)?;
                self.track(group, Evidence::finding(finding.code.clone()))?;
                findings.push(finding);
            } else {
                let measurement = self.measurement(group, id)?;
                self.track(group, Evidence::measurement(measurement.name.clone()))?;
                measurements.push(measurement);
            }
        }
        Ok((findings, measurements))
    }

    fn region(&self, group: &Item, id: String) -> Result<Region> {
        let item = group
            .first(&code::IMAGE_REGION)
            .ok_or_else(|| wrong("a region has no coordinates"))?;
        let (points, image) = self.places(item)?;
        let kind = match group.coded(&code::REGION_KIND) {
            Some(c) if *c == code::ACTIVATION_BOX => RegionKind::ActivationBox,
            Some(c) if *c == code::DETECTOR_BOX => RegionKind::DetectorBox,
            Some(c) if *c == code::OUTLINE => RegionKind::Outline,
            Some(c) if *c == code::DRAWN => RegionKind::Drawn,
            _ => return Err(wrong("a region does not say how it came about")),
        };
        let outlined = group.words(&code::OUTLINE).is_some();
        let mut outline = if outlined { points.clone() } else { Vec::new() };
        if outlined {
            outline.pop();
            if let Some(exact) = group.words(&code::EXACT) {
                outline = pairs(&exact)?;
            }
        }
        let rect = match group.words(&code::BOX) {
            Some(exact) => rect(&exact)?,
            None => bounds(if outlined { &outline } else { &points })
                .ok_or_else(|| wrong("a region has no points"))?,
        };
        Ok(Region {
            id,
            image,
            kind,
            rect,
            score: number(group, &code::STRENGTH)
                .ok_or_else(|| wrong("a region has no strength"))?,
            outline,
            place: group.words(&code::PLACE),
        })
    }

    /// Points and image of spatial coordinates.
    fn places(&self, item: &Item) -> Result<(Vec<Point>, usize)> {
        let Value::Places { points, .. } = &item.value else {
            return Err(wrong("spatial coordinates are none"));
        };
        let source = item
            .below
            .iter()
            .find(|i| matches!(i.value, Value::Image(_)))
            .ok_or_else(|| wrong("spatial coordinates have no image"))?;
        Ok((points.clone(), self.index(source)?))
    }

    fn measurement(&self, group: &Item, name: String) -> Result<Measurement> {
        let failed = |v: &Value| *v == Value::Code(code::MEASUREMENT_FAILURE);
        let item = group
            .below
            .iter()
            .find(|i| matches!(i.value, Value::Number { .. }) || failed(&i.value))
            .ok_or_else(|| wrong(format!("measurement {name} has no number")))?;
        let value = match &item.value {
            Value::Number { value, .. } => value.as_ref(),
            _ => None,
        };
        // A measurement may be named like the item that tells its unit.
        let told = group.all(&code::UNIT).find_map(|i| match &i.value {
            Value::Code(unit) => unit_of(unit),
            _ => None,
        });
        let unit = told
            .or_else(|| value.and_then(|(_, unit)| unit_of(unit)))
            .ok_or_else(|| wrong(format!("the unit of measurement {name} is not known")))?;
        let interval = number(item, &code::INTERVAL_LOW)
            .zip(number(item, &code::INTERVAL_HIGH))
            .zip(number(item, &code::INTERVAL_LEVEL))
            .map(|((low, high), level)| Interval { low, high, level });
        let lines = self.lines(group, item)?;
        Ok(Measurement {
            name,
            value: value.map(|(value, _)| *value),
            unit,
            interval,
            lines,
            note: group.words(&code::NOTE),
        })
    }

    /// The lines of a measurement: coordinates below the number, names beside it in the same order.
    fn lines(&self, group: &Item, item: &Item) -> Result<Vec<NamedLine>> {
        let names = group.all(&code::LINE).filter_map(Item::own_words);
        let mut lines = Vec::new();
        for (source, name) in item.all(&code::SOURCE_OF_MEASUREMENT).zip(names) {
            let (points, image) = self.places(source)?;
            let [from, to] = points[..] else {
                return Err(wrong("a line has not two ends"));
            };
            let line = Line { from, to };
            lines.push(NamedLine { name, image, line });
        }
        for exact in group.all(&code::EXACT).filter_map(Item::own_words) {
            let (at, rest) = exact
                .split_once(' ')
                .ok_or_else(|| wrong("exact coordinates belong to no line"))?;
            let line = at.parse::<usize>().ok().and_then(|at| lines.get_mut(at));
            let (Some(line), [from, to]) = (line, &pairs(rest)?[..]) else {
                return Err(wrong("exact coordinates belong to no line"));
            };
            line.line = Line {
                from: *from,
                to: *to,
            };
        }
        Ok(lines)
    }

    fn gate(&mut self, tree: &Item) -> Result<Gate> {
        let item = tree
            .first(&code::GATE)
            .ok_or_else(|| wrong("there is no answer of the gate"))?;
        let mut reasons = Vec::new();
        for below in item.all(&code::GATE_REASON) {
            let image = below
                .first(&code::IMAGE)
                .ok_or_else(|| wrong("a notice of the gate has no image"))?;
            let reason = GateReason {
                code: words(below, &code::GATE_CODE)?,
                message: words(below, &code::MESSAGE)?,
                blocking: flag(below, &code::BLOCKING)?,
                image: self.index(image)?,
                score: number(below, &code::SCORE),
            };
            self.track(below, Evidence::gate(reason.code.clone()))?;
            reasons.push(reason);
        }
        Ok(Gate {
            analysable: flag(item, &code::ANALYSABLE)?,
            reasons,
        })
    }

    fn report(&self, tree: &Item) -> Result<Report> {
        let mut report = Report::default();
        let (mut findings, mut impression) = (None, None);
        for container in &tree.below {
            let of = |section| container.name.as_ref() == Some(&section_names(section).0);
            let (section, running) = if of(Section::Findings) {
                (Section::Findings, &mut findings)
            } else if of(Section::Impression) {
                (Section::Impression, &mut impression)
            } else {
                continue;
            };
            if let Some(text) = container.words(&code::RUNNING_TEXT) {
                *running = Some(text);
            }
            for item in container.all(&section_names(section).1) {
                report.sentences.push(self.sentence(item, section)?);
            }
        }
        report.findings = findings.unwrap_or_else(|| joined(&report.sentences, Section::Findings));
        report.impression =
            impression.unwrap_or_else(|| joined(&report.sentences, Section::Impression));
        Ok(report)
    }

    fn sentence(&self, item: &Item, section: Section) -> Result<Sentence> {
        let mut evidence = Vec::new();
        for below in &item.below {
            evidence.push(match &below.value {
                Value::Image(_) => Evidence::image(self.index(below)?),
                Value::Uid(uid) => self.tracked.get(uid).cloned().ok_or_else(|| {
                    wrong(format!("a sentence rests on {uid}, which is not there"))
                })?,
                _ => return Err(wrong("a sentence rests on something of an unknown kind")),
            });
        }
        Ok(Sentence {
            section,
            text: item
                .own_words()
                .ok_or_else(|| wrong("a sentence has no words"))?,
            evidence,
        })
    }
}

fn study(tree: &Item, refs: &References) -> StudyInfo {
    let own = tree.first(&code::SUBJECT);
    let field = |name: &Code, header: &Option<String>| match own.and_then(|s| s.words(name)) {
        Some(text) => text.strip_prefix('=').map(str::to_owned),
        None => header.clone(),
    };
    StudyInfo {
        id: own
            .and_then(|s| s.words(&code::STUDY_ID))
            .unwrap_or_else(|| refs.study_uid.clone()),
        patient: field(&code::PATIENT_ID, &refs.patient_id),
        date: field(&code::STUDY_DATE, &refs.study_date),
    }
}

fn provenance(tree: &Item) -> Result<Provenance> {
    let item = tree
        .first(&code::PROVENANCE)
        .ok_or_else(|| wrong("it does not say where it came from"))?;
    let mut models = Vec::new();
    for model in item.all(&code::MODEL) {
        models.push(ModelRef {
            name: words(model, &code::ALGORITHM_NAME)?,
            sha256: words(model, &code::SHA256)?,
        });
    }
    from_json(json!({
        "version": words(item, &code::VERSION)?,
        "models": models,
        "recipe": words(item, &code::RECIPE)?,
        "engine": words(item, &code::ENGINE)?,
        "elapsed_ms": 0,
    }))
}

fn finding(group: &Item, id: String) -> Result<Finding> {
    let named = group
        .coded(&code::FINDING)
        .ok_or_else(|| wrong("a finding has no code"))?;
    let status = match group.coded(&code::STATUS) {
        Some(c) if *c == code::ASSESSED => FindingStatus::Assessed,
        Some(c) if *c == code::NOT_ASSESSED => FindingStatus::NotAssessed,
        _ => return Err(wrong("a finding does not say whether it was assessed")),
    };
    let set = match group.coded(&code::CONFORMAL_SET) {
        None => None,
        Some(c) if *c == code::PRESENT => Some(PredictionSet::Present),
        Some(c) if *c == code::ABSENT => Some(PredictionSet::Absent),
        Some(c) if *c == code::UNDECIDED => Some(PredictionSet::Undecided),
        Some(_) => return Err(wrong("a conformal answer is none of the three")),
    };
    let point = group
        .first(&code::THRESHOLD)
        .map(operating_point)
        .transpose()?;
    Ok(Finding {
        name: group
            .words(&code::NAME)
            .unwrap_or_else(|| named.meaning.to_string()),
        code: id,
        status,
        reason: group.words(&code::REASON),
        logit: number(group, &code::LOGIT),
        probability: number(group, &code::PROBABILITY),
        operating_point: point,
        set,
        model: group.words(&code::ALGORITHM_NAME),
        ..Finding::not_assessed("", "", "")
    })
}

fn operating_point(item: &Item) -> Result<OperatingPoint> {
    let Value::Number {
        value: Some((threshold, _)),
        ..
    } = item.value
    else {
        return Err(wrong("a threshold is no number"));
    };
    Ok(OperatingPoint {
        threshold,
        rule: words(item, &code::RULE)?,
        sensitivity: number(item, &code::SENSITIVITY),
        specificity: number(item, &code::SPECIFICITY),
        positive: flag(item, &code::POSITIVE)?,
    })
}

/// Unit of a code of UCUM or of Hilum's.
pub(super) fn unit_of(unit: &Code) -> Option<Unit> {
    let known = [
        (code::RATIO, Unit::Ratio),
        (code::NO_UNITS, Unit::Ratio),
        (code::PIXELS, Unit::Pixel),
        (code::OWN_RATIO, Unit::Ratio),
        (code::OWN_PIXEL, Unit::Pixel),
        (code::OWN_MM, Unit::Mm),
        (code::OWN_PERCENT, Unit::Percent),
        (code::AT_DETECTOR, Unit::MmDetector),
        (code::MILLIMETRE, Unit::Mm),
        (code::PERCENT, Unit::Percent),
    ];
    known.into_iter().find(|(c, _)| c == unit).map(|(_, u)| u)
}

fn floats(text: &str) -> Result<Vec<f64>> {
    let parsed: std::result::Result<Vec<f64>, _> =
        text.split_whitespace().map(str::parse).collect();
    parsed
        .ok()
        .filter(|v: &Vec<f64>| v.iter().all(|x| x.is_finite()))
        .ok_or_else(|| wrong(format!("{text:?} is no list of numbers")))
}

fn pairs(text: &str) -> Result<Vec<Point>> {
    let flat = floats(text)?;
    if !flat.len().is_multiple_of(2) {
        return Err(wrong("coordinates are not in pairs"));
    }
    Ok(flat
        .chunks_exact(2)
        .map(|p| Point { x: p[0], y: p[1] })
        .collect())
}

fn rect(text: &str) -> Result<Rect> {
    match floats(text)?[..] {
        [x, y, w, h] => Ok(Rect { x, y, w, h }),
        _ => Err(wrong("a box has not four numbers")),
    }
}

/// Whole number of pixels, at least one.
pub(super) fn pixels(item: &Item, name: &Code) -> Option<u32> {
    let value = number(item, name)?;
    (value.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}

/// View of a library entry.
pub(super) fn view(item: &Item) -> View {
    match (item.coded(&code::IMAGE_VIEW), item.words(&code::VIEW)) {
        (Some(c), _) if *c == code::PA => View::Pa,
        (Some(c), _) if *c == code::AP => View::Ap,
        (Some(c), _) if *c == code::LATERAL => View::Lateral,
        (Some(_), _) => View::Other,
        (None, Some(words)) if words == "frontal" => View::Frontal,
        (None, Some(words)) if words == "other" => View::Other,
        _ => View::Unknown,
    }
}

fn record(item: &Item) -> Result<ImageRecord> {
    let size = |name: &Code| {
        pixels(item, name).ok_or_else(|| wrong(format!("an image has no {}", name.meaning)))
    };
    let masks = item.coded(&code::MASKS).map(|_| Masks {
        lungs: item.words(&code::LUNGS_FILE),
        heart: item.words(&code::HEART_FILE),
    });
    Ok(ImageRecord {
        path: words(item, &code::PATH)?,
        sha256: words(item, &code::SHA256)?,
        width: size(&code::PIXEL_COLUMNS)?,
        height: size(&code::PIXEL_ROWS)?,
        view: view(item),
        view_source: words(item, &code::VIEW_SOURCE)?,
        laterality: laterality(item),
        spacing: spacing(item),
        inverted: flag(item, &code::INVERTED)?,
        age_group: match item.words(&code::AGE_GROUP).as_deref() {
            Some("paediatric") => Some(AgeGroup::Paediatric),
            Some("adult") => Some(AgeGroup::Adult),
            _ => None,
        },
        masks,
    })
}

fn laterality(item: &Item) -> Option<Laterality> {
    match item.coded(&code::IMAGE_LATERALITY) {
        Some(c) if *c == code::LEFT => Some(Laterality::Left),
        Some(c) if *c == code::RIGHT => Some(Laterality::Right),
        Some(c) if *c == code::BILATERAL => Some(Laterality::Both),
        Some(_) => None,
        None => item
            .words(&code::IMAGE_LATERALITY)
            .filter(|w| w == "unpaired")
            .map(|_| Laterality::Unpaired),
    }
}

fn spacing(item: &Item) -> Option<Spacing> {
    Some(Spacing {
        row_mm: number(item, &code::VERTICAL_SPACING)?,
        column_mm: number(item, &code::HORIZONTAL_SPACING)?,
        kind: match item.words(&code::SPACING_KIND).as_deref() {
            Some("imager") => SpacingKind::Imager,
            Some("calibrated") => SpacingKind::Calibrated,
            _ => SpacingKind::Pixel,
        },
    })
}
