//! The assignment problem: pairs of least total cost (Kuhn 1955; the shortest augmenting path form
//! of Jonker and Volgenant 1987).

/// Column of each row in an assignment of least total cost; `None` for rows left over when there
/// are more rows than columns. `cost[row][column]` must be finite and all rows of one length.
pub fn assign(cost: &[Vec<f64>]) -> Vec<Option<usize>> {
    let rows = cost.len();
    let columns = cost.first().map_or(0, Vec::len);
    if rows > columns {
        let turned: Vec<Vec<f64>> = (0..columns)
            .map(|c| cost.iter().map(|row| row[c]).collect())
            .collect();
        let mut out = vec![None; rows];
        for (column, row) in assign(&turned).into_iter().enumerate() {
            if let Some(row) = row {
                out[row] = Some(column);
            }
        }
        return out;
    }
    // Potentials and matching with a dummy column 0; rows and columns count from 1.
    let (mut u, mut v) = (vec![0.0; rows + 1], vec![0.0; columns + 1]);
    let (mut row_of, mut way) = (vec![0usize; columns + 1], vec![0usize; columns + 1]);
    for row in 1..=rows {
        row_of[0] = row;
        let mut column = 0;
        let mut least = vec![f64::INFINITY; columns + 1];
        let mut used = vec![false; columns + 1];
        while row_of[column] != 0 {
            used[column] = true;
            let (current, mut delta, mut next) = (row_of[column], f64::INFINITY, 0);
            for j in 1..=columns {
                if used[j] {
                    continue;
                }
                let reduced = cost[current - 1][j - 1] - u[current] - v[j];
                if reduced < least[j] {
                    least[j] = reduced;
                    way[j] = column;
                }
                if least[j] < delta {
                    delta = least[j];
                    next = j;
                }
            }
            for j in 0..=columns {
                if used[j] {
                    u[row_of[j]] += delta;
                    v[j] -= delta;
                } else {
                    least[j] -= delta;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[way[column]];
            column = way[column];
        }
    }
    let mut out = vec![None; rows];
    for (column, &row) in row_of.iter().enumerate().skip(1) {
        if row > 0 {
            out[row - 1] = Some(column - 1);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(cost: &[Vec<f64>], columns: &[Option<usize>]) -> f64 {
        let pairs = cost.iter().zip(columns);
        pairs.filter_map(|(row, c)| c.map(|c| row[c])).sum()
    }

    /// Every way to give `rows` different columns.
    fn best(cost: &[Vec<f64>], row: usize, used: &mut Vec<bool>) -> f64 {
        if row == cost.len() {
            return 0.0;
        }
        let mut least = f64::INFINITY;
        for c in 0..used.len() {
            if !used[c] {
                used[c] = true;
                least = least.min(cost[row][c] + best(cost, row + 1, used));
                used[c] = false;
            }
        }
        least
    }

    proptest! {
        #[test]
        fn it_is_as_cheap_as_trying_everything(rows in 1usize..5, extra in 0usize..3, seed in prop::collection::vec(0u8..50, 40)) {
            let columns = rows + extra;
            let cost: Vec<Vec<f64>> = (0..rows).map(|r| (0..columns).map(|c| f64::from(seed[(r * columns + c) % seed.len()])).collect()).collect();
            let found = assign(&cost);
            let mut seen: Vec<usize> = found.iter().copied().flatten().collect();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), rows);
            prop_assert!((total(&cost, &found) - best(&cost, 0, &mut vec![false; columns])).abs() < 1e-9);
            // More rows than columns: the same pairs, turned.
            let turned: Vec<Vec<f64>> = (0..columns).map(|c| cost.iter().map(|r| r[c]).collect()).collect();
            prop_assert!((total(&turned, &assign(&turned)) - total(&cost, &found)).abs() < 1e-9);
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(assign(&[]).is_empty());
        assert_eq!(assign(&[vec![], vec![]]), [None, None]);
    }
}
