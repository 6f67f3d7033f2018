//! Middle lines of a mask by thinning (Guo and Hall 1989, algorithm A1), as scikit-image's `thin`.

use crate::plane::{Mask, Plane};

/// Neighbours clockwise from the one above.
const AROUND: [(isize, isize); 8] = [
    (0, -1),
    (1, -1),
    (1, 0),
    (1, 1),
    (0, 1),
    (-1, 1),
    (-1, 0),
    (-1, -1),
];

/// One pixel wide lines that are joined as the mask is.
pub fn thin(mask: &Mask) -> Mask {
    let mut now = mask.binarised();
    loop {
        let before = now.count();
        for second in [false, true] {
            let next = Plane::from_fn(now.width, now.height, |x, y| {
                let at = y * now.width + x;
                let kept = now.data[at] != 0 && !goes(neighbours(&now, x, y), second);
                if kept { 255u8 } else { 0 }
            });
            now = next;
        }
        if now.count() == before {
            return now;
        }
    }
}

fn neighbours(mask: &Mask, x: usize, y: usize) -> [bool; 8] {
    AROUND.map(|(dx, dy)| {
        let (Some(x), Some(y)) = (x.checked_add_signed(dx), y.checked_add_signed(dy)) else {
            return false;
        };
        x < mask.width && y < mask.height && mask.data[y * mask.width + x] != 0
    })
}

/// A pixel goes when its neighbours are one piece (C = 1), it is no end (2 ≤ N ≤ 3) and it lies on the side that is thinned.
fn goes(n: [bool; 8], second: bool) -> bool {
    let at = |i: usize| n[i % 8];
    let corners = [0, 2, 4, 6];
    let pieces = corners.map(|i| !at(i) && (at(i + 1) || at(i + 2)));
    let count = |pairs: [bool; 4]| pairs.iter().filter(|p| **p).count();
    let before = count(corners.map(|i| at(i + 7) || at(i)));
    let after = count(corners.map(|i| at(i) || at(i + 1)));
    let side = if second {
        (n[4] || n[5] || !n[7]) && n[6]
    } else {
        (n[0] || n[1] || !n[3]) && n[2]
    };
    count(pieces) == 1 && (2..=3).contains(&before.min(after)) && !side
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_becomes_a_line_and_a_line_stays() {
        let bar = Plane::from_fn(20, 9, |x, y| {
            let inside = (2..18).contains(&x) && (2..7).contains(&y);
            if inside { 255u8 } else { 0 }
        });
        let line = thin(&bar);
        assert!(line.count() >= 10 && line.count() <= 16);
        let column = |x: usize| (0..9).filter(|y| line.data[y * 20 + x] != 0).count();
        assert!((6..14).all(|x| column(x) == 1));
        assert_eq!(thin(&line), line);
        assert_eq!(thin(&Plane::filled(3, 3, 0)).count(), 0);
    }
}
