//! May an image be analysed? Tags first, then pixels, then the gate's network, then the lungs found.
//!
//! A *blocking* reason stops the analysis of its image; any other is a caution. A tag that tells the view or
//! the age wins over the network. Refusals use the gate's operating points; a question between two equal
//! sides (inverted or not, child or adult) goes to the more probable side.

use crate::error::{PipelineError, Result};
use crate::store::{Model, Store};
use hilum_core::{AgeGroup, GateReason, PredictionSet, View};
use hilum_dicom::{DicomMeta, LoadedImage};
use hilum_image::{Gray, Mask, chest};
use hilum_methods::serve::{Classifier, OodDetector, Scores};
use std::path::Path;

/// Every code that a reason can have, with what it means.
pub const CODES: &[(&str, &str)] = &[
    (
        "ct_or_other_modality",
        "the file says that it is no radiograph; blocking",
    ),
    (
        "lateral",
        "a lateral view, by the file or by the gate; blocking",
    ),
    (
        "other_view",
        "an oblique, decubitus or other view, by the file; blocking",
    ),
    (
        "not_chest_xray",
        "not a chest X-ray; blocking, a caution when the gate is not sure",
    ),
    ("colour", "a colour picture; blocking"),
    ("too_small", "a side below 32 pixels; blocking"),
    ("blank", "all pixels have one value; blocking"),
    ("no_lungs", "no lungs were found; blocking"),
    ("inverted", "stored inverted; turned before the analysis"),
    ("cropped", "the lungs touch the edge of the image"),
    (
        "lungs_implausible",
        "the lungs cover an unusual share of the image",
    ),
    ("one_lung", "two lungs could not be told apart"),
    ("view_disagrees", "the file says frontal, the gate does not"),
    (
        "view_unsure",
        "the gate is not sure that the view is frontal",
    ),
    ("age_unsure", "the gate is not sure whether this is a child"),
    ("paediatric", "taken as a child's by the gate"),
    (
        "out_of_distribution",
        "unlike the training images; blocking when extreme",
    ),
    ("multi_frame", "only the first of several frames was read"),
    ("body_part", "the file names another part of the body"),
    (
        "no_gate",
        "no gate model; only tags and pixels were looked at",
    ),
];

/// Least width and height in pixels.
const LEAST_SIDE: usize = 32;
/// Share of the image that two lungs usually cover.
const LUNG_SHARE: std::ops::RangeInclusive<f64> = 0.08..=0.75;
/// Share of a side on which lungs must touch the edge to count as cut.
const TOUCH: f64 = 0.01;
/// Distance beyond this many times the threshold stops the analysis. A choice, not a measurement: nine in ten
/// images of other kinds are stopped by the gate's own question before.
const EXTREME: f64 = 4.0;

/// What is known of an image once the gate has looked.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What was noticed; `image` is 0 until the study is put together.
    pub reasons: Vec<GateReason>,
    /// View.
    pub view: View,
    /// `file`, `model` or `unknown`.
    pub view_source: &'static str,
    /// Child or adult.
    pub age: Option<AgeGroup>,
    /// Whether the pixels must be inverted before the analysis.
    pub inverted: bool,
}

impl Verdict {
    /// True while nothing stops the analysis.
    pub fn passes(&self) -> bool {
        self.reasons.iter().all(|r| !r.blocking)
    }

    /// What stops the analysis, in words; empty while nothing does.
    pub fn why_not(&self) -> String {
        let why = self.reasons.iter().filter(|r| r.blocking);
        let why: Vec<&str> = why.map(|r| r.message.as_str()).collect();
        why.join(" ")
    }

    /// Notes something that stops the analysis.
    pub fn block(&mut self, code: &str, message: impl Into<String>, score: Option<f64>) {
        self.note(code, message, true, score);
    }

    /// Notes a caution.
    pub fn caution(&mut self, code: &str, message: impl Into<String>, score: Option<f64>) {
        self.note(code, message, false, score);
    }

    fn note(&mut self, code: &str, message: impl Into<String>, blocking: bool, score: Option<f64>) {
        self.reasons.push(GateReason {
            code: code.to_owned(),
            message: message.into(),
            blocking,
            image: 0,
            score,
        });
    }
}

/// What tags and bare pixels tell.
pub fn of_file(image: &LoadedImage) -> Verdict {
    let mut verdict = Verdict {
        reasons: Vec::new(),
        view: View::Unknown,
        view_source: "unknown",
        age: None,
        inverted: false,
    };
    if let Some(meta) = &image.meta {
        of_tags(meta, &mut verdict);
    }
    if image.frames > 1 {
        let text = format!(
            "The file has {} frames; only the first was read.",
            image.frames
        );
        verdict.caution("multi_frame", text, None);
    }
    if image.colour {
        verdict.block(
            "colour",
            "The picture is in colour, which no radiograph is.",
            None,
        );
    }
    if image.width.min(image.height) < LEAST_SIDE {
        let text = format!(
            "{} x {} pixels are too few; {LEAST_SIDE} a side are needed.",
            image.width, image.height
        );
        verdict.block("too_small", text, None);
    } else if image.pixels.min_max().is_none_or(|(low, high)| low == high) {
        verdict.block("blank", "All pixels have the same value.", None);
    }
    verdict
}

fn of_tags(meta: &DicomMeta, verdict: &mut Verdict) {
    // OT and SC are what scanned and converted films are called.
    const RADIOGRAPHS: [&str; 7] = ["CR", "DX", "RG", "RF", "OT", "SC", "XR"];
    if let Some(modality) = meta
        .modality
        .as_deref()
        .filter(|m| !RADIOGRAPHS.contains(m))
    {
        let text = format!("The file's modality is {modality}; chest X-rays are CR or DX.");
        verdict.block("ct_or_other_modality", text, None);
    }
    if let Some(part) = meta.body_part.as_deref().filter(|p| is_elsewhere(p)) {
        verdict.caution(
            "body_part",
            format!("The file names the body part {part}, not the chest."),
            None,
        );
    }
    if meta.view != View::Unknown {
        (verdict.view, verdict.view_source) = (meta.view, "file");
    }
    match meta.view {
        View::Lateral => verdict.block(
            "lateral",
            "The file says that the view is lateral; only frontal views are analysed.",
            None,
        ),
        View::Other => verdict.block(
            "other_view",
            "The file names a view that is not frontal; only frontal views are analysed.",
            None,
        ),
        View::Pa | View::Ap | View::Frontal | View::Unknown => {}
    }
    verdict.age = meta.age_years.map(|years| {
        if years < 18.0 {
            AgeGroup::Paediatric
        } else {
            AgeGroup::Adult
        }
    });
}

fn is_elsewhere(part: &str) -> bool {
    const HERE: [&str; 9] = [
        "CHEST", "THORAX", "LUNG", "PORT", "RIB", "HEART", "TORSO", "TRUNK", "BODY",
    ];
    let part = part.to_ascii_uppercase();
    !part.trim().is_empty() && !HERE.iter().any(|word| part.contains(word))
}

/// One question's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Answered {
    probability: f64,
    passes: bool,
    sure: bool,
}

fn answer(model: &Model, scores: &Scores, code: &str) -> Option<Answered> {
    let outputs = &model.description.card.outputs;
    let at = outputs.iter().position(|o| o.code == code)?;
    let (output, &logit) = (&outputs[at], scores.logits.get(at)?);
    // Too few laterals were at hand to calibrate the view, so its plain sigmoid is used; the card says so.
    let plain = || 1.0 / (1.0 + (-logit).exp());
    let calibrator = output.calibrator.as_ref();
    let probability = calibrator.map_or_else(plain, |c| c.probability(logit));
    // Without an operating point, for want of laterals, the more probable side wins.
    let point = output.operating_point.as_ref().map_or(0.5, |p| p.threshold);
    let passes = probability >= point;
    // A point from which the gate is sure was measured to keep nearly all films; the conformal set, at its level,
    // would call one film in ten unlike the others however far it is from the counter-examples.
    let decided = || {
        let set = output.conformal.as_ref().map(|c| c.set(probability));
        set != Some(PredictionSet::Undecided)
    };
    let point = output.sure_from.as_ref();
    let sure = point.map_or_else(decided, |p| probability >= p.threshold);
    probability.is_finite().then_some(Answered {
        probability,
        passes,
        sure,
    })
}

/// The whole gate before any model: the file's own words, then the network of the store. Pixels that had to be inverted are.
///
/// # Errors
/// Those of [`of_network`].
pub fn of_image(path: &Path, store: &Store, image: &mut LoadedImage) -> Result<Verdict> {
    let mut verdict = of_file(image);
    if let Some(model) = store.gate().filter(|_| verdict.passes())
        && let Some(turned) = of_network(path, model, &image.pixels, &mut verdict)?
    {
        image.pixels = turned;
    }
    Ok(verdict)
}

/// Asks the gate's network. Gives the image to go on with when it had to be inverted.
///
/// # Errors
/// [`PipelineError::Network`], [`PipelineError::Model`].
pub fn of_network(
    path: &Path,
    model: &Model,
    image: &Gray,
    verdict: &mut Verdict,
) -> Result<Option<Gray>> {
    let classifier = model.classifier()?;
    let network = |source| PipelineError::Network {
        path: path.to_owned(),
        model: model.name.clone(),
        source,
    };
    let mut scores = classifier.score(image, None).map_err(network)?;
    // Asked of the image as it is: many pictures that are no films look like films once they are inverted.
    judge_content(model, &scores, verdict);
    if !verdict.passes() {
        return Ok(None);
    }
    let mut turned = None;
    if let Some(first) = answer(model, &scores, "inverted").filter(|a| a.probability >= 0.5) {
        let inverted = image.map(|&v| 255.0 - v);
        let again = classifier.score(&inverted, None).map_err(network)?;
        // Only when turning it makes it look right; noise looks inverted both ways.
        if answer(model, &again, "inverted")
            .is_some_and(|a| a.probability < first.probability.min(0.5))
        {
            verdict.inverted = true;
            verdict.caution(
                "inverted",
                "The image is stored inverted; it was turned before the analysis.",
                Some(first.probability),
            );
            scores = again;
            turned = Some(inverted);
        }
    }
    judge(model, &scores, verdict);
    Ok(turned)
}

fn judge_content(model: &Model, scores: &Scores, verdict: &mut Verdict) {
    if let Some(chest) = answer(model, scores, "chest_xray") {
        let score = Some(chest.probability);
        if !chest.passes {
            verdict.block(
                "not_chest_xray",
                "This does not look like a chest X-ray.",
                score,
            );
        } else if !chest.sure {
            verdict.caution(
                "not_chest_xray",
                "It is not certain that this is a chest X-ray.",
                score,
            );
        }
    }
}

fn judge(model: &Model, scores: &Scores, verdict: &mut Verdict) {
    if let Some(frontal) = answer(model, scores, "frontal") {
        judge_view(frontal, verdict);
    }
    if let Some(child) = answer(model, scores, "paediatric").filter(|_| verdict.age.is_none()) {
        judge_age(child, verdict);
    }
    if let Some(ood) = &model.description.card.ood {
        distance(ood, &scores.embedding, &model.name, verdict);
    }
}

fn judge_view(frontal: Answered, verdict: &mut Verdict) {
    let score = Some(frontal.probability);
    match (verdict.view == View::Unknown, frontal.passes) {
        (false, false) if verdict.view.is_frontal() => {
            verdict.caution(
                "view_disagrees",
                "The file says that the view is frontal; the image does not look so.",
                score,
            );
        }
        (false, _) => {}
        (true, true) => {
            (verdict.view, verdict.view_source) = (View::Frontal, "model");
            if !frontal.sure {
                verdict.caution(
                    "view_unsure",
                    "It is not certain that the view is frontal.",
                    score,
                );
            }
        }
        (true, false) => {
            (verdict.view, verdict.view_source) = (View::Lateral, "model");
            verdict.block(
                "lateral",
                "The view looks lateral; only frontal views are analysed.",
                score,
            );
        }
    }
}

fn judge_age(child: Answered, verdict: &mut Verdict) {
    let score = Some(child.probability);
    if child.probability >= 0.5 {
        verdict.age = Some(AgeGroup::Paediatric);
        verdict.caution("paediatric", "The image looks like a child's, and the models for children were used; the file does not tell the age.", score);
    } else {
        verdict.age = Some(AgeGroup::Adult);
    }
    if !child.sure {
        verdict.caution("age_unsure", "It is not certain whether this is a child or an adult, which decides the models that are used.", score);
    }
}

/// Notes how far the features lie from those of the training images.
pub fn distance(ood: &OodDetector, embedding: &[f64], model: &str, verdict: &mut Verdict) {
    let Ok(score) = ood.distance.score(embedding) else {
        return;
    };
    let limit = ood.threshold.threshold;
    if verdict
        .reasons
        .iter()
        .any(|r| r.code == "out_of_distribution")
        || score <= limit
    {
        return;
    }
    let text = format!(
        "The image is unlike the training images of `{model}` (distance {score:.0}, usual up to {limit:.0})."
    );
    if score > EXTREME * limit {
        verdict.block("out_of_distribution", text, Some(score));
    } else {
        verdict.caution("out_of_distribution", text, Some(score));
    }
}

/// Are these the lungs of a chest X-ray?
pub fn of_lungs(lungs: &Mask, verdict: &mut Verdict) {
    let share = lungs.count() as f64 / lungs.data.len().max(1) as f64;
    if share == 0.0 {
        verdict.block("no_lungs", "No lungs were found.", None);
        return;
    }
    if !LUNG_SHARE.contains(&share) {
        let text = format!(
            "The lungs cover {:.0}% of the image, which is unusual.",
            100.0 * share
        );
        verdict.caution("lungs_implausible", text, Some(share));
    }
    if chest::lung_areas(lungs).is_none() {
        verdict.caution("one_lung", "Two lungs could not be told apart.", None);
    }
    let edges = touched(lungs);
    if !edges.is_empty() {
        let text = format!(
            "The lungs touch the {} edge of the image, so a part may be missing.",
            edges.join(" and the ")
        );
        verdict.caution("cropped", text, None);
    }
}

fn touched(mask: &Mask) -> Vec<&'static str> {
    let (w, h) = (mask.width, mask.height);
    let column = |x: usize| (0..h).filter(|&y| mask.row(y)[x] != 0).count();
    let row = |y: usize| mask.row(y).iter().filter(|&&v| v != 0).count();
    let sides = [
        ("upper", row(0), w),
        ("lower", row(h - 1), w),
        ("left", column(0), h),
        ("right", column(w - 1), h),
    ];
    sides
        .iter()
        .filter(|(_, n, side)| *n as f64 > TOUCH * *side as f64)
        .map(|(name, ..)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_image::{Plane, Recipe};

    fn loaded(meta: Option<DicomMeta>) -> LoadedImage {
        LoadedImage {
            pixels: Plane::from_fn(64, 64, |x, _| x as f32),
            width: 64,
            height: 64,
            bits: 8,
            colour: false,
            kind: hilum_dicom::FileKind::Png,
            recipe: Recipe::Voi,
            steps: Vec::new(),
            sha256: String::new(),
            frames: 1,
            meta,
        }
    }

    fn codes(verdict: &Verdict) -> Vec<(&str, bool)> {
        verdict
            .reasons
            .iter()
            .map(|r| (r.code.as_str(), r.blocking))
            .collect()
    }

    #[test]
    fn every_code_is_documented() {
        let page = include_str!("../../../docs/reference-cli.md");
        for (code, meaning) in CODES {
            assert!(
                page.contains(&format!("| `{code}` | {meaning} |")),
                "{code}"
            );
        }
    }

    #[test]
    fn tags_stop_other_modalities_and_views() {
        let meta = DicomMeta {
            modality: Some("CT".into()),
            view: View::Lateral,
            age_years: Some(3.0),
            ..DicomMeta::default()
        };
        let verdict = of_file(&loaded(Some(meta)));
        assert_eq!(
            codes(&verdict),
            [("ct_or_other_modality", true), ("lateral", true)]
        );
        assert_eq!(
            (verdict.age, verdict.view_source),
            (Some(AgeGroup::Paediatric), "file")
        );
        let meta = DicomMeta {
            modality: Some("DX".into()),
            body_part: Some("KNEE".into()),
            view: View::Pa,
            ..DicomMeta::default()
        };
        let verdict = of_file(&loaded(Some(meta)));
        assert_eq!(codes(&verdict), [("body_part", false)]);
        assert!(verdict.passes());
    }

    #[test]
    fn pixels_stop_colour_small_and_blank_pictures() {
        let small = LoadedImage {
            width: 1,
            height: 1,
            pixels: Plane::filled(1, 1, 5.0),
            colour: true,
            ..loaded(None)
        };
        assert_eq!(
            codes(&of_file(&small)),
            [("colour", true), ("too_small", true)]
        );
        let blank = LoadedImage {
            pixels: Plane::filled(64, 64, 5.0),
            ..loaded(None)
        };
        assert_eq!(codes(&of_file(&blank)), [("blank", true)]);
        let frames = LoadedImage {
            frames: 3,
            ..loaded(None)
        };
        assert_eq!(codes(&of_file(&frames)), [("multi_frame", false)]);
    }

    #[test]
    fn lungs_are_judged_by_number_size_and_edges() {
        let judge = |mask: &Mask| {
            let mut verdict = of_file(&loaded(None));
            of_lungs(mask, &mut verdict);
            verdict
                .reasons
                .iter()
                .map(|r| r.code.clone())
                .collect::<Vec<_>>()
        };
        let lungs = |top: usize| {
            Plane::from_fn(100, 100, move |x, y| {
                if (y >= top && y < 80) && ((15..40).contains(&x) || (60..85).contains(&x)) {
                    255u8
                } else {
                    0
                }
            })
        };
        assert!(judge(&lungs(20)).is_empty());
        assert_eq!(judge(&lungs(0)), ["cropped"]);
        assert_eq!(judge(&lungs(78)), ["lungs_implausible"]);
        assert_eq!(judge(&Plane::filled(100, 100, 0)), ["no_lungs"]);
        assert_eq!(
            judge(&Plane::filled(100, 100, 255)),
            ["lungs_implausible", "one_lung", "cropped"]
        );
    }
}
