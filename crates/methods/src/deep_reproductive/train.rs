//! The study: a bank of frozen encoders, codes of its features, classifiers on them, by folds.

use super::classify::Kind;
use super::config::Config;
use super::dense::{apply, autoencoder, fit_autoencoder};
use super::linear::{Pca, Scale, r_squared, ridge, squares};
use super::outcome::{Form, Outcome, Run, View, Way};
use crate::blocks::classes::{ClassSet, paediatric};
use crate::blocks::classify::shuffled;
use crate::blocks::features::{Encoder, FeatureCache};
use crate::blocks::multiclass::Said;
use crate::blocks::parts::Parts;
use crate::blocks::pictures::{Lungs, Picture, load_pictures};
use crate::blocks::short::{fit_classes, fit_findings, probabilities};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_data::splits::k_folds;
use hilum_data::{LabelMatrix, LabelPolicy, Sample, Split};
use hilum_image::Plane;
use hilum_kernels::Params;
use hilum_nn::InputContract;
use hilum_nn::backbones::Backbone;
use serde::{Deserialize, Serialize};

/// Adults whose findings the encoders learn.
const ADULTS: [&str; 2] = ["nih14", "nih14_64px"];
/// Children, to be told apart into three classes.
const CHILDREN: &str = "kermany_paediatric";
/// What the encoders learn to tell.
const FINDINGS: [&str; 8] = [
    "atelectasis",
    "cardiomegaly",
    "consolidation",
    "edema",
    "pleural_effusion",
    "infiltration",
    "pneumonia",
    "no_finding",
];
/// Classes of the task.
const CLASSES: usize = 3;

/// The children with their pictures at twice the encoders' size.
struct Cases {
    samples: Vec<Sample>,
    fold: Vec<usize>,
    /// Network values of the four quarters, and of the whole picture at the encoders' size.
    views: [Vec<Vec<f32>>; 5],
    whole: ClassSet,
}

/// Runs everything that the settings ask for.
///
/// # Errors
/// Data that are not there, a stop, a class missing in a fold, a diverging run.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    let cases = load(ctx, config)?;
    let adults: Vec<Sample> = ctx.limit(
        ctx.samples("deep_reproductive", &ADULTS)?
            .into_iter()
            .filter(|s| s.split == Some(Split::Train))
            .collect(),
        60,
    );
    let all = [cases.samples.as_slice(), &adults].concat();
    let hashes = [
        data_hash(&all, ContentHash::Stated, None)?,
        split_hash(&all),
    ];
    let parts = Parts::open(ctx, "deep_reproductive", config, [&hashes[0], &hashes[1]])?;
    let adults = Adults::load(&adults, config.side)?;
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let mut widths = [0; 2];
    let mut runs = Vec::new();
    for &seed in &seeds {
        let stand = Stand {
            ctx,
            config,
            parts: &parts,
            cases: &cases,
            seed,
        };
        let banks = stand.banks(&adults)?;
        widths = [banks[0].rows[0].len(), banks[1].rows[0].len()];
        runs.push(stand.run(&banks)?);
    }
    let [data_hash, split_hash] = hashes;
    Ok(Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        y: cases.whole.y.clone(),
        groups: cases.whole.groups(),
        widths,
        runs,
    })
}

/// Development cases only: the test split stays unasked.
fn load(ctx: &Context<'_>, config: &Config) -> Result<Cases> {
    let all: Vec<Sample> = ctx
        .samples("deep_reproductive", &[CHILDREN])?
        .into_iter()
        .filter(|s| matches!(s.split, Some(Split::Train | Split::Val)) && paediatric(s).is_some())
        .collect();
    let samples = by_patients(all, config.cases, ctx.seed);
    let strata: Vec<u32> = samples
        .iter()
        .map(|s| paediatric(s).unwrap_or(0) as u32)
        .collect();
    let fold = k_folds(&samples, &strata, config.folds, ctx.seed)?;
    let large = InputContract::square(2 * config.side);
    let pictures = load_pictures(&samples, &large, Lungs::None, &[])?;
    let small = InputContract::square(config.side);
    let quarter = |q: usize| -> Vec<Vec<f32>> {
        let cut = |p: &Picture| small.values(&quarter_of(&p.plane, q));
        pictures.iter().map(cut).collect()
    };
    let whole = ClassSet::load(&samples, config.side, CLASSES, paediatric)?;
    whole.check_classes("children's set")?;
    Ok(Cases {
        views: [
            quarter(0),
            quarter(1),
            quarter(2),
            quarter(3),
            whole.x.clone(),
        ],
        samples,
        fold,
        whole,
    })
}

/// Whole patients in a seeded order until there are enough cases.
fn by_patients(all: Vec<Sample>, most: usize, seed: u64) -> Vec<Sample> {
    let of: Vec<String> = all.iter().map(crate::blocks::classes::patient).collect();
    let mut people: Vec<&String> = of.iter().collect();
    people.sort_unstable();
    people.dedup();
    let order = shuffled(people.len(), seed, 0);
    let mut left = most;
    let mut chosen = std::collections::BTreeSet::new();
    for k in order {
        let own = of.iter().filter(|p| *p == people[k]).count();
        if own <= left {
            left -= own;
            chosen.insert(people[k]);
        }
    }
    let keep: Vec<bool> = of.iter().map(|p| chosen.contains(p)).collect();
    let mut at = 0;
    all.into_iter()
        .filter(|_| {
            at += 1;
            keep[at - 1]
        })
        .collect()
}

/// A quarter of an even square: 0 and 1 above, 2 and 3 below.
fn quarter_of(plane: &Plane<u8>, q: usize) -> Plane<u8> {
    let half = plane.width / 2;
    let (left, top) = (q % 2 * half, q / 2 * half);
    Plane::from_fn(half, half, |x, y| {
        plane.data[(top + y) * plane.width + left + x]
    })
}

/// Features of all cases by a bank of encoders.
struct Bank {
    view: View,
    trained: bool,
    rows: Vec<Vec<f32>>,
}

/// The adults' films with what is known of their findings.
struct Adults {
    set: ClassSet,
    targets: Vec<Vec<f32>>,
}

impl Adults {
    fn load(films: &[Sample], side: usize) -> Result<Self> {
        let set = ClassSet::load(films, side, 2, |_| Some(0))?;
        let matrix = LabelMatrix::new(films, &FINDINGS, LabelPolicy::IGNORE)?;
        let row = |i: usize| {
            let known = matrix.row(i).iter();
            known.map(|v| v.unwrap_or(f32::NAN)).collect()
        };
        let targets = (0..films.len()).map(row).collect();
        Ok(Adults { set, targets })
    }
}

/// Everything that a seed's networks need.
#[derive(Clone, Copy)]
struct Stand<'a> {
    ctx: &'a Context<'a>,
    config: &'a Config,
    parts: &'a Parts<'a>,
    cases: &'a Cases,
    seed: u64,
}

impl Stand<'_> {
    /// Quarters and the whole picture by trained encoders, quarters by random ones.
    fn banks(&self, adults: &Adults) -> Result<[Bank; 3]> {
        let cache = FeatureCache::new(&self.ctx.run_folder("deep_reproductive").join("features"));
        let trained = self.trained(adults)?;
        let random = self.random()?;
        let one = |encoders: &[Encoder], view, trained| -> Result<Bank> {
            Ok(Bank {
                view,
                trained,
                rows: features(&cache, encoders, self.cases, self.config, view)?,
            })
        };
        Ok([
            one(&trained, View::Quarters, true)?,
            one(&trained, View::Whole, true)?,
            one(&random, View::Quarters, false)?,
        ])
    }

    /// Encoders that learned the adults' findings.
    fn trained(&self, adults: &Adults) -> Result<Vec<Encoder>> {
        let (ctx, config) = (self.ctx, self.config);
        let one = |(k, backbone): (usize, &Backbone)| {
            let network = config.network(backbone, FINDINGS.len());
            let key = format!("encoder {k}, {}, seed {}", backbone.name(), self.seed);
            let params: Params = self.parts.get(&key, || {
                let graph = network.graph();
                let start = graph.init_params(self.seed);
                let data = (&adults.set, adults.targets.as_slice());
                fit_findings(ctx, &graph, start, data, &config.pretrain, self.seed)
            })?;
            Encoder::new(&network, params)
        };
        config.bank.iter().enumerate().map(one).collect()
    }

    /// Encoders that learned nothing.
    fn random(&self) -> Result<Vec<Encoder>> {
        let one = |(k, backbone): (usize, &Backbone)| {
            let network = self.config.network(backbone, FINDINGS.len());
            let start = self.seed + 1000 + k as u64;
            let params = network.graph().init_params(start);
            Encoder::new(&network, params)
        };
        self.config.bank.iter().enumerate().map(one).collect()
    }

    /// All folds, and the curve of reconstruction.
    fn run(&self, banks: &[Bank]) -> Result<Run> {
        let seed = self.seed;
        let folds = (0..self.config.folds)
            .map(|k| {
                self.parts.get(&format!("fold {k}, seed {seed}"), || {
                    self.one_fold(banks, k)
                })
            })
            .collect::<Result<Vec<Fold>>>()?;
        let curve = self.parts.get(&format!("curve, seed {seed}"), || {
            curve(*self, &banks[0].rows)
        })?;
        let n = self.cases.samples.len();
        Ok(Run {
            arms: joined(&folds, n),
            task_from_code: placed(&folds, n, |f| &f.task_from_code),
            bank_from_task: placed(&folds, n, |f| &f.bank_from_task),
            bank_from_code: placed(&folds, n, |f| &f.bank_from_code),
            curve,
        })
    }
}

/// The bank's features of every case, encoder after encoder.
fn features(
    cache: &FeatureCache,
    bank: &[Encoder],
    cases: &Cases,
    config: &Config,
    view: View,
) -> Result<Vec<Vec<f32>>> {
    let views = match view {
        View::Quarters => &cases.views[..4],
        View::Whole => &cases.views[4..],
    };
    let mut rows = vec![Vec::new(); cases.samples.len()];
    for encoder in bank {
        for view in views {
            let pictures: Vec<&[f32]> = view.iter().map(Vec::as_slice).collect();
            let own = cache.get(encoder, &pictures, config.side)?;
            rows.iter_mut().zip(own).for_each(|(r, f)| r.extend(f));
        }
    }
    Ok(rows)
}

/// What models without a fold said about its cases.
#[derive(Serialize, Deserialize)]
struct Fold {
    at: Vec<usize>,
    arms: Vec<(Way, Said)>,
    task_from_code: Vec<[f64; 2]>,
    bank_from_task: Vec<[f64; 2]>,
    bank_from_code: Vec<[f64; 2]>,
}

fn pick<T: Clone>(rows: &[T], at: &[usize]) -> Vec<T> {
    at.iter().map(|&i| rows[i].clone()).collect()
}

impl Stand<'_> {
    fn one_fold(&self, banks: &[Bank], k: usize) -> Result<Fold> {
        let Stand {
            ctx,
            config,
            parts,
            cases,
            seed,
        } = *self;
        let (held, own): (Vec<usize>, Vec<usize>) =
            (0..cases.samples.len()).partition(|&i| cases.fold[i] == k);
        let y = pick(&cases.whole.y, &own);
        let train_set = cases.whole.select(&own);
        train_set.check_classes(&format!("cases without fold {k}"))?;
        let mut arms = Vec::new();
        let mut codes = None;
        for Bank {
            view,
            trained,
            rows,
        } in banks
        {
            let scale = Scale::fit(&pick(rows, &own));
            let (x, new) = (
                scale.apply(&pick(rows, &own)),
                scale.apply(&pick(rows, &held)),
            );
            let graph = autoencoder(x[0].len(), config.hidden, config.code);
            let params = fit_autoencoder(ctx, &graph, &x, &config.autoencoder, seed)?;
            let pca = Pca::fit(&x, config.code.min(x[0].len()).min(x.len()), seed)?;
            let code = [
                apply(&graph, &params, &x, 1)?,
                apply(&graph, &params, &new, 1)?,
            ];
            let forms = [
                (Form::Raw, x.clone(), new.clone()),
                (Form::Pca, pca.apply(&x), pca.apply(&new)),
                (Form::Code, code[0].clone(), code[1].clone()),
            ];
            for (form, train, held) in forms {
                // Random encoders are a control: what they reach as they are, and through the code.
                if !trained && form == Form::Pca {
                    continue;
                }
                for kind in Kind::ALL {
                    parts.check()?;
                    let way = Way {
                        view: *view,
                        trained: *trained,
                        form,
                        kind: Some(kind),
                    };
                    arms.push((way, self.classified((&train, &y), &held, kind)?));
                }
            }
            if *trained && *view == View::Quarters {
                codes = Some((x, new, code));
            }
        }
        let task = self.task_features(&own, &held)?;
        let way = |kind| Way {
            view: View::Whole,
            trained: true,
            form: Form::Task,
            kind,
        };
        arms.push((way(None), task.said));
        for kind in Kind::ALL {
            arms.push((
                way(Some(kind)),
                self.classified((&task.train, &y), &task.held, kind)?,
            ));
        }
        let (bank_train, bank_held, code) =
            codes.ok_or_else(|| MethodError::Config("no bank of quarters".to_owned()))?;
        let penalty = config.ridge;
        let [code_train, code_held] = scaled([&code[0], &code[1]]);
        let [task_train, task_held] = scaled([&task.train, &task.held]);
        Ok(Fold {
            task_from_code: squares(
                &task_held,
                &ridge(&code_train, &task_train, &code_held, penalty)?,
            ),
            bank_from_task: squares(
                &bank_held,
                &ridge(&task_train, &bank_train, &task_held, penalty)?,
            ),
            bank_from_code: squares(
                &bank_held,
                &ridge(&code_train, &bank_train, &code_held, penalty)?,
            ),
            at: held,
            arms,
        })
    }

    fn classified(
        &self,
        (train, y): (&[Vec<f32>], &[usize]),
        held: &[Vec<f32>],
        kind: Kind,
    ) -> Result<Said> {
        let [x, new] = scaled([train, held]);
        kind.fit_and_say(self.ctx, self.config, &x, (y, CLASSES), &new, self.seed)
    }

    /// A network trained for the task on the whole picture: what it says, and its features.
    fn task_features(&self, own: &[usize], held: &[usize]) -> Result<TaskFeatures> {
        let Stand {
            ctx,
            config,
            cases,
            seed,
            ..
        } = *self;
        let network = config.network(&config.bank[0], CLASSES);
        let graph = network.graph();
        let sets = [cases.whole.select(own), cases.whole.select(held)];
        let params = fit_classes(
            ctx,
            &graph,
            graph.init_params(seed),
            &sets[0],
            &config.tune,
            seed,
        )?;
        let said = probabilities(&graph, &params, &sets[1])?;
        let encoder = Encoder::new(&network, params)?;
        let of = |set: &ClassSet| {
            let x: Vec<&[f32]> = set.x.iter().map(Vec::as_slice).collect();
            encoder.features(&x, config.side)
        };
        Ok(TaskFeatures {
            said,
            train: of(&sets[0])?,
            held: of(&sets[1])?,
        })
    }
}

/// Both standardised by the first.
fn scaled([train, held]: [&[Vec<f32>]; 2]) -> [Vec<Vec<f32>>; 2] {
    let scale = Scale::fit(train);
    [scale.apply(train), scale.apply(held)]
}

struct TaskFeatures {
    said: Said,
    train: Vec<Vec<f32>>,
    held: Vec<Vec<f32>>,
}

/// Share of the variance of held cases that codes of several sizes leave unexplained; the first fold is held.
fn curve(stand: Stand<'_>, rows: &[Vec<f32>]) -> Result<Vec<(usize, f64, f64)>> {
    let Stand {
        ctx,
        config,
        cases,
        seed,
        ..
    } = stand;
    let (held, own): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&i| cases.fold[i] == 0);
    let [x, new] = scaled([&pick(rows, &own), &pick(rows, &held)]);
    let ones = vec![1.0; new.len()];
    let mut points = Vec::new();
    for &size in &config.sizes {
        let graph = autoencoder(x[0].len(), config.hidden, size);
        let params = fit_autoencoder(ctx, &graph, &x, &config.autoencoder, seed)?;
        let back = apply(&graph, &params, &new, 0)?;
        let pca = Pca::fit(&x, size.min(x[0].len()).min(x.len()), seed)?;
        let linear = pca.back(&pca.apply(&new));
        let left = |said: &[Vec<f32>]| {
            r_squared(&squares(&new, said), &ones)
                .map(|r| 1.0 - r)
                .ok_or_else(|| MethodError::Config("the bank's features do not vary".to_owned()))
        };
        points.push((size, left(&back)?, left(&linear)?));
    }
    Ok(points)
}

/// Answers of all folds in the order of the cases.
fn joined(folds: &[Fold], n: usize) -> Vec<(Way, Said)> {
    let Some(first) = folds.first() else {
        return Vec::new();
    };
    let arm = |(k, (way, _)): (usize, &(Way, Said))| {
        let mut said: Said = vec![Vec::new(); n];
        for fold in folds {
            for (&i, p) in fold.at.iter().zip(&fold.arms[k].1) {
                said[i].clone_from(p);
            }
        }
        (*way, said)
    };
    first.arms.iter().enumerate().map(arm).collect()
}

fn placed(folds: &[Fold], n: usize, of: impl Fn(&Fold) -> &Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let mut all = vec![[0.0; 2]; n];
    for fold in folds {
        for (&i, s) in fold.at.iter().zip(of(fold)) {
            all[i] = *s;
        }
    }
    all
}
