//! The claims: small errors, labels that agree outside the tolerance band, on true and on predicted masks; an oracle that is always
//! right and a guesser at chance.

use super::study::{Answered, BY_LUNGS_AND_HEART, Built, Outcomes, Predicted};
use super::{INFO, OUTCOMES};
use crate::blocks::measure::measured_mean;
use crate::blocks::stored;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::Context;
use crate::error::Result;
use hilum_measure::Index;
use hilum_metrics::statistics::{ProportionMethod, proportion_ci};

/// Share of labels that must agree: "near 100 %".
const AGREEMENT: f64 = 0.95;

/// All rows, the main claim first.
///
/// # Errors
/// A method that was not trained.
pub fn measure(ctx: &Context<'_>) -> Result<ResultFile> {
    let found: Outcomes = stored::read(ctx, INFO.name, OUTCOMES)?;
    let all: Vec<&Built> = found.built.iter().collect();
    let mut rows = vec![agreement(
        "labels agree outside the band, all indices",
        &all,
    )?];
    for index in Index::ALL {
        let own: Vec<&Built> = found.built.iter().filter(|b| b.index == index).collect();
        let name = format!("{}: labels agree outside the band", index.name());
        rows.push(agreement(&name, &own)?);
    }
    for index in Index::ALL {
        let own = found.built.iter().filter(|b| b.index == index);
        rows.extend(error_row(index, own)?);
    }
    for index in BY_LUNGS_AND_HEART {
        for (what, cases) in [
            ("phantoms", &found.phantoms),
            ("real films (JSRT, test)", &found.jsrt),
        ] {
            let own: Vec<&Predicted> = cases.iter().filter(|p| p.index == index).collect();
            rows.extend(predicted_rows(index, what, &own)?);
        }
    }
    rows.push(oracle_row(&found.oracle, found.asked)?);
    for stage in &found.guesser {
        rows.push(guesser_row(stage)?);
    }
    let mut result = ResultFile::new(&INFO, rows);
    result.seeds = vec![found.seed];
    result.tiny = ctx.tiny;
    Ok(result)
}

fn share(claim: &str, k: usize, n: usize, holds: Option<bool>, note: String) -> Result<ClaimRow> {
    let interval = match n {
        0 => None,
        _ => {
            let ci = proportion_ci(k, n, 0.95, ProportionMethod::Wilson)?;
            Some((ci.low, ci.high))
        }
    };
    Ok(ClaimRow {
        claim: claim.to_owned(),
        paper: None,
        here: (n > 0).then(|| k as f64 / n as f64),
        interval,
        holds: holds.filter(|_| n > 0),
        n,
        note,
    })
}

fn agreement(claim: &str, cases: &[&Built]) -> Result<ClaimRow> {
    let refused = cases.iter().filter(|b| b.value.is_none()).count();
    let known: Vec<(&&Built, bool, bool)> = cases
        .iter()
        .filter_map(|b| Some((b, b.positive?, b.truly?)))
        .collect();
    let outside: Vec<_> = known.iter().filter(|c| !c.0.in_band).collect();
    let (n, k) = (outside.len(), outside.iter().filter(|c| c.1 == c.2).count());
    let positive = outside.iter().filter(|c| c.2).count();
    let note = format!(
        "{positive} positive; {} in the band, {refused} refused of {}",
        known.len() - n,
        cases.len()
    );
    let holds = Some(k as f64 >= AGREEMENT * n as f64);
    share(claim, k, n, holds, note)
}

fn error_row<'a>(index: Index, cases: impl Iterator<Item = &'a Built>) -> Result<Option<ClaimRow>> {
    let errors: Vec<f64> = cases
        .filter_map(|b| Some((b.value? - b.truth?).abs()))
        .collect();
    if errors.len() < 2 {
        return Ok(None);
    }
    let ids: Vec<String> = (0..errors.len()).map(|i| i.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mean = measured_mean(&errors, &ids)?;
    let worst = errors.iter().copied().fold(0.0, f64::max);
    // Counts and curvatures in their own scale; everything against the band, which is what an error may cost.
    let (scale, unit) = match index {
        Index::Tortuosity => (1e4, "1e-4 per reference pixel"),
        Index::Inspiration => (1.0, "ribs"),
        _ => (1.0, index.unit()),
    };
    let limit = match index {
        // A quarter of a rib.
        Index::Inspiration => 0.25,
        _ => index.tolerance(),
    };
    let unit = if unit.is_empty() { "ratio" } else { unit };
    Ok(Some(ClaimRow {
        claim: format!("{}: mean absolute error, {unit}", index.name()),
        paper: None,
        here: Some(scale * mean.value),
        interval: Some((scale * mean.interval.0, scale * mean.interval.1)),
        holds: Some(mean.value <= limit),
        n: errors.len(),
        note: format!(
            "holds up to {}; largest {:.3}",
            scale * limit,
            scale * worst
        ),
    }))
}

fn predicted_rows(index: Index, what: &str, cases: &[&Predicted]) -> Result<Vec<ClaimRow>> {
    let name = index.name();
    let truth: Vec<&&Predicted> = cases.iter().filter(|p| p.truly.is_some()).collect();
    let taken: Vec<&&&Predicted> = truth.iter().filter(|p| p.positive.is_some()).collect();
    let outside: Vec<_> = taken.iter().filter(|p| !p.in_band).collect();
    let agree = outside.iter().filter(|p| p.positive == p.truly).count();
    let positive = outside.iter().filter(|p| p.truly == Some(true)).count();
    let note = format!(
        "{positive} positive; {} in the band, {} refused on predicted masks",
        taken.len() - outside.len(),
        truth.len() - taken.len()
    );
    let claim = format!("{name}, predicted masks on {what}: labels agree with those on true masks");
    let mut rows = vec![share(&claim, agree, outside.len(), None, note)?];
    let errors: Vec<f64> = taken
        .iter()
        .filter_map(|p| Some((p.value? - p.truth?).abs()))
        .collect();
    if errors.len() >= 2 {
        let ids: Vec<String> = (0..errors.len()).map(|i| i.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mean = measured_mean(&errors, &ids)?;
        rows.push(ClaimRow {
            claim: format!("{name}, predicted masks on {what}: mean absolute error"),
            paper: None,
            here: Some(mean.value),
            interval: Some(mean.interval),
            holds: None,
            n: errors.len(),
            note: String::new(),
        });
    }
    Ok(rows)
}

fn oracle_row(stages: &[Answered], asked: (usize, usize)) -> Result<ClaimRow> {
    let (k, n) = stages.iter().fold((0, 0), |(k, n), s| (k + s.k, n + s.n));
    let note = format!("{} cases, {} questions", asked.0, asked.1);
    share(
        "questions: stages that the oracle has right",
        k,
        n,
        Some(k == n),
        note,
    )
}

fn guesser_row(stage: &Answered) -> Result<ClaimRow> {
    let claim = format!("questions, {}: right by guessing", stage.stage);
    let mut row = share(&claim, stage.k, stage.n, None, String::new())?;
    row.note = format!("chance {:.3}", stage.chance);
    // Wilson's interval at 95 % misses one stage in twenty by itself, so near is what counts.
    let near = |(a, b): (f64, f64)| a - 0.03 <= stage.chance && stage.chance <= b + 0.03;
    row.holds = row.interval.map(near);
    Ok(row)
}
