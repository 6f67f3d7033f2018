//! Start values of the parameters: seeded, one independent stream a parameter.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::graph::{Graph, Init, ParamInfo, Params};

impl Graph {
    /// Start values of all parameters. The stream of a parameter depends on the seed and its name only,
    /// so adding a layer leaves the start of the others as it was.
    pub fn init_params(&self, seed: u64) -> Params {
        self.params
            .iter()
            .map(|info| init_param(info, seed))
            .collect()
    }
}

fn init_param(info: &ParamInfo, seed: u64) -> Vec<f32> {
    let len: usize = info.shape.iter().product();
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ name_hash(&info.name));
    let area: usize = info.shape.iter().skip(2).product();
    let fan_in = info.shape.get(1).copied().unwrap_or(len).max(1) * area;
    let fan_out = info.shape.first().copied().unwrap_or(1).max(1) * area;
    match info.init {
        Init::Constant(value) => vec![value; len],
        Init::Normal { std } => normals(&mut rng, len, f64::from(std)),
        Init::UniformFanIn => {
            let bound = 1.0 / (fan_in as f32).sqrt();
            (0..len).map(|_| rng.random_range(-bound..=bound)).collect()
        }
        Init::KaimingFanIn => normals(&mut rng, len, (2.0 / fan_in as f64).sqrt()),
        Init::KaimingFanOut => normals(&mut rng, len, (2.0 / fan_out as f64).sqrt()),
    }
}

/// FNV-1a: a hash that stays the same between versions of the standard library.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Box-Muller.
fn normals(rng: &mut ChaCha8Rng, len: usize, std: f64) -> Vec<f32> {
    let mut out = Vec::with_capacity(len + 1);
    while out.len() < len {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt() * std;
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        out.push((radius * angle.cos()) as f32);
        out.push((radius * angle.sin()) as f32);
    }
    out.truncate(len);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ParamRole;

    fn info(name: &str, init: Init) -> ParamInfo {
        ParamInfo {
            name: name.into(),
            shape: vec![64, 32, 3, 3],
            role: ParamRole::Weight,
            init,
        }
    }

    #[test]
    fn kaiming_has_the_variance_of_its_fan() {
        for (init, fan) in [
            (Init::KaimingFanIn, 32.0 * 9.0),
            (Init::KaimingFanOut, 64.0 * 9.0),
        ] {
            let values = init_param(&info("w", init), 1);
            let variance = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
            assert!((variance * fan / 2.0 - 1.0).abs() < 0.03, "{variance}");
        }
    }

    #[test]
    fn streams_depend_on_seed_and_name() {
        let a = init_param(&info("a", Init::KaimingFanIn), 1);
        assert_eq!(a, init_param(&info("a", Init::KaimingFanIn), 1));
        assert_ne!(a, init_param(&info("b", Init::KaimingFanIn), 1));
        assert_ne!(a, init_param(&info("a", Init::KaimingFanIn), 2));
    }
}
