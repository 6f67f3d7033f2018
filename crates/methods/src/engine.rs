//! The engine behind a device's name.

use hilum_kernels::{Graph, Params};
use hilum_nn::NnError;
use hilum_nn::engine::{CpuEngine, Engine};

/// An engine for `graph`, starting at `params`: `cpu` is the project's own kernels, every other name a device
/// of `hilum-burn`, where this was built with one.
///
/// # Errors
/// [`NnError::Device`] when this build does not know the device or the device does not answer.
pub fn open(device: &str, graph: Graph, params: Params) -> Result<Box<dyn Engine>, NnError> {
    match device {
        "cpu" => Ok(Box::new(CpuEngine::new(graph, params)?)),
        other => elsewhere(other, graph, params),
    }
}

/// Whether [`open`] would find the device; asked before work is begun.
///
/// # Errors
/// As [`open`].
pub fn check(device: &str) -> Result<(), NnError> {
    match device {
        "cpu" => Ok(()),
        #[cfg(any(feature = "cuda", feature = "flex", feature = "vulkan"))]
        other => hilum_burn::device(other).map(|_| ()),
        #[cfg(not(any(feature = "cuda", feature = "flex", feature = "vulkan")))]
        other => Err(not_built(other)),
    }
}

#[cfg(any(feature = "cuda", feature = "flex", feature = "vulkan"))]
fn elsewhere(device: &str, graph: Graph, params: Params) -> Result<Box<dyn Engine>, NnError> {
    Ok(Box::new(hilum_burn::BurnEngine::new(
        graph, params, device,
    )?))
}

#[cfg(not(any(feature = "cuda", feature = "flex", feature = "vulkan")))]
fn elsewhere(device: &str, _: Graph, _: Params) -> Result<Box<dyn Engine>, NnError> {
    Err(not_built(device))
}

#[cfg(not(any(feature = "cuda", feature = "flex", feature = "vulkan")))]
fn not_built(device: &str) -> NnError {
    NnError::Device {
        name: device.to_owned(),
        reason: "this program was built for the cpu alone; build it with --features vulkan or cuda"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_nonsense_never() {
        assert!(check("cpu").is_ok());
        let error = check("abacus").expect_err("no such device").to_string();
        assert!(error.contains("abacus"), "{error}");
    }
}
