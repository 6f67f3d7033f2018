//! The study: indices on masks of phantoms beside their construction, on predicted masks beside true ones, and questions with
//! scripted answers.

use super::config::Config;
use super::phantoms::{masks, ordinary, set, stretched, view};
use super::reference::Made;
use crate::blocks::stored;
use crate::context::{Context, model_path};
use crate::error::{MethodError, Result};
use crate::serve::{NetSegmenter, Segmenter};
use hilum_core::View;
use hilum_data::{Sample, Split, pixels};
use hilum_image::{Gray, Mask, Recipe};
use hilum_measure::{Index, MaskSet, Outcome, Structure, measure};
use hilum_nn::weights::WeightFile;
use hilum_phantom::render::{Scene, Tissue};
use hilum_quiz::{Maker, Plan, QuizSet, Report, Study, answerers, score};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::Ordering;

/// Name of the segmenter that is measured on.
const SEGMENTER: &str = crate::lungs_heart::MODEL;
/// Indices for which lungs and heart suffice.
pub const BY_LUNGS_AND_HEART: [Index; 2] = [Index::Cardiomegaly, Index::Inclusion];

/// One index of one phantom, on its true masks and by its construction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Built {
    /// Which phantom.
    pub phantom: u64,
    /// Which index.
    pub index: Index,
    /// Value on the masks; null when it was refused.
    pub value: Option<f64>,
    /// Why.
    pub reason: Option<String>,
    /// Whether the label on the masks is the positive one.
    pub positive: Option<bool>,
    /// Value by construction, where there is one.
    pub truth: Option<f64>,
    /// Positive label by construction.
    pub truly: Option<bool>,
    /// Whether the construction lies in the tolerance band, where both labels count.
    pub in_band: bool,
}

/// One index of one image, on true and on predicted masks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Which index.
    pub index: Index,
    /// Value on the true masks.
    pub truth: Option<f64>,
    /// Its label, positive or not.
    pub truly: Option<bool>,
    /// Whether it lies in the band.
    pub in_band: bool,
    /// Value on the predicted masks.
    pub value: Option<f64>,
    /// Its label.
    pub positive: Option<bool>,
}

/// One stage of a scripted answerer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// Path and stage.
    pub stage: String,
    /// Right answers.
    pub k: usize,
    /// Cases.
    pub n: usize,
    /// Probability of a right answer at random.
    pub chance: f64,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    /// On phantoms of stretched anatomy.
    pub built: Vec<Built>,
    /// On ordinary phantoms.
    pub phantoms: Vec<Predicted>,
    /// On real images of JSRT with its outlines, test split; empty without the data.
    pub jsrt: Vec<Predicted>,
    /// The oracle, by stage.
    pub oracle: Vec<Answered>,
    /// The guesser, by stage.
    pub guesser: Vec<Answered>,
    /// Cases and questions asked.
    pub asked: (usize, usize),
    /// Seed.
    pub seed: u64,
}

fn failed(what: &str, error: impl std::fmt::Display) -> MethodError {
    MethodError::Config(format!("{what}: {error}"))
}

fn go_on(ctx: &Context<'_>) -> Result<()> {
    if ctx.stop.load(Ordering::SeqCst) {
        return Err(MethodError::Stopped);
    }
    Ok(())
}

/// Does the study.
///
/// # Errors
/// [`MethodError::NoModel`] without the segmenter's weights; [`MethodError::Stopped`].
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcomes> {
    config.validate()?;
    let path = model_path(&ctx.models, SEGMENTER);
    if !path.is_file() {
        return Err(MethodError::NoModel(SEGMENTER.to_owned()));
    }
    let model = NetSegmenter::new(&WeightFile::open(&path)?)?;
    let built: Vec<Vec<Built>> = (0..config.stretched)
        .into_par_iter()
        .map(|n| built(ctx, config, n))
        .collect::<Result<_>>()?;
    let seen: Vec<(Vec<Predicted>, Option<Study>)> = (0..config.predicted)
        .into_par_iter()
        .map(|n| predicted(ctx, config, &model, n))
        .collect::<Result<_>>()?;
    let (mut phantoms, mut studies) = (Vec::new(), Vec::new());
    for (rows, study) in seen {
        phantoms.extend(rows);
        studies.extend(study);
    }
    let (oracle, guesser, asked) = quiz(ctx, config, &studies)?;
    Ok(Outcomes {
        built: built.into_iter().flatten().collect(),
        phantoms,
        jsrt: jsrt(ctx, &model)?,
        oracle,
        guesser,
        asked,
        seed: ctx.seed,
    })
}

fn built(ctx: &Context<'_>, config: &Config, number: u64) -> Result<Vec<Built>> {
    go_on(ctx)?;
    let wrong = |e: &dyn std::fmt::Display| failed("phantom", e);
    let thorax = stretched(ctx.seed, number);
    let scene = Scene::new(&thorax, ctx.seed);
    let geometry = scene.geometry(false, config.size).map_err(|e| wrong(&e))?;
    let drawn = masks(&scene, &geometry).map_err(|e| wrong(&e))?;
    let masks = set(&geometry, drawn).map_err(|e| wrong(&e))?;
    let view = view(&thorax);
    let made = Made::new(&scene, &geometry);
    let rows = measure(&masks, view).into_iter().map(|o| {
        let truth = made.value(o.index, &o);
        let (truly, in_band) = truth_label(&made, &o, truth, view);
        Built {
            phantom: number,
            index: o.index,
            value: o.value,
            positive: o.positive(),
            reason: o.reason,
            truth,
            truly,
            in_band,
        }
    });
    Ok(rows.collect())
}

/// The label by construction, and whether both labels count.
fn truth_label(
    made: &Made,
    seen: &Outcome,
    truth: Option<f64>,
    view: View,
) -> (Option<bool>, bool) {
    let (rule, tolerance) = (seen.index.threshold(), seen.index.tolerance());
    match seen.index {
        Index::Inclusion => match made.included() {
            Some((inside, margin)) => (Some(inside), margin.abs() <= tolerance),
            None => (None, false),
        },
        Index::Projection => match made.overlaps() {
            Some(sides) => {
                let near = sides.iter().any(|s| (s - 0.3).abs() <= tolerance);
                let label = (sides[0] >= 0.3) == (sides[1] >= 0.3);
                (label.then_some(sides[0] >= 0.3), near)
            }
            None => (None, false),
        },
        // A count has no band of its own: that of the rib's distance to the dome.
        Index::Inspiration => (
            truth.and_then(|v| rule.decide(v, 0.0, view).positive),
            seen.in_band,
        ),
        _ => match truth.map(|v| rule.decide(v, tolerance, view)) {
            Some(d) => (d.positive, d.in_band()),
            None => (None, false),
        },
    }
}

fn predicted(
    ctx: &Context<'_>,
    config: &Config,
    model: &NetSegmenter,
    number: u64,
) -> Result<(Vec<Predicted>, Option<Study>)> {
    go_on(ctx)?;
    let wrong = |e: &dyn std::fmt::Display| failed("phantom", e);
    // Other patients than those of the stretched ones.
    let thorax = ordinary(ctx.seed, config.stretched + number);
    let scene = Scene::new(&thorax, ctx.seed);
    let geometry = scene
        .geometry(false, config.picture)
        .map_err(|e| wrong(&e))?;
    let integrals = scene
        .integrals(&geometry, false, Tissue::All)
        .map_err(|e| wrong(&e))?;
    let image = scene
        .picture(&integrals, &geometry, false)
        .map_err(|e| wrong(&e))?
        .map(|v| (v * 255.0 + 0.5).floor());
    let drawn = masks(&scene, &geometry).map_err(|e| wrong(&e))?;
    let masks = set(&geometry, drawn).map_err(|e| wrong(&e))?;
    let view = view(&thorax);
    let truth = measure(&masks, view);
    let found = measure(&by_network(model, &image)?, view);
    let rows = beside(&truth, &found);
    let study = (number < config.asked).then(|| Study {
        id: format!("ph{}-{:06}-0", ctx.seed, config.stretched + number),
        view,
        image,
        set: masks,
        outcomes: truth,
    });
    Ok((rows, study))
}

fn by_network(model: &NetSegmenter, image: &Gray) -> Result<MaskSet> {
    let wrong = |e| failed("masks", e);
    let mut set = MaskSet::new(image.width, image.height).map_err(wrong)?;
    let found = model.segment(image)?;
    for (output, mask) in model.card().outputs.iter().zip(found.masks) {
        if let Some(structure) = Structure::of_name(&output.code) {
            set.insert(structure, mask).map_err(wrong)?;
        }
    }
    Ok(set)
}

fn beside(truth: &[Outcome], found: &[Outcome]) -> Vec<Predicted> {
    let pairs = truth.iter().zip(found);
    pairs
        .filter(|(t, _)| BY_LUNGS_AND_HEART.contains(&t.index))
        .map(|(t, f)| Predicted {
            index: t.index,
            truth: t.value,
            truly: t.positive(),
            in_band: t.in_band,
            value: f.value,
            positive: f.positive(),
        })
        .collect()
}

/// The test split of JSRT, whose films are PA; nothing without the data.
fn jsrt(ctx: &Context<'_>, model: &NetSegmenter) -> Result<Vec<Predicted>> {
    let Ok(samples) = ctx.samples("chexstruct", &["jsrt"]) else {
        return Ok(Vec::new());
    };
    let test: Vec<Sample> = samples
        .into_iter()
        .filter(|s| s.split == Some(Split::Test))
        .collect();
    let rows: Vec<Vec<Predicted>> = ctx
        .limit(test, 4)
        .par_iter()
        .map(|s| outlined(model, s))
        .collect::<Result<_>>()?;
    Ok(rows.into_iter().flatten().collect())
}

fn outlined(model: &NetSegmenter, sample: &Sample) -> Result<Vec<Predicted>> {
    let image = hilum_dicom::load(sample.path(), Recipe::Voi)?.pixels;
    let size = (image.width, image.height);
    let wrong = |e| failed("masks", e);
    let mut truth = MaskSet::new(size.0, size.1).map_err(wrong)?;
    for structure in [Structure::RightLung, Structure::LeftLung, Structure::Heart] {
        let parts = sample.mask_parts(&structure.name());
        if let Some(plane) = pixels::load_union(&parts, sample.path(), size)? {
            let mask = Mask::new(plane.width, plane.height, plane.data)?;
            truth.insert(structure, mask).map_err(wrong)?;
        }
    }
    let found = by_network(model, &image)?;
    Ok(beside(
        &measure(&truth, View::Pa),
        &measure(&found, View::Pa),
    ))
}

/// The oracle's answers, the guesser's, and how many cases and questions there were.
type Quizzed = (Vec<Answered>, Vec<Answered>, (usize, usize));

/// Questions, an oracle and a guesser.
fn quiz(ctx: &Context<'_>, config: &Config, studies: &[Study]) -> Result<Quizzed> {
    let wrong = |e| failed("questions", e);
    let folder = ctx.run_folder(super::NAME).join("quiz");
    if folder.exists() {
        // A run that was stopped left a part of it.
        std::fs::remove_dir_all(&folder).map_err(|source| MethodError::Io {
            path: folder.clone(),
            source,
        })?;
    }
    let plan = Plan {
        seed: ctx.seed,
        side: config.side,
        ..Plan::default()
    };
    let mut maker = Maker::new(&folder, plan).map_err(wrong)?;
    for study in studies {
        go_on(ctx)?;
        maker.add(study).map_err(wrong)?;
    }
    maker.finish().map_err(wrong)?;
    let set = QuizSet::read(&folder).map_err(wrong)?;
    let scored = |answers: Vec<hilum_quiz::Answer>, name: &str| -> Result<Report> {
        let path = folder.join(name);
        let lines: Vec<String> = answers
            .iter()
            .map(serde_json::to_string)
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| failed("answers", e))?;
        stored::write_text(&path, &(lines.join("\n") + "\n"))?;
        score(&set, Path::new(&path)).map_err(wrong)
    };
    let oracle = scored(answerers::oracle(&set.key), "oracle.jsonl")?;
    let guesser = scored(answerers::guesser(&set.key, ctx.seed), "guesser.jsonl")?;
    let asked = (set.cases.len(), set.key.len());
    Ok((stages(&oracle), stages(&guesser), asked))
}

fn stages(report: &Report) -> Vec<Answered> {
    let mut all = Vec::new();
    for path in &report.all.paths {
        for s in &path.stages {
            all.push(Answered {
                stage: format!("{} path, {}", path.path.name(), s.stage.name()),
                k: s.right.k,
                n: s.right.n,
                chance: s.chance,
            });
        }
    }
    all
}
