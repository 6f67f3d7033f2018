//! Smooth random fields in space.

/// Values between -1 and 1 that vary smoothly over about `scale` mm (value noise on a lattice).
#[derive(Debug, Clone, Copy)]
pub struct Field {
    seed: u32,
    per_mm: f32,
}

impl Field {
    /// A field with a seed of its own.
    pub fn new(seed: u64, scale_mm: f64) -> Self {
        Field {
            seed: (seed ^ (seed >> 32)) as u32,
            per_mm: (1.0 / scale_mm) as f32,
        }
    }

    /// The value at a point in mm.
    pub fn at(&self, x: f32, y: f32, z: f32) -> f32 {
        Cursor::new(*self).at(x, y, z)
    }

    /// The lattice's values at the corners of a cell, x fastest.
    fn corners(&self, [i, j, k]: [i32; 3]) -> [f32; 8] {
        std::array::from_fn(|n| {
            let [dx, dy, dz] = [n & 1, n >> 1 & 1, n >> 2].map(|d| d as i32);
            hash(i + dx, j + dy, k + dz, self.seed)
        })
    }
}

/// A field that is asked along a line: the corners of the cell it was asked in last are kept.
#[derive(Debug, Clone, Copy)]
pub struct Cursor {
    field: Field,
    cell: Option<[i32; 3]>,
    corners: [f32; 8],
}

impl Cursor {
    /// Nothing is known yet.
    pub fn new(field: Field) -> Self {
        Cursor {
            field,
            cell: None,
            corners: [0.0; 8],
        }
    }

    /// The value of the field at a point in mm.
    pub fn at(&mut self, x: f32, y: f32, z: f32) -> f32 {
        let per_mm = self.field.per_mm;
        let p = [x * per_mm, y * per_mm, z * per_mm];
        let base = p.map(|v| v.floor());
        let t: [f32; 3] = std::array::from_fn(|k| {
            let u = p[k] - base[k];
            u * u * (3.0 - 2.0 * u)
        });
        let cell = base.map(|v| v as i32);
        if self.cell != Some(cell) {
            (self.cell, self.corners) = (Some(cell), self.field.corners(cell));
        }
        let c = &self.corners;
        let between = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let lines = [0, 2, 4, 6].map(|n| between(c[n], c[n + 1], t[0]));
        let planes = [0, 2].map(|n| between(lines[n], lines[n + 1], t[1]));
        between(planes[0], planes[1], t[2])
    }
}

/// A lattice value between -1 and 1 (the mixing of MurmurHash3).
fn hash(x: i32, y: i32, z: i32, seed: u32) -> f32 {
    let mut h = seed;
    for word in [x as u32, y as u32, z as u32] {
        h ^= word
            .wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593);
        h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    (h >> 8) as f32 / (1 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_smooth_centred_and_seeded() {
        let f = Field::new(5, 10.0);
        let values: Vec<f32> = (0..4000)
            .map(|n| f.at(n as f32 * 3.7, n as f32 * 1.3, 4.0))
            .collect();
        assert!((values.iter().sum::<f32>() / 4000.0).abs() < 0.05);
        assert!((f.at(1.0, 2.0, 3.0) - f.at(1.1, 2.0, 3.0)).abs() < 0.05);
        let mut cursor = Cursor::new(f);
        for (n, v) in values.iter().enumerate() {
            assert_eq!(cursor.at(n as f32 * 3.7, n as f32 * 1.3, 4.0), *v);
        }
        assert_ne!(f.at(1.0, 2.0, 3.0), Field::new(6, 10.0).at(1.0, 2.0, 3.0));
    }
}
