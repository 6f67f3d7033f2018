//! The same picture framed otherwise: smaller with something around it, or cut.
//!
//! Public sets are framed tightly around the chest. Films of the bedside and of small patients show neck,
//! arms and belly too, scans come with borders, and a gate that never saw those takes them for something
//! else than a chest.

use hilum_image::Plane;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Share of the frame that the picture fills, along each side; above 1 it is cut.
const FILLS: std::ops::Range<f32> = 0.55..1.25;

/// What lies around a picture that does not fill its frame.
#[derive(Clone, Copy)]
enum Around {
    /// One grey level, often black or white.
    Level(u8),
    /// The picture's last row and column.
    Edge,
    /// The picture mirrored, which goes on like a body.
    Mirror,
}

/// One draw of how a picture lies in a square frame.
struct Framing {
    fills: [f32; 2],
    /// Where the picture's corner lies in the frame, in shares of the frame.
    corner: [f32; 2],
    around: Around,
}

impl Framing {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let fills = [rng.random_range(FILLS), rng.random_range(FILLS)];
        let corner = fills.map(|fill| (1.0 - fill) * rng.random::<f32>());
        let around = match rng.random_range(0..5) {
            0 => Around::Level(0),
            1 => Around::Level(rng.random()),
            2 => Around::Edge,
            _ => Around::Mirror,
        };
        Framing {
            fills,
            corner,
            around,
        }
    }

    /// Where along one axis of `n` pixels the frame's pixel `i` looks; `None` outside under a plain level.
    fn source(&self, axis: usize, i: usize, n: usize) -> Option<f32> {
        let at = ((i as f32 + 0.5) / n as f32 - self.corner[axis]) / self.fills[axis];
        let at = match self.around {
            Around::Level(_) if !(0.0..=1.0).contains(&at) => return None,
            Around::Mirror => 1.0 - (at.rem_euclid(2.0) - 1.0).abs(),
            Around::Level(_) | Around::Edge => at.clamp(0.0, 1.0),
        };
        Some((at * n as f32 - 0.5).clamp(0.0, (n - 1) as f32))
    }
}

/// `plane` in a randomly drawn frame of its own size.
pub fn reframed(plane: &Plane<u8>, rng: &mut ChaCha8Rng) -> Plane<u8> {
    let framing = Framing::draw(rng);
    let level = match framing.around {
        Around::Level(level) => level,
        Around::Edge | Around::Mirror => 0,
    };
    Plane::from_fn(plane.width, plane.height, |x, y| {
        let sx = framing.source(0, x, plane.width);
        let sy = framing.source(1, y, plane.height);
        match (sx, sy) {
            (Some(sx), Some(sy)) => bilinear(plane, sx, sy),
            _ => level,
        }
    })
}

fn bilinear(plane: &Plane<u8>, x: f32, y: f32) -> u8 {
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = (
        (x0 + 1).min(plane.width - 1),
        (y0 + 1).min(plane.height - 1),
    );
    let at = |x: usize, y: usize| f32::from(plane.row(y)[x]);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let top = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
    let low = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
    (top * (1.0 - fy) + low * fy).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_picture_that_fills_its_frame_stays_as_it_is() {
        let plane = Plane::from_fn(24, 16, |x, y| (x * 7 + y * 5) as u8);
        let whole = Framing {
            fills: [1.0, 1.0],
            corner: [0.0, 0.0],
            around: Around::Level(9),
        };
        for (axis, n) in [(0, 24), (1, 16)] {
            for i in 0..n {
                let source = whole.source(axis, i, n).unwrap();
                assert!((source - i as f32).abs() < 1e-4);
            }
        }
        assert_eq!(bilinear(&plane, 3.0, 2.0), plane.row(2)[3]);
    }

    #[test]
    fn around_a_smaller_picture_lies_what_was_drawn() {
        let half = |around| Framing {
            fills: [0.5, 0.5],
            corner: [0.25, 0.25],
            around,
        };
        assert_eq!(half(Around::Level(0)).source(0, 0, 40), None);
        assert_eq!(half(Around::Edge).source(0, 0, 40), Some(0.0));
        // A quarter of the frame left of the picture mirrors its left half.
        let mirrored = half(Around::Mirror).source(0, 0, 40).unwrap();
        assert!((mirrored - 18.5).abs() < 1e-3, "{mirrored}");
    }

    #[test]
    fn the_same_seed_gives_the_same_frames_and_every_draw_is_inside() {
        let plane = Plane::from_fn(32, 32, |x, y| (x * 3 + y * 4) as u8);
        let run = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            (0..200)
                .map(|_| reframed(&plane, &mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
