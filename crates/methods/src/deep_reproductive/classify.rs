//! The four classifiers on features.

use super::config::Config;
use super::dense::{fit_perceptron, perceptron, say};
use crate::blocks::multiclass::Said;
use crate::blocks::short::shares;
use crate::context::Context;
use crate::error::Result;
use hilum_tabular::learner::{Kernel, Svm};
use hilum_tabular::{Learner, Matrix};
use serde::{Deserialize, Serialize};

/// A classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Perceptron of one layer: softmax regression.
    Slp,
    /// Perceptron with a hidden layer.
    Mlp,
    /// Linear support vector machines, each class against the rest.
    Linear,
    /// The same with a Gaussian kernel.
    Rbf,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Slp, Kind::Mlp, Kind::Linear, Kind::Rbf];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Slp => "SLP",
            Kind::Mlp => "MLP",
            Kind::Linear => "linear SVM",
            Kind::Rbf => "RBF SVM",
        }
    }

    /// Fits on standardised training rows and says what new rows are. The margins of the support
    /// vector machines go through a softmax: their order is what is scored.
    ///
    /// # Errors
    /// A class that is missing, a stop, a fit that is given up.
    pub fn fit_and_say(
        self,
        ctx: &Context<'_>,
        config: &Config,
        train: &[Vec<f32>],
        (y, classes): (&[usize], usize),
        new: &[Vec<f32>],
        seed: u64,
    ) -> Result<Said> {
        let width = train.first().map_or(0, Vec::len);
        match self {
            Kind::Slp | Kind::Mlp => {
                let neurons = (self == Kind::Mlp).then_some(config.neurons);
                let graph = perceptron(width, neurons, classes);
                let params =
                    fit_perceptron(ctx, &graph, train, (y, classes), &config.perceptron, seed)?;
                say(&graph, &params, new)
            }
            Kind::Linear | Kind::Rbf => {
                let (x, new) = (matrix(train)?, matrix(new)?);
                let kernel = if self == Kind::Linear {
                    Kernel::Linear
                } else {
                    Kernel::Rbf(1.0)
                };
                // A linear margin in hundreds of columns needs a stronger penalty to stay a margin.
                let cost = if self == Kind::Linear {
                    1.0 / width as f64
                } else {
                    1.0
                };
                let learner = Svm { cost, kernel };
                let mut margins = vec![Vec::new(); new.rows()];
                for class in 0..classes {
                    let is: Vec<bool> = y.iter().map(|v| *v == class).collect();
                    let scores = learner.fit(&x, &is, seed)?.scores(&new)?;
                    margins
                        .iter_mut()
                        .zip(scores)
                        .for_each(|(m, s)| m.push(s as f32));
                }
                Ok(margins.iter().map(|m| shares(m)).collect())
            }
        }
    }
}

fn matrix(rows: &[Vec<f32>]) -> Result<Matrix> {
    let width = rows.first().map_or(0, Vec::len);
    let values = rows.iter().flatten().map(|v| f64::from(*v)).collect();
    Ok(Matrix::new(values, width)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::exclusive::argmax;
    use crate::blocks::tables::samples::context;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn every_classifier_tells_three_blobs_apart() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let y: Vec<usize> = (0..90).map(|i| i % 3).collect();
        let rows: Vec<Vec<f32>> = (0..90)
            .map(|i| {
                let a = y[i] as f32 * 2.1;
                vec![
                    a.cos() + 0.3 * (i as f32).sin(),
                    a.sin() + 0.3 * (i as f32 * 1.7).cos(),
                ]
            })
            .collect();
        let mut config = Config::default();
        (config.perceptron.epochs, config.perceptron.batch) = (60, 16);
        config.perceptron.schedule.base = 2e-2;
        for kind in Kind::ALL {
            let said = kind
                .fit_and_say(&ctx, &config, &rows[..60], (&y[..60], 3), &rows[60..], 1)
                .unwrap();
            let right = said
                .iter()
                .zip(&y[60..])
                .filter(|(p, y)| argmax(p) == **y)
                .count();
            assert!(right > 24, "{}: {right}", kind.name());
        }
    }
}
