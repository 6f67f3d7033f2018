//! Training a classifier of classes that exclude each other.

use super::classify::{ClassifyConfig, ClassifyData, ClassifyTask, output_auroc, predict};
use crate::error::{MethodError, Result};
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::losses::{Loss, cross_entropy};
use hilum_nn::train::{Batch, Scores, Task};
use hilum_nn::{InputContract, NnError};

/// Softmax cross entropy on the batches of [`ClassifyTask`]; targets are one-hot rows. The epoch is selected by the
/// mean AUROC of one class against the others.
pub struct ExclusiveTask<'a> {
    inner: ClassifyTask<'a>,
    contract: InputContract,
    graph: Graph,
    val: &'a ClassifyData,
    classes: usize,
}

impl<'a> ExclusiveTask<'a> {
    /// A task; refuses empty splits, rows that are not one-hot, a class that is missing in a split, and mixup.
    ///
    /// # Errors
    /// [`MethodError::TooFew`], [`MethodError::Config`].
    pub fn new(
        config: ClassifyConfig,
        contract: InputContract,
        graph: Graph,
        train: &'a ClassifyData,
        val: &'a ClassifyData,
        seed: u64,
    ) -> Result<Self> {
        if config.mixup > 0.0 {
            return Err(MethodError::Config(
                "exclusive classes are not blended: mixup must be 0".to_owned(),
            ));
        }
        let classes = check_classes(train, "training split")?;
        if check_classes(val, "validation split")? != classes {
            return Err(MethodError::Config(
                "training and validation split have other classes".to_owned(),
            ));
        }
        let inner = ClassifyTask::new(config, contract.clone(), graph.clone(), train, val, seed)?;
        Ok(ExclusiveTask {
            inner,
            contract,
            graph,
            val,
            classes,
        })
    }
}

/// Number of classes, after it is known that every row has one and every class has a picture.
fn check_classes(data: &ClassifyData, what: &str) -> Result<usize> {
    let classes = data.targets.first().map_or(0, Vec::len);
    let mut counts = vec![0usize; classes];
    for row in &data.targets {
        match class_of(row) {
            Some(class) if row.len() == classes => counts[class] += 1,
            _ => {
                return Err(MethodError::Config(format!(
                    "{what}: a picture has no class, or several"
                )));
            }
        }
    }
    match counts.iter().position(|&n| n == 0) {
        Some(class) => Err(MethodError::TooFew {
            what: format!("{what}, class {class}"),
            found: 0,
            needed: 1,
        }),
        None if classes < 2 => Err(MethodError::TooFew {
            what: format!("classes of the {what}"),
            found: classes,
            needed: 2,
        }),
        None => Ok(classes),
    }
}

/// The class of a one-hot row; `None` when it is none.
pub fn class_of(row: &[f32]) -> Option<usize> {
    let mut hot = row.iter().enumerate().filter(|(_, v)| **v == 1.0);
    let (class, _) = hot.next()?;
    let rest_is_cold = row.iter().filter(|v| **v == 0.0).count() + 1 == row.len();
    (hot.next().is_none() && rest_is_cold).then_some(class)
}

/// Probabilities of exclusive classes.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = logits.iter().map(|z| (z - top).exp()).collect();
    let total: f64 = exps.iter().sum();
    exps.into_iter().map(|e| e / total).collect()
}

/// The class of the largest value, the first of equals.
pub fn argmax<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (i, v) in values.iter().enumerate() {
        if *v > values[best] {
            best = i;
        }
    }
    best
}

impl Task for ExclusiveTask<'_> {
    fn steps(&self, epoch: usize) -> usize {
        self.inner.steps(epoch)
    }

    fn batch(&self, epoch: usize, step: usize) -> std::result::Result<Batch, NnError> {
        self.inner.batch(epoch, step)
    }

    fn loss(&self, batch: &Batch, outputs: &[Tensor]) -> std::result::Result<Loss, NnError> {
        let targets: Vec<Option<usize>> =
            batch.targets.chunks(self.classes).map(class_of).collect();
        Ok(cross_entropy(&outputs[0].data, &targets, self.classes))
    }

    fn validate(&self, params: &Params) -> std::result::Result<Scores, NnError> {
        let logits = predict(&self.graph, params, &self.contract, self.val)
            .map_err(|e| NnError::Task(e.to_string()))?;
        let shares: Vec<Vec<f64>> = logits.iter().map(|z| softmax(z)).collect();
        let aurocs: Vec<f64> = (0..self.classes)
            .filter_map(|k| output_auroc(self.val, &shares, k))
            .collect();
        let mean = aurocs.iter().sum::<f64>() / aurocs.len() as f64;
        Ok(vec![("val_auroc".to_owned(), mean)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_none_or_several_classes_are_seen() {
        assert_eq!(class_of(&[0.0, 1.0, 0.0]), Some(1));
        assert_eq!(class_of(&[1.0, 1.0]), None);
        assert_eq!(class_of(&[0.0, 0.0]), None);
        assert_eq!(class_of(&[1.0, f32::NAN]), None);
        let data = |targets: Vec<Vec<f32>>| ClassifyData {
            targets,
            ..ClassifyData::default()
        };
        assert_eq!(
            check_classes(&data(vec![vec![1.0, 0.0], vec![0.0, 1.0]]), "x").unwrap(),
            2
        );
        let missing = check_classes(&data(vec![vec![1.0, 0.0]]), "x").unwrap_err();
        assert!(missing.to_string().contains("class 1"), "{missing}");
        assert!(check_classes(&data(vec![vec![0.5, 0.5]]), "x").is_err());
    }

    #[test]
    fn shares_sum_to_one_and_the_first_of_equals_wins() {
        let p = softmax(&[1000.0, 1000.0, -1000.0]);
        assert!((p[0] - 0.5).abs() < 1e-12 && p[2] < 1e-12);
        assert_eq!(argmax(&[1.0, 2.0, 2.0]), 1);
    }
}
