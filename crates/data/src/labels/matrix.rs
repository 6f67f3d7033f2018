//! Labels of many images as a table of targets.

use super::{LabelPolicy, LabelState};
use crate::error::{DataError, Result};
use crate::sample::Sample;
use hilum_core::taxonomy;
use serde::Serialize;

/// Targets of many images for a list of codes; `None` where the label is unknown or left out.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelMatrix {
    codes: Vec<&'static str>,
    targets: Vec<Option<f32>>,
    uncertain: Vec<usize>,
}

/// How often a code is what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodeCounts {
    /// The code.
    pub code: &'static str,
    /// Targets of at least one half.
    pub positive: usize,
    /// Targets under one half.
    pub negative: usize,
    /// No target.
    pub unknown: usize,
    /// Labels that were uncertain before the policy, in whichever of the three they are now.
    pub uncertain: usize,
}

impl LabelMatrix {
    /// The targets of `samples` (rows) for `codes` (columns).
    ///
    /// # Errors
    /// [`DataError::UnknownCode`]; [`DataError::Setting`] for a policy out of range.
    pub fn new<'a>(
        samples: impl IntoIterator<Item = &'a Sample>,
        codes: &[impl AsRef<str>],
        policy: LabelPolicy,
    ) -> Result<Self> {
        policy.validate()?;
        let find = |c: &str| taxonomy::by_code(c).ok_or_else(|| DataError::UnknownCode(c.into()));
        let codes: Vec<_> = codes
            .iter()
            .map(|c| Ok(find(c.as_ref())?.code))
            .collect::<Result<_>>()?;
        let mut uncertain = vec![0; codes.len()];
        let mut targets = Vec::new();
        for sample in samples {
            for (column, code) in codes.iter().enumerate() {
                let state = sample.labels.get(code);
                uncertain[column] += usize::from(state == Some(LabelState::Uncertain));
                targets.push(policy.target(state));
            }
        }
        Ok(LabelMatrix {
            codes,
            targets,
            uncertain,
        })
    }

    /// The columns.
    pub fn codes(&self) -> &[&'static str] {
        &self.codes
    }

    /// Number of rows; 0 when there are no columns.
    pub fn len(&self) -> usize {
        self.targets
            .len()
            .checked_div(self.codes.len())
            .unwrap_or(0)
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The targets of one image.
    ///
    /// # Panics
    /// When `index` is not below [`LabelMatrix::len`], as slices do.
    pub fn row(&self, index: usize) -> &[Option<f32>] {
        let n = self.codes.len();
        &self.targets[index * n..(index + 1) * n]
    }

    /// The targets of one code.
    pub fn column(&self, index: usize) -> impl Iterator<Item = Option<f32>> {
        self.targets
            .iter()
            .skip(index)
            .step_by(self.codes.len().max(1))
            .copied()
    }

    /// Targets and weights of some rows, row-major, for a masked loss: unknown is target 0 with weight 0.
    pub fn dense(&self, rows: &[usize]) -> (Vec<f32>, Vec<f32>) {
        rows.iter()
            .flat_map(|r| self.row(*r))
            .map(|t| t.map_or((0.0, 0.0), |t| (t, 1.0)))
            .unzip()
    }

    /// Counts per code.
    pub fn counts(&self) -> Vec<CodeCounts> {
        (0..self.codes.len())
            .map(|c| self.count_column(c))
            .collect()
    }

    fn count_column(&self, index: usize) -> CodeCounts {
        let mut counts = CodeCounts {
            code: self.codes[index],
            positive: 0,
            negative: 0,
            unknown: 0,
            uncertain: self.uncertain[index],
        };
        for target in self.column(index) {
            match target {
                Some(t) if t >= 0.5 => counts.positive += 1,
                Some(_) => counts.negative += 1,
                None => counts.unknown += 1,
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Pixels;

    fn sample(states: &[(&str, LabelState)]) -> Sample {
        let mut s = Sample::new("x", "a", Pixels::File("a".into()));
        for (c, st) in states {
            s.labels.set(c, *st).unwrap();
        }
        s.labels.close();
        s
    }

    #[test]
    fn unknown_stays_unknown() {
        let samples = [
            sample(&[("pneumonia", LabelState::Positive)]),
            sample(&[
                ("edema", LabelState::Uncertain),
                ("pneumonia", LabelState::Negative),
            ]),
        ];
        let m = LabelMatrix::new(&samples, &["edema", "pneumonia"], LabelPolicy::IGNORE).unwrap();
        assert_eq!(m.row(0), [None, Some(1.0)]);
        assert_eq!(m.row(1), [None, Some(0.0)]);
        assert_eq!(
            m.dense(&[1, 0]),
            (vec![0.0, 0.0, 0.0, 1.0], vec![0.0, 1.0, 0.0, 1.0])
        );
        let c = &m.counts()[0];
        assert_eq!(
            (c.positive, c.negative, c.unknown, c.uncertain),
            (0, 0, 2, 1)
        );
        assert!(LabelMatrix::new(&samples, &["teapot"], LabelPolicy::IGNORE).is_err());
        let none: [&str; 0] = [];
        assert_eq!(
            LabelMatrix::new(&samples, &none, LabelPolicy::IGNORE)
                .unwrap()
                .len(),
            0
        );
    }
}
