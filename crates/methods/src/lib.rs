//! Published methods on shared blocks. A method's folder holds what its paper adds and nothing else.

pub mod blocks;
pub mod breast_density;
pub mod breast_ml;
pub mod cactus;
pub mod chestx_ray8;
pub mod chexstruct;
pub mod claims;
pub mod context;
pub mod covid_interpretability;
pub mod covid_screening;
pub mod curves;
pub mod deep_reproductive;
pub mod engine;
pub mod error;
pub mod fedld;
pub mod gate;
pub mod info;
pub mod knobo;
pub mod lungs_heart;
pub mod mask_of_truth;
pub mod medimageinsight;
pub mod method;
pub mod multimodel_report;
#[cfg(feature = "ct")]
pub mod nodule_surroundings;
pub mod posthoc_uq;
pub mod radgraph;
pub mod registry;
pub mod reliable_tb;
pub mod robust_cbm;
pub mod scores;
pub mod serve;
pub mod shisrcnet;
pub mod supervised_dictionary;
pub mod tsddnet;
pub mod ugpl;
pub mod vidi;

pub use claims::{ClaimRow, ResultFile};
pub use context::Context;
pub use error::{MethodError, Result};
pub use info::{DataKind, MethodInfo, TaskKind};
pub use method::Method;
