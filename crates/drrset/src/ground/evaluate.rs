//! How well phrases are grounded: hits and overlap beside the baselines.

use super::{Grounder, mentions, proposals};
use crate::error::SetError;
use hilum_core::Rect;
use hilum_data::pixels::{Arrays, load_gray, load_mask};
use hilum_data::{Manifest, Sample};
use hilum_drr::structures::mask_box;
use hilum_image::Mask;
use hilum_metrics::detection::iou;
use hilum_metrics::statistics::{BootstrapOptions, ProportionMethod, bootstrap, proportion_ci};
use hilum_text::facts::anatomy::{self, Side};
use hilum_text::facts::atlas::Frame;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Proposals among which the best one is looked for with the answer in hand.
const ORACLE: usize = 10;

/// A phrase with the box that it speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The picture, as in the manifest.
    pub path: String,
    /// The words.
    pub phrase: String,
    /// Left, top, width, height in pixels.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
    /// What kind of thing it is, for a table by kind.
    #[serde(default)]
    pub kind: String,
}

/// Ways to answer.
const WAYS: [&str; 5] = [
    "anatomy masks",
    "atlas boxes",
    "whole image",
    "generic proposal, best score",
    "generic proposals, best of 10 by the answer",
];

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Way of answering.
    pub way: String,
    /// Kind of phrase, `all` for all.
    pub kind: String,
    /// Phrases.
    pub n: usize,
    /// Phrases that the way gave a box for.
    pub answered: usize,
    /// Share of phrases whose box has its centre in the reference.
    pub hit_rate: f64,
    /// Its Wilson interval, 95 %.
    pub hit_interval: (f64, f64),
    /// Mean overlap of boxes (intersection over union); no answer counts 0.
    pub mean_iou: f64,
    /// Its interval, 95 %, bootstrap over patients; null with one patient alone, who has no spread.
    pub iou_interval: Option<(f64, f64)>,
}

/// The boxes of one phrase by way, `None` where a way has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The phrase and its box.
    #[serde(flatten)]
    pub reference: Reference,
    /// Patient.
    pub patient: String,
    /// One for each of the ways.
    pub boxes: Vec<Option<[f64; 4]>>,
}

/// References of a JSON Lines file: `path`, `phrase`, `box`, and `kind` if wanted.
///
/// # Errors
/// [`SetError::Bad`] with the line.
pub fn read_references(path: &Path) -> Result<Vec<Reference>, SetError> {
    let text = std::fs::read_to_string(path).map_err(|e| SetError::io(path, e))?;
    let mut all = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|l| !l.1.trim().is_empty()) {
        let wrong = |what: String| SetError::bad(path, format!("line {}: {what}", n + 1));
        let r: Reference = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        if !(r.bounds.iter().all(|v| v.is_finite()) && r.bounds[2] > 0.0 && r.bounds[3] > 0.0) {
            return Err(wrong(format!("{:?} is no box with an area", r.bounds)));
        }
        all.push(r);
    }
    if all.is_empty() {
        return Err(SetError::bad(path, "no phrases in it"));
    }
    Ok(all)
}

/// The references of a phantom set: sentences of its reports that say that a finding is there, with the finding's box on
/// the frontal picture.
///
/// # Errors
/// [`SetError::Bad`] for a folder that holds no phantom set.
pub fn phantom_references(folder: &Path) -> Result<Vec<Reference>, SetError> {
    let lines = |name: &str| -> Result<Vec<serde_json::Value>, SetError> {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(|e| SetError::io(&path, e))?;
        text.lines()
            .map(|l| serde_json::from_str(l).map_err(|e| SetError::bad(&path, e.to_string())))
            .collect()
    };
    let mut boxes: BTreeMap<(String, u64), (String, [f64; 4])> = BTreeMap::new();
    for study in lines("truth.jsonl")? {
        let name = study["study"].as_str().unwrap_or_default();
        let frontal = |v: &&serde_json::Value| v["view"] != "L";
        let views = study["views"].as_array().map_or(&[][..], Vec::as_slice);
        for view in views.iter().filter(frontal) {
            let path = view["path"].as_str().unwrap_or_default();
            for mask in view["masks"].as_array().map_or(&[][..], Vec::as_slice) {
                let b = &mask["box"];
                let side = |k: &str| b[k].as_f64();
                if let (Some(id), Some(x), Some(y), Some(w), Some(h)) = (
                    mask["finding"].as_u64(),
                    side("x"),
                    side("y"),
                    side("w"),
                    side("h"),
                ) {
                    boxes.insert((name.to_owned(), id), (path.to_owned(), [x, y, w, h]));
                }
            }
        }
    }
    let mut all = Vec::new();
    for report in lines("reports.jsonl")? {
        let name = report["id"].as_str().unwrap_or_default();
        for s in report["sentences"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
        {
            let finding = s["finding"].as_u64().filter(|_| s["present"] == true);
            let found = finding.and_then(|id| boxes.get(&(name.to_owned(), id)));
            if let Some((path, bounds)) = found {
                all.push(Reference {
                    path: path.clone(),
                    phrase: s["text"].as_str().unwrap_or_default().to_owned(),
                    bounds: *bounds,
                    kind: s["kind"].as_str().unwrap_or_default().to_owned(),
                });
            }
        }
    }
    if all.is_empty() {
        return Err(SetError::bad(
            folder,
            "no sentence with a box: is it a phantom set?",
        ));
    }
    Ok(all)
}

/// Answers every phrase in every way.
///
/// # Errors
/// [`SetError::Bad`] for a picture that the manifest does not list; those of reading pictures and masks.
pub fn answer(
    manifest: &Manifest,
    references: &[Reference],
    mut done: impl FnMut(),
) -> Result<Vec<Answer>, SetError> {
    let samples: BTreeMap<&str, &Sample> = manifest
        .samples
        .iter()
        .map(|s| (s.id.as_str(), s))
        .collect();
    let mut by_picture: BTreeMap<&str, Vec<&Reference>> = BTreeMap::new();
    for r in references {
        by_picture.entry(&r.path).or_default().push(r);
    }
    let mut all = Vec::new();
    for (path, phrases) in by_picture {
        let sample = samples
            .get(path)
            .ok_or_else(|| SetError::bad(Path::new(path), "is not in the manifest"))?;
        all.extend(picture(sample, &phrases)?);
        done();
    }
    Ok(all)
}

fn picture(sample: &Sample, phrases: &[&Reference]) -> Result<Vec<Answer>, SetError> {
    let shown = load_gray(
        &sample.pixels,
        hilum_image::recipe::Recipe::default(),
        &Arrays::default(),
    )?;
    let (w, h) = (shown.width, shown.height);
    let mut masks: Vec<(String, Mask)> = Vec::new();
    // The answer itself is no proposal.
    for mask in sample
        .masks
        .iter()
        .filter(|m| !m.name.starts_with("finding"))
    {
        masks.push((mask.name.clone(), load_mask(mask, (w, h))?));
    }
    let grounder = Grounder::new(&masks);
    let generic: Vec<Rect> = proposals(&shown.map(|&v| f32::from(v)), ORACLE)?
        .iter()
        .map(|p| p.rect)
        .collect();
    let frame = Frame::of_image(w as f64, h as f64);
    let whole = Rect {
        x: 0.0,
        y: 0.0,
        w: w as f64,
        h: h as f64,
    };
    phrases
        .iter()
        .map(|r| {
            let truth = rect(r.bounds);
            let best = generic
                .iter()
                .copied()
                .max_by(|a, b| iou(a, &truth).total_cmp(&iou(b, &truth)));
            let own = grounder.ground(&r.phrase)?.mask.as_ref().and_then(mask_box);
            let boxes = [
                own.map(|b| rect([b.x, b.y, b.w, b.h])),
                atlas(&frame, &r.phrase)?,
                Some(whole),
                generic.first().copied(),
                best,
            ];
            Ok(Answer {
                reference: (*r).clone(),
                patient: sample.patient.clone().unwrap_or_else(|| sample.id.clone()),
                boxes: boxes
                    .iter()
                    .map(|b| b.map(|b| [b.x, b.y, b.w, b.h]))
                    .collect(),
            })
        })
        .collect()
}

fn rect([x, y, w, h]: [f64; 4]) -> Rect {
    Rect { x, y, w, h }
}

/// The box around the atlas boxes of the places that a phrase speaks of.
fn atlas(frame: &Frame, phrase: &str) -> Result<Option<Rect>, SetError> {
    let mut found: Option<Rect> = None;
    for mention in mentions(phrase)? {
        let Some(place) = anatomy::place(mention.place) else {
            continue;
        };
        let Some(scene) = place.scene else { continue };
        let sides: &[&str] = match (place.paired() || place.own_side().is_some(), mention.side) {
            (false, _) => &[""],
            (true, Some(Side::Left)) => &["left "],
            (true, Some(Side::Right)) => &["right "],
            (true, _) => &["left ", "right "],
        };
        for side in sides {
            if let Some(r) = frame.location(&format!("{side}{scene}")) {
                found = Some(found.map_or(r, |f| around(&f, &r)));
            }
        }
    }
    Ok(found)
}

fn around(a: &Rect, b: &Rect) -> Rect {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    Rect {
        x,
        y,
        w: (a.x + a.w).max(b.x + b.w) - x,
        h: (a.y + a.h).max(b.y + b.h) - y,
    }
}

fn hit(found: &Rect, truth: &Rect) -> bool {
    let (x, y) = (found.x + found.w / 2.0, found.y + found.h / 2.0);
    (truth.x..=truth.x + truth.w).contains(&x) && (truth.y..=truth.y + truth.h).contains(&y)
}

/// The table: every way over all phrases, then by kind.
///
/// # Errors
/// [`SetError::Metric`].
pub fn scores(answers: &[Answer], seed: u64) -> Result<Vec<Score>, SetError> {
    let mut kinds: Vec<&str> = answers.iter().map(|a| a.reference.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.retain(|k| !k.is_empty());
    let mut rows = Vec::new();
    for kind in std::iter::once("all").chain(kinds) {
        let some: Vec<&Answer> = answers
            .iter()
            .filter(|a| kind == "all" || a.reference.kind == kind)
            .collect();
        for (n, way) in WAYS.iter().enumerate() {
            rows.push(score(&some, n, way, kind, seed)?);
        }
    }
    Ok(rows)
}

fn score(
    answers: &[&Answer],
    n: usize,
    way: &str,
    kind: &str,
    seed: u64,
) -> Result<Score, SetError> {
    let found = |a: &Answer| a.boxes[n].map(rect);
    let overlap: Vec<f64> = answers
        .iter()
        .map(|a| found(a).map_or(0.0, |b| iou(&b, &rect(a.reference.bounds))))
        .collect();
    let hits = answers
        .iter()
        .filter(|a| found(a).is_some_and(|b| hit(&b, &rect(a.reference.bounds))))
        .count();
    let wilson = proportion_ci(hits, answers.len(), 0.95, ProportionMethod::Wilson)?;
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    let clusters: Vec<usize> = answers
        .iter()
        .map(|a| {
            let next = ids.len();
            *ids.entry(a.patient.as_str()).or_insert(next)
        })
        .collect();
    let mean = |counts: &[u32]| {
        let n: u32 = counts.iter().sum();
        let sum: f64 = counts
            .iter()
            .zip(&overlap)
            .map(|(c, v)| f64::from(*c) * v)
            .sum();
        (n > 0).then(|| sum / f64::from(n))
    };
    let options = BootstrapOptions {
        seed,
        ..BootstrapOptions::default()
    };
    let iou_interval = if ids.len() > 1 {
        let drawn = bootstrap(overlap.len(), Some(&clusters), &options, mean)?;
        let interval = drawn.percentile(options.level)?;
        Some((interval.low, interval.high))
    } else {
        None
    };
    Ok(Score {
        way: way.to_owned(),
        kind: kind.to_owned(),
        n: answers.len(),
        answered: answers.iter().filter(|a| found(a).is_some()).count(),
        hit_rate: hits as f64 / answers.len() as f64,
        hit_interval: (wilson.low, wilson.high),
        mean_iou: overlap.iter().sum::<f64>() / overlap.len() as f64,
        iou_interval,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_and_overlap_are_counted_and_silence_is_a_miss() {
        let answer = |found: Option<[f64; 4]>, patient: &str| Answer {
            reference: Reference {
                path: "a.png".into(),
                phrase: "x".into(),
                bounds: [10.0, 10.0, 10.0, 10.0],
                kind: "nodule".into(),
            },
            patient: patient.into(),
            boxes: vec![found; WAYS.len()],
        };
        let all = [
            answer(Some([10.0, 10.0, 10.0, 10.0]), "p"),
            answer(Some([40.0, 10.0, 10.0, 10.0]), "p"),
            answer(None, "q"),
            answer(Some([10.0, 10.0, 20.0, 10.0]), "r"),
        ];
        let rows = scores(&all, 0).unwrap();
        assert_eq!(rows.len(), 2 * WAYS.len());
        let first = &rows[0];
        assert_eq!((first.n, first.answered), (4, 3));
        // The centre (20, 15) of the last lies on the edge of the reference.
        assert!((first.hit_rate - 0.5).abs() < 1e-12);
        assert!((first.mean_iou - 1.5 / 4.0).abs() < 1e-12);
        let (low, high) = first.iou_interval.unwrap();
        assert!(low <= first.mean_iou && first.mean_iou <= high);
    }

    #[test]
    fn the_atlas_takes_both_sides_without_a_side() {
        let frame = Frame::of_image(100.0, 100.0);
        let both = atlas(&frame, "Mild pulmonary edema.").unwrap().unwrap();
        let right = atlas(&frame, "Consolidation of the right lung.")
            .unwrap()
            .unwrap();
        assert!(both.w > 2.0 * right.w && right.x < 50.0);
        assert_eq!(atlas(&frame, "Rib fracture.").unwrap(), None);
    }
}
