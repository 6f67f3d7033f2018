//! Attribution maps of the findings that are worth explaining, beside the class activation map, each judged by deletion
//! and insertion.

use crate::error::{PipelineError, Result};
use crate::findings::Heat;
use crate::store::Model;
use hilum_core::{Explanation, MapTrust, Rect};
use hilum_explain::fidelity::{Trust, TrustSettings, trust};
use hilum_explain::{Effort, ExplainError, Method, Net, attribute, evidence};
use hilum_image::{Kernel, Plane, resize};
use hilum_kernels::Tensor;
use std::path::Path;

/// Steps of a curve: enough to tell places apart, and a third of the cost of the thirty that papers plot.
const STEPS: usize = 12;
/// Name of the map that every reading has.
pub const CAM: &str = "cam";

/// A map and what is said of it.
#[derive(Debug, Clone)]
pub(crate) struct Explained {
    pub(crate) code: String,
    pub(crate) explanation: Explanation,
    /// Null when nothing speaks for the finding.
    pub(crate) heat: Option<Heat>,
}

/// One image in the shape of a model's network.
pub(crate) struct Shown<'a> {
    /// File, for errors.
    pub(crate) path: &'a Path,
    /// Index into the study's images.
    pub(crate) image: usize,
    /// `[1, 1, h, w]` network values.
    pub(crate) input: Tensor,
    /// The part of the stored image that it shows.
    pub(crate) crop: Rect,
}

/// The class activation map and the map of `method` of one output, in this order.
///
/// # Errors
/// [`PipelineError::Explain`].
pub(crate) fn of_output(
    model: &Model,
    shown: &Shown<'_>,
    output: usize,
    method: Method,
    cam: &Heat,
) -> Result<Vec<Explained>> {
    let fail = |source| PipelineError::Explain {
        path: shown.path.to_owned(),
        model: model.name.clone(),
        method: method.name().to_owned(),
        source,
    };
    let net = model.explainer()?;
    let (h, w) = (shown.input.shape[2], shown.input.shape[3]);
    let large = resize::resize(&cam.map, w, h, Kernel::PilBilinear).map_err(|source| {
        PipelineError::Image {
            path: shown.path.to_owned(),
            source,
        }
    })?;
    let own = attribute(net, &shown.input, output, method, &Effort::default()).map_err(fail)?;
    let own = evidence(&own, w, method);
    let maps = [(CAM, large.data), (method.name(), own)];
    maps.into_iter()
        .map(|(name, map)| {
            let verdict = judge(net, &shown.input, output, &map).map_err(fail)?;
            Ok(explained(model, shown, cam, name, (w, h), map, verdict))
        })
        .collect()
}

/// What the curves say; null for a map without any evidence, which ranks nothing.
fn judge(
    net: &Net,
    input: &Tensor,
    output: usize,
    map: &[f32],
) -> std::result::Result<Option<Trust>, ExplainError> {
    if map.iter().all(|v| *v <= 0.0) {
        return Ok(None);
    }
    let (h, w) = (input.shape[2], input.shape[3]);
    let mut settings = TrustSettings::for_size(h, w);
    settings.curves.pixels = (h * w).div_ceil(STEPS).max(1);
    settings.sequential = true;
    trust(net, input, output, map, &settings).map(Some)
}

fn explained(
    model: &Model,
    shown: &Shown<'_>,
    cam: &Heat,
    method: &str,
    (w, h): (usize, usize),
    map: Vec<f32>,
    verdict: Option<Trust>,
) -> Explained {
    let note = verdict.is_none().then(|| {
        "no part of the image speaks for the finding by this method, so there is no map to judge"
            .to_owned()
    });
    let heat = verdict.as_ref().and_then(|_| {
        Some(Heat {
            code: cam.code.clone(),
            map: to_levels(Plane::new(w, h, map).ok()?),
            crop: shown.crop,
        })
    });
    Explained {
        code: cam.code.clone(),
        explanation: Explanation {
            image: shown.image,
            method: method.to_owned(),
            model: model.name.clone(),
            map: None,
            trust: verdict.as_ref().map(numbers),
            note,
        },
        heat,
    }
}

/// Scaled so that the strongest place is 255.
fn to_levels(map: Plane<f32>) -> Plane<f32> {
    let top = map
        .data
        .iter()
        .copied()
        .fold(0.0f32, f32::max)
        .max(f32::MIN_POSITIVE);
    map.map(|v| v.max(0.0) / top * 255.0)
}

fn numbers(t: &Trust) -> MapTrust {
    MapTrust {
        deletion: t.deletion.auc,
        insertion: t.insertion.auc,
        random_deletion: t.random_deletion,
        random_insertion: t.random_insertion,
        random: t.random,
        p: t.p,
        trusted: t.trusted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_place_is_white_and_nothing_is_negative() {
        let levels = to_levels(Plane::new(3, 1, vec![-1.0, 0.5, 2.0]).unwrap());
        assert_eq!(levels.data, vec![0.0, 63.75, 255.0]);
        let even = to_levels(Plane::filled(2, 1, 0.0));
        assert_eq!(even.data, vec![0.0, 0.0]);
    }
}
