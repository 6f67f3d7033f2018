//! From a reading to the tree.

use super::References;
use crate::code::{self, Code};
use crate::error::{ObjectError, Result};
use crate::item::{Item, Relation, Value, meaning};
use hilum_core::{
    AgeGroup, Evidence, EvidenceKind, Finding, FindingStatus, GateReason, ImageRecord, Laterality,
    LungZone, Measurement, OperatingPoint, Point, PredictionSet, Reading, Rect, Region, RegionKind,
    Section, Sentence, SpacingKind, Unit, View,
};
use hilum_dicom::write::uid;

/// The whole tree.
///
/// # Errors
/// [`ObjectError::Reading`] for a reading that contradicts itself: numbers that are none, images or evidence that it
/// does not have.
pub fn tree(reading: &Reading, refs: &References) -> Result<Item> {
    let writer = Writer { reading, refs };
    if refs.images.len() != reading.images.len() {
        return Err(wrong("references and images differ in number"));
    }
    let mut measurements = Vec::new();
    for at in 0..reading.findings.len() {
        measurements.extend(writer.finding(at)?);
    }
    for at in 0..reading.measurements.len() {
        measurements.push(writer.measurement(at)?);
    }
    let mut below = writer.context();
    below.push(writer.library()?);
    if !measurements.is_empty() {
        below.push(Item::container(code::IMAGING_MEASUREMENTS, measurements));
    }
    below.push(writer.gate()?);
    below.extend(writer.report()?);
    below.extend(writer.subject());
    below.push(writer.provenance());
    below.push(Item::text(code::COMMENT, hilum_reading::RESEARCH_NOTICE));
    let mut tree = Item::container(code::MEASUREMENT_REPORT, below).of_template("1500");
    let back = super::read::rows(&tree, refs)?;
    let missing = super::additions::missing(reading, &back)?;
    if let Some(provenance) = tree
        .below
        .iter_mut()
        .find(|i| i.name.as_ref() == Some(&code::PROVENANCE))
    {
        let additions = missing.iter().map(super::additions::words);
        provenance
            .below
            .extend(additions.map(|words| Item::text(code::ADDITION, &words)));
    }
    Ok(tree)
}

pub(super) fn wrong(reason: impl Into<String>) -> ObjectError {
    ObjectError::Reading {
        reason: reason.into(),
    }
}

fn finite(value: f64, what: &str) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(wrong(format!("{what} is {value}")))
    }
}

struct Writer<'a> {
    reading: &'a Reading,
    refs: &'a References,
}

/// Part of the reading that others point at.
#[derive(Debug, Clone, Copy)]
enum Part {
    Finding(usize),
    Region(usize, usize),
    Measurement(usize),
    Reason(usize),
}

impl Writer<'_> {
    fn uid(&self, part: Part) -> String {
        let place = match part {
            Part::Finding(at) => format!("finding {at}"),
            Part::Region(finding, at) => format!("region {finding} {at}"),
            Part::Measurement(at) => format!("measurement {at}"),
            Part::Reason(at) => format!("reason {at}"),
        };
        uid(&[self.refs.seed.as_bytes(), place.as_bytes()])
    }

    /// Language, observer and procedure (TID 1204, 1002, 1004).
    fn context(&self) -> Vec<Item> {
        let version = &self.reading.provenance.version;
        let device = uid(&[b"device", version.as_bytes()]);
        let of = |item: Item| item.related(Relation::Context);
        vec![
            Item::code(code::LANGUAGE, code::ENGLISH).related(Relation::Modifier),
            of(Item::code(code::OBSERVER_TYPE, code::DEVICE)),
            of(Item::uid(code::DEVICE_UID, &device)),
            of(Item::text(code::DEVICE_NAME, "Hilum")),
            of(Item::text(code::DEVICE_MANUFACTURER, "Hilum")),
            of(Item::text(code::DEVICE_MODEL, &format!("Hilum {version}"))),
            Item::code(code::PROCEDURE_REPORTED, code::CHEST_XRAY).related(Relation::Modifier),
        ]
    }

    fn image(&self, relation: Relation, name: Option<Code>, index: usize) -> Result<Item> {
        let image = self
            .refs
            .images
            .get(index)
            .ok_or_else(|| wrong(format!("there is no image {index}")))?;
        let mut item = Item {
            name,
            ..Item::new(relation, code::IMAGE, Value::Image(image.clone()))
        };
        // One file may be given twice; then the reference alone does not tell which image is meant.
        let first = self.refs.images.iter().position(|i| i == image);
        if first != Some(index) {
            let place = Item::text(code::IMAGE_INDEX, &index.to_string());
            item.below.push(place.related(Relation::Acquisition));
        }
        Ok(item)
    }

    /// TID 1600: the images with what is known of each.
    fn library(&self) -> Result<Item> {
        let mut group = Vec::new();
        for (at, record) in self.reading.images.iter().enumerate() {
            let mut item = self.image(Relation::Contains, None, at)?;
            let known = image_facts(
                record,
                self.refs.modalities.get(at).and_then(Option::as_deref),
            );
            item.below
                .extend(known?.into_iter().map(|i| i.related(Relation::Acquisition)));
            group.push(item);
        }
        let group = Item::container(code::IMAGE_LIBRARY_GROUP, group);
        Ok(Item::container(code::IMAGE_LIBRARY, vec![group]).of_template("1600"))
    }

    /// A group for the finding (TID 1501) and one for each of its regions (TID 1410).
    fn finding(&self, at: usize) -> Result<Vec<Item>> {
        let finding = &self.reading.findings[at];
        let mut below = tracking(&finding.code, &self.uid(Part::Finding(at)));
        below.extend(self.algorithm(finding.model.as_deref()));
        below.push(Item::code(code::FINDING, main_code(finding)));
        below.push(Item::code(code::PRESENCE, presence(finding)));
        below.extend(finding_facts(finding)?);
        let mut groups = vec![group("1501", below)];
        for (n, region) in finding.regions.iter().enumerate() {
            groups.push(self.region(finding, region, Part::Region(at, n))?);
        }
        Ok(groups)
    }

    fn region(&self, finding: &Finding, region: &Region, part: Part) -> Result<Item> {
        let mut below = tracking(&region.id, &self.uid(part));
        below.extend(self.algorithm(finding.model.as_deref()));
        below.push(Item::code(code::FINDING, main_code(finding)));
        if let Some(site) = region.place.as_deref().and_then(LungZone::from_place) {
            below.push(zone_site(site));
        }
        below.extend(self.places(region)?);
        let kind = match region.kind {
            RegionKind::ActivationBox => code::ACTIVATION_BOX,
            RegionKind::DetectorBox => code::DETECTOR_BOX,
            RegionKind::Outline => code::OUTLINE,
            RegionKind::Drawn => code::DRAWN,
        };
        below.push(Item::code(code::REGION_KIND, kind));
        let score = finite(region.score, "the strength of a region")?;
        below.push(Item::number(code::STRENGTH, score, code::NO_UNITS));
        if let Some(place) = &region.place {
            below.push(Item::text(code::PLACE, place));
        }
        Ok(group("1410", below))
    }

    /// The outline where there is one, else the box as a closed line; and beside it what single precision or the form
    /// do not carry. (Below coordinates verifiers allow the image alone.)
    fn places(&self, region: &Region) -> Result<Vec<Item>> {
        let r = region.rect;
        for value in [r.x, r.y, r.w, r.h] {
            finite(value, "the box of a region")?;
        }
        let mut points = region.outline.clone();
        if points.is_empty() {
            points = corners(r);
        } else {
            // A closed line ends where it began (PS3.3, C.18.6.1.2).
            points.push(points[0]);
        }
        let coordinates = self.polyline(code::IMAGE_REGION, &points, region.image)?;
        let mut items = vec![coordinates.related(Relation::Contains)];
        let single: Vec<Point> = points.iter().map(|p| single(*p)).collect();
        let drawn = if region.outline.is_empty() {
            bounds(&single)
        } else {
            items.push(Item::text(code::OUTLINE, "closed"));
            if single != points {
                items.push(Item::text(code::EXACT, &points_words(&region.outline)));
            }
            bounds(&points)
        };
        if drawn != Some(r) {
            items.push(Item::text(code::BOX, &numbers(&[r.x, r.y, r.w, r.h])));
        }
        Ok(items)
    }

    fn polyline(&self, name: Code, points: &[Point], image: usize) -> Result<Item> {
        for p in points {
            finite(p.x, "a coordinate")?;
            finite(p.y, "a coordinate")?;
            if !(p.x as f32).is_finite() || !(p.y as f32).is_finite() {
                return Err(wrong("a coordinate does not fit single precision"));
            }
        }
        let value = Value::Places {
            kind: "POLYLINE".to_owned(),
            points: points.iter().map(|p| single(*p)).collect(),
        };
        let source = self.image(Relation::SelectedFrom, None, image)?;
        Ok(Item::new(Relation::InferredFrom, name, value).with([source]))
    }

    /// A group of one measurement (TID 1501, 1419, 300).
    fn measurement(&self, at: usize) -> Result<Item> {
        let m = &self.reading.measurements[at];
        let mut below = tracking(&m.name, &self.uid(Part::Measurement(at)));
        below.extend(site_of(&m.name));
        let name = measurement_name(&m.name);
        let mut item = match m.value {
            Some(value) => Item::number(name, finite(value, "a measurement")?, unit(m.unit)),
            // A number without a value stops some readers; that there is none is a code.
            None => Item::code(name, code::MEASUREMENT_FAILURE),
        };
        item.below.extend(interval(m)?);
        let mut lines = Vec::new();
        for (at, line) in m.lines.iter().enumerate() {
            let points = [line.line.from, line.line.to];
            let name = code::SOURCE_OF_MEASUREMENT;
            item.below.push(self.polyline(name, &points, line.image)?);
            lines.push(Item::text(code::LINE, &line.name));
            if points.iter().any(|p| single(*p) != *p) {
                let words = format!("{at} {}", points_words(&points));
                lines.push(Item::text(code::EXACT, &words));
            }
        }
        below.push(item);
        below.extend(lines);
        // Without a value there is no unit either, and millimetres do not say where they hold.
        if m.value.is_none() || m.unit == Unit::MmDetector {
            below.push(Item::code(code::UNIT, own_unit(m.unit)));
        }
        if let Some(note) = &m.note {
            below.push(Item::text(code::NOTE, note));
        }
        Ok(group("1501", below))
    }

    /// TID 4019.
    fn algorithm(&self, model: Option<&str>) -> Vec<Item> {
        let Some(name) = model else {
            return Vec::new();
        };
        let provenance = &self.reading.provenance;
        let mut items = vec![
            Item::text(code::ALGORITHM_NAME, name),
            Item::text(code::ALGORITHM_VERSION, &provenance.version),
        ];
        if let Some(model) = provenance.models.iter().find(|m| m.name == name) {
            let words = format!("weights sha256={}", model.sha256);
            items.push(Item::text(code::ALGORITHM_PARAMETERS, &words));
        }
        items.push(Item::code(
            code::ALGORITHM_FAMILY,
            code::ARTIFICIAL_INTELLIGENCE,
        ));
        items
            .into_iter()
            .map(|i| i.related(Relation::Modifier))
            .collect()
    }

    fn gate(&self) -> Result<Item> {
        let gate = &self.reading.gate;
        let mut below = vec![Item::code(code::ANALYSABLE, yes_no(gate.analysable))];
        for (at, reason) in gate.reasons.iter().enumerate() {
            below.push(self.reason(at, reason)?);
        }
        Ok(Item::container(code::GATE, below))
    }

    fn reason(&self, at: usize, reason: &GateReason) -> Result<Item> {
        let tracking = Item::uid(code::TRACKING_UID, &self.uid(Part::Reason(at)));
        let mut below = vec![
            tracking.related(Relation::Context),
            Item::text(code::GATE_CODE, &reason.code),
            Item::text(code::MESSAGE, &reason.message),
            Item::code(code::BLOCKING, yes_no(reason.blocking)),
            self.image(Relation::Contains, Some(code::IMAGE), reason.image)?,
        ];
        if let Some(score) = reason.score {
            let score = finite(score, "a score of the gate")?;
            below.push(Item::number(code::SCORE, score, code::NO_UNITS));
        }
        Ok(Item::container(code::GATE_REASON, below))
    }

    /// The draft: one container for each run of sentences of one section, so that their order is kept.
    fn report(&self) -> Result<Vec<Item>> {
        let report = &self.reading.report;
        let mut containers: Vec<(Section, Item)> = Vec::new();
        for sentence in &report.sentences {
            let item = self.sentence(sentence)?;
            match containers.last_mut() {
                Some((section, container)) if *section == sentence.section => {
                    container.below.push(item);
                }
                _ => {
                    let container = Item::container(section_names(sentence.section).0, vec![item]);
                    containers.push((sentence.section, container));
                }
            }
        }
        let mut items: Vec<Item> = containers.into_iter().map(|(_, item)| item).collect();
        for (section, text) in [
            (Section::Findings, &report.findings),
            (Section::Impression, &report.impression),
        ] {
            if *text != joined(&report.sentences, section) {
                let words = Item::text(code::RUNNING_TEXT, text);
                items.push(Item::container(section_names(section).0, vec![words]));
            }
        }
        Ok(items)
    }

    fn sentence(&self, sentence: &Sentence) -> Result<Item> {
        let mut item = Item::text(section_names(sentence.section).1, &sentence.text);
        for evidence in &sentence.evidence {
            item.below.push(self.evidence(evidence)?);
        }
        Ok(item)
    }

    /// What a sentence rests on, by the UID under which it is tracked; images by reference.
    fn evidence(&self, evidence: &Evidence) -> Result<Item> {
        let missing = || {
            wrong(format!(
                "a sentence rests on {:?} {}, which is not there",
                evidence.kind, evidence.target
            ))
        };
        let target = evidence.target.as_str();
        let reading = self.reading;
        let part = match evidence.kind {
            EvidenceKind::Image => {
                let index = target.parse().map_err(|_| missing())?;
                return self.image(Relation::InferredFrom, Some(code::IMAGE), index);
            }
            EvidenceKind::Finding => reading
                .findings
                .iter()
                .position(|f| f.code == target)
                .map(Part::Finding),
            EvidenceKind::Measurement => reading
                .measurements
                .iter()
                .position(|m| m.name == target)
                .map(Part::Measurement),
            EvidenceKind::Gate => reading
                .gate
                .reasons
                .iter()
                .position(|r| r.code == target)
                .map(Part::Reason),
            EvidenceKind::Region => {
                let mut regions = reading
                    .findings
                    .iter()
                    .enumerate()
                    .flat_map(|(f, finding)| {
                        let numbered = finding.regions.iter().enumerate();
                        numbered.map(move |(r, region)| (f, r, region))
                    });
                regions
                    .find(|(_, _, region)| region.id == target)
                    .map(|(f, r, _)| Part::Region(f, r))
            }
        };
        let uid = self.uid(part.ok_or_else(missing)?);
        Ok(Item::uid(code::TRACKING_UID, &uid).related(Relation::InferredFrom))
    }

    /// Identity of the study where the header of the object cannot hold it as it was read.
    fn subject(&self) -> Option<Item> {
        let (study, refs) = (&self.reading.study, self.refs);
        let mut below = Vec::new();
        if study.id != refs.study_uid {
            below.push(Item::text(code::STUDY_ID, &study.id));
        }
        let mut add = |name: Code, value: &Option<String>, header: &Option<String>| {
            if value != header {
                // An item without words says that there is none.
                let words = value
                    .as_deref()
                    .map_or_else(String::new, |v| format!("={v}"));
                below.push(Item::text(name, &words));
            }
        };
        add(code::PATIENT_ID, &study.patient, &refs.patient_id);
        add(code::STUDY_DATE, &study.date, &refs.study_date);
        (!below.is_empty()).then(|| Item::container(code::SUBJECT, below))
    }

    fn provenance(&self) -> Item {
        let p = &self.reading.provenance;
        let mut below = vec![
            Item::text(code::VERSION, &p.version),
            Item::text(code::RECIPE, &p.recipe),
            Item::text(code::ENGINE, &p.engine),
        ];
        for model in &p.models {
            let facts = vec![
                Item::text(code::ALGORITHM_NAME, &model.name),
                Item::text(code::SHA256, &model.sha256),
            ];
            below.push(Item::container(code::MODEL, facts));
        }
        Item::container(code::PROVENANCE, below)
    }
}

fn group(template: &str, below: Vec<Item>) -> Item {
    Item::container(code::MEASUREMENT_GROUP, below).of_template(template)
}

fn tracking(id: &str, uid: &str) -> Vec<Item> {
    vec![
        Item::text(code::TRACKING_ID, id).related(Relation::Context),
        Item::uid(code::TRACKING_UID, uid).related(Relation::Context),
    ]
}

fn main_code(finding: &Finding) -> Code {
    let mut codes = code::of_finding(&finding.code, &finding.name);
    codes.swap_remove(0)
}

/// Present or absent only by the conformal answer; whatever was not decided or not looked for is undetermined.
fn presence(finding: &Finding) -> Code {
    match finding.set {
        Some(PredictionSet::Present) => code::PRESENT,
        Some(PredictionSet::Absent) => code::ABSENT,
        Some(PredictionSet::Undecided) | None => code::UNDETERMINED,
    }
}

fn finding_facts(finding: &Finding) -> Result<Vec<Item>> {
    let status = match finding.status {
        FindingStatus::Assessed => code::ASSESSED,
        FindingStatus::NotAssessed => code::NOT_ASSESSED,
    };
    let mut items = vec![Item::code(code::STATUS, status)];
    if let Some(reason) = &finding.reason {
        items.push(Item::text(code::REASON, reason));
    }
    for (name, value) in [
        (code::PROBABILITY, finding.probability),
        (code::LOGIT, finding.logit),
    ] {
        if let Some(value) = value {
            let value = finite(value, "a number of a finding")?;
            items.push(Item::number(name, value, code::NO_UNITS));
        }
    }
    if let Some(set) = finding.set {
        let answer = match set {
            PredictionSet::Present => code::PRESENT,
            PredictionSet::Absent => code::ABSENT,
            PredictionSet::Undecided => code::UNDECIDED,
        };
        items.push(Item::code(code::CONFORMAL_SET, answer));
    }
    if let Some(point) = &finding.operating_point {
        items.push(operating_point(point)?);
    }
    if meaning(&finding.name) != finding.name {
        items.push(Item::text(code::NAME, &finding.name));
    }
    Ok(items)
}

fn operating_point(point: &OperatingPoint) -> Result<Item> {
    let threshold = finite(point.threshold, "a threshold")?;
    let mut item = Item::number(code::THRESHOLD, threshold, code::NO_UNITS);
    item.below
        .push(Item::text(code::RULE, &point.rule).related(Relation::Modifier));
    for (name, value) in [
        (code::SENSITIVITY, point.sensitivity),
        (code::SPECIFICITY, point.specificity),
    ] {
        if let Some(value) = value {
            let value = finite(value, "the performance at a threshold")?;
            let number = Item::number(name, value, code::NO_UNITS);
            item.below.push(number.related(Relation::Properties));
        }
    }
    let positive = Item::code(code::POSITIVE, yes_no(point.positive));
    item.below.push(positive.related(Relation::Properties));
    Ok(item)
}

fn yes_no(value: bool) -> Code {
    if value { code::YES } else { code::NO }
}

/// What single precision makes of a point.
pub(super) fn single(p: Point) -> Point {
    Point {
        x: f64::from(p.x as f32),
        y: f64::from(p.y as f32),
    }
}

/// The box as a closed line.
fn corners(r: Rect) -> Vec<Point> {
    let at = |x: f64, y: f64| Point { x, y };
    let (x1, y1) = (r.x + r.w, r.y + r.h);
    vec![
        at(r.x, r.y),
        at(x1, r.y),
        at(x1, y1),
        at(r.x, y1),
        at(r.x, r.y),
    ]
}

/// The smallest box round points.
pub(super) fn bounds(points: &[Point]) -> Option<Rect> {
    let first = points.first()?;
    let (mut low, mut high) = (*first, *first);
    for p in points {
        low = Point {
            x: low.x.min(p.x),
            y: low.y.min(p.y),
        };
        high = Point {
            x: high.x.max(p.x),
            y: high.y.max(p.y),
        };
    }
    Some(Rect {
        x: low.x,
        y: low.y,
        w: high.x - low.x,
        h: high.y - low.y,
    })
}

/// Numbers in words that give the same numbers again.
fn numbers(values: &[f64]) -> String {
    let words: Vec<String> = values.iter().map(f64::to_string).collect();
    words.join(" ")
}

fn points_words(points: &[Point]) -> String {
    let flat: Vec<f64> = points.iter().flat_map(|p| [p.x, p.y]).collect();
    numbers(&flat)
}

fn zone_site(zone: LungZone) -> Item {
    let level = match zone.level() {
        "upper" => code::UPPER_ZONE,
        "middle" => code::MIDDLE_ZONE,
        _ => code::LOWER_ZONE,
    };
    let side = if zone.side() == "right" {
        code::RIGHT
    } else {
        code::LEFT
    };
    site(level, Some(side))
}

fn site(structure: Code, side: Option<Code>) -> Item {
    let sided = side.map(|s| Item::code(code::LATERALITY, s).related(Relation::Modifier));
    Item::code(code::FINDING_SITE, structure)
        .related(Relation::Modifier)
        .with(sided)
}

/// Where a measurement was taken, for those whose name says it.
fn site_of(name: &str) -> Option<Item> {
    use hilum_core::measurement::{CARDIOTHORACIC_RATIO, OPACITY_EXTENT};
    let zone = LungZone::ALL
        .into_iter()
        .find(|z| z.opacity_extent() == name);
    match (name, zone) {
        (_, Some(zone)) => Some(zone_site(zone)),
        (CARDIOTHORACIC_RATIO, _) => Some(site(code::HEART, None)),
        (OPACITY_EXTENT, _) => Some(site(code::LUNG, Some(code::BILATERAL))),
        ("thorax_width", _) => Some(site(code::CHEST, None)),
        _ => None,
    }
}

/// Measurements have no published code with just their meaning; the value is Hilum's name.
pub(crate) fn measurement_name(name: &str) -> Code {
    let words = name.replace('_', " ");
    Code::new(code::OWN, name, &meaning(&words))
}

/// Unit in UCUM.
pub(crate) fn unit(unit: Unit) -> Code {
    match unit {
        Unit::Ratio => code::RATIO,
        Unit::Pixel => code::PIXELS,
        Unit::MmDetector | Unit::Mm => code::MILLIMETRE,
        Unit::Percent => code::PERCENT,
    }
}

/// Unit as a code of Hilum's: UCUM belongs to numbers alone.
fn own_unit(value: Unit) -> Code {
    match value {
        Unit::Ratio => code::OWN_RATIO,
        Unit::Pixel => code::OWN_PIXEL,
        Unit::MmDetector => code::AT_DETECTOR,
        Unit::Mm => code::OWN_MM,
        Unit::Percent => code::OWN_PERCENT,
    }
}

/// The interval as ranges above and below the value, where others look for it (TID 310).
fn interval(m: &Measurement) -> Result<Vec<Item>> {
    let Some(interval) = m.interval else {
        return Ok(Vec::new());
    };
    let low = finite(interval.low, "an interval")?;
    let high = finite(interval.high, "an interval")?;
    let level = finite(interval.level, "an interval")?;
    let mut items = Vec::new();
    let value = m.value.filter(|v| *v <= high && *v >= low);
    if let Some(value) = value {
        items.push(Item::number(
            code::UPPER_UNCERTAINTY,
            high - value,
            unit(m.unit),
        ));
        items.push(Item::number(
            code::LOWER_UNCERTAINTY,
            value - low,
            unit(m.unit),
        ));
    }
    items.push(Item::number(code::INTERVAL_LOW, low, unit(m.unit)));
    items.push(Item::number(code::INTERVAL_HIGH, high, unit(m.unit)));
    items.push(Item::number(code::INTERVAL_LEVEL, level, code::NO_UNITS));
    Ok(items
        .into_iter()
        .map(|i| i.related(Relation::Properties))
        .collect())
}

/// Container and sentence of a section.
pub(super) fn section_names(section: Section) -> (Code, Code) {
    match section {
        Section::Findings => (code::FINDINGS, code::FINDING),
        Section::Impression => (code::IMPRESSIONS, code::IMPRESSION),
    }
}

/// Sentences of a section as running text.
pub(super) fn joined(sentences: &[Sentence], section: Section) -> String {
    let of: Vec<&str> = sentences
        .iter()
        .filter(|s| s.section == section)
        .map(|s| s.text.as_str())
        .collect();
    of.join(" ")
}

/// What the library says of one image.
fn image_facts(record: &ImageRecord, modality: Option<&str>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    if let Some(modality) = modality.map(modality_code) {
        items.push(Item::code(code::MODALITY, modality));
    }
    let pixels = |name, n: u32| Item::number(name, f64::from(n), code::PIXELS);
    items.push(pixels(code::PIXEL_ROWS, record.height));
    items.push(pixels(code::PIXEL_COLUMNS, record.width));
    if let Some(spacing) = record.spacing {
        let row = finite(spacing.row_mm, "a pixel spacing")?;
        let column = finite(spacing.column_mm, "a pixel spacing")?;
        items.push(Item::number(
            code::HORIZONTAL_SPACING,
            column,
            code::MILLIMETRE,
        ));
        items.push(Item::number(code::VERTICAL_SPACING, row, code::MILLIMETRE));
        let kind = match spacing.kind {
            SpacingKind::Pixel => "pixel",
            SpacingKind::Imager => "imager",
            SpacingKind::Calibrated => "calibrated",
        };
        items.push(Item::text(code::SPACING_KIND, kind));
    }
    match record.view {
        View::Pa => items.push(Item::code(code::IMAGE_VIEW, code::PA)),
        View::Ap => items.push(Item::code(code::IMAGE_VIEW, code::AP)),
        View::Lateral => items.push(Item::code(code::IMAGE_VIEW, code::LATERAL)),
        View::Frontal => items.push(Item::text(code::VIEW, "frontal")),
        View::Other => items.push(Item::text(code::VIEW, "other")),
        View::Unknown => {}
    }
    if let Some(side) = record.laterality {
        items.push(match side {
            Laterality::Left => Item::code(code::IMAGE_LATERALITY, code::LEFT),
            Laterality::Right => Item::code(code::IMAGE_LATERALITY, code::RIGHT),
            Laterality::Both => Item::code(code::IMAGE_LATERALITY, code::BILATERAL),
            Laterality::Unpaired => Item::text(code::IMAGE_LATERALITY, "unpaired"),
        });
    }
    items.push(Item::text(code::VIEW_SOURCE, &record.view_source));
    items.push(Item::code(code::INVERTED, yes_no(record.inverted)));
    if let Some(age) = record.age_group {
        let words = match age {
            AgeGroup::Paediatric => "paediatric",
            AgeGroup::Adult => "adult",
        };
        items.push(Item::text(code::AGE_GROUP, words));
    }
    items.push(Item::text(code::PATH, &record.path));
    items.push(Item::text(code::SHA256, &record.sha256));
    if let Some(masks) = &record.masks {
        items.push(Item::code(code::MASKS, code::YES));
        for (name, file) in [
            (code::LUNGS_FILE, &masks.lungs),
            (code::HEART_FILE, &masks.heart),
        ] {
            items.extend(file.as_ref().map(|f| Item::text(name, f)));
        }
    }
    Ok(items)
}

fn modality_code(modality: &str) -> Code {
    let words = match modality {
        "CR" => "Computed Radiography",
        "DX" => "Digital Radiography",
        "RF" => "Radiofluoroscopy",
        "CT" => "Computed Tomography",
        "OT" => "Other Modality",
        "SC" => "Secondary Capture",
        other => other,
    };
    Code::new("DCM", modality, words)
}
