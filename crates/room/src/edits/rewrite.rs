//! The reading as a reader left it, for objects that go out. What was changed says so, with the model's answer.

use super::apply::{Decided, Edited, EditedRegion, Source};
use hilum_core::{
    Evidence, EvidenceKind, Finding, FindingStatus, Line, Measurement, NamedLine, Point,
    PredictionSet, Reading, Rect, Region, RegionKind, Section, Sentence, Unit,
};
use hilum_objects::{Answered, Readers};

/// Name that stands for the model of an answer that a person gave.
const READER: &str = "reader";

/// The edited reading.
pub fn rewrite(reading: &Reading, edited: &Edited) -> Reading {
    let mut out = reading.clone();
    for decided in &edited.findings {
        answer(&mut out, decided);
    }
    regions(&mut out, edited);
    measurements(&mut out, edited);
    report(&mut out, edited);
    out
}

/// Who said what of the edited reading besides the models.
pub fn readers(reading: &Reading, edited: &Edited) -> Readers {
    let answered = |f: &Decided| {
        f.decision?;
        let by = f.by.clone().unwrap_or_else(|| READER.to_owned());
        let confirms = !differs(f);
        Some((f.code.clone(), Answered { by, confirms }))
    };
    // Those of readers follow those of the model.
    let first = reading.measurements.len();
    let measured = edited.measurements.iter().enumerate();
    Readers {
        findings: edited.findings.iter().filter_map(answered).collect(),
        measurements: measured.map(|(n, m)| (first + n, m.by.clone())).collect(),
    }
}

fn answer(out: &mut Reading, decided: &Decided) {
    if !differs(decided) {
        return;
    }
    let at = match out.findings.iter().position(|f| f.code == decided.code) {
        Some(at) => at,
        None => {
            let (code, name) = (&decided.code, &decided.name);
            out.findings
                .push(Finding::not_assessed(code, name, "not listed by the model"));
            out.findings.len() - 1
        }
    };
    let finding = &mut out.findings[at];
    // The model's numbers speak for the model's answer only; they stay in the reading of the model.
    finding.status = FindingStatus::Assessed;
    finding.reason = None;
    finding.logit = None;
    finding.probability = None;
    finding.operating_point = None;
    finding.uncertainty = None;
    finding.explanations = Vec::new();
    finding.model = None;
    finding.set = decided.set;
}

fn regions(out: &mut Reading, edited: &Edited) {
    let regions = &edited.regions;
    for finding in &mut out.findings {
        let denied = denied(edited, &finding.code);
        finding.regions.retain_mut(|region| {
            let Some(edited) = regions.iter().find(|r| r.id == region.id) else {
                return !denied;
            };
            if edited.model_rect.is_some() {
                redraw(region, edited);
            }
            // What a reader drew or moved is the reader's word.
            !edited.removed && (!denied || edited.by.is_some())
        });
    }
    for edited in regions
        .iter()
        .filter(|r| r.source == Source::Reader && !r.removed)
    {
        let mut region = Region {
            id: edited.id.clone(),
            image: edited.image,
            kind: RegionKind::Drawn,
            rect: Rect {
                x: 0.0,
                y: 0.0,
                w: 0.0,
                h: 0.0,
            },
            score: 1.0,
            outline: Vec::new(),
            place: None,
        };
        redraw(&mut region, edited);
        match out.findings.iter_mut().find(|f| f.code == edited.code) {
            Some(finding) => finding.regions.push(region),
            None => {
                let name = hilum_core::taxonomy::by_code(&edited.code);
                let name = name.map_or(edited.code.as_str(), |t| t.name);
                let mut finding =
                    Finding::not_assessed(&edited.code, name, "not listed by the model");
                finding.regions.push(region);
                out.findings.push(finding);
            }
        }
    }
}

/// Whether a reader said that the finding is absent: then the places where the model saw it show nothing.
fn denied(edited: &Edited, code: &str) -> bool {
    let mut all = edited.findings.iter();
    all.any(|f| f.code == code && f.decision.is_some() && f.set == Some(PredictionSet::Absent))
}

fn redraw(region: &mut Region, edited: &EditedRegion) {
    if let Some(b) = edited.shape.bounds() {
        region.rect = Rect {
            x: b.x,
            y: b.y,
            w: b.width,
            h: b.height,
        };
    }
    region.outline = edited.shape.outline();
    region.kind = RegionKind::Drawn;
    region.score = 1.0;
    region.place = None;
}

fn measurements(out: &mut Reading, edited: &Edited) {
    for m in &edited.measurements {
        let point = |p: [f64; 2]| Point { x: p[0], y: p[1] };
        out.measurements.push(Measurement {
            name: m.name.clone(),
            value: Some(m.value),
            unit: unit(&m.unit),
            interval: None,
            lines: vec![NamedLine {
                name: m.name.clone(),
                image: m.image,
                line: Line {
                    from: point(m.line[0]),
                    to: point(m.line[1]),
                },
            }],
            note: Some(format!("measured by {READER} {}", m.by)),
        });
    }
}

fn unit(name: &str) -> Unit {
    match name {
        "ratio" => Unit::Ratio,
        "mm_detector" => Unit::MmDetector,
        "mm" => Unit::Mm,
        "percent" => Unit::Percent,
        _ => Unit::Pixel,
    }
}

fn report(out: &mut Reading, edited: &Edited) {
    let images: Vec<Evidence> = (0..out.images.len()).map(Evidence::image).collect();
    let (mut sentences, left) = kept(out, edited, &images);
    for f in edited.findings.iter().filter(|f| differs(f)) {
        let by = f.by.as_deref().unwrap_or(READER);
        let now = said(f.set);
        let model = match f.model_set {
            None => "nothing (not assessed)",
            set => said(set),
        };
        let findings = format!("{}: {now} by {by}; the model said {model}.", f.name);
        let impression = format!("{}: {now}, by {by}.", f.name);
        for (section, text) in [
            (Section::Findings, findings),
            (Section::Impression, impression),
        ] {
            sentences.push(Sentence {
                section,
                text,
                evidence: vec![Evidence::finding(f.code.clone())],
            });
        }
    }
    let others = rest(out, &sentences, &left);
    sentences.extend(others);
    for note in &edited.notes {
        sentences.push(Sentence {
            section: Section::Findings,
            text: format!("Note by {}: {}", note.by, note.text),
            evidence: images.clone(),
        });
    }
    // Sections stay together.
    sentences.sort_by_key(|s| match s.section {
        Section::Findings => 0,
        Section::Impression => 1,
    });
    let running = |section: Section| {
        let of = sentences.iter().filter(|s| s.section == section);
        of.map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ")
    };
    out.report.findings = running(Section::Findings);
    out.report.impression = running(Section::Impression);
    out.report.sentences = sentences;
}

/// Whether a reader gave another answer than the model.
fn differs(f: &Decided) -> bool {
    f.decision.is_some() && f.set != f.model_set
}

/// Sentences that stand, and findings of those that do not: a sentence of the model about an answer that a reader changed, and that nobody
/// rewrote, would contradict the reader.
fn kept(out: &Reading, edited: &Edited, images: &[Evidence]) -> (Vec<Sentence>, Vec<String>) {
    let changed = |code: &str| {
        let mut all = edited.findings.iter();
        all.any(|f| f.code == code && differs(f))
    };
    let (mut sentences, mut left): (Vec<Sentence>, Vec<String>) = (Vec::new(), Vec::new());
    for s in edited.sentences.iter().filter(|s| !s.removed) {
        let about = s
            .evidence
            .iter()
            .filter(|e| e.kind == EvidenceKind::Finding);
        let codes: Vec<&str> = about.map(|e| e.target.as_str()).collect();
        if s.source == Source::Model && s.by.is_none() && codes.iter().any(|c| changed(c)) {
            let others = codes.iter().filter(|c| !changed(c));
            left.extend(others.map(|c| (*c).to_owned()));
            continue;
        }
        let mut evidence = s.evidence.clone();
        evidence.retain(|e| hilum_reading::evidence::exists(out, e));
        // A reader's sentence rests on the images that the reader saw.
        if evidence.is_empty() {
            evidence = images.to_vec();
        }
        sentences.push(Sentence {
            section: s.section,
            text: s.text.clone(),
            evidence,
        });
    }
    (sentences, left)
}

/// What the sentences that fell away said of other findings, unless another sentence speaks of them.
fn rest(out: &Reading, sentences: &[Sentence], left: &[String]) -> Vec<Sentence> {
    let told = |code: &str| {
        let mut all = sentences.iter().flat_map(|s| &s.evidence);
        all.any(|e| e.kind == EvidenceKind::Finding && e.target == code)
    };
    let mut made = Vec::new();
    for word in ["present", "undecided", "absent", "not assessed"] {
        let of = |f: &&Finding| {
            let set = (f.status == FindingStatus::Assessed)
                .then_some(f.set)
                .flatten();
            said(set) == word && left.contains(&f.code) && !told(&f.code)
        };
        let found: Vec<&Finding> = out.findings.iter().filter(of).collect();
        if found.is_empty() {
            continue;
        }
        let names: Vec<&str> = found.iter().map(|f| f.name.as_str()).collect();
        made.push(Sentence {
            section: Section::Findings,
            text: format!("By the model {word}: {}.", names.join(", ")),
            evidence: found
                .iter()
                .map(|f| Evidence::finding(f.code.clone()))
                .collect(),
        });
    }
    made
}

fn said(set: Option<PredictionSet>) -> &'static str {
    match set {
        Some(PredictionSet::Present) => "present",
        Some(PredictionSet::Absent) => "absent",
        Some(PredictionSet::Undecided) => "undecided",
        None => "not assessed",
    }
}
