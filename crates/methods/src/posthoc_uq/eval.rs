//! The paper's claims, measured on what was said about each case.

use super::FILE;
use super::measures::{Kept, Ranking, Sorted, mean_of};
use super::predictions::{Cohort, Part, Predictions, Run, Uq};
use crate::blocks::measure::{Measured, measured_by};
use crate::blocks::stored;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::Context;
use crate::error::Result;
use crate::info::MethodInfo;
use hilum_metrics::statistics::paired_permutation;
use hilum_tabular::LearnerKind;

/// All rows, the paper's main claim first.
pub fn measure(ctx: &Context<'_>, info: &MethodInfo) -> Result<ResultFile> {
    let said: Predictions = stored::read(ctx, info.name, FILE)?;
    let of = |part: Part| said.cohorts.iter().filter(move |c| c.part == part);
    let mut rows = Vec::new();
    for cohort in of(Part::Folds) {
        rows.extend(certain_rows(&said, cohort));
        rows.extend(calibration_rows(&said, cohort));
        rows.push(coverage_row(&said, cohort));
        rows.extend(richness_rows(&said, cohort));
        rows.extend(curve_rows(&said, cohort));
    }
    for cohort in of(Part::Test) {
        rows.push(test_row(&said, cohort));
    }
    let mut result = ResultFile::new(info, rows);
    result.seeds = said.seeds.clone();
    result.data_hash = said.data_hash;
    result.split_hash = said.split_hash;
    result.tiny = ctx.tiny;
    Ok(result)
}

/// A row; `decide` judges the figure.
fn row(
    claim: String,
    cohort: &Cohort,
    seen: Option<Measured>,
    decide: Option<fn(&Measured) -> bool>,
    note: String,
) -> ClaimRow {
    let undefined = if seen.is_none() {
        "undefined: a class is missing among the cases kept"
    } else {
        ""
    };
    ClaimRow {
        claim,
        paper: None,
        here: seen.map(|m| m.value),
        interval: seen.map(|m| m.interval),
        holds: decide.and_then(|d| seen.as_ref().map(d)),
        n: cohort.y.len(),
        note: if note.is_empty() || !undefined.is_empty() {
            undefined.to_owned()
        } else {
            note
        },
    }
}

fn above_zero(m: &Measured) -> bool {
    m.interval.0 > 0.0
}

fn below_zero(m: &Measured) -> bool {
    m.interval.1 < 0.0
}

fn rich(cohort: &Cohort) -> Vec<&Run> {
    cohort.runs.iter().filter(|r| !r.lean).collect()
}

/// Mean over runs of a score among the cases kept at one cut, minus that at another.
fn gain(
    cohort: &Cohort,
    runs: &[&Run],
    uqs: &[Uq],
    kind: Ranking,
    [low, high]: [f64; 2],
) -> Option<Measured> {
    let pairs: Vec<Option<(Kept, Kept)>> = runs
        .iter()
        .flat_map(|r| uqs.iter().map(move |u| (r, *u)))
        .map(|(r, u)| {
            Some((
                Kept::new(cohort, r, u, low)?,
                Kept::new(cohort, r, u, high)?,
            ))
        })
        .collect();
    measured_by(&cohort.groups, |counts| {
        mean_of(pairs.iter().map(|pair| {
            let (all, kept) = pair.as_ref()?;
            Some(kept.score(kind, counts)? - all.score(kind, counts)?)
        }))
    })
}

/// Fewest cases that a cut must leave out for its gain to be judged.
const LEFT_OUT: f64 = 0.01;

/// The claim that the certain cases are told apart better, and more so the more certain they are.
fn certain_rows(said: &Predictions, cohort: &Cohort) -> Vec<ClaimRow> {
    let cuts = &said.config.cuts;
    let (first, last) = (cuts[0], cuts[cuts.len() - 1]);
    let (runs, table) = (rich(cohort), &cohort.table);
    let mut rows: Vec<ClaimRow> = said
        .config
        .claimed
        .iter()
        .flat_map(|cut| gain_rows(cohort, &runs, *cut))
        .collect();
    rows.push(row(
        format!("{table}: AUROC at conformal certainty {last} minus that at {first}"),
        cohort,
        gain(
            cohort,
            &runs,
            &[Uq::Conformal],
            Ranking::Auroc,
            [first, last],
        ),
        Some(above_zero),
        "the paper: gains are largest at high certainty".to_owned(),
    ));
    rows
}

fn gain_rows(cohort: &Cohort, runs: &[&Run], cut: f64) -> Vec<ClaimRow> {
    let one = |uqs: &[Uq], names: &str, kind: Ranking| {
        let kept = uqs
            .iter()
            .map(|u| mean_kept(cohort, runs, *u, cut))
            .sum::<f64>()
            / uqs.len() as f64;
        let judged = kept <= 1.0 - LEFT_OUT;
        let remark = if judged {
            ""
        } else {
            ": too few left out to judge by"
        };
        row(
            format!(
                "{}: gain in {} among cases of certainty {cut} or more, {names}",
                cohort.table,
                kind.name()
            ),
            cohort,
            gain(cohort, runs, uqs, kind, [0.0, cut]),
            judged.then_some(above_zero as fn(&Measured) -> bool),
            format!("{:.1} % of the cases kept{remark}", 100.0 * kept),
        )
    };
    vec![
        one(&[Uq::Conformal], "conformal", Ranking::Auroc),
        one(&[Uq::Conformal], "conformal", Ranking::Auprc),
        one(
            &Uq::METHODS[..3],
            "Platt, isotonic, Venn-ABERS",
            Ranking::Auroc,
        ),
        over_raw_row(cohort, runs, cut),
    ]
}

/// The control: does the conformal certainty choose better than the learner's own probability, among as many cases?
fn over_raw_row(cohort: &Cohort, runs: &[&Run], cut: f64) -> ClaimRow {
    let pairs: Vec<Option<[Kept; 2]>> = runs
        .iter()
        .map(|r| {
            let own = Kept::new(cohort, r, Uq::Conformal, cut)?;
            let raw = Kept::most_certain(cohort, r, Uq::Raw, own.len())?;
            Some([own, raw])
        })
        .collect();
    let seen = measured_by(&cohort.groups, |counts| {
        mean_of(pairs.iter().map(|p| {
            let [own, raw] = p.as_ref()?;
            Some(own.score(Ranking::Auroc, counts)? - raw.score(Ranking::Auroc, counts)?)
        }))
    });
    row(
        format!(
            "{}: AUROC among cases of conformal certainty {cut} or more, minus among as many by the learner's own probability",
            cohort.table
        ),
        cohort,
        seen,
        None,
        "a control: no calibration needed for those".to_owned(),
    )
}

fn mean_kept(cohort: &Cohort, runs: &[&Run], uq: Uq, cut: f64) -> f64 {
    let share = |r: &&Run| {
        let kept = Kept::new(cohort, r, uq, cut).map_or(0, |k| k.len());
        kept as f64 / cohort.y.len() as f64
    };
    runs.iter().map(share).sum::<f64>() / runs.len().max(1) as f64
}

/// Mean over runs of the calibration error of `after` minus that of `before`.
fn ace_change(
    cohort: &Cohort,
    bins: usize,
    before: &[(&Run, Uq)],
    after: &[(&Run, Uq)],
) -> Option<Measured> {
    let sorted = |own: &[(&Run, Uq)]| -> Vec<Sorted> {
        own.iter()
            .map(|(r, u)| Sorted::new(cohort, r, *u))
            .collect()
    };
    let (before, after) = (sorted(before), sorted(after));
    let mean = |own: &[Sorted], counts: &[u32]| mean_of(own.iter().map(|s| s.ace(bins, counts)));
    measured_by(&cohort.groups, |counts| {
        Some(mean(&after, counts)? - mean(&before, counts)?)
    })
}

/// The claim that calibration improves: all four ways together decide, each is reported.
fn calibration_rows(said: &Predictions, cohort: &Cohort) -> Vec<ClaimRow> {
    let runs = rich(cohort);
    let with = |uqs: &[Uq]| -> Vec<(&Run, Uq)> {
        let each = |u: &Uq| runs.iter().map(|r| (*r, *u)).collect::<Vec<_>>();
        uqs.iter().flat_map(each).collect()
    };
    let raw = with(&[Uq::Raw]);
    let change = |uqs: &[Uq]| ace_change(cohort, said.config.bins, &raw, &with(uqs));
    let table = &cohort.table;
    let mut rows = vec![row(
        format!("{table}: change in calibration error (ACE), mean of the four ways"),
        cohort,
        change(&Uq::METHODS),
        Some(below_zero),
        by_learner(said, cohort),
    )];
    for uq in Uq::METHODS {
        rows.push(row(
            format!("{table}: change in ACE, {}", uq.name()),
            cohort,
            change(&[uq]),
            None,
            brier_note(cohort, &runs, uq),
        ));
    }
    rows
}

/// ACE of each learner without calibration.
fn by_learner(said: &Predictions, cohort: &Cohort) -> String {
    let counts = vec![1; cohort.y.len()];
    let one = |learner: &LearnerKind| {
        let own = cohort
            .runs
            .iter()
            .filter(|r| !r.lean && r.learner == *learner);
        let ace =
            mean_of(own.map(|r| Sorted::new(cohort, r, Uq::Raw).ace(said.config.bins, &counts)));
        let name = learner.baseline().name();
        ace.map_or(format!("{name} undefined"), |a| format!("{name} {a:.3}"))
    };
    let each: Vec<String> = said.config.learners.iter().map(one).collect();
    format!("before: {}", each.join(", "))
}

/// Change of the Brier score, with the permutation test that swaps whole groups.
fn brier_note(cohort: &Cohort, runs: &[&Run], uq: Uq) -> String {
    let loss = |uq: Uq, i: usize| {
        let truth = f64::from(u8::from(cohort.y[i]));
        let one = |r: &&Run| (uq.probability(&r.cases[i]) - truth).powi(2);
        runs.iter().map(one).sum::<f64>() / runs.len() as f64
    };
    let n = cohort.y.len();
    let changes: Vec<f64> = (0..n).map(|i| loss(uq, i) - loss(Uq::Raw, i)).collect();
    let mean = |swapped: &[bool]| {
        let signed = |(d, s): (&f64, &bool)| if *s { -d } else { *d };
        Some(changes.iter().zip(swapped).map(signed).sum::<f64>() / n as f64)
    };
    match paired_permutation(n, Some(&cohort.groups), 2000, 0, mean) {
        Ok(t) => format!("Brier score {:+.4}, permutation p {:.4}", t.difference, t.p),
        Err(e) => e.to_string(),
    }
}

/// Coverage of the sets: at least what they promise, within the interval.
fn coverage_row(said: &Predictions, cohort: &Cohort) -> ClaimRow {
    let promised = 1.0 - said.config.error_rate;
    let runs = rich(cohort);
    let (seen, size) = coverage(cohort, &runs, said.config.error_rate);
    ClaimRow {
        holds: seen.map(|m| m.interval.1 >= promised),
        ..row(
            format!(
                "{}: coverage of conformal sets, at least {promised} within its interval",
                cohort.table
            ),
            cohort,
            seen,
            None,
            format!("{size:.2} labels a set"),
        )
    }
}

fn coverage(cohort: &Cohort, runs: &[&Run], error_rate: f64) -> (Option<Measured>, f64) {
    let (mut kept, mut size) = (vec![0.0; cohort.y.len()], 0.0);
    for run in runs {
        for (i, case) in run.cases.iter().enumerate() {
            let (present, absent) = case.conformal.set(error_rate);
            let own = if cohort.y[i] { present } else { absent };
            kept[i] += f64::from(u8::from(own)) / runs.len() as f64;
            size += f64::from(u8::from(present) + u8::from(absent));
        }
    }
    let mean = |counts: &[u32]| {
        let (sum, n) = kept.iter().zip(counts).fold((0.0, 0.0), |(s, n), (k, c)| {
            (s + k * f64::from(*c), n + f64::from(*c))
        });
        (n > 0.0).then(|| sum / n)
    };
    let cases = (runs.len() * cohort.y.len()).max(1) as f64;
    (measured_by(&cohort.groups, mean), size / cases)
}

/// The claim that richer features raise discrimination, and the calibration error of tree ensembles with it.
fn richness_rows(said: &Predictions, cohort: &Cohort) -> Vec<ClaimRow> {
    let of = |lean: bool| -> Vec<&Run> {
        let own = cohort.runs.iter().filter(|r| r.lean == lean);
        own.collect()
    };
    let ranked = |lean: bool| -> Vec<Option<Kept>> {
        let own = of(lean);
        own.iter()
            .map(|r| Kept::new(cohort, r, Uq::Raw, 0.0))
            .collect()
    };
    let (few, all) = (ranked(true), ranked(false));
    let mean = |own: &[Option<Kept>], counts: &[u32]| {
        mean_of(
            own.iter()
                .map(|k| k.as_ref()?.score(Ranking::Auroc, counts)),
        )
    };
    let auroc = measured_by(&cohort.groups, |c| Some(mean(&all, c)? - mean(&few, c)?));
    let trees = |lean: bool| -> Vec<(&Run, Uq)> {
        let ensemble = |r: &&Run| matches!(r.learner, LearnerKind::Boosting | LearnerKind::Forest);
        of(lean)
            .into_iter()
            .filter(ensemble)
            .map(|r| (r, Uq::Raw))
            .collect()
    };
    let ace = ace_change(cohort, said.config.bins, &trees(true), &trees(false));
    let table = &cohort.table;
    vec![
        row(
            format!("{table}: AUROC of all features minus that of few, without calibration"),
            cohort,
            auroc,
            Some(above_zero),
            String::new(),
        ),
        row(
            format!("{table}: ACE of tree ensembles, all features minus few"),
            cohort,
            ace,
            Some(above_zero),
            "so says the abstract of the first version; that of the last says the opposite"
                .to_owned(),
        ),
    ]
}

/// Scores against the cut, with the spread over the repeats.
fn curve_rows(said: &Predictions, cohort: &Cohort) -> Vec<ClaimRow> {
    let mut cuts = vec![0.0];
    cuts.extend(&said.config.cuts);
    let of = |cut: &f64| {
        let runs = rich(cohort);
        let auroc = level(cohort, &runs, Ranking::Auroc, *cut);
        let auprc = level(cohort, &runs, Ranking::Auprc, *cut).map(|m| m.value);
        let shown = |v: Option<f64>| v.map_or("undefined".to_owned(), |v| format!("{v:.3}"));
        row(
            format!(
                "{}: AUROC at conformal certainty {cut} or more",
                cohort.table
            ),
            cohort,
            auroc,
            None,
            format!(
                "AUPRC {}; {:.1} % kept; deviation over seeds {}",
                shown(auprc),
                100.0 * mean_kept(cohort, &runs, Uq::Conformal, *cut),
                shown(spread(said, cohort, *cut))
            ),
        )
    };
    cuts.iter().map(of).collect()
}

fn level(cohort: &Cohort, runs: &[&Run], kind: Ranking, cut: f64) -> Option<Measured> {
    let kept: Vec<Option<Kept>> = runs
        .iter()
        .map(|r| Kept::new(cohort, r, Uq::Conformal, cut))
        .collect();
    measured_by(&cohort.groups, |counts| {
        mean_of(kept.iter().map(|k| k.as_ref()?.score(kind, counts)))
    })
}

/// Standard deviation over the repeats of the AUROC averaged over learners; null for one repeat.
fn spread(said: &Predictions, cohort: &Cohort, cut: f64) -> Option<f64> {
    let counts = vec![1; cohort.y.len()];
    let of = |seed: &u64| {
        let own = cohort.runs.iter().filter(|r| !r.lean && r.seed == *seed);
        mean_of(
            own.map(|r| Kept::new(cohort, r, Uq::Conformal, cut)?.score(Ranking::Auroc, &counts)),
        )
    };
    let values: Vec<f64> = said.seeds.iter().filter_map(of).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (square / (n - 1.0)).sqrt())
}

/// What the models of all development rows do on the test rows.
fn test_row(said: &Predictions, cohort: &Cohort) -> ClaimRow {
    let runs = rich(cohort);
    let (covered, size) = coverage(cohort, &runs, said.config.error_rate);
    let last = said.config.cuts[said.config.cuts.len() - 1];
    let gained = gain(cohort, &runs, &[Uq::Conformal], Ranking::Auroc, [0.0, last]);
    let shown = |m: Option<Measured>| {
        m.map_or("undefined".to_owned(), |m| {
            format!(
                "{:.3} ({:.3} to {:.3})",
                m.value, m.interval.0, m.interval.1
            )
        })
    };
    row(
        format!("{}: AUROC on the test split, conformal", cohort.table),
        cohort,
        level(cohort, &runs, Ranking::Auroc, 0.0),
        None,
        format!(
            "gain at certainty {last}: {}; coverage {}, {size:.2} labels a set",
            shown(gained),
            shown(covered)
        ),
    )
}
