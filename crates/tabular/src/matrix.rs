//! A dense matrix, one row a case.

use crate::error::{Result, TabularError};

/// Row-major values.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    values: Vec<f64>,
    columns: usize,
}

impl Matrix {
    /// From row-major values.
    ///
    /// # Errors
    /// No columns, a last row that is not full, or a value that is not finite.
    pub fn new(values: Vec<f64>, columns: usize) -> Result<Self> {
        if columns == 0 || !values.len().is_multiple_of(columns) {
            return Err(TabularError::Shape {
                what: "values of a matrix",
                got: values.len(),
                expected: columns,
            });
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(TabularError::NotFinite {
                what: "matrix",
                row: at / columns + 1,
                column: at % columns + 1,
                value: values[at],
            });
        }
        Ok(Matrix { values, columns })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// All rows in order.
    pub fn iter_rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.columns)
    }

    /// One column.
    pub fn column(&self, j: usize) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().skip(j).step_by(self.columns).copied()
    }

    /// Row-major values.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Column-major copy.
    pub fn column_major(&self) -> Vec<f64> {
        (0..self.columns).flat_map(|j| self.column(j)).collect()
    }

    /// The rows of these indices.
    pub fn select(&self, rows: &[usize]) -> Matrix {
        Matrix {
            values: rows.iter().flat_map(|&i| self.row(i)).copied().collect(),
            columns: self.columns,
        }
    }

    /// The same shape with every value mapped by its column.
    pub(crate) fn map(&self, f: impl Fn(usize, f64) -> f64) -> Matrix {
        let values = self.values.iter().enumerate();
        Matrix {
            values: values.map(|(k, v)| f(k % self.columns, *v)).collect(),
            columns: self.columns,
        }
    }
}

/// Fails unless rows and labels pair up and both classes occur.
pub(crate) fn check(what: &'static str, x: &Matrix, y: &[bool]) -> Result<()> {
    if x.rows() != y.len() {
        return Err(TabularError::Shape {
            what: "labels",
            got: y.len(),
            expected: x.rows(),
        });
    }
    both_classes(what, y)
}

/// Fails unless both classes occur.
pub(crate) fn both_classes(what: &str, y: &[bool]) -> Result<()> {
    let positives = y.iter().filter(|v| **v).count();
    if positives == 0 || positives == y.len() {
        return Err(TabularError::SingleClass {
            what: what.to_owned(),
            positives,
            negatives: y.len() - positives,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_columns_and_selections_agree() {
        let m = Matrix::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2).unwrap();
        assert_eq!((m.rows(), m.row(1)), (3, &[3.0, 4.0][..]));
        assert_eq!(m.column_major(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        assert_eq!(m.select(&[2, 0]).values(), [5.0, 6.0, 1.0, 2.0]);
    }

    #[test]
    fn a_nan_is_refused_with_its_place() {
        let err = Matrix::new(vec![1.0, 2.0, 3.0, f64::NAN], 2).unwrap_err();
        assert!(err.to_string().contains("row 2, column 2"), "{err}");
    }
}
