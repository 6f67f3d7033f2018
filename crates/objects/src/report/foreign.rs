//! From a TID 1500 report of anybody's to a reading, as far as it goes.
//!
//! What a reading has no place for is told in notes. A plain statement that something is present or absent lands in
//! the field of the conformal answer, with a note that it is none. What is not mentioned is not assessed.

use super::References;
use super::read::unit_of;
use super::write::bounds;
use crate::code::{self, Code};
use crate::error::{ObjectError, Result};
use crate::item::{Item, Relation, Value};
use hilum_core::taxonomy::{self, normalise};
use hilum_core::{
    Finding, FindingStatus, Gate, GateReason, ImageRecord, Line, Measurement, NamedLine, Point,
    PredictionSet, Reading, Rect, Region, RegionKind, Report, Unit,
};
use serde_json::json;

/// An image that is at hand.
#[derive(Debug, Clone)]
pub struct KnownImage {
    /// SOP Instance UID.
    pub instance: String,
    /// Study Instance UID.
    pub study: String,
    /// What a reading says of it.
    pub record: ImageRecord,
}

/// The reading of a report, and what of the report it does not hold.
///
/// # Errors
/// [`ObjectError::Report`] for a report without measurements and findings; [`ObjectError::Incomplete`] when an image
/// that a region lies in is not at hand: without it neither its size nor its hash is known.
pub fn from_others(
    tree: &Item,
    refs: &References,
    images: &[KnownImage],
) -> Result<(Reading, Vec<String>)> {
    let mut reader = Reader::new(images);
    reader.need(tree)?;
    for group in groups(tree) {
        reader.group(group)?;
    }
    reader.statements(tree);
    let report = reader.texts(tree);
    if reader.findings.is_empty() && reader.measurements.is_empty() && report == Report::default() {
        return Err(ObjectError::Report {
            reason: "it has neither findings nor measurements nor text in the rows of TID 1500"
                .to_owned(),
        });
    }
    let reading = reader.reading(tree, refs, report)?;
    reader.notes.sort();
    reader.notes.dedup();
    Ok((reading, reader.notes))
}

/// Measurement groups (TID 1410, 1411, 1501), also where the container above them is another one.
fn groups(tree: &Item) -> Vec<&Item> {
    let mut found = Vec::new();
    for item in &tree.below {
        if item.name.as_ref() == Some(&code::MEASUREMENT_GROUP) {
            found.push(item);
        } else if item.value == Value::Container {
            found.extend(groups(item));
        }
    }
    found
}

/// Every item of the tree.
fn walk<'a>(item: &'a Item, visit: &mut impl FnMut(&'a Item)) {
    visit(item);
    for below in &item.below {
        walk(below, visit);
    }
}

struct Reader<'a> {
    known: &'a [KnownImage],
    /// Positions in `known`, in the order of the report.
    used: Vec<usize>,
    findings: Vec<Finding>,
    measurements: Vec<Measurement>,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(known: &'a [KnownImage]) -> Self {
        Reader {
            known,
            used: Vec::new(),
            findings: Vec::new(),
            measurements: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Looks for the images: those that coordinates lie in must be at hand, others may be missing.
    fn need(&mut self, tree: &Item) -> Result<()> {
        let (mut missing, mut needed) = (Vec::new(), Vec::new());
        walk(tree, &mut |item| {
            let Value::Image(image) = &item.value else {
                return;
            };
            match self.known.iter().position(|k| k.instance == image.instance) {
                Some(at) if !self.used.contains(&at) => self.used.push(at),
                Some(_) => {}
                None if item.relation == Relation::SelectedFrom => {
                    needed.push(image.instance.clone())
                }
                None => missing.push(image.instance.clone()),
            }
        });
        if let Some(uid) = needed.first() {
            let reason = format!("a region lies in image {uid}: name its file too");
            return Err(ObjectError::Incomplete { reason });
        }
        if self.used.is_empty() {
            let which = missing.first().map_or_else(
                || "the images of the study".to_owned(),
                |uid| format!("image {uid}"),
            );
            let reason = format!("nothing is known of its images: name the file of {which} too");
            return Err(ObjectError::Incomplete { reason });
        }
        missing.sort();
        missing.dedup();
        if !missing.is_empty() {
            let count = missing.len();
            self.notes.push(format!(
                "{count} other objects that it refers to are not at hand"
            ));
        }
        Ok(())
    }

    fn index(&self, item: &Item) -> Option<usize> {
        let source = item.below.iter().find_map(|i| match &i.value {
            Value::Image(image) => Some(image),
            _ => None,
        })?;
        self.used
            .iter()
            .position(|&at| self.known[at].instance == source.instance)
    }

    fn group(&mut self, group: &Item) -> Result<()> {
        let algorithm = group.words(&code::ALGORITHM_NAME);
        let named = group.coded(&code::FINDING).cloned();
        let at = match &named {
            Some(code) => self.finding(code),
            None => None,
        };
        if let Some(at) = at {
            self.evaluate(at, group, algorithm.as_deref());
        }
        let regions: Vec<&Item> = group
            .below
            .iter()
            .filter(|i| matches!(i.value, Value::Places { .. }))
            .collect();
        for item in regions {
            match at {
                Some(at) => self.region(at, item, algorithm.is_some())?,
                None => self.note("a region without a finding was left out"),
            }
        }
        for item in &group.below {
            match &item.value {
                Value::Number { .. } => self.number(item, at),
                Value::Image(_) => self.note("a reference to a segmentation was left out"),
                Value::Other(kind) => self
                    .notes
                    .push(format!("an item of kind {kind} was left out")),
                _ => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, words: &str) {
        self.notes.push(words.to_owned());
    }

    /// Position of the finding that a code names; it is added at its first mention.
    fn finding(&mut self, named: &Code) -> Option<usize> {
        let taxon = code::finding_of(named).or_else(|| taxonomy::find(&named.meaning));
        let (code, name) = match taxon {
            Some(taxon) => (taxon.code.to_owned(), taxon.name.to_owned()),
            None => {
                let code = normalise(&named.meaning);
                if !is_code(&code) {
                    self.notes
                        .push(format!("finding {} has no usable name", named.value));
                    return None;
                }
                self.notes.push(format!(
                    "finding {:?} ({} {}) is not in the taxonomy",
                    named.meaning, named.scheme, named.value
                ));
                (code, named.meaning.to_string())
            }
        };
        let found = self.findings.iter().position(|f| f.code == code);
        Some(found.unwrap_or_else(|| {
            let mut finding = Finding::not_assessed(&code, &name, "");
            finding.status = FindingStatus::Assessed;
            finding.reason = None;
            self.findings.push(finding);
            self.findings.len() - 1
        }))
    }

    /// Probability, presence and algorithm of a group.
    fn evaluate(&mut self, at: usize, group: &Item, algorithm: Option<&str>) {
        let probability = probability(group);
        let stated = presence(group);
        let name = self.findings[at].name.clone();
        if stated.is_some() {
            self.notes.push(format!(
                "{name}: what is stated plainly stands as the answer; it is not a conformal one"
            ));
        }
        let finding = &mut self.findings[at];
        // Several groups of one finding: the most probable one answers, as it does among images.
        if probability > finding.probability || finding.set.is_none() {
            finding.set = stated.or(finding.set);
        }
        if probability > finding.probability {
            finding.probability = probability;
        }
        if finding.model.is_none() {
            finding.model = algorithm.map(str::to_owned);
        }
        if finding.probability.is_none() {
            self.notes.push(format!("{name}: no probability is given"));
        }
    }

    fn region(&mut self, at: usize, item: &Item, by_algorithm: bool) -> Result<()> {
        let Some(image) = self.index(item) else {
            self.note("a region without an image was left out");
            return Ok(());
        };
        let Value::Places { kind, points } = &item.value else {
            return Ok(());
        };
        let Some((rect, outline)) = shape(kind, points) else {
            self.notes.push(format!(
                "a region of kind {kind} with {} points was left out",
                points.len()
            ));
            return Ok(());
        };
        let finding = &mut self.findings[at];
        let region = Region {
            id: format!("{}/{}", finding.code, finding.regions.len()),
            image,
            kind: if outline.is_empty() && by_algorithm {
                RegionKind::DetectorBox
            } else {
                RegionKind::Outline
            },
            rect,
            // Nothing in the templates says how strong a region is; the finding's probability is all there is.
            score: finding.probability.unwrap_or(1.0),
            outline,
            place: None,
        };
        finding.regions.push(region);
        Ok(())
    }

    fn number(&mut self, item: &Item, finding: Option<usize>) {
        let Some(name) = &item.name else {
            return;
        };
        if *name == code::PROBABILITY || *name == code::CERTAINTY {
            return;
        }
        let Value::Number { value, .. } = &item.value else {
            return;
        };
        let short = normalise(&name.meaning);
        let Some((value, unit)) = value else {
            self.notes.push(format!("{} has no value", name.meaning));
            return;
        };
        let (Some(unit), true) = (unit_of(unit), is_code(&short)) else {
            self.notes
                .push(format!("{} in {} was left out", name.meaning, unit.value));
            return;
        };
        // A length on a radiograph is of the detector's plane unless somebody calibrated it; the report does not say.
        let note = (unit == Unit::Mm).then(|| "as stated by another's report".to_owned());
        let mut full = match finding {
            Some(at) => format!("{}_{short}", self.findings[at].code),
            None => short,
        };
        let taken = |name: &String| self.measurements.iter().any(|m| m.name == *name);
        if taken(&full) {
            let base = full.clone();
            full = (2..)
                .map(|n| format!("{base}_{n}"))
                .find(|n| !taken(n))
                .unwrap_or_default();
        }
        let lines = self.lines(item);
        self.measurements.push(Measurement {
            name: full,
            value: Some(*value),
            unit,
            interval: None,
            lines,
            note,
        });
    }

    fn lines(&self, item: &Item) -> Vec<NamedLine> {
        let mut lines = Vec::new();
        for below in &item.below {
            if let (Value::Places { points, .. }, Some(image)) = (&below.value, self.index(below))
                && let [from, to] = points[..]
            {
                lines.push(NamedLine {
                    name: format!("line_{}", lines.len()),
                    image,
                    line: Line { from, to },
                });
            }
        }
        lines
    }

    /// Findings that are stated outside measurement groups: codes about "Finding", and codes that are findings
    /// themselves with presence as their value.
    fn statements(&mut self, tree: &Item) {
        let grouped = groups(tree);
        let inside = |item: &Item| {
            grouped
                .iter()
                .any(|g| g.below.iter().any(|i| std::ptr::eq(i, item)))
        };
        let mut found: Vec<(Code, Option<PredictionSet>)> = Vec::new();
        walk(tree, &mut |item| {
            let (Some(name), Value::Code(value)) = (&item.name, &item.value) else {
                return;
            };
            if inside(item) {
                return;
            }
            if *name == code::FINDING || *name == code::IMPRESSION {
                found.push((value.clone(), Some(PredictionSet::Present)));
            } else if let (Some(_), Some(set)) = (code::finding_of(name), answer(value)) {
                found.push((name.clone(), Some(set)));
            }
        });
        for (named, set) in found {
            if let Some(at) = self.finding(&named) {
                let finding = &mut self.findings[at];
                if finding.set.is_none() {
                    finding.set = set;
                    let name = finding.name.clone();
                    self.notes.push(format!(
                        "{name}: what is stated plainly stands as the answer; it is not a conformal one"
                    ));
                }
            }
        }
    }

    /// Free text: nobody says what it rests on, so it is running text without sentences.
    fn texts(&mut self, tree: &Item) -> Report {
        let (mut findings, mut impression) = (Vec::new(), Vec::new());
        walk(tree, &mut |item| {
            let (Some(name), Value::Text(words)) = (&item.name, &item.value) else {
                return;
            };
            let meaning = name.meaning.to_lowercase();
            let conclusion = ["impression", "conclusion"]
                .iter()
                .any(|w| meaning.contains(w));
            let description = ["finding", "comment", "description"]
                .iter()
                .any(|w| meaning.contains(w));
            if item.relation != Relation::Contains || words.trim().is_empty() {
                return;
            }
            if conclusion {
                impression.push(words.trim().to_owned());
            } else if description {
                findings.push(words.trim().to_owned());
            }
        });
        if !findings.is_empty() || !impression.is_empty() {
            self.note("its text is kept as running text; it does not say what it rests on");
        }
        Report {
            findings: findings.join(" "),
            impression: impression.join(" "),
            sentences: Vec::new(),
        }
    }

    fn reading(&mut self, tree: &Item, refs: &References, report: Report) -> Result<Reading> {
        let mut findings = std::mem::take(&mut self.findings);
        for taxon in taxonomy::reporting_list() {
            if !findings.iter().any(|f| f.code == taxon.code) {
                let why = "the report that was read does not mention it";
                findings.push(Finding::not_assessed(taxon.code, taxon.name, why));
            }
        }
        let who = [code::DEVICE_NAME, code::DEVICE_MODEL]
            .iter()
            .find_map(|name| tree.words(name))
            .unwrap_or_else(|| "another's".to_owned());
        let notice = GateReason {
            code: "no_gate".to_owned(),
            message: "Read from another's report: no gate looked at the images.".to_owned(),
            blocking: false,
            image: 0,
            score: None,
        };
        let gate = Gate {
            analysable: true,
            reasons: vec![notice],
        };
        let images: Vec<&ImageRecord> =
            self.used.iter().map(|&at| &self.known[at].record).collect();
        let json = json!({
            "study": { "id": refs.study_uid, "patient": refs.patient_id, "date": refs.study_date },
            "images": images,
            "gate": gate,
            "findings": findings,
            "measurements": self.measurements,
            "report": report,
            "provenance": {
                "version": env!("CARGO_PKG_VERSION"),
                "models": [],
                "recipe": "none",
                "engine": format!("read from a structured report of {who}"),
                "elapsed_ms": 0,
            },
        });
        serde_json::from_value(json).map_err(|e| ObjectError::Report {
            reason: e.to_string(),
        })
    }
}

/// Whether a name fits the names of findings and measurements.
fn is_code(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A probability between 0 and 1, from the concepts that say so; percent where the unit is.
fn probability(group: &Item) -> Option<f64> {
    let (value, unit) = group
        .measured(&code::PROBABILITY)
        .or_else(|| group.measured(&code::CERTAINTY))?;
    let value = if *unit == code::PERCENT {
        value / 100.0
    } else {
        value
    };
    (0.0..=1.0).contains(&value).then_some(value)
}

/// What a group states plainly, by the concept for it or by any other of its codes.
fn presence(group: &Item) -> Option<PredictionSet> {
    let stated = group.coded(&code::PRESENCE).and_then(answer);
    stated.or_else(|| {
        group.below.iter().find_map(|item| match &item.value {
            Value::Code(code) if item.name.as_ref() != Some(&code::FINDING) => answer(code),
            _ => None,
        })
    })
}

fn answer(code: &Code) -> Option<PredictionSet> {
    let sct = |id| Code::of(code::SCT, id, "");
    if *code == code::PRESENT || *code == sct("52101004") {
        Some(PredictionSet::Present)
    } else if *code == code::ABSENT || *code == sct("2667000") {
        Some(PredictionSet::Absent)
    } else if *code == code::UNDETERMINED || *code == sct("82334004") {
        Some(PredictionSet::Undecided)
    } else {
        None
    }
}

/// Box and outline of coordinates; a box has no outline. Null for kinds and numbers of points that make no region.
fn shape(kind: &str, points: &[Point]) -> Option<(Rect, Vec<Point>)> {
    match (kind, points) {
        ("CIRCLE", [centre, edge]) => {
            let r = (edge.x - centre.x).hypot(edge.y - centre.y);
            let rect = Rect {
                x: centre.x - r,
                y: centre.y - r,
                w: 2.0 * r,
                h: 2.0 * r,
            };
            Some((rect, Vec::new()))
        }
        ("ELLIPSE", [_, _, _, _]) => Some((ellipse(points)?, Vec::new())),
        ("POINT" | "MULTIPOINT", [_, ..]) => Some((bounds(points)?, Vec::new())),
        ("POLYLINE", [_, _, ..]) => {
            let mut outline = points.to_vec();
            if outline.len() > 2 && outline.first() == outline.last() {
                outline.pop();
            }
            let rect = bounds(&outline)?;
            if is_box(&outline, rect) {
                outline.clear();
            }
            Some((rect, outline))
        }
        _ => None,
    }
}

/// Smallest upright box round an ellipse given by the ends of its two axes.
fn ellipse(ends: &[Point]) -> Option<Rect> {
    let [a, b, c, d] = ends else {
        return None;
    };
    let half = |p: &Point, q: &Point| ((q.x - p.x) / 2.0, (q.y - p.y) / 2.0);
    let (u, v) = (half(a, b), half(c, d));
    let (w, h) = (u.0.hypot(v.0), u.1.hypot(v.1));
    let centre = ((a.x + b.x) / 2.0, (a.y + b.y) / 2.0);
    Some(Rect {
        x: centre.0 - w,
        y: centre.1 - h,
        w: 2.0 * w,
        h: 2.0 * h,
    })
}

/// Four points, each in a corner of the box.
fn is_box(points: &[Point], r: Rect) -> bool {
    let corner = |p: &Point| {
        let x = p.x == r.x || p.x == r.x + r.w;
        let y = p.y == r.y || p.y == r.y + r.h;
        x && y
    };
    points.len() == 4 && points.iter().all(corner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(x: f64, y: f64) -> Point {
        Point { x, y }
    }

    #[test]
    fn shapes_of_others_become_boxes() {
        let (rect, outline) = shape("CIRCLE", &[p(10.0, 10.0), p(13.0, 14.0)]).unwrap();
        assert_eq!((rect.x, rect.w, outline.len()), (5.0, 10.0, 0));
        let ends = [p(0.0, 5.0), p(10.0, 5.0), p(5.0, 2.0), p(5.0, 8.0)];
        let (rect, _) = shape("ELLIPSE", &ends).unwrap();
        assert_eq!((rect.x, rect.y, rect.w, rect.h), (0.0, 2.0, 10.0, 6.0));
        let square = [
            p(0.0, 0.0),
            p(4.0, 0.0),
            p(4.0, 2.0),
            p(0.0, 2.0),
            p(0.0, 0.0),
        ];
        assert!(shape("POLYLINE", &square).unwrap().1.is_empty());
        let triangle = [p(0.0, 0.0), p(4.0, 0.0), p(4.0, 2.0), p(0.0, 0.0)];
        assert_eq!(shape("POLYLINE", &triangle).unwrap().1.len(), 3);
        assert!(shape("CIRCLE", &[p(1.0, 1.0)]).is_none());
        assert!(shape("SPIRAL", &square).is_none());
    }

    #[test]
    fn certainty_in_percent_is_a_probability() {
        let group = |name: Code, value, unit| {
            Item::container(
                code::MEASUREMENT_GROUP,
                vec![Item::number(name, value, unit)],
            )
        };
        let told = group(code::CERTAINTY, 87.5, code::PERCENT);
        assert_eq!(probability(&told), Some(0.875));
        let told = group(code::PROBABILITY, 0.25, code::NO_UNITS);
        assert_eq!(probability(&told), Some(0.25));
        let told = group(code::CERTAINTY, 87.5, code::NO_UNITS);
        assert_eq!(probability(&told), None);
    }
}
