//! One name for each attribution, and one call that makes a map of one image with sound defaults.

use crate::baseline::{Baseline, blur};
use crate::cam::{CamKind, cam, enlarge, score_cam};
use crate::error::{ExplainError, Result};
use crate::fidelity::Link;
use crate::gradient::{self, GradientShap, Integrated, Smooth};
use crate::net::Net;
use crate::perturb::{self, Kernel, Lime, Occlusion, Shapley};
use crate::rows::{Extent, channel_sum};
use crate::segments::Segments;
use hilum_kernels::Tensor;
use serde::{Deserialize, Serialize};

/// An attribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Absolute gradient.
    Saliency,
    /// Input times gradient.
    InputXGradient,
    /// Integrated gradients.
    IntegratedGradients,
    /// Saliency averaged over noisy copies.
    SmoothGrad,
    /// Guided backpropagation.
    GuidedBackprop,
    /// Deconvolution.
    Deconvolution,
    /// DeepLIFT, rescale rule.
    DeepLift,
    /// GradientSHAP.
    GradientShap,
    /// Layer-wise relevance propagation, epsilon rule.
    LrpEpsilon,
    /// Occlusion.
    Occlusion,
    /// Ablation of tiles.
    FeatureAblation,
    /// Shapley values of superpixels by sampled orders.
    ShapleySampling,
    /// KernelSHAP over superpixels.
    KernelShap,
    /// LIME over superpixels.
    Lime,
    /// RISE.
    Rise,
    /// Grad-CAM at the last feature maps.
    GradCam,
    /// Grad-CAM++ there.
    GradCamPlusPlus,
    /// Score-CAM there.
    ScoreCam,
    /// LayerCAM there.
    LayerCam,
}

use Method as M;

impl Method {
    /// All of them with their names.
    pub const ALL: [(Method, &'static str); 19] = [
        (M::Saliency, "saliency"),
        (M::InputXGradient, "input-x-gradient"),
        (M::IntegratedGradients, "integrated-gradients"),
        (M::SmoothGrad, "smooth-grad"),
        (M::GuidedBackprop, "guided-backprop"),
        (M::Deconvolution, "deconvolution"),
        (M::DeepLift, "deep-lift"),
        (M::GradientShap, "gradient-shap"),
        (M::LrpEpsilon, "lrp-epsilon"),
        (M::Occlusion, "occlusion"),
        (M::FeatureAblation, "feature-ablation"),
        (M::ShapleySampling, "shapley-sampling"),
        (M::KernelShap, "kernel-shap"),
        (M::Lime, "lime"),
        (M::Rise, "rise"),
        (M::GradCam, "grad-cam"),
        (M::GradCamPlusPlus, "grad-cam++"),
        (M::ScoreCam, "score-cam"),
        (M::LayerCam, "layer-cam"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Method::ALL
            .iter()
            .find(|(m, _)| *m == self)
            .map_or("", |(_, name)| name)
    }

    /// True when values lie on single pixels and are smoothed before they are shown and judged.
    pub fn is_fine(self) -> bool {
        matches!(
            self,
            M::Saliency
                | M::InputXGradient
                | M::IntegratedGradients
                | M::SmoothGrad
                | M::GuidedBackprop
                | M::Deconvolution
                | M::DeepLift
                | M::GradientShap
                | M::LrpEpsilon
        )
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Method {
    type Err = ExplainError;

    fn from_str(text: &str) -> Result<Self> {
        Method::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(m, _)| *m)
            .ok_or_else(|| ExplainError::UnknownMethod {
                name: text.to_owned(),
                known: Method::ALL.map(|(_, name)| name).join(", "),
            })
    }
}

/// How much work the sampled attributions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Points of integrated gradients, samples of GradientSHAP.
    pub steps: usize,
    /// Noisy copies of SmoothGrad, orders of Shapley sampling.
    pub copies: usize,
    /// Samples of KernelSHAP, LIME and RISE.
    pub samples: usize,
    /// Superpixels.
    pub segments: usize,
    /// Seed of all that is drawn.
    pub seed: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Effort {
            steps: 50,
            copies: 25,
            samples: 512,
            segments: 60,
            seed: 0,
        }
    }
}

/// A map of one image `[1, c, h, w]` for one class, `h * w` values summed over the channels, with sign where the method
/// has one. The baseline is 0, the mean of a standardised picture.
///
/// # Errors
/// More than one image; what the method itself refuses.
pub fn attribute(
    net: &Net,
    x: &Tensor,
    target: usize,
    method: Method,
    effort: &Effort,
) -> Result<Vec<f32>> {
    let extent = Extent::of(x)?;
    if extent.n != 1 {
        return Err(ExplainError::Targets {
            targets: 1,
            images: extent.n,
        });
    }
    let t = &[target];
    let seed = effort.seed;
    let baseline = Baseline::Constant(0.0);
    let map = match method {
        M::Saliency => gradient::saliency(net, x, t)?,
        M::InputXGradient => gradient::input_x_gradient(net, x, t)?,
        M::IntegratedGradients => {
            let settings = Integrated {
                steps: effort.steps,
                ..Integrated::default()
            };
            gradient::integrated_gradients(net, x, t, &settings)?.0
        }
        M::SmoothGrad => {
            let settings = Smooth {
                samples: effort.copies,
                seed,
                ..Smooth::default()
            };
            gradient::smooth(x, t, &settings, |x, t| gradient::saliency(net, x, t))?
        }
        M::GuidedBackprop => gradient::guided_backprop(net, x, t)?,
        M::Deconvolution => gradient::deconvolution(net, x, t)?,
        M::DeepLift => gradient::deep_lift(net, x, t, &baseline)?.0,
        M::GradientShap => {
            let settings = GradientShap {
                samples: effort.steps,
                seed,
                ..GradientShap::default()
            };
            gradient::gradient_shap(net, x, t, &settings)?
        }
        M::LrpEpsilon => gradient::lrp_epsilon(net, x, t, 1e-4)?,
        M::Occlusion => perturb::occlusion(net, x, t, &Occlusion::for_size(extent.h, extent.w))?,
        M::FeatureAblation | M::ShapleySampling | M::KernelShap | M::Lime => {
            of_segments(net, x, target, method, effort)?
        }
        M::Rise => {
            let masks = perturb::random_masks(effort.samples, (extent.h, extent.w), 7, 0.5, seed);
            perturb::rise(net, x, t, &masks, 0.5, Link::Sigmoid)?
        }
        M::GradCam | M::GradCamPlusPlus | M::ScoreCam | M::LayerCam => {
            of_layer(net, x, target, method)?
        }
    };
    Ok(channel_sum(&map.data, extent.pixels()))
}

fn of_segments(
    net: &Net,
    x: &Tensor,
    target: usize,
    method: Method,
    effort: &Effort,
) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    let t = &[target];
    if method == M::FeatureAblation {
        let tile = extent.h.min(extent.w).div_ceil(14).max(1);
        let tiles = Segments::tiles(extent.h, extent.w, tile)?;
        return perturb::feature_ablation(net, x, t, &tiles, &Baseline::Constant(0.0));
    }
    let grey = channel_sum(&x.data, extent.pixels());
    let segments = Segments::superpixels(&grey, extent.w, effort.segments, 10.0)?;
    let (samples, seed) = (effort.samples, effort.seed);
    match method {
        M::ShapleySampling => {
            let settings = Shapley {
                samples: effort.copies,
                seed,
                ..Shapley::default()
            };
            perturb::shapley_sampling(net, x, t, &segments, &settings)
        }
        M::Lime => {
            let settings = Lime {
                samples,
                seed,
                ..Lime::default()
            };
            perturb::lime(net, x, t, &segments, &settings)
        }
        _ => {
            let settings = Kernel {
                samples,
                seed,
                ..Kernel::default()
            };
            perturb::kernel_shap(net, x, t, &segments, &settings)
        }
    }
}

fn of_layer(net: &Net, x: &Tensor, target: usize, method: Method) -> Result<Tensor> {
    let node = net.last_maps()?;
    let t = &[target];
    let coarse = match method {
        M::GradCamPlusPlus => cam(net, x, t, node, CamKind::GradCamPlusPlus)?,
        M::LayerCam => cam(net, x, t, node, CamKind::Layer)?,
        M::ScoreCam => score_cam(net, x, t, node)?,
        _ => cam(net, x, t, node, CamKind::GradCam)?,
    };
    Ok(enlarge(&coarse, x.shape[2], x.shape[3]))
}

/// What is shown of a map and judged by its curves: the part that speaks for the finding, pixel-wise maps smoothed by
/// a Gaussian of a sixty-fourth of the image. Not negative; all zero when nothing speaks for the finding.
pub fn evidence(map: &[f32], w: usize, method: Method) -> Vec<f32> {
    let positive: Vec<f32> = map.iter().map(|v| v.max(0.0)).collect();
    if !method.is_fine() || map.is_empty() {
        return positive;
    }
    let side = w.max(map.len() / w.max(1));
    blur(&positive, w, (side as f32 / 64.0).max(0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_methods() {
        for (method, name) in Method::ALL {
            assert_eq!(name.parse::<Method>().unwrap(), method);
            assert_eq!(method.to_string(), name);
        }
        let error = "gradcam".parse::<Method>().unwrap_err().to_string();
        assert!(error.contains("grad-cam"), "{error}");
    }

    #[test]
    fn evidence_is_the_positive_part() {
        assert_eq!(
            evidence(&[1.0, -1.0, 0.0, 2.0], 2, Method::GradCam),
            vec![1.0, 0.0, 0.0, 2.0]
        );
        assert!(
            evidence(&[-1.0; 4], 2, Method::Saliency)
                .iter()
                .all(|v| *v == 0.0)
        );
    }
}
