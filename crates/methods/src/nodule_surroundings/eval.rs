//! The claims beside what was seen.

use super::Config;
use super::cohort::{Case, cohort};
use super::geometry::{Exactness, exactness};
use super::real::{Real, real};
use super::statistics::{Structure, association, auc, means, median, p_value};
use super::whole::{Segmented, segmented};
use crate::claims::{ClaimRow, ResultFile};
use crate::context::Context;
use crate::error::Result;
use crate::info::MethodInfo;
use hilum_metrics::statistics::kolmogorov_smirnov_asymptotic;
use hilum_phantom::random::{Draws, Purpose};
use serde::{Deserialize, Serialize};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    config: Config,
    seed: u64,
    planted: Vec<Case>,
    null: Vec<Case>,
    exact: Exactness,
    chests: Vec<Segmented>,
    real: Option<Real>,
}

/// Draws and measures everything.
pub fn measure_all(ctx: &Context<'_>, config: &Config) -> Result<Measured> {
    config.validate()?;
    Ok(Measured {
        planted: cohort(ctx, config, true)?,
        null: cohort(ctx, config, false)?,
        exact: exactness(ctx, config)?,
        chests: segmented(ctx, config)?,
        real: real(ctx)?,
        config: config.clone(),
        seed: ctx.seed,
    })
}

/// The table, the abstract's main claim first.
pub fn result(ctx: &Context<'_>, info: &MethodInfo, m: &Measured) -> Result<ResultFile> {
    let mut rows = ratios(&m.planted);
    rows.extend(curves(&m.planted, m.config.folds));
    rows.extend(distances(&m.planted));
    rows.extend(null(m)?);
    rows.extend(exact(&m.exact));
    rows.extend(recovered(&m.planted));
    rows.extend(chests(&m.chests));
    rows.extend(m.real.iter().flat_map(lidc));
    let mut result = ResultFile::new(info, rows);
    result.seeds = vec![m.seed];
    result.data_hash = "phantom blocks".into();
    result.split_hash = "folds of pairs".into();
    result.tiny = ctx.tiny;
    Ok(result)
}

fn row(claim: impl Into<String>, n: usize) -> ClaimRow {
    ClaimRow {
        claim: claim.into(),
        paper: None,
        here: None,
        interval: None,
        holds: None,
        n,
        note: String::new(),
    }
}

/// A yes or no about a nodule.
type Has = fn(&Case, Structure, f64) -> Option<bool>;

/// Odds ratios of counts and of volumes, with the chi-square in the note.
fn ratios(cases: &[Case]) -> Vec<ClaimRow> {
    let touches: Has = |c, s, _| s.touching(c).map(|n| n > 0);
    let fills: Has = |c, s, cut| s.share(c).map(|v| v > cut);
    let wanted: [(&str, Structure, Has, f64, f64); 4] = [
        (
            "touched by airways",
            Structure::Airways,
            touches,
            22.96,
            105.04,
        ),
        (
            "touched by vessels",
            Structure::Vessels,
            touches,
            7.06,
            290.11,
        ),
        (
            "airway share of the shell over the median",
            Structure::Airways,
            fills,
            9.19,
            159.02,
        ),
        (
            "vessel share of the shell over the median",
            Structure::Vessels,
            fills,
            2.29,
            55.89,
        ),
    ];
    wanted
        .into_iter()
        .map(|(what, structure, has, paper, chi)| {
            let shares = cases.iter().filter_map(|c| structure.share(c)).collect();
            let cut = median(shares).unwrap_or(0.0);
            let mut out = row(
                format!("planted cohort: odds ratio of malignancy, {what}"),
                cases.len(),
            );
            out.paper = Some(paper);
            match association(cases, |c| has(c, structure, cut)) {
                Ok(a) => {
                    out.here = Some(a.ratio.value);
                    out.interval = Some((a.ratio.interval.low, a.ratio.interval.high));
                    out.holds = Some(a.ratio.interval.low > 1.0);
                    out.note = format!(
                        "chi-square {:.1}, the paper's {chi}; malignant {} of {}, benign {} of {}",
                        a.chi.statistic,
                        a.table[0][0],
                        a.table[0][0] + a.table[0][1],
                        a.table[1][0],
                        a.table[1][0] + a.table[1][1]
                    );
                }
                Err(e) => out.note = e.to_string(),
            }
            out
        })
        .collect()
}

/// Areas under the curve by structure, and their order.
fn curves(cases: &[Case], folds: usize) -> Vec<ClaimRow> {
    let paper = [0.5202, 0.6943, 0.6529];
    let mut rows = Vec::new();
    let mut found = [None; 3];
    for (n, s) in Structure::ALL.into_iter().enumerate() {
        let mut out = row(
            format!(
                "planted cohort: AUC of a logistic regression on {}",
                s.name()
            ),
            cases.len(),
        );
        out.paper = Some(paper[n]);
        match auc(cases, s, folds) {
            Ok(a) => {
                found[n] = Some(a.value);
                out.here = Some(a.value);
                out.interval = Some(a.interval);
                out.n = a.n;
                out.note = "cross-validated, DeLong".into();
            }
            Err(e) => out.note = e.to_string(),
        }
        rows.push(out);
    }
    let mut order = row(
        "planted cohort: AUC airways > vessels > pleurae",
        cases.len(),
    );
    if let [Some(pleura), Some(airways), Some(vessels)] = found {
        order.here = Some((airways - vessels).min(vessels - pleura));
        order.holds = Some(airways > vessels && vessels > pleura);
        order.note = "the smaller of the two differences; the order was planted".into();
    }
    rows.push(order);
    rows
}

fn distances(cases: &[Case]) -> Vec<ClaimRow> {
    let paper = [[6.56, 5.19], [37.08, 26.43], [1.42, 1.07]];
    let mut rows = Vec::new();
    for (n, s) in Structure::ALL.into_iter().enumerate() {
        let found = means(cases, |c| s.mm(c));
        let planted = means(cases, |c| {
            Some(match s {
                Structure::Pleura => c.truth.pleura_mm,
                Structure::Airways => c.truth.airway_mm,
                Structure::Vessels => c.truth.vessel_mm,
            })
        });
        for (class, name) in ["benign", "malignant"].into_iter().enumerate() {
            let mut out = row(
                format!("planted cohort: mean distance to {}, {name}, mm", s.name()),
                cases.len() / 2,
            );
            out.paper = Some(paper[n][class]);
            out.here = found[class];
            out.note = planted[class].map_or(String::new(), |p| format!("planted {p:.2}"));
            rows.push(out);
        }
    }
    rows
}

/// A measure of a nodule.
type Value = fn(&Case) -> Option<f64>;

/// No effect: areas cover a half, and p-values of shuffled labels are uniform.
fn null(m: &Measured) -> Result<Vec<ClaimRow>> {
    let mut rows = Vec::new();
    for s in Structure::ALL {
        let mut out = row(
            format!("null cohort: AUC on {}, the interval covers 0.5", s.name()),
            m.null.len(),
        );
        match auc(&m.null, s, m.config.folds) {
            Ok(a) => {
                out.here = Some(a.value);
                out.interval = Some(a.interval);
                out.holds = Some(a.interval.0 <= 0.5 && a.interval.1 >= 0.5);
            }
            Err(e) => out.note = e.to_string(),
        }
        rows.push(out);
    }
    let values: [(&str, Value); 3] = [
        ("distance to pleurae", |c| Structure::Pleura.mm(c)),
        ("distance to airways", |c| Structure::Airways.mm(c)),
        ("vessel share", |c| Structure::Vessels.share(c)),
    ];
    let even: Vec<f64> = (0..2000).map(|n| (f64::from(n) + 0.5) / 2000.0).collect();
    for (what, value) in values {
        let mut labels: Vec<bool> = m.null.iter().map(|c| c.malignant).collect();
        let mut d = Draws::new(m.seed, Purpose::Block, 0, 77);
        let mut ps = Vec::new();
        for _ in 0..m.config.shuffles {
            for k in (1..labels.len()).rev() {
                labels.swap(k, d.below(k + 1));
            }
            if let Ok(p) = p_value(&m.null, &labels, value) {
                ps.push(p);
            }
        }
        let mut out = row(
            format!(
                "null: p-values of {what} under shuffled labels are uniform (Kolmogorov-Smirnov p over 0.01)"
            ),
            ps.len(),
        );
        if !ps.is_empty() {
            let test = kolmogorov_smirnov_asymptotic(&ps, &even)?;
            let under = ps.iter().filter(|p| **p < 0.05).count();
            out.here = Some(test.p);
            out.holds = Some(test.p > 0.01);
            out.note = format!("{under} of {} under 0.05", ps.len());
        }
        rows.push(out);
    }
    Ok(rows)
}

/// The geometry on known structures.
fn exact(e: &Exactness) -> Vec<ClaimRow> {
    let worst = e.distances.iter().map(|d| d.abs()).fold(0.0, f64::max);
    let mean = e.distances.iter().map(|d| d.abs()).sum::<f64>() / e.distances.len().max(1) as f64;
    let within = |(d, v): (&f64, &f64)| d.abs() <= (0.5 * v).max(0.5);
    let fits = e
        .distances
        .iter()
        .zip(&e.voxels)
        .filter(|p| within(*p))
        .count();
    let mut distance = row(
        "known structures: largest error of a distance, mm, within 0.5 mm or half a voxel",
        e.distances.len(),
    );
    if !e.distances.is_empty() {
        distance.here = Some(worst);
        distance.holds = Some(fits == e.distances.len());
        distance.note = format!("mean {mean:.3} mm; {fits} of {} within", e.distances.len());
    }
    let mut counts = row(
        "known structures: counts of branches that differ from the planted ones",
        e.counts,
    );
    if e.counts > 0 {
        counts.here = Some(e.counts_off as f64);
        counts.holds = Some(e.counts_off == 0);
        counts.note = "touching and projecting, airways and vessels".into();
    }
    let mut volumes = row(
        "known structures: median error of volumes and shares, within 2 %",
        e.volumes.len(),
    );
    if let Some(m) = median(e.volumes.iter().map(|v| v.abs()).collect()) {
        let worst = e.volumes.iter().map(|v| v.abs()).fold(0.0, f64::max);
        volumes.here = Some(m);
        volumes.holds = Some(m <= 0.02);
        let fits = e.volumes.iter().filter(|v| v.abs() <= 0.02).count();
        volumes.note = format!("largest {worst:.3}; {fits} of {} within", e.volumes.len());
    }
    vec![distance, counts, volumes]
}

/// What the pipeline found again in noisy blocks.
fn recovered(cases: &[Case]) -> Vec<ClaimRow> {
    let right = |f: &dyn Fn(&Case) -> bool| {
        let n = cases.iter().filter(|c| f(c)).count();
        Some(n as f64 / cases.len().max(1) as f64)
    };
    let mut airways = row(
        "noisy blocks, own segmentation: touching airways counted right",
        cases.len(),
    );
    airways.here = right(&|c| Structure::Airways.touching(c) == Some(c.truth.airways[0]));
    let mut vessels = row(
        "noisy blocks, own segmentation: touching vessels counted right",
        cases.len(),
    );
    vessels.here = right(&|c| Structure::Vessels.touching(c) == Some(c.truth.vessels[0]));
    let mut pleura = row(
        "noisy blocks, own segmentation: median error of the distance to the pleura, mm",
        cases.len(),
    );
    let errors = |f: &dyn Fn(&Case) -> Option<f64>| median(cases.iter().filter_map(f).collect());
    pleura.here = errors(&|c| Some((c.features.pleura_mm? - c.truth.pleura_mm).abs()));
    let mut lumen = row(
        "noisy blocks, own segmentation: median error of the distance to airways, mm",
        cases.len(),
    );
    lumen.here = errors(&|c| Some((Structure::Airways.mm(c)? - c.truth.airway_mm).abs()));
    vec![airways, vessels, pleura, lumen]
}

/// What one segmented chest gives, where it gives it.
type Figure<'a> = &'a dyn Fn(&Segmented) -> Option<f64>;

fn chests(all: &[Segmented]) -> Vec<ClaimRow> {
    if all.is_empty() {
        return Vec::new();
    }
    let mean = |f: &dyn Fn(&Segmented) -> Option<f64>| {
        let v: Vec<f64> = all.iter().filter_map(f).collect();
        (!v.is_empty()).then(|| v.iter().sum::<f64>() / v.len() as f64)
    };
    let mut lungs = row(
        "phantom chests with noise: Dice of the lungs, at least 0.9",
        all.len(),
    );
    lungs.here = mean(&|s| Some(s.lungs));
    lungs.holds = lungs.here.map(|d| d >= 0.9);
    let mut named = vec![lungs];
    let more: [(&str, Figure<'_>); 4] = [
        ("Dice of the vessels", &|s| Some(s.vessels)),
        ("recall of the vessels", &|s| Some(s.vessel_recall)),
        ("share of the airways' length found", &|s| s.branches),
        ("share of the airways found that is none (leakage)", &|s| {
            s.leakage
        }),
    ];
    for (what, value) in more {
        let mut out = row(format!("phantom chests with noise: {what}"), all.len());
        out.here = mean(value);
        out.note = "2 mm voxels; most vessels are thinner".into();
        named.push(out);
    }
    named
}

/// The real CT, reported and not judged: one nodule proves nothing.
fn lidc(r: &Real) -> Vec<ClaimRow> {
    let mut out = Vec::new();
    let mut add = |what: &str, here: Option<f64>, note: String| {
        let mut one = row(format!("real CT (LIDC-IDRI-0001): {what}"), 1);
        one.here = here;
        one.note = note;
        out.push(one);
    };
    add(
        "Dice of the lungs with the labelled lobes",
        Some(r.lungs),
        "real data".into(),
    );
    let reason = r.no_airway.clone().unwrap_or_else(|| {
        r.airway_ml.map_or(String::new(), |v| {
            format!("real data; {v:.0} ml of airways")
        })
    });
    add("share of the labelled trachea found", r.trachea, reason);
    let f = &r.features;
    let rated = r
        .malignancy
        .map_or(String::new(), |m| format!("mean malignancy {m:.2}"));
    add("diameter of the nodule, mm", Some(f.diameter_mm), rated);
    add(
        "distance to the pleura, mm",
        f.pleura_mm,
        "real data".into(),
    );
    add(
        "distance to airways, mm",
        f.airways.and_then(|a| a.mm),
        "real data".into(),
    );
    add("distance to vessels, mm", f.vessels.mm, "real data".into());
    add(
        "vessels that touch it",
        Some(f.vessels.touching as f64),
        format!("{} project to it", f.vessels.projecting),
    );
    out
}
