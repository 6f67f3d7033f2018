//! Scores of classifiers: ranking, probabilities, decisions; two classes, many labels, many classes.

mod agreement;
mod auroc;
mod average_precision;
mod brier;
mod confusion;
mod curves;
mod input;
mod log_loss;
mod multiclass;
mod multilabel;
mod partial_auc;
mod ranking;
mod report;
mod youden;

pub use agreement::{KappaWeights, cohen_kappa, fleiss_kappa};
pub use auroc::{auroc, auroc_weighted};
pub use average_precision::{average_precision, average_precision_weighted, pr_auc_trapezoid};
pub use brier::{brier, brier_weighted};
pub use confusion::Confusion;
pub use curves::{PrPoint, RocPoint, pr_curve, roc_curve};
pub use input::{BinaryScores, Label};
pub use log_loss::log_loss;
pub use multiclass::{MulticlassConfusion, MulticlassScores};
pub use multilabel::{Average, MultilabelReport, MultilabelScores};
pub use partial_auc::partial_auc;
pub use ranking::{EmptySample, LabelRanking, LabelSets, label_sets};
pub use report::{BinaryReport, binary_report};
pub use youden::{ThresholdPoint, at_sensitivity, at_specificity, youden};
