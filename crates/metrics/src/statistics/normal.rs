//! The standard normal distribution.

// libm's erfc is right to the last bits; that of statrs to about 2e-12.
use libm::erfc;
use statrs::function::erf::erfc_inv;
use std::f64::consts::SQRT_2;

/// P(|Z| >= |z|).
pub fn normal_two_sided(z: f64) -> f64 {
    erfc(z.abs() / SQRT_2)
}

/// Φ(z).
pub(crate) fn normal_cdf(z: f64) -> f64 {
    erfc(-z / SQRT_2) / 2.0
}

/// Φ⁻¹(p); ±∞ at 0 and 1.
pub fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * p)
}

/// Half width in standard deviations of a two-sided interval of this level, 1.96 for 0.95.
pub(crate) fn two_sided_z(level: f64) -> f64 {
    normal_quantile(0.5 + level / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert!((two_sided_z(0.95) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!((normal_cdf(normal_quantile(0.123)) - 0.123).abs() < 1e-14);
        assert!((normal_two_sided(-1.959_963_984_540_054) - 0.05).abs() < 1e-14);
    }
}
