//! The learners by name, with their baseline settings and what a search may change.

use super::{Boosting, Forest, Kernel, Learner, Logistic, Svm, Tree};
use crate::error::Result;
use crate::search::{Dimension, Point, Space};
use serde::{Deserialize, Serialize};

/// A learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnerKind {
    /// Logistic regression.
    Logistic,
    /// Linear support vector machine.
    LinearSvm,
    /// Support vector machine with a Gaussian kernel.
    RbfSvm,
    /// Decision tree.
    Tree,
    /// Random forest.
    Forest,
    /// Boosted trees.
    Boosting,
}

impl LearnerKind {
    /// All of them.
    pub const ALL: [LearnerKind; 6] = [
        LearnerKind::Logistic,
        LearnerKind::LinearSvm,
        LearnerKind::RbfSvm,
        LearnerKind::Tree,
        LearnerKind::Forest,
        LearnerKind::Boosting,
    ];

    /// With the settings that its library (or scikit-learn or XGBoost) starts from.
    pub fn baseline(self) -> Box<dyn Learner> {
        match self {
            LearnerKind::Logistic => Box::new(Logistic::default()),
            LearnerKind::LinearSvm => Box::new(svm(1.0, Kernel::Linear)),
            LearnerKind::RbfSvm => Box::new(svm(1.0, Kernel::Rbf(1.0))),
            LearnerKind::Tree => Box::new(Tree::default()),
            LearnerKind::Forest => Box::new(Forest::default()),
            LearnerKind::Boosting => Box::new(Boosting::default()),
        }
    }

    /// What a search may change.
    pub fn space(self) -> Space {
        let log = |low, high| Dimension::Float {
            low,
            high,
            log: true,
        };
        let whole = |low, high, log| Dimension::Whole { low, high, log };
        let dimensions = match self {
            LearnerKind::Logistic => vec![("penalty", log(1e-3, 1e3))],
            LearnerKind::LinearSvm => vec![("cost", log(1e-3, 1e2))],
            LearnerKind::RbfSvm => vec![("cost", log(1e-2, 1e3)), ("gamma", log(1e-2, 1e1))],
            LearnerKind::Tree => vec![("depth", whole(1, 12, false)), ("leaf", whole(1, 30, true))],
            LearnerKind::Forest => vec![
                ("trees", whole(20, 120, true)),
                ("depth", whole(1, 16, false)),
                ("leaf", whole(1, 20, true)),
                (
                    "tried",
                    Dimension::Float {
                        low: 0.1,
                        high: 1.0,
                        log: false,
                    },
                ),
            ],
            LearnerKind::Boosting => vec![
                ("rounds", whole(10, 200, true)),
                ("rate", log(1e-2, 0.5)),
                ("depth", whole(1, 8, false)),
                ("penalty", log(1e-2, 1e2)),
            ],
        };
        Space::new(dimensions)
    }

    /// With the settings of a point of [`Self::space`].
    ///
    /// # Errors
    /// A point of another space.
    pub fn at(self, point: &Point) -> Result<Box<dyn Learner>> {
        let get = |name| point.get(name);
        let whole = |name| get(name).map(|v| v as usize);
        Ok(match self {
            LearnerKind::Logistic => Box::new(Logistic {
                penalty: get("penalty")?,
            }),
            LearnerKind::LinearSvm => Box::new(svm(get("cost")?, Kernel::Linear)),
            LearnerKind::RbfSvm => Box::new(svm(get("cost")?, Kernel::Rbf(get("gamma")?))),
            LearnerKind::Tree => Box::new(Tree {
                depth: whole("depth")? as u16,
                leaf: whole("leaf")?,
            }),
            LearnerKind::Forest => Box::new(Forest {
                trees: whole("trees")?,
                depth: whole("depth")? as u16,
                leaf: whole("leaf")?,
                tried: get("tried")?,
            }),
            LearnerKind::Boosting => Box::new(Boosting {
                rounds: whole("rounds")?,
                rate: get("rate")?,
                depth: whole("depth")?,
                penalty: get("penalty")?,
                rows: 1.0,
            }),
        })
    }
}

fn svm(cost: f64, kernel: Kernel) -> Svm {
    Svm { cost, kernel }
}
