//! Folds that keep groups whole and classes even.

use crate::error::{Result, TabularError};
use crate::matrix::{Matrix, both_classes};
use crate::table::Table;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// Fold (0 to `k` − 1) of every row. A group counts as positive when any of its rows is; within each class
/// the groups are shuffled by the seed and dealt in turn.
///
/// # Errors
/// `k` below 2 or above the number of groups, sizes that differ, or a fold (or the rest beside it) in which a
/// class is missing.
pub fn folds(y: &[bool], groups: &[usize], k: usize, seed: u64) -> Result<Vec<usize>> {
    if y.len() != groups.len() {
        return Err(TabularError::Shape {
            what: "groups",
            got: groups.len(),
            expected: y.len(),
        });
    }
    let mut positive: BTreeMap<usize, bool> = BTreeMap::new();
    for (g, y) in groups.iter().zip(y) {
        *positive.entry(*g).or_insert(false) |= y;
    }
    if k < 2 || k > positive.len() {
        return Err(TabularError::Parameter {
            name: "folds",
            value: k as f64,
            rule: "between 2 and the number of groups",
        });
    }
    let fold_of = deal(&positive, k, seed);
    let folds: Vec<usize> = groups.iter().map(|g| fold_of[g]).collect();
    (0..k).try_for_each(|f| check_fold(y, &folds, f))?;
    Ok(folds)
}

fn deal(positive: &BTreeMap<usize, bool>, k: usize, seed: u64) -> BTreeMap<usize, usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = Vec::with_capacity(positive.len());
    for class in [true, false] {
        let mut own: Vec<usize> = positive
            .iter()
            .filter(|(_, p)| **p == class)
            .map(|(g, _)| *g)
            .collect();
        own.shuffle(&mut rng);
        order.extend(own);
    }
    order
        .into_iter()
        .enumerate()
        .map(|(i, g)| (g, i % k))
        .collect()
}

fn check_fold(y: &[bool], folds: &[usize], f: usize) -> Result<()> {
    let of = |inside: bool| -> Vec<bool> {
        let own = y.iter().zip(folds).filter(|(_, g)| (**g == f) == inside);
        own.map(|(y, _)| *y).collect()
    };
    both_classes(&format!("fold {f}"), &of(true))?;
    both_classes(&format!("the rows beside fold {f}"), &of(false))
}

/// Rows to fit on and rows to hold out, one `k`-th of the groups.
///
/// # Errors
/// As [`folds`].
pub fn holdout(
    y: &[bool],
    groups: &[usize],
    k: usize,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>)> {
    let folds = folds(y, groups, k, seed)?;
    Ok((0..y.len()).partition(|&i| folds[i] != 0))
}

/// What models say about each row that they were not fitted on: for every fold, `fit_and_say` gets its number,
/// the rows beside it and the features of its own rows, and answers one value for each of these.
///
/// # Errors
/// As [`folds`]; an answer of another length; what `fit_and_say` gives.
pub fn out_of_fold<T, E: From<TabularError>>(
    table: &Table,
    k: usize,
    seed: u64,
    mut fit_and_say: impl FnMut(usize, &Table, &Matrix) -> std::result::Result<Vec<T>, E>,
) -> std::result::Result<Vec<T>, E> {
    let fold_of = folds(&table.y, &table.groups, k, seed)?;
    let mut said: Vec<(usize, T)> = Vec::with_capacity(table.len());
    for f in 0..k {
        let (held, others): (Vec<usize>, Vec<usize>) =
            (0..table.len()).partition(|&i| fold_of[i] == f);
        let answers = fit_and_say(f, &table.select(&others), &table.x.select(&held))?;
        if answers.len() != held.len() {
            return Err(TabularError::Shape {
                what: "answers of a fold",
                got: answers.len(),
                expected: held.len(),
            }
            .into());
        }
        said.extend(held.into_iter().zip(answers));
    }
    said.sort_by_key(|(i, _)| *i);
    Ok(said.into_iter().map(|(_, t)| t).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stay_whole_and_classes_stay_even() {
        let groups: Vec<usize> = (0..200).map(|i| i / 2).collect();
        let y: Vec<bool> = groups.iter().map(|g| g % 4 == 0).collect();
        let f = folds(&y, &groups, 5, 3).unwrap();
        assert!(f.chunks(2).all(|c| c[0] == c[1]));
        for k in 0..5 {
            let positives = (0..200).filter(|&i| f[i] == k && y[i]).count();
            assert_eq!(positives, 10);
        }
        assert_eq!(f, folds(&y, &groups, 5, 3).unwrap());
        assert_ne!(f, folds(&y, &groups, 5, 4).unwrap());
    }

    #[test]
    fn a_class_missing_in_a_fold_is_an_error() {
        let y = [true, true, false, false, false, false];
        let groups: Vec<usize> = (0..6).collect();
        let err = folds(&y, &groups, 3, 0).unwrap_err();
        assert!(matches!(err, TabularError::SingleClass { .. }), "{err}");
        assert!(matches!(
            folds(&y, &groups, 7, 0).unwrap_err(),
            TabularError::Parameter { .. }
        ));
    }

    #[test]
    fn every_row_is_answered_once_by_models_without_it() {
        let n = 30;
        let table = Table {
            names: vec!["row".to_owned()],
            x: Matrix::new((0..n).map(f64::from).collect(), 1).unwrap(),
            y: (0..n).map(|i| i % 3 == 0).collect(),
            groups: (0..n as usize).map(|i| i / 2).collect(),
            splits: vec![String::new(); n as usize],
        };
        let said = out_of_fold(&table, 5, 1, |_, others, held| {
            let seen = |v: &f64| others.x.values().contains(v);
            assert!(!held.values().iter().any(seen));
            Ok::<_, TabularError>(held.values().to_vec())
        });
        assert_eq!(said.unwrap(), table.x.values());
        let short = out_of_fold(&table, 5, 1, |_, _, _| Ok::<_, TabularError>(vec![0.0]));
        assert!(matches!(short, Err(TabularError::Shape { .. })));
    }

    #[test]
    fn a_holdout_is_one_part_of_k() {
        let y: Vec<bool> = (0..40).map(|i| i % 2 == 0).collect();
        let groups: Vec<usize> = (0..40).collect();
        let (fit, held) = holdout(&y, &groups, 4, 1).unwrap();
        assert_eq!((fit.len(), held.len()), (30, 10));
    }
}
