//! A trained segmenter: probability maps brought back to the stored image, cleaned and cut.

use super::card::ModelCard;
use crate::error::{MethodError, Result};
use hilum_image::{Gray, Kernel, Mask, Plane, mask, resize};
use hilum_kernels::Tensor;
use hilum_kernels::plan::Plan;
use hilum_nn::losses::sigmoid;
use hilum_nn::weights::WeightFile;
use hilum_nn::{InputContract, Network};

/// Masks of one image at its stored size.
#[derive(Debug, Clone)]
pub struct Segmentation {
    /// One mask a structure, in the card's order; cleaned of stray parts.
    pub masks: Vec<Mask>,
    /// Mean probability inside each mask, between 0.5 and 1; `None` for an empty mask.
    pub confidence: Vec<Option<f64>>,
}

/// Gives masks of structures.
pub trait Segmenter: Send + Sync {
    /// Its card; `outputs` names the structures.
    fn card(&self) -> &ModelCard;
    /// Masks of an image (display levels, bone bright).
    fn segment(&self, image: &Gray) -> Result<Segmentation>;
}

/// How many parts a structure has.
fn parts(structure: &str) -> usize {
    if structure == "lungs" { 2 } else { 1 }
}

/// A U-Net with its contract and card.
pub struct NetSegmenter {
    card: ModelCard,
    contract: InputContract,
    plan: Plan,
}

impl NetSegmenter {
    /// Reads a weight file.
    pub fn new(file: &WeightFile) -> Result<Self> {
        let network: Network = file.get("hilum.network")?;
        let contract: InputContract = file.get("hilum.contract")?;
        contract.validate()?;
        let card: ModelCard = file.get("hilum.card")?;
        let Network::Segmenter { unet, .. } = &network else {
            let reason = "not a segmenter".to_owned();
            return Err(MethodError::Card {
                model: card.name,
                reason,
            });
        };
        if unet.classes != card.outputs.len() {
            let reason = "the card names another number of structures".to_owned();
            return Err(MethodError::Card {
                model: card.name,
                reason,
            });
        }
        let graph = network.graph();
        let plan = Plan::new(&graph, &file.params_for(&graph)?)?;
        Ok(NetSegmenter {
            card,
            contract,
            plan,
        })
    }

    /// Index of a structure among the masks.
    pub fn index(&self, structure: &str) -> Option<usize> {
        self.card.outputs.iter().position(|o| o.code == structure)
    }
}

impl Segmenter for NetSegmenter {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn segment(&self, image: &Gray) -> Result<Segmentation> {
        let prepared = self.contract.prepare(image, None)?;
        let (h, w) = (self.contract.height, self.contract.width);
        let x = Tensor {
            shape: vec![1, 1, h, w],
            data: self.contract.values(&prepared.plane),
        };
        let logits = &self.plan.run(&x)?[0];
        let mut out = Segmentation {
            masks: Vec::new(),
            confidence: Vec::new(),
        };
        for (output, map) in self.card.outputs.iter().zip(logits.data.chunks(h * w)) {
            let map = Plane::new(w, h, map.to_vec())?;
            let (mask, confidence) = cut(&map, image.width, image.height, parts(&output.code))?;
            out.masks.push(mask);
            out.confidence.push(confidence);
        }
        Ok(out)
    }
}

/// From a logit map to a mask of the stored size: smooth enlargement of the logits, the zero level, the
/// largest parts, and holes filled.
pub(crate) fn cut(
    logits: &Gray,
    width: usize,
    height: usize,
    parts: usize,
) -> Result<(Mask, Option<f64>)> {
    let probability = logits.map(|&z| sigmoid(f64::from(z)) as f32);
    let large = resize::resize(logits, width, height, Kernel::PilBilinear)?;
    let raw = large.map(|&z| if z > 0.0 { 255 } else { 0 });
    let kept = mask::keep_largest(&raw, parts, mask::Connectivity::Four);
    let kept = drop_crumbs(&kept, parts);
    let mask = mask::fill_holes(&kept);
    let inside: Vec<f32> = probability
        .data
        .iter()
        .copied()
        .filter(|&p| p > 0.5)
        .collect();
    let mean = inside.iter().map(|&p| f64::from(p)).sum::<f64>() / inside.len().max(1) as f64;
    let confidence = (mask.count() > 0 && !inside.is_empty()).then_some(mean);
    Ok((mask, confidence))
}

/// The second of two parts is only kept when it is no crumb beside the first (a twentieth of its area).
fn drop_crumbs(kept: &Mask, parts: usize) -> Mask {
    if parts < 2 {
        return kept.clone();
    }
    let first = mask::keep_largest(kept, 1, mask::Connectivity::Four);
    let (all, one) = (kept.count(), first.count());
    if (all - one) * 20 < one {
        first
    } else {
        kept.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_parts_and_holes_are_cleaned() {
        let logits = Plane::from_fn(40, 40, |x, y| {
            let lung = (4..14).contains(&x) || (26..36).contains(&x);
            let hole = x == 8 && y == 20;
            let stray = (19..21).contains(&x) && y < 2;
            if (lung && (5..35).contains(&y) && !hole) || stray {
                4.0
            } else {
                -4.0
            }
        });
        let (mask, confidence) = cut(&logits, 40, 40, 2).unwrap();
        assert_eq!(mask.row(20)[8], 255, "the hole is filled");
        assert_eq!(mask.row(0)[19], 0, "the stray part is gone");
        assert_eq!(mask.row(20)[30], 255);
        assert!(confidence.unwrap() > 0.9);
    }

    #[test]
    fn nothing_found_is_an_empty_mask_without_confidence() {
        let (mask, confidence) = cut(&Plane::filled(8, 8, -3.0), 16, 16, 1).unwrap();
        assert_eq!((mask.count(), confidence), (0, None));
    }
}
