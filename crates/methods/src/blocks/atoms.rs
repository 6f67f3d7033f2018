//! Columns of a dictionary as one picture.

use crate::error::{MethodError, Result};
use hilum_image::Plane;

/// Pixels between atoms.
const GAP: usize = 2;

/// Atoms of `width` x `height` values side by side, `columns` a row, each enlarged `zoom` times. Grey levels go
/// from the least to the largest value of an atom; one with values below zero is shown about the middle grey.
///
/// # Errors
/// Atoms of another length, or none.
pub fn montage(
    atoms: &[Vec<f64>],
    (width, height): (usize, usize),
    columns: usize,
    zoom: usize,
) -> Result<Plane<u8>> {
    if let Some(atom) = atoms.iter().find(|a| a.len() != width * height) {
        return Err(MethodError::Config(format!(
            "an atom of {} values is no picture of {width} x {height}",
            atom.len()
        )));
    }
    if atoms.is_empty() || columns == 0 || zoom == 0 || width * height == 0 {
        return Err(MethodError::Config("no atoms to show".to_owned()));
    }
    let rows = atoms.len().div_ceil(columns);
    let cell = (width * zoom + GAP, height * zoom + GAP);
    let scaled: Vec<Vec<u8>> = atoms.iter().map(|a| levels(a)).collect();
    Ok(Plane::from_fn(
        columns * cell.0 - GAP,
        rows * cell.1 - GAP,
        |x, y| {
            let (column, row) = (x / cell.0, y / cell.1);
            let (dx, dy) = ((x % cell.0) / zoom, (y % cell.1) / zoom);
            match scaled.get(row * columns + column) {
                Some(atom) if dx < width && dy < height => atom[dy * width + dx],
                _ => 255,
            }
        },
    ))
}

fn levels(atom: &[f64]) -> Vec<u8> {
    let low = atom.iter().copied().fold(f64::INFINITY, f64::min);
    let high = atom.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low < 0.0 {
        let far = high.abs().max(low.abs());
        (-far, far)
    } else {
        (low, high)
    };
    let span = if high > low { high - low } else { 1.0 };
    atom.iter()
        .map(|v| ((v - low) / span * 255.0).round() as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_stand_in_order_with_their_own_range() {
        let atoms = vec![vec![0.0, 1.0], vec![-2.0, 1.0], vec![5.0, 5.0]];
        let picture = montage(&atoms, (2, 1), 2, 1).unwrap();
        assert_eq!((picture.width, picture.height), (6, 4));
        assert_eq!(picture.row(0), [0, 255, 255, 255, 0, 191]);
        assert_eq!(picture.row(3), [0, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn other_lengths_are_errors() {
        assert!(montage(&[vec![0.0; 3]], (2, 1), 1, 1).is_err());
        assert!(montage(&[], (2, 1), 1, 1).is_err());
    }
}
