//! What makes a picture good, as grades from 0 to 10: the patient's rotation, inspiration, exposure.

use hilum_image::Plane;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The best grade.
pub const BEST: f64 = 10.0;
/// Rotation in degrees at which nothing is left of the grade.
pub const ROTATION: f64 = 12.0;
/// Exposure error in stops at which nothing is left of the grade.
pub const STOPS: f64 = 2.0;
/// Inspiration (0 breathed out, 1 in) from which the grade begins.
pub const BREATH: f64 = 0.2;
/// Deviation of the grain at the worst underexposure, grey levels of 255.
const GRAIN: f64 = 14.0;

/// Grade of a rotation away from what the view wants, in degrees.
pub fn of_rotation(degrees: f64) -> f64 {
    BEST * (1.0 - degrees.abs() / ROTATION).clamp(0.0, 1.0)
}

/// Grade of an inspiration.
pub fn of_inspiration(breath: f64) -> f64 {
    BEST * ((breath - BREATH) / (1.0 - BREATH)).clamp(0.0, 1.0)
}

/// Grade of an exposure error in stops, too little or too much.
pub fn of_exposure(stops: f64) -> f64 {
    BEST * (1.0 - stops.abs() / STOPS).clamp(0.0, 1.0)
}

/// The same picture exposed wrongly and shown without correction: each stop doubles or halves the exponent of the display
/// curve, so that the picture darkens (too little) or washes out (too much); too little also leaves grain.
pub fn exposed(plane: &Plane<u8>, stops: f64, seed: u64) -> Plane<u8> {
    let exponent = 2f64.powf(-stops * 0.75);
    let grain = GRAIN * (-stops / STOPS).clamp(0.0, 1.0);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    plane.map(|&v| {
        let shown = 255.0 * (f64::from(v) / 255.0).powf(exponent);
        // The sum of four uniform numbers, near enough to a normal one; its deviation is 1 / sqrt(3).
        let noise: f64 = (0..4).map(|_| rng.random_range(-0.5..0.5)).sum();
        (shown + grain * noise * 3f64.sqrt())
            .round()
            .clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(p: &Plane<u8>) -> f64 {
        p.data.iter().map(|v| f64::from(*v)).sum::<f64>() / p.data.len() as f64
    }

    #[test]
    fn grades_are_best_where_nothing_is_wrong_and_fall_to_nothing() {
        assert_eq!(
            [of_rotation(0.0), of_exposure(0.0), of_inspiration(1.0)],
            [10.0; 3]
        );
        assert_eq!(
            [of_rotation(-12.0), of_exposure(2.5), of_inspiration(0.1)],
            [0.0; 3]
        );
        assert!((of_rotation(3.0) - 7.5).abs() < 1e-12);
        assert!((of_exposure(-0.5) - 7.5).abs() < 1e-12);
        assert!((of_inspiration(0.6) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_right_exposure_changes_nothing_and_a_wrong_one_does_what_it_is_called() {
        let plane = Plane::from_fn(32, 32, |x, y| (40 + 5 * x + y) as u8);
        assert_eq!(exposed(&plane, 0.0, 1), plane);
        assert!(mean(&exposed(&plane, 1.0, 1)) > mean(&plane) + 10.0);
        assert!(mean(&exposed(&plane, -1.0, 1)) < mean(&plane) - 10.0);
        let under = exposed(&plane, -1.0, 1);
        assert_eq!(under, exposed(&plane, -1.0, 1));
        assert_ne!(under, exposed(&plane, -1.0, 2), "the grain is drawn");
    }
}
