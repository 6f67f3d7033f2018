//! Points of a result that are drawn beside its claims: ROC, reliability, confusion.

use hilum_metrics::calibration::{Binning, reliability_curve};
use hilum_metrics::classification::{BinaryScores, roc_curve};
use serde::{Deserialize, Serialize};

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CurveKind {
    /// 1 - specificity to the right, sensitivity up.
    Roc,
    /// Predicted probability to the right, share of positives up.
    Reliability,
    /// Cases by truth (rows) and answer (columns).
    Confusion,
}

/// One line of a plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is of.
    pub name: String,
    /// From left to right, both coordinates from 0 to 1.
    pub points: Vec<(f64, f64)>,
}

/// A plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What is drawn.
    pub kind: CurveKind,
    /// On which cases, by what.
    pub title: String,
    /// Anything a reader must know.
    pub note: String,
    /// Lines; none in a confusion matrix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
    /// Classes of a confusion matrix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Cases of a confusion matrix: `matrix[truth][answer]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matrix: Vec<Vec<usize>>,
}

/// Most points of a line. A result file is read by people too.
const POINTS: usize = 200;
/// Bins of a reliability curve, of equal size.
const BINS: usize = 10;

/// ROC curves of named scores; those without both classes have none and are named in the note. `None` when no line is left.
pub fn roc<'a>(
    title: impl Into<String>,
    scores: impl IntoIterator<Item = (&'a str, BinaryScores)>,
) -> Option<Curve> {
    lines(CurveKind::Roc, title.into(), scores, |scores| {
        let points = roc_curve(scores).ok()?;
        let all: Vec<(f64, f64)> = points.iter().map(|p| (p.fpr, p.tpr)).collect();
        Some(thinned(&corners(&all)))
    })
}

/// Reliability curves of named probabilities, in ten bins of equal size. `None` when no line is left.
pub fn reliability<'a>(
    title: impl Into<String>,
    probabilities: impl IntoIterator<Item = (&'a str, BinaryScores)>,
) -> Option<Curve> {
    lines(CurveKind::Reliability, title.into(), probabilities, |p| {
        let bins = reliability_curve(p, Binning::EqualMass(BINS)).ok()?;
        let points = bins.iter().map(|b| (b.mean_predicted, b.observed));
        Some(points.map(rounded).collect())
    })
}

/// A confusion matrix of `(truth, answer)` pairs. `None` without cases.
pub fn confusion(
    title: impl Into<String>,
    labels: &[&str],
    pairs: impl IntoIterator<Item = (usize, usize)>,
) -> Option<Curve> {
    let mut matrix = vec![vec![0; labels.len()]; labels.len()];
    let mut cases = 0usize;
    for (truth, answer) in pairs {
        // A class without a name is a defect of the caller; it must not vanish from a table that looks whole.
        *matrix.get_mut(truth)?.get_mut(answer)? += 1;
        cases += 1;
    }
    (cases > 0).then(|| Curve {
        kind: CurveKind::Confusion,
        title: title.into(),
        note: format!("{cases} cases"),
        series: Vec::new(),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
        matrix,
    })
}

fn lines<'a>(
    kind: CurveKind,
    title: String,
    scores: impl IntoIterator<Item = (&'a str, BinaryScores)>,
    line: impl Fn(&BinaryScores) -> Option<Vec<(f64, f64)>>,
) -> Option<Curve> {
    let (mut series, mut without) = (Vec::new(), Vec::new());
    for (name, scores) in scores {
        match line(&scores) {
            Some(points) => series.push(Series {
                name: format!("{name} ({} of {})", scores.positives(), scores.len()),
                points,
            }),
            None => without.push(name),
        }
    }
    let note = match without.is_empty() {
        true => String::new(),
        false => format!("no curve for {}", without.join(", ")),
    };
    (!series.is_empty()).then_some(Curve {
        kind,
        title,
        note,
        series,
        labels: Vec::new(),
        matrix: Vec::new(),
    })
}

/// Without the points that lie between two others on the same horizontal or vertical line.
fn corners(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for &point in points {
        if let [.., a, b] = kept.as_slice() {
            let straight = (a.0 == b.0 && b.0 == point.0) || (a.1 == b.1 && b.1 == point.1);
            if straight {
                kept.pop();
            }
        }
        kept.push(point);
    }
    kept
}

/// Every so many points, the first and the last among them.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let n = points.len();
    if n <= POINTS {
        return points.iter().copied().map(rounded).collect();
    }
    let at = |i: usize| points[i * (n - 1) / (POINTS - 1)];
    (0..POINTS).map(at).map(rounded).collect()
}

fn rounded((x, y): (f64, f64)) -> (f64, f64) {
    let round = |v: f64| (v * 1e4).round() / 1e4;
    (round(x), round(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(labels: &[u8], values: &[f64]) -> BinaryScores {
        let labels: Vec<bool> = labels.iter().map(|l| *l == 1).collect();
        BinaryScores::new(&labels, values).unwrap()
    }

    #[test]
    fn a_roc_curve_keeps_its_corners_and_names_what_has_none() {
        let good = scores(&[0, 0, 1, 0, 1, 1], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        let one_class = scores(&[1, 1], &[0.1, 0.2]);
        let curve = roc("test", [("a", good), ("b", one_class.clone())]).unwrap();
        let third = 0.3333;
        assert_eq!(
            curve.series[0].points,
            [
                (0.0, 0.0),
                (0.0, 0.6667),
                (third, 0.6667),
                (third, 1.0),
                (1.0, 1.0)
            ]
        );
        assert_eq!(curve.series[0].name, "a (3 of 6)");
        assert_eq!(curve.note, "no curve for b");
        assert!(roc("test", [("b", one_class)]).is_none());
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        let labels: Vec<u8> = (0..4000).map(|i| u8::from(i * 7 % 13 < 6)).collect();
        let values: Vec<f64> = (0..4000).map(f64::from).collect();
        let curve = roc("test", [("a", scores(&labels, &values))]).unwrap();
        let points = &curve.series[0].points;
        assert_eq!(points.len(), POINTS);
        assert_eq!((points[0], points[POINTS - 1]), ((0.0, 0.0), (1.0, 1.0)));
        assert!(
            points
                .windows(2)
                .all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1)
        );
    }

    #[test]
    fn reliability_needs_probabilities() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        let labels: Vec<u8> = (0..100).map(|i| u8::from(i >= 50)).collect();
        let curve = reliability("test", [("a", scores(&labels, &values))]).unwrap();
        let points = &curve.series[0].points;
        assert_eq!(points.len(), BINS);
        assert_eq!((points[0], points[9]), ((0.045, 0.0), (0.945, 1.0)));
        assert!(reliability("test", [("a", scores(&[0, 1], &[-3.0, 4.0]))]).is_none());
    }

    #[test]
    fn a_matrix_counts_every_case() {
        let pairs = [(0, 0), (0, 1), (1, 1), (1, 1)];
        let curve = confusion("test", &["no", "yes"], pairs).unwrap();
        assert_eq!(curve.matrix, [[1, 1], [0, 2]]);
        assert_eq!(curve.note, "4 cases");
        assert!(confusion("test", &["no"], [(1, 0)]).is_none());
        assert!(confusion("test", &["no"], []).is_none());
        // What is not there takes no room in the file.
        let text = serde_json::to_string(&curve).unwrap();
        assert!(!text.contains("series"));
        assert_eq!(serde_json::from_str::<Curve>(&text).unwrap(), curve);
    }
}
