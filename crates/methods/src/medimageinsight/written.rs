//! Rows about what was written, about whole volumes and about the approximate search.

use super::outcome::{Outcome, Pooling, Reporter};
use super::reports::{Codes, f1, labelled};
use super::volumes::gains;
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::shown;
use crate::claims::ClaimRow;
use crate::error::{MethodError, Result};
use hilum_text::facts::Graph;
use hilum_text::facts::score::graphs;
use hilum_text::facts::score::radgraph_f1::radgraph_f1;

/// True positives, false positives and false negatives of a report's codes.
type Counts = [f64; 3];

/// What each reporter got right, run by run and film by film.
struct Judged {
    reporter: Reporter,
    codes: Vec<Vec<Counts>>,
    /// RadGraph F1 with relations marked; nothing where neither side has an entity.
    facts: Vec<Vec<Option<f64>>>,
}

/// What reports are held against.
struct Truth<'a> {
    codes: Vec<Codes>,
    facts: Vec<Graph>,
    groups: &'a [usize],
}

/// How reports are scored.
#[derive(Clone, Copy)]
enum Score {
    Codes,
    Facts,
}

impl Score {
    const ALL: [Score; 2] = [Score::Codes, Score::Facts];

    fn name(self) -> &'static str {
        match self {
            Score::Codes => "micro F1 of the labels in reports",
            Score::Facts => "RadGraph F1 of reports",
        }
    }
}

fn facts(texts: &[String]) -> Result<Vec<Graph>> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    graphs(&texts).map_err(|e| MethodError::Config(e.to_string()))
}

impl Judged {
    fn new(outcome: &Outcome, truth: &Truth<'_>, reporter: Reporter) -> Result<Self> {
        let mut judged = Judged {
            reporter,
            codes: Vec::new(),
            facts: Vec::new(),
        };
        for run in &outcome.runs {
            let own = run.reports.iter().find(|w| w.reporter == reporter);
            let texts = own.map_or(&[][..], |w| &w.texts);
            let judge =
                |(text, truth): (&String, &Codes)| Ok(counts(&labelled(text)?.present, truth));
            let pairs = texts.iter().zip(&truth.codes);
            judged.codes.push(pairs.map(judge).collect::<Result<_>>()?);
            let mut scores = radgraph_f1(&truth.facts, &facts(texts)?);
            let each = scores.remove(LEVEL).map(|s| s.per_sample);
            judged.facts.push(each.unwrap_or_default());
        }
        Ok(judged)
    }

    /// Mean over the runs of a score of weighted films.
    fn level(&self, score: Score, counts: &[u32]) -> Option<f64> {
        let sum: Option<f64> = match score {
            Score::Codes => self.codes.iter().map(|run| micro_f1(run, counts)).sum(),
            Score::Facts => self.facts.iter().map(|run| mean(run, counts)).sum(),
        };
        Some(sum? / self.codes.len() as f64)
    }
}

/// The level of RadGraph F1 that is commonly quoted.
const LEVEL: &str = "radgraph_er";

fn counts(said: &Codes, truth: &Codes) -> Counts {
    let both = said.intersection(truth).count();
    [both, said.len() - both, truth.len() - both].map(|n| n as f64)
}

fn micro_f1(films: &[Counts], weights: &[u32]) -> Option<f64> {
    let mut sum = [0.0; 3];
    for (film, &weight) in films.iter().zip(weights) {
        sum.iter_mut()
            .zip(film)
            .for_each(|(s, c)| *s += f64::from(weight) * c);
    }
    f1(sum)
}

fn mean(films: &[Option<f64>], weights: &[u32]) -> Option<f64> {
    let defined = films.iter().zip(weights);
    let (sum, total) = defined.fold((0.0, 0u32), |(s, n), (v, &w)| match v {
        Some(v) => (s + v * f64::from(w), n + w),
        None => (s, n),
    });
    (total > 0).then(|| sum / f64::from(total))
}

/// Reports of generated films: the decoder against the others, and each alone.
///
/// # Errors
/// A report that the labeler refuses.
pub fn report_rows(outcome: &Outcome) -> Result<Vec<ClaimRow>> {
    let references = &outcome.references;
    let codes = |text: &String| Ok(labelled(text)?.present);
    let truth = Truth {
        codes: references.texts.iter().map(codes).collect::<Result<_>>()?,
        facts: facts(&references.texts)?,
        groups: &references.groups,
    };
    let all = Reporter::ALL
        .into_iter()
        .map(|r| Judged::new(outcome, &truth, r))
        .collect::<Result<Vec<_>>>()?;
    let [decoder, others @ ..] = all.as_slice() else {
        return Ok(Vec::new());
    };
    let margin = outcome.config.margins[1];
    let mut rows = Vec::new();
    for score in Score::ALL {
        let level = |j: &Judged| measured_by(truth.groups, |c| j.level(score, c));
        rows.extend(others.iter().map(|other| {
            let seen = measured_by(truth.groups, |c| {
                Some(decoder.level(score, c)? - other.level(score, c)?)
            });
            // Without a look at the film there is nothing to come close to; it must be better.
            let (must, when) = match other.reporter {
                Reporter::Blind => (0.0, "holds above 0".to_owned()),
                _ => (-margin, format!("holds when no more than {margin} is lost")),
            };
            claim_row(
                format!(
                    "phantom films, {}: decoder minus {}",
                    score.name(),
                    other.reporter.name()
                ),
                seen,
                seen.map(|m| m.interval.0 > must),
                format!(
                    "{when}; {} and {}",
                    shown(level(decoder)),
                    shown(level(other))
                ),
            )
        }));
    }
    if let Some(first) = rows.first_mut() {
        let each = outcome.runs.iter().map(|r| format!("{:.2}", r.telling));
        let losses = each.collect::<Vec<_>>().join(", ");
        first.note += &format!("; the decoder's last losses {losses} nats a word");
    }
    Ok(rows)
}

/// Whether the nearest volumes share findings.
pub fn volume_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let [_, slices, neighbours] = outcome.config.volumes;
    let each = |pooling: Pooling| -> Vec<Vec<Option<f64>>> {
        let own = outcome.runs.iter().flat_map(|r| &r.ranks);
        let own = own.filter(|r| r.pooling == pooling);
        own.map(|r| gains(&outcome.volumes, r, outcome.config.least))
            .collect()
    };
    let [pooled, middle, untrained] =
        [Pooling::Slices, Pooling::Middle, Pooling::Untrained].map(each);
    let none: Vec<Vec<Option<f64>>> = pooled
        .iter()
        .map(|run| run.iter().map(|v| v.map(|_| 0.0)).collect())
        .collect();
    let row = |claim: &str, other: &[Vec<Option<f64>>], note: String| {
        let seen = over_volumes(&pooled, other);
        claim_row(
            format!("phantom volumes, share of findings with the {neighbours} nearest: {claim}"),
            seen,
            seen.map(|m| m.interval.0 > 0.0),
            note,
        )
    };
    let alone = |own: &[Vec<Option<f64>>]| shown(over_volumes(own, &none));
    vec![
        row(
            "pooled slices minus chance",
            &none,
            format!(
                "holds above 0; {slices} slices a volume, volumes without a shared finding left out"
            ),
        ),
        row(
            "pooled slices minus the middle slice",
            &middle,
            format!(
                "holds above 0; the middle slice minus chance {}",
                alone(&middle)
            ),
        ),
        row(
            "pooled slices minus an untrained encoder's",
            &untrained,
            format!(
                "holds above 0; the latter minus chance {}",
                alone(&untrained)
            ),
        ),
    ]
}

/// Mean over runs and volumes of one figure minus another, volumes drawn anew.
fn over_volumes(one: &[Vec<Option<f64>>], other: &[Vec<Option<f64>>]) -> Option<Measured> {
    let runs = one.len().min(other.len());
    let volumes = one.first()?.len();
    let mean = |all: &[Vec<Option<f64>>], v: usize| -> Option<f64> {
        let sum: Option<f64> = all[..runs].iter().map(|run| run[v]).sum();
        Some(sum? / runs as f64)
    };
    let values: Vec<f64> = (0..volumes)
        .filter_map(|v| Some(mean(one, v)? - mean(other, v)?))
        .collect();
    let groups: Vec<usize> = (0..values.len()).collect();
    measured_by(&groups, |counts| {
        let total: u32 = counts.iter().sum();
        let weighted = values.iter().zip(counts).map(|(v, c)| v * f64::from(*c));
        (total > 0).then(|| weighted.sum::<f64>() / f64::from(total))
    })
}

/// What the approximate search finds of the exact neighbours.
pub fn recall_row(outcome: &Outcome) -> ClaimRow {
    let each: Option<Vec<f64>> = outcome.runs.iter().map(|r| r.recall).collect();
    let mean = each.map(|all| all.iter().sum::<f64>() / all.len().max(1) as f64);
    ClaimRow {
        claim: "recall of the 10 nearest by an approximate index".to_owned(),
        paper: None,
        here: mean,
        interval: None,
        holds: None,
        n: outcome.cases.sets.len(),
        note: "a graph over the training films' vectors; the rows above are by exact search"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_counted_by_their_codes() {
        let said = Codes::from(["edema", "fracture"]);
        let truth = Codes::from(["edema", "pneumothorax", "atelectasis"]);
        assert_eq!(counts(&said, &truth), [1.0, 1.0, 2.0]);
        let judged = Judged {
            reporter: Reporter::Decoder,
            codes: vec![
                vec![[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]],
                vec![[1.0, 0.0, 0.0]; 2],
            ],
            facts: vec![vec![Some(1.0), None], vec![Some(0.0), Some(1.0)]],
        };
        assert_eq!(judged.level(Score::Codes, &[1, 5]), Some(0.75));
        assert_eq!(judged.level(Score::Codes, &[0, 1]), None);
        assert_eq!(judged.level(Score::Facts, &[1, 3]), Some(0.875));
        assert_eq!(judged.level(Score::Facts, &[0, 1]), None);
    }

    #[test]
    fn volumes_without_a_figure_are_left_out() {
        let one = vec![
            vec![Some(1.0), None, Some(0.5)],
            vec![Some(0.0), None, Some(0.5)],
        ];
        let none = vec![vec![Some(0.0); 3]; 2];
        let got = over_volumes(&one, &none).unwrap();
        assert_eq!((got.value, got.n), (0.5, 2));
        assert!(over_volumes(&[], &none).is_none());
    }
}
