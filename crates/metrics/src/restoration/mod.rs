//! Scores of restored pictures against the true ones: enlarged, denoised, reconstructed.

mod psnr;
mod ssim;

pub use psnr::psnr;
pub use ssim::{WINDOW, ssim};
