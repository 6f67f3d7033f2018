//! What several methods share: pictures in network shape, the two kinds of training, fitting a card.

pub mod atoms;
pub mod attributed;
pub mod augment;
pub mod cam_boxes;
pub mod cells;
pub mod classes;
pub mod classify;
pub mod cluster;
pub mod confounded;
pub mod embeddings;
pub mod exclusive;
pub mod features;
pub mod figures;
pub mod films;
pub mod fit;
pub mod grow;
pub mod linear;
#[cfg(test)]
pub(crate) mod made_up;
pub mod measure;
pub mod multiclass;
pub mod pack;
pub mod partition;
pub mod parts;
pub mod pictures;
pub mod plots;
pub mod radiomics;
pub mod regions;
pub mod retrieval;
pub mod run;
pub mod score_cam;
pub mod segment;
pub mod ship;
pub mod short;
pub mod stored;
pub mod study;
pub mod tables;
pub mod text_encoder;
pub mod thoraxes;
pub mod unicl;
pub mod vectors;

pub use classify::{ClassifyConfig, ClassifyData, LossKind};
pub use pictures::{Picture, load_pictures};
pub use segment::{SegmentConfig, SegmentData};
pub mod warm;
