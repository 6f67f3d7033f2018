//! Families under one protocol, and the controls.

use super::NAME;
use super::cases::{self, CaseSet, Scheme, balanced};
use super::config::Config;
use crate::blocks::attributed::input;
use crate::blocks::cells::{Parts, fit, select};
use crate::blocks::classify::{ClassifyData, classify_data, predict};
use crate::blocks::exclusive::{argmax, softmax};
use crate::blocks::figures::{grey, overlay, png, tiles};
use crate::blocks::pictures::Lungs;
use crate::blocks::regions::spread_evenly;
use crate::blocks::stored;
use crate::blocks::study::OUTCOME;
use crate::blocks::warm::copy_trunk;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_audit::{Condition, Masking};
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_data::{Sample, Split};
use hilum_explain::{Effort, Method, Net, attribute, evidence};
use hilum_kernels::Params;
use hilum_nn::weights::atomic_write;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Outputs of the task that pre-training learns.
const NIH_CODES: [&str; 5] = [
    "pneumonia",
    "infiltration",
    "atelectasis",
    "edema",
    "pleural_effusion",
];

/// How a scheme's networks were trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Scheme.
    pub scheme: Scheme,
    /// Family.
    pub family: String,
    /// With warped copies that balance the classes.
    pub augmented: bool,
    /// Beginning with weights that learned findings on NIH films.
    pub pretrained: bool,
    /// What of the images was shown.
    pub shown: Condition,
    /// Patient of each case.
    pub patients: Vec<String>,
    /// Class of each case.
    pub class: Vec<usize>,
    /// Probabilities of each case by the network of the fold it is held out of.
    pub said: Vec<Vec<f32>>,
}

/// What networks say of films of another source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Scheme that was learned.
    pub scheme: Scheme,
    /// Where the films come from, and what the label is there.
    pub source: String,
    /// Patient of each film.
    pub patients: Vec<String>,
    /// Label.
    pub labels: Vec<bool>,
    /// Mean probability of the label over the folds' networks.
    pub scores: Vec<f64>,
}

/// What training leaves for measuring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// One an arm.
    pub arms: Vec<Arm>,
    /// Films of other sources.
    pub elsewhere: Vec<Elsewhere>,
    /// From which AUROC without lungs on a shortcut is called out.
    pub warn_above: f64,
    /// Seeds of the folds.
    pub seeds: Vec<u64>,
    /// Hash of the images.
    pub data_hash: String,
    /// Hash of their split.
    pub split_hash: String,
}

/// Runs the study and writes its outcome and a sheet of activation maps.
///
/// # Errors
/// Missing data, a class that is missing, [`MethodError::Stopped`].
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
    let starts = pretrain(ctx, config)?;
    let (mut arms, mut elsewhere, mut used) = (Vec::new(), Vec::new(), Vec::<Sample>::new());
    let mut paths = Vec::new();
    for scheme in Scheme::ALL {
        let set = cases::load(ctx, config, scheme)?;
        for plan in plans(config, scheme) {
            let (arm, networks) = arm(ctx, config, &set, &plan, &starts)?;
            let is_control = plan.family == config.control
                && plan.augmented
                && plan.start.is_none()
                && plan.shown == Condition::Full;
            if is_control {
                elsewhere.extend(other_sources(ctx, config, scheme, &networks)?);
                paths.push(sheet(ctx, config, &set, &networks[0])?);
            }
            arms.push(arm);
        }
        used.extend(set.samples);
    }
    let outcome = Outcome {
        arms,
        elsewhere,
        warn_above: config.warn_above,
        seeds: (0..config.folds as u64).map(|f| ctx.seed + f).collect(),
        data_hash: data_hash(&used, ContentHash::Stated, None)?,
        split_hash: split_hash(&used),
    };
    paths.insert(0, stored::write(ctx, NAME, OUTCOME, &outcome)?);
    Ok(paths)
}

/// One arm to be trained.
struct Plan {
    family: usize,
    augmented: bool,
    start: Option<usize>,
    shown: Condition,
}

/// What is trained of a scheme.
fn plans(config: &Config, scheme: Scheme) -> Vec<Plan> {
    let plain = |family: usize, augmented: bool, shown: Condition| Plan {
        family,
        augmented,
        start: None,
        shown,
    };
    let families = 0..config.families.len();
    let mut out: Vec<Plan> = match scheme {
        Scheme::Mixed => vec![plain(config.control, true, Condition::Full)],
        _ => families
            .clone()
            .map(|f| plain(f, true, Condition::Full))
            .collect(),
    };
    if matches!(scheme, Scheme::Three | Scheme::Covid) {
        out.extend(families.map(|f| plain(f, false, Condition::Full)));
    }
    if scheme == Scheme::Three {
        out.extend(
            config
                .pretrained
                .iter()
                .enumerate()
                .map(|(at, &family)| Plan {
                    start: Some(at),
                    ..plain(family, true, Condition::Full)
                }),
        );
    }
    if scheme != Scheme::Two {
        out.push(plain(config.control, true, Condition::NoRegionBox));
    }
    out
}

fn check_stop(ctx: &Context<'_>) -> Result<()> {
    match ctx.stop.load(Ordering::Relaxed) {
        true => Err(MethodError::Stopped),
        false => Ok(()),
    }
}

/// Weights of each pre-trained family after learning findings on NIH films, by the places of `config.pretrained`.
fn pretrain(ctx: &Context<'_>, config: &Config) -> Result<Vec<Params>> {
    let all = ctx.samples(NAME, &["nih14"])?;
    let of = |split: Split, most: usize| {
        let own: Vec<Sample> = all
            .iter()
            .filter(|s| s.split == Some(split))
            .cloned()
            .collect();
        spread_evenly(own, most)
    };
    let train_samples = of(Split::Train, config.most.1);
    let val_samples = of(Split::Val, config.most.1 / 4);
    let data = |s: &[Sample]| classify_data(s, &NIH_CODES, &config.contract(), Lungs::None);
    let (train, val) = (data(&train_samples)?, data(&val_samples)?);
    let samples = [train_samples, val_samples].concat();
    config
        .pretrained
        .iter()
        .map(|&family| {
            check_stop(ctx)?;
            let backbone = &config.families[family];
            let training = config.training(
                backbone,
                NIH_CODES.len(),
                false,
                config.nih_epochs,
                true,
                "nih",
            );
            let name = format!("nih-{}", backbone.name());
            eprintln!("{NAME}: {name}");
            let parts = Parts {
                train: &train,
                val: &val,
                samples: &samples,
            };
            fit(ctx, NAME, &name, &training, parts, None)
        })
        .collect()
}

fn arm(
    ctx: &Context<'_>,
    config: &Config,
    set: &CaseSet,
    plan: &Plan,
    starts: &[Params],
) -> Result<(Arm, Vec<Params>)> {
    let backbone = &config.families[plan.family];
    let classes = set.scheme.classes().len();
    let epochs = match set.scheme {
        Scheme::Covid => config.covid_epochs,
        _ => config.epochs,
    };
    let variant = format!(
        "{}-{}-{}{}",
        set.scheme.stem(),
        plan.shown.name(),
        if plan.augmented { "augmented" } else { "plain" },
        if plan.start.is_some() { "-nih" } else { "" }
    );
    let training = config.training(backbone, classes, true, epochs, plan.augmented, &variant);
    let graph = training.network.graph();
    let data = shown(&set.data, plan.shown)?;
    let mut said = vec![Vec::new(); data.len()];
    let mut networks = Vec::new();
    for fold in 0..config.folds {
        check_stop(ctx)?;
        let next = (fold + 1) % config.folds;
        let learned = set.folds.at(|f| f != fold && f != next);
        let val_at = set.folds.at(|f| f == next);
        let train_at = match plan.augmented {
            true => balanced(&learned, &set.class, classes),
            false => learned.clone(),
        };
        let samples: Vec<Sample> = learned
            .iter()
            .chain(&val_at)
            .map(|&i| set.samples[i].clone())
            .collect();
        let own = Context {
            seed: ctx.seed + fold as u64,
            ..ctx.clone()
        };
        let start = match plan.start {
            Some(at) => Some(begin(config, plan.family, &starts[at], &graph, own.seed)?),
            None => None,
        };
        let (train, val) = (select(&data, &train_at), select(&data, &val_at));
        let parts = Parts {
            train: &train,
            val: &val,
            samples: &samples,
        };
        let name = format!("{variant}-{}-fold{fold}", backbone.name());
        eprintln!("{NAME}: {name}");
        let params = fit(&own, NAME, &name, &training, parts, start)?;
        let held_out = set.folds.at(|f| f == fold);
        let logits = predict(
            &graph,
            &params,
            &config.contract(),
            &select(&data, &held_out),
        )?;
        for (i, z) in held_out.into_iter().zip(logits) {
            said[i] = softmax(&z).into_iter().map(|p| p as f32).collect();
        }
        networks.push(params);
    }
    let arm = Arm {
        scheme: set.scheme,
        family: backbone.name().to_owned(),
        augmented: plan.augmented,
        pretrained: plan.start.is_some(),
        shown: plan.shown,
        patients: data.patients,
        class: set.class.clone(),
        said,
    };
    Ok((arm, networks))
}

/// Fresh weights with the trunk of the network that learned findings.
fn begin(
    config: &Config,
    family: usize,
    learned: &Params,
    graph: &hilum_kernels::Graph,
    seed: u64,
) -> Result<Params> {
    let backbone = &config.families[family];
    let from = config
        .training(backbone, NIH_CODES.len(), false, 1, true, "nih")
        .network
        .graph();
    copy_trunk(&from, learned, graph, graph.init_params(seed)).ok_or_else(|| {
        MethodError::Config(format!("{}: the trunk is another one", backbone.name()))
    })
}

/// The pictures with only this part shown.
fn shown(data: &ClassifyData, condition: Condition) -> Result<ClassifyData> {
    let mut out = data.clone();
    for picture in &mut out.pictures {
        if let Some(Some(lungs)) = picture.masks.first() {
            picture.plane = Masking::from(condition).apply(&picture.plane, lungs, 0)?;
        }
    }
    Ok(out)
}

/// Films of sources that no network of the scheme saw.
fn other_sources(
    ctx: &Context<'_>,
    config: &Config,
    scheme: Scheme,
    networks: &[Params],
) -> Result<Vec<Elsewhere>> {
    let (sets, source): (&[&str], &str) = match scheme {
        Scheme::Three => (
            &["nih14"],
            "NIH films of adults: pneumonia in the tags or no finding",
        ),
        Scheme::Covid | Scheme::Mixed => (
            &["covid_actualmed", "covid_figure1"],
            "Actualmed and Figure 1 films: COVID-19 or no finding",
        ),
        Scheme::Two => return Ok(Vec::new()),
    };
    let label = |s: &Sample| -> Option<bool> {
        let code = match scheme {
            Scheme::Covid | Scheme::Mixed => "covid_19",
            _ => "pneumonia",
        };
        if s.labels.is_positive(code) {
            return Some(true);
        }
        s.labels.is_positive("no_finding").then_some(false)
    };
    let samples: Vec<Sample> = ctx
        .samples(NAME, sets)?
        .into_iter()
        .filter(|s| label(s).is_some())
        .filter(|s| scheme != Scheme::Three || s.split == Some(Split::Test))
        .collect();
    let data = classify_data(&samples, &["pneumonia"], &config.contract(), Lungs::None)?;
    let classes = scheme.classes().len();
    let graph = config
        .training(&config.families[config.control], classes, true, 1, true, "")
        .network
        .graph();
    let mut scores = vec![0.0; data.len()];
    for params in networks {
        let logits = predict(&graph, params, &config.contract(), &data)?;
        for (score, z) in scores.iter_mut().zip(logits) {
            let p = softmax(&z);
            let said = match scheme {
                Scheme::Mixed => p[classes - 1],
                _ => 1.0 - p[0],
            };
            *score += said / networks.len() as f64;
        }
    }
    Ok(vec![Elsewhere {
        scheme,
        source: source.to_owned(),
        patients: data.patients,
        labels: samples.iter().filter_map(label).collect(),
        scores,
    }])
}

/// Grad-CAM of what the first fold's network says of some held-out images of each class.
fn sheet(ctx: &Context<'_>, config: &Config, set: &CaseSet, params: &Params) -> Result<PathBuf> {
    const SHOWN: usize = 6;
    let classes = set.scheme.classes().len();
    let graph = config
        .training(&config.families[config.control], classes, true, 1, true, "")
        .network
        .graph();
    let net = Net::new(&graph, std::slice::from_ref(params), "logits")?;
    let mut canvases = Vec::new();
    for class in 0..classes {
        let own: Vec<usize> = set
            .folds
            .at(|f| f == 0)
            .into_iter()
            .filter(|&i| set.class[i] == class)
            .collect();
        let mut row = 0;
        for i in spread_evenly(own, SHOWN) {
            let plane = &set.data.pictures[i].plane;
            let x = input(&config.contract(), plane);
            let said = argmax(&net.logits(&x)?[0]);
            let map = attribute(&net, &x, said, Method::GradCam, &Effort::default())?;
            canvases.push(grey(plane));
            canvases.push(overlay(
                plane,
                &evidence(&map, config.size, Method::GradCam),
            )?);
            row += 1;
        }
        for _ in row..SHOWN {
            let blank = hilum_image::Plane::filled(config.size, config.size, [255; 3]);
            canvases.extend([blank.clone(), blank]);
        }
    }
    let path = ctx
        .run_folder(NAME)
        .join(format!("{}_grad_cam.png", set.scheme.stem()));
    let legend = format!(
        "Grad-CAM of the class that is said; a row each of {}\n",
        set.scheme.classes().join(", ")
    );
    stored::write_text(&path.with_extension("txt"), &legend)?;
    atomic_write(&path, &png(&tiles(&canvases, 2 * SHOWN, 2)?)?)?;
    Ok(path)
}
