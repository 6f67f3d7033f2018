//! COCO run lengths: column-major, zeros first.

use crate::error::ImageError;
use crate::plane::{Mask, Plane};
use serde::{Deserialize, Serialize};

/// Run lengths of a mask in column-major order; the first run is background (may be 0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rle {
    /// Height and width, in COCO's order.
    pub size: (usize, usize),
    /// Runs.
    pub counts: Vec<usize>,
}

impl Rle {
    /// Encodes a mask.
    pub fn encode(mask: &Mask) -> Self {
        let mut counts = Vec::new();
        let (mut value, mut run) = (false, 0);
        for x in 0..mask.width {
            for y in 0..mask.height {
                let set = mask.data[y * mask.width + x] != 0;
                if set != value {
                    counts.push(run);
                    (value, run) = (set, 0);
                }
                run += 1;
            }
        }
        counts.push(run);
        Rle {
            size: (mask.height, mask.width),
            counts,
        }
    }

    /// The mask.
    ///
    /// # Errors
    /// [`ImageError::RunLength`] when the runs do not fill the size.
    pub fn decode(&self) -> Result<Mask, ImageError> {
        let (height, width) = self.size;
        let sum = self.counts.iter().fold(0usize, |a, &b| a.saturating_add(b));
        let expected = height.saturating_mul(width);
        if sum != expected {
            return Err(ImageError::RunLength { sum, expected });
        }
        let mut mask = Plane::filled(width, height, 0u8);
        let mut at = 0;
        for (i, &run) in self.counts.iter().enumerate() {
            if i % 2 == 1 {
                (at..at + run).for_each(|p| mask.data[p % height * width + p / height] = 255);
            }
            at += run;
        }
        Ok(mask)
    }

    /// Pixels of the mask.
    pub fn area(&self) -> usize {
        self.counts.iter().skip(1).step_by(2).sum()
    }

    /// COCO's compressed text: differences to the run before the last, in groups of five bits.
    pub fn to_compressed(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let mut x = count as i64 - if i > 2 { self.counts[i - 2] as i64 } else { 0 };
            loop {
                let mut c = (x & 0x1F) as u8;
                x >>= 5;
                let more = if c & 0x10 != 0 { x != -1 } else { x != 0 };
                if more {
                    c |= 0x20;
                }
                text.push(char::from(c + 48));
                if !more {
                    break;
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mask = Plane::from_fn(5, 3, |x, y| if (x + y) % 3 == 0 { 255u8 } else { 0 });
        let rle = Rle::encode(&mask);
        assert_eq!(rle.decode().unwrap(), mask);
        assert_eq!(rle.area(), mask.count());
        assert!(
            Rle {
                size: (2, 2),
                counts: vec![3]
            }
            .decode()
            .is_err()
        );
    }
}
