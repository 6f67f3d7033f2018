//! Scores of generated images over feature vectors (any encoder; name it where you report the value):
//! Fréchet and kernel distance, precision, recall, density and coverage, memorisation, Inception score;
//! and of retrieval, within one space or between images and texts.

mod features;
mod frechet;
mod inception;
mod kernel;
mod manifold;
mod memory;
mod retrieval;

pub use features::Features;
pub use frechet::frechet_distance;
pub use inception::inception_score;
pub use kernel::{KernelDistance, kernel_distance, kernel_distance_of, polynomial_mmd, rbf_mmd};
pub use manifold::{Manifold, manifold};
pub use memory::{Memorisation, memorisation};
pub use retrieval::{CrossModal, Ranked, clip_score, cross_modal, ndcg, ranked};
