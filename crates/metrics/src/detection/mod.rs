//! Boxes: overlap, suppression, COCO average precision, FROC, and the localisation scores of ChestX-ray8.

mod boxes;
mod coco;
mod coco_match;
mod froc;
mod localisation;
mod nms;

pub use boxes::{complete_iou, distance_iou, generalized_iou, iobb, iou};
pub use coco::{CocoSummary, evaluate as coco_evaluate};
pub use coco_match::{AreaRange, Detection, GroundTruth};
pub use froc::{Froc, froc};
pub use localisation::{BoxCriterion, ImageBoxes, Localisation, localisation, localisation_table};
pub use nms::{nms, nms_per_class};
