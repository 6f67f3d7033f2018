//! The list of scores: every table of metrics (help, docs) is made from it.

use serde::Serialize;

/// What kind of output a score judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Scores or decisions per finding.
    Classification,
    /// Probabilities.
    Calibration,
    /// Masks.
    Segmentation,
    /// Boxes.
    Detection,
    /// Agreement of raters.
    Agreement,
    /// Generated images, over feature vectors.
    Generation,
    /// Restored images beside the true ones.
    Restoration,
    /// Ranked lists.
    Retrieval,
}

/// One score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MetricInfo {
    /// Snake-case name, the first word of its signature.
    pub name: &'static str,
    /// Name to show.
    pub title: &'static str,
    /// What it judges.
    pub task: Task,
    /// Whether a larger value is better; null where neither end is.
    pub higher_is_better: Option<bool>,
    /// When it is null.
    pub undefined: &'static str,
    /// Where it is defined.
    pub reference: &'static str,
}

const ONE_CLASS: &str = "a class is missing";
const BOTH_EMPTY: &str = "both masks are empty";
const ONE_EMPTY: &str = "a mask is empty";
const NEVER: &str = "never, for valid probabilities";

const fn metric(
    name: &'static str,
    title: &'static str,
    task: Task,
    higher: Option<bool>,
    undefined: &'static str,
    reference: &'static str,
) -> MetricInfo {
    MetricInfo {
        name,
        title,
        task,
        higher_is_better: higher,
        undefined,
        reference,
    }
}

const UP: Option<bool> = Some(true);
const DOWN: Option<bool> = Some(false);

/// Every score, in the order in which tables show them.
#[rustfmt::skip]
pub static METRICS: &[MetricInfo] = &[
    metric("auroc", "Area under the ROC curve", Task::Classification, UP, ONE_CLASS, "Hanley and McNeil 1982; ties count half"),
    metric("average_precision", "Average precision (step sum)", Task::Classification, UP, ONE_CLASS, "Davis and Goadrich 2006"),
    metric("pr_auc_trapezoid", "Trapezoid area under the PR curve", Task::Classification, UP, ONE_CLASS, "Davis and Goadrich 2006 (advise against it)"),
    metric("partial_auc", "Partial AUROC, standardised", Task::Classification, UP, ONE_CLASS, "McClish 1989"),
    metric("brier", "Brier score", Task::Classification, DOWN, NEVER, "Brier 1950"),
    metric("log_loss", "Logarithmic loss", Task::Classification, DOWN, NEVER, "Good 1952; clipped at 1e-15"),
    metric("sensitivity", "Sensitivity", Task::Classification, UP, "no positive label", "Altman and Bland 1994"),
    metric("specificity", "Specificity", Task::Classification, UP, "no negative label", "Altman and Bland 1994"),
    metric("ppv", "Positive predictive value", Task::Classification, UP, "nothing called positive", "Altman and Bland 1994"),
    metric("npv", "Negative predictive value", Task::Classification, UP, "nothing called negative", "Altman and Bland 1994"),
    metric("accuracy", "Accuracy", Task::Classification, UP, "an empty table", "Altman and Bland 1994"),
    metric("balanced_accuracy", "Balanced accuracy", Task::Classification, UP, ONE_CLASS, "Brodersen 2010"),
    metric("f1", "F1", Task::Classification, UP, "no positive label and no positive call", "van Rijsbergen 1979"),
    metric("mcc", "Matthews correlation", Task::Classification, UP, "labels or decisions of one class", "Matthews 1975; Gorodkin 2004"),
    metric("youden", "Youden's J at its first maximum", Task::Classification, UP, ONE_CLASS, "Youden 1950"),
    metric("label_ranking_ap", "Label ranking average precision", Task::Classification, UP, "never", "Tsoumakas 2010"),
    metric("coverage_error", "Coverage error", Task::Classification, DOWN, "never", "Tsoumakas 2010"),
    metric("ranking_loss", "Label ranking loss", Task::Classification, DOWN, "never", "Tsoumakas 2010"),
    metric("f1_samples", "F1 over the findings of a sample", Task::Classification, UP, "no sample has a finding, said or true", "Tsoumakas 2010"),
    metric("hamming_loss", "Hamming loss", Task::Classification, DOWN, "never", "Tsoumakas 2010"),
    metric("subset_accuracy", "Share of samples with every label right", Task::Classification, UP, "never", "Tsoumakas 2010"),
    metric("jaccard_samples", "Jaccard index over the findings of a sample", Task::Classification, UP, "no sample has a finding, said or true", "Tsoumakas 2010"),
    metric("kappa", "Cohen's kappa", Task::Agreement, UP, "one category throughout", "Cohen 1960; weighted: Cohen 1968"),
    metric("fleiss_kappa", "Fleiss' kappa", Task::Agreement, UP, "one category throughout", "Fleiss 1971"),
    metric("ece", "Expected calibration error", Task::Calibration, DOWN, NEVER, "Naeini 2015"),
    metric("mce", "Maximum calibration error", Task::Calibration, DOWN, NEVER, "Naeini 2015"),
    metric("rmsce", "Root mean square calibration error", Task::Calibration, DOWN, NEVER, "Kumar 2019"),
    metric("ece_class_wise", "Mean ECE of the classes against the rest", Task::Calibration, DOWN, NEVER, "Nixon 2019"),
    metric("brier_multiclass", "Brier score summed over classes", Task::Calibration, DOWN, NEVER, "Brier 1950"),
    metric("spiegelhalter", "Spiegelhalter's z", Task::Calibration, None, "every probability 0, 1/2 or 1", "Spiegelhalter 1986"),
    metric("calibration_slope", "Calibration slope", Task::Calibration, None, "a class is missing; separated classes fail", "Cox 1958; Van Calster 2016"),
    metric("dice", "Dice", Task::Segmentation, UP, BOTH_EMPTY, "Dice 1945"),
    metric("iou", "Intersection over union", Task::Segmentation, UP, BOTH_EMPTY, "Jaccard 1912"),
    metric("volumetric_similarity", "Volumetric similarity", Task::Segmentation, UP, BOTH_EMPTY, "Taha and Hanbury 2015"),
    metric("hd", "Hausdorff distance", Task::Segmentation, DOWN, ONE_EMPTY, "Huttenlocher 1993"),
    metric("hd95", "95% Hausdorff distance (max of directed, pooled, or by contour length)", Task::Segmentation, DOWN, ONE_EMPTY, "MONAI; MedPy; Nikolov 2021"),
    metric("assd", "Average symmetric surface distance", Task::Segmentation, DOWN, ONE_EMPTY, "Heimann 2009; both directions pooled"),
    metric("nsd", "Normalised surface Dice", Task::Segmentation, UP, ONE_EMPTY, "Nikolov 2021"),
    metric("coco_ap", "COCO average precision", Task::Detection, UP, "no object that counts", "Lin 2014"),
    metric("froc", "FROC score", Task::Detection, UP, "no target or no image", "Bejnordi 2017"),
    metric("localisation_accuracy", "Localisation accuracy at T(IoU) or T(IoBB)", Task::Detection, UP, "no reference box", "Wang 2017, table 4"),
    metric("average_false_positives", "False positive boxes an image at T(IoU) or T(IoBB)", Task::Detection, DOWN, "no image", "Wang 2017, table 4"),
    metric("fid", "Frechet distance of features", Task::Generation, DOWN, "fewer than two vectors on a side", "Heusel 2017"),
    metric("kid", "Kernel distance, unbiased cubic MMD", Task::Generation, DOWN, "fewer than two vectors on a side", "Binkowski 2018"),
    metric("mmd_rbf", "Squared MMD with a Gaussian kernel, biased", Task::Generation, DOWN, "never", "Gretton 2012"),
    metric("manifold_precision", "Generated within the real manifold", Task::Generation, UP, "never; k must be below the size of each set", "Kynkaanniemi 2019"),
    metric("manifold_recall", "Real within the generated manifold", Task::Generation, UP, "never; k must be below the size of each set", "Kynkaanniemi 2019"),
    metric("density", "Real neighbourhoods a generated vector lies in, over k", Task::Generation, UP, "never; k must be below the size of each set", "Naeem 2020"),
    metric("coverage", "Real vectors with a generated one nearby", Task::Generation, UP, "never; k must be below the size of each set", "Naeem 2020"),
    metric("authenticity", "Generated vectors that are no near-copies", Task::Generation, UP, "fewer than two real vectors", "Alaa 2022"),
    metric("memorised", "Generated vectors closer to a real one than 99% of those are to each other", Task::Generation, DOWN, "fewer than two real vectors", "1st percentile of the real nearest distances"),
    metric("inception_score", "Inception score", Task::Generation, UP, "never, for valid probabilities", "Salimans 2016"),
    metric("clip_score", "CLIPScore", Task::Generation, UP, "never", "Hessel 2021; 2.5 max(cosine, 0)"),
    metric("psnr", "Peak signal-to-noise ratio, dB", Task::Restoration, UP, "equal pictures", "10 log10(range² / MSE); as scikit-image"),
    metric("ssim", "Structural similarity, uniform window of 7", Task::Restoration, UP, "never", "Wang 2004; sample covariance, borders cut, as scikit-image"),
    metric("precision_at_k", "Precision at k", Task::Retrieval, UP, "no entry is relevant", "Manning 2008, chapter 8"),
    metric("recall_at_k", "Recall at k", Task::Retrieval, UP, "no entry is relevant", "Manning 2008, chapter 8"),
    metric("retrieval_ap", "Average precision of a ranked list", Task::Retrieval, UP, "no entry is relevant", "Manning 2008, chapter 8"),
    metric("mrr", "Mean reciprocal rank", Task::Retrieval, UP, "no entry is relevant", "Voorhees 1999"),
    metric("ndcg", "nDCG, linear gain, ties shared", Task::Retrieval, UP, "no entry has a gain", "Jarvelin and Kekalainen 2002; as scikit-learn"),
    metric("median_rank", "Median rank of the partner", Task::Retrieval, DOWN, "never", "cosine, earlier of equals first"),
];

/// A score by its name.
pub fn find(name: &str) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|m| m.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_snake_case() {
        let names: HashSet<_> = METRICS.iter().map(|m| m.name).collect();
        assert_eq!(names.len(), METRICS.len());
        let snake = |n: &str| {
            n.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        assert!(
            METRICS
                .iter()
                .all(|m| snake(m.name) && !m.title.is_empty() && !m.reference.is_empty())
        );
        assert_eq!(find("auroc").map(|m| m.higher_is_better), Some(Some(true)));
        assert!(find("nonsense").is_none());
    }

    #[test]
    fn everything_a_report_holds_is_listed() {
        use crate::classification::{BinaryScores, binary_report};
        let data = BinaryScores::new(&[1_u8, 0, 1, 0], &[0.9, 0.8, 0.4, 0.1]).unwrap();
        let report = binary_report(&data, 0.5, None, &Default::default()).unwrap();
        assert!(report.scores.len() >= 12);
        assert!(report.scores.iter().all(|s| find(&s.metric).is_some()));
    }

    #[test]
    fn the_page_lists_every_score() {
        let page = include_str!("../../../docs/metrics.md");
        let missing: Vec<_> = METRICS
            .iter()
            .filter(|m| !page.contains(&format!("`{}`", m.name)))
            .collect();
        assert!(missing.is_empty(), "docs/metrics.md lacks {missing:?}");
    }
}
