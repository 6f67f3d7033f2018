//! Devices by name.

use burn::tensor::Device;
use hilum_nn::NnError;

/// Devices that this build can name.
pub const NAMES: &[&str] = &[
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "flex")]
    "flex",
];

/// The device called `cuda`, `cuda:1`, `vulkan` or `flex`.
///
/// # Errors
/// [`NnError::Device`] when the name is unknown to this build or the device does not answer.
pub fn device(name: &str) -> Result<Device, NnError> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => (kind, index.parse::<usize>().map_err(|_| unknown(name))?),
        None => (name, 0),
    };
    match (kind, index) {
        #[cfg(feature = "cuda")]
        ("cuda", index) => opened(name, move || Device::cuda(index)),
        #[cfg(feature = "vulkan")]
        ("vulkan", 0) => opened(name, || {
            Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)
        }),
        #[cfg(feature = "flex")]
        ("flex", 0) => opened(name, Device::flex),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> NnError {
    NnError::Device {
        name: name.to_owned(),
        reason: format!("this build knows cpu, {}", NAMES.join(", ")),
    }
}

/// Opens a device and waits for it once. The framework panics where there is no driver or no such device;
/// that is an answer to the user, not a fault of this program.
fn opened(
    name: &str,
    open: impl FnOnce() -> Device + std::panic::UnwindSafe,
) -> Result<Device, NnError> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let answer = std::panic::catch_unwind(|| {
        let device = open();
        device.sync().map(|()| device).map_err(|e| e.to_string())
    });
    std::panic::set_hook(hook);
    let reason = match answer {
        Ok(Ok(device)) => return Ok(device),
        Ok(Err(reason)) => reason,
        Err(panic) => panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no driver or no such device")
            .to_owned(),
    };
    Err(NnError::Device {
        name: name.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_unknown_is_an_error_that_lists_the_known() {
        let error = device("tpu").expect_err("no such device").to_string();
        assert!(error.contains("tpu") && error.contains("cpu"), "{error}");
        assert!(device("flex:one").is_err());
    }
}
