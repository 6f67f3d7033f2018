//! `hilum bench attribution`: how long attributions of a network take. `bench/attribution.py` drives it beside captum.

use crate::exit::Usage;
use crate::verbs::bench::{row, timed};
use crate::verbs::bench_net::{Net, noise};
use crate::verbs::npy;
use anyhow::{Result, bail};
use hilum_explain::cam::{CamKind, cam};
use hilum_explain::gradient::{
    Integrated, deconvolution, deep_lift, guided_backprop, input_x_gradient, integrated_gradients,
    saliency,
};
use hilum_explain::perturb::{Occlusion, feature_ablation, occlusion};
use hilum_explain::{Baseline, Method, Net as Explained, Segments};
use hilum_kernels::Tensor;
use serde_json::Value;
use std::path::PathBuf;

/// Tiles of the ablation, and window and step of the occlusion, as `bench/attribution.py` has them.
const TILE: usize = 16;

/// What to time.
#[derive(Debug, clap::Args)]
pub struct AttributionArgs {
    /// Network with classes: densenet121 or resnet18
    #[arg(long, value_enum, default_value = "resnet18")]
    net: Net,
    /// Attribution (those that captum has too and that draw nothing)
    #[arg(long, default_value = "integrated-gradients")]
    method: Method,
    /// Images at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    batch: u16,
    /// Timed runs after the warm-up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    repeats: u32,
    /// Points of integrated gradients
    #[arg(long, default_value_t = 50)]
    steps: usize,
    /// Weights with torchvision's keys (seeded ones when not given)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Input [batch, channels, rows, columns] (seeded noise when not given)
    #[arg(long, value_name = "NPY")]
    input: Option<PathBuf>,
    /// The attributions
    #[arg(long, value_name = "NPY")]
    output: Option<PathBuf>,
}

/// Times one attribution; image `i` is asked for class `i` modulo the number of classes.
pub fn run(args: &AttributionArgs) -> Result<Value> {
    if matches!(args.net, Net::Unet) {
        bail!(Usage("--net unet: has no classes".into()));
    }
    let graph = args.net.graph();
    let params = args.net.params(&graph, args.weights.as_deref())?;
    let net = Explained::new(&graph, &[params], "logits")?;
    let [c, h, w] = args.net.input();
    let wanted = vec![usize::from(args.batch), c, h, w];
    let x = match &args.input {
        Some(path) => npy::read(path)?,
        None => noise(&wanted),
    };
    if x.shape != wanted {
        bail!(Usage(format!(
            "the input's shape is {:?}, --net and --batch ask for {wanted:?}",
            x.shape
        )));
    }
    let targets: Vec<usize> = (0..wanted[0]).map(|i| i % net.classes()).collect();
    let mut last = None;
    let times = timed(args.repeats, || {
        last = Some(maps(args, &net, &x, &targets)?);
        Ok(())
    })?;
    if let (Some(path), Some(maps)) = (&args.output, &last) {
        npy::write(path, &maps.shape, &maps.data)?;
    }
    Ok(row(args.net.name(), args.method.name(), wanted[0], times))
}

fn maps(args: &AttributionArgs, net: &Explained, x: &Tensor, t: &[usize]) -> Result<Tensor> {
    let zero = Baseline::Constant(0.0);
    Ok(match args.method {
        Method::Saliency => saliency(net, x, t)?,
        Method::InputXGradient => input_x_gradient(net, x, t)?,
        Method::GuidedBackprop => guided_backprop(net, x, t)?,
        Method::Deconvolution => deconvolution(net, x, t)?,
        Method::DeepLift => deep_lift(net, x, t, &zero)?.0,
        Method::IntegratedGradients => {
            let settings = Integrated {
                steps: args.steps,
                ..Integrated::default()
            };
            integrated_gradients(net, x, t, &settings)?.0
        }
        Method::Occlusion => {
            let settings = Occlusion {
                window: [TILE; 2],
                stride: [TILE / 2; 2],
                baseline: zero,
            };
            occlusion(net, x, t, &settings)?
        }
        Method::FeatureAblation => {
            let tiles = Segments::tiles(x.shape[2], x.shape[3], TILE)?;
            feature_ablation(net, x, t, &tiles, &zero)?
        }
        Method::GradCam => cam(net, x, t, net.last_maps()?, CamKind::GradCam)?,
        other => bail!(Usage(format!(
            "--method {other}: not timed here; it draws at random or captum has none"
        ))),
    })
}
