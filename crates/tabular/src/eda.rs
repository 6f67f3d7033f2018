//! Exploratory report of a table: missing cells, distributions, outliers, class balance, correlations.

use crate::error::Result;
use crate::table::{RawTable, Table};
use serde::Serialize;
use std::fmt::Write as _;

/// One feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureSummary {
    /// Name.
    pub name: String,
    /// Empty cells in the file.
    pub missing: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation (n − 1).
    pub deviation: f64,
    /// Least, quartiles, most.
    pub five: [f64; 5],
    /// Rows beyond one and a half interquartile ranges from the box (Tukey).
    pub outliers: usize,
    /// Pearson's correlation with the label; null for a feature that does not vary.
    pub with_label: Option<f64>,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Rows with a label.
    pub rows: usize,
    /// Positive rows.
    pub positives: usize,
    /// Groups.
    pub groups: usize,
    /// Features in the order of the table.
    pub features: Vec<FeatureSummary>,
    /// Pearson's correlation of each pair of features, row-major; null where one does not vary.
    pub correlations: Vec<Vec<Option<f64>>>,
}

impl Report {
    /// Looks at a table and the file it came from.
    ///
    /// # Errors
    /// A file that lacks one of the table's columns.
    pub fn new(raw: &RawTable, table: &Table) -> Result<Self> {
        let columns: Vec<Vec<f64>> = (0..table.x.columns())
            .map(|j| table.x.column(j).collect())
            .collect();
        let label: Vec<f64> = table.y.iter().map(|y| f64::from(u8::from(*y))).collect();
        let features = table
            .names
            .iter()
            .zip(&columns)
            .map(|(name, values)| Ok(summary(name, raw.missing(name)?, values, &label)))
            .collect::<Result<_>>()?;
        let correlations = columns
            .iter()
            .map(|a| columns.iter().map(|b| correlation(a, b)).collect())
            .collect();
        let mut groups = table.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        Ok(Report {
            rows: table.len(),
            positives: table.positives(),
            groups: groups.len(),
            features,
            correlations,
        })
    }

    /// The report as Markdown.
    pub fn markdown(&self, title: &str) -> String {
        let mut out = format!(
            "# {title}\n\n{} rows, {} groups; {} positive ({:.1} %), {} negative\n\n",
            self.rows,
            self.groups,
            self.positives,
            100.0 * self.positives as f64 / self.rows as f64,
            self.rows - self.positives
        );
        out.push_str("| feature | missing | mean | deviation | least | quartile | median | quartile | most | outliers | with label |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for f in &self.features {
            let five: Vec<String> = f.five.iter().map(|v| format!("{v:.4}")).collect();
            let _ = writeln!(
                out,
                "| {} | {} | {:.4} | {:.4} | {} | {} | {} |",
                f.name,
                f.missing,
                f.mean,
                f.deviation,
                five.join(" | "),
                f.outliers,
                shown(f.with_label)
            );
        }
        self.matrix(&mut out);
        out
    }

    fn matrix(&self, out: &mut String) {
        let names: Vec<&str> = self.features.iter().map(|f| f.name.as_str()).collect();
        let _ = writeln!(out, "\n## Correlations\n\n| | {} |", names.join(" | "));
        let _ = writeln!(out, "| --- |{}", " --- |".repeat(names.len()));
        for (name, row) in names.iter().zip(&self.correlations) {
            let cells: Vec<String> = row.iter().map(|c| shown(*c)).collect();
            let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
        }
    }
}

fn shown(v: Option<f64>) -> String {
    v.map_or("-".to_owned(), |v| format!("{v:.2}"))
}

fn summary(name: &str, missing: usize, values: &[f64], label: &[f64]) -> FeatureSummary {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let five = [0.0, 0.25, 0.5, 0.75, 1.0].map(|q| quantile(&sorted, q));
    let reach = 1.5 * (five[3] - five[1]);
    let outside = |v: &&f64| **v < five[1] - reach || **v > five[3] + reach;
    let (mean, deviation) = moments(values);
    FeatureSummary {
        name: name.to_owned(),
        missing,
        mean,
        deviation,
        five,
        outliers: values.iter().filter(outside).count(),
        with_label: correlation(values, label),
    }
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (square / (n - 1.0).max(1.0)).sqrt())
}

/// Linear between neighbours, as NumPy does by default.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (at - low as f64) * (sorted[high] - sorted[low])
}

fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let ((ma, sa), (mb, sb)) = (moments(a), moments(b));
    let n = (a.len() as f64 - 1.0).max(1.0);
    let product: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    (sa > 0.0 && sb > 0.0).then(|| product / n / (sa * sb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{LabelRule, TableSpec};

    #[test]
    fn the_report_counts_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(
            &path,
            "a,b,c,label\n1,2,5,n\n2,4,5,n\n3,6,5,y\n4,8,5,y\n100,1,5,y\n",
        )
        .unwrap();
        let raw = RawTable::read(&path).unwrap();
        let spec = TableSpec {
            features: &["a", "b", "c"],
            label: LabelRule {
                column: "label",
                positive: &["y"],
                negative: &["n"],
                null: &[],
            },
            group: None,
            split: None,
        };
        let report = Report::new(&raw, &Table::new(&raw, &spec).unwrap()).unwrap();
        assert_eq!((report.rows, report.positives, report.groups), (5, 3, 5));
        assert_eq!(report.features[0].five, [1.0, 2.0, 3.0, 4.0, 100.0]);
        assert_eq!(report.features[0].outliers, 1);
        assert_eq!(report.features[2].with_label, None);
        assert!((report.correlations[0][0].unwrap() - 1.0).abs() < 1e-12);
        let text = report.markdown("t");
        assert!(text.contains("| a | 0 | 22.0000 |") && text.contains("## Correlations"));
    }
}
