//! The six attributions of every network on the same pictures, and what may be said of them in numbers.

use super::cases::{CaseSet, Explainee};
use super::config::{Config, METHODS};
use crate::blocks::attributed::input;
use crate::blocks::figures::mass_inside;
use crate::error::Result;
use hilum_explain::fidelity::{TrustSettings, trust};
use hilum_explain::gradient::{Integrated, deep_lift, integrated_gradients};
use hilum_explain::{Baseline, Method, Net, attribute, evidence};
use hilum_image::Mask;
use hilum_kernels::{Graph, Params};
use hilum_metrics::statistics::spearman;
use serde::{Deserialize, Serialize};

/// Figures of one map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapScore {
    /// Network.
    pub network: String,
    /// Attribution.
    pub method: Method,
    /// Patient.
    pub patient: String,
    /// Area under the deletion curve, and of the same map moved elsewhere.
    pub deletion: [f64; 2],
    /// Area under the insertion curve, and of the same map moved elsewhere.
    pub insertion: [f64; 2],
    /// Where the map lies in the lungs.
    pub lungs: Option<Place>,
    /// Where it lies in what readers drew as ground glass or consolidation.
    pub lesion: Option<Place>,
    /// Rank correlation with the map of the network whose last layer is random; null where one is even.
    pub random_head: Option<f64>,
    /// The same with all layers random.
    pub random_all: Option<f64>,
    /// How far sums are from the difference of the logits, for methods that promise it.
    pub gap: Option<f64>,
}

/// Where a map lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Share of the map's positive part inside.
    pub mass: f64,
    /// Share of the picture inside.
    pub area: f64,
    /// Whether the highest value lies inside (the pointing game).
    pub hit: bool,
}

/// A network with its randomised copies.
pub struct Subject {
    net: Net,
    head: Net,
    all: Net,
}

impl Subject {
    /// Prepares a trained network.
    ///
    /// # Errors
    /// Parameters that do not fit.
    pub fn new(graph: &Graph, params: &Params, seed: u64) -> Result<Self> {
        let fresh = graph.init_params(seed ^ 0xA11);
        let mut head = params.clone();
        let last = graph.params.iter().rposition(|p| p.shape.len() == 2);
        if let Some(last) = last {
            head[last].clone_from(&fresh[last]);
        }
        let net = |params: &Params| Net::new(graph, std::slice::from_ref(params), "logits");
        Ok(Subject {
            net: net(params)?,
            head: net(&head)?,
            all: net(&fresh)?,
        })
    }
}

/// All methods on one picture; the maps come in the order of [`METHODS`].
///
/// # Errors
/// What an attribution refuses.
pub fn of_picture(
    config: &Config,
    network: &str,
    subject: &Subject,
    picture: &Explainee,
) -> Result<(Vec<MapScore>, Vec<Vec<f32>>)> {
    let x = input(&config.contract(), &picture.plane);
    let side = config.size;
    let settings = TrustSettings {
        random: 1,
        ..TrustSettings::for_size(side, side)
    };
    let (mut scores, mut maps) = (Vec::new(), Vec::new());
    for method in METHODS {
        let effort = config.effort();
        let of = |net: &Net| attribute(net, &x, 0, method, &effort);
        let raw = of(&subject.net)?;
        let map = evidence(&raw, side, method);
        let t = trust(&subject.net, &x, 0, &map, &settings)?;
        let against = |net: &Net| -> Result<Option<f64>> {
            Ok(likeness(&map, &evidence(&of(net)?, side, method)))
        };
        scores.push(MapScore {
            network: network.to_owned(),
            method,
            patient: picture.patient.clone(),
            deletion: [t.deletion.auc, t.random_deletion],
            insertion: [t.insertion.auc, t.random_insertion],
            lungs: place(&map, &picture.lungs),
            lesion: picture.lesion.as_ref().and_then(|l| place(&map, l)),
            random_head: against(&subject.head)?,
            random_all: against(&subject.all)?,
            gap: gap(config, &subject.net, &x, method)?,
        });
        maps.push(map);
    }
    Ok((scores, maps))
}

/// Rank correlation of two maps; `None` where one is even.
fn likeness(a: &[f32], b: &[f32]) -> Option<f64> {
    let wide = |m: &[f32]| -> Vec<f64> { m.iter().map(|&v| f64::from(v)).collect() };
    spearman(&wide(a), &wide(b)).ok().map(|r| r.statistic)
}

/// Where a map without negative values lies; `None` for a map of zeros.
pub fn place(map: &[f32], inside: &Mask) -> Option<Place> {
    let mass = mass_inside(map, |i| inside.data[i] != 0)?;
    let mut top = 0;
    for (i, v) in map.iter().enumerate() {
        if *v > map[top] {
            top = i;
        }
    }
    Some(Place {
        mass,
        area: inside.count() as f64 / inside.data.len() as f64,
        hit: inside.data[top] != 0,
    })
}

fn gap(
    config: &Config,
    net: &Net,
    x: &hilum_kernels::Tensor,
    method: Method,
) -> Result<Option<f64>> {
    let baseline = Baseline::Constant(0.0);
    let delta = match method {
        Method::IntegratedGradients => {
            let settings = Integrated {
                steps: config.steps,
                ..Integrated::default()
            };
            integrated_gradients(net, x, &[0], &settings)?.1[0]
        }
        Method::DeepLift => deep_lift(net, x, &[0], &baseline)?.1[0],
        _ => return Ok(None),
    };
    let zero = hilum_kernels::Tensor::zeros(&x.shape);
    let change = net.logits(x)?[0][0] - net.logits(&zero)?[0][0];
    Ok(Some(delta.abs() / change.abs().max(1.0)))
}

/// Scores of every network on the set's pictures, and the maps of the first few pictures: `[picture][network][method]`.
pub type Compared = (Vec<MapScore>, Vec<Vec<Vec<Vec<f32>>>>);

/// Explains the pictures by the networks of the folds that they are held out of.
///
/// # Errors
/// What an attribution refuses; [`crate::MethodError::Stopped`].
pub fn run(
    config: &Config,
    set: &CaseSet,
    networks: &[(String, Graph, Vec<Params>)],
    (seed, shown): (u64, usize),
    stopped: impl Fn() -> Result<()>,
) -> Result<Compared> {
    let mut scores = Vec::new();
    let mut pictures = vec![Vec::new(); shown.min(set.explained.len())];
    for (name, graph, folds) in networks {
        let subjects: Vec<Subject> = folds
            .iter()
            .map(|params| Subject::new(graph, params, seed))
            .collect::<Result<_>>()?;
        for (i, picture) in set.explained.iter().enumerate() {
            stopped()?;
            let (own, maps) = of_picture(config, name, &subjects[picture.fold], picture)?;
            scores.extend(own);
            if let Some(slot) = pictures.get_mut(i) {
                slot.push(maps);
            }
        }
    }
    Ok((scores, pictures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;
    use hilum_image::Plane;
    use hilum_nn::backbones::{ResNetConfig, resnet};
    use hilum_nn::builder::{Conv, GraphBuilder, Head};

    #[test]
    fn a_map_is_placed_by_its_mass_and_its_peak() {
        let inside = Plane::from_fn(4, 1, |x, _| if x < 2 { 255u8 } else { 0 });
        let got = place(&[0.0, 1.0, 0.5, 0.5], &inside).unwrap();
        assert_eq!(
            got,
            Place {
                mass: 0.5,
                area: 0.5,
                hit: true
            }
        );
        assert_eq!(place(&[0.0; 4], &inside), None);
    }

    /// A network without a rectifier: all gradient methods must say the same, weight times value.
    #[test]
    fn on_a_linear_network_the_attributions_agree_and_add_up() {
        let (mut b, x) = GraphBuilder::new(1);
        let y = b.conv("c", x, Conv::same(1, 3, 3));
        let logits = b.classifier("fc", y, 3, &Head::plain(2));
        b.output("logits", logits);
        let graph = b.finish();
        let params = graph.init_params(4);
        let net = Net::new(&graph, &[params], "logits").unwrap();
        let x = hilum_kernels::Tensor {
            shape: vec![1, 1, 8, 8],
            data: (0..64).map(|i| (i % 7) as f32 - 3.0).collect(),
        };
        let config = Config::tiny();
        let of = |m| attribute(&net, &x, 1, m, &config.effort()).unwrap();
        let reference = of(Method::InputXGradient);
        for method in [Method::IntegratedGradients, Method::DeepLift] {
            for (a, b) in of(method).iter().zip(&reference) {
                assert!((a - b).abs() < 1e-5, "{method}: {a} {b}");
            }
        }
        let zero = hilum_kernels::Tensor::zeros(&[1, 1, 8, 8]);
        let change = net.logits(&x).unwrap()[0][1] - net.logits(&zero).unwrap()[0][1];
        let sum: f64 = reference.iter().map(|&v| f64::from(v)).sum();
        assert!((sum - change).abs() < 1e-4);
    }

    #[test]
    fn random_copies_differ_where_they_should() {
        let graph = resnet(&ResNetConfig::basic(&[1], 4), 1, &Head::plain(2));
        let params = graph.init_params(1);
        let subject = Subject::new(&graph, &params, 7).unwrap();
        let x = hilum_kernels::Tensor {
            shape: vec![1, 1, 16, 16],
            data: (0..256).map(|i| (i % 13) as f32 / 6.0 - 1.0).collect(),
        };
        let z = |net: &Net| net.logits(&x).unwrap();
        assert_ne!(z(&subject.net), z(&subject.head));
        assert_ne!(z(&subject.head), z(&subject.all));
    }
}
