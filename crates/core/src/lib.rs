//! The vocabulary that every other part of Hilum speaks: studies and their images, findings with
//! their codes, regions, measurements, evidence and the reading that ties them together.
//!
//! Nothing here touches a file or a tensor. Pixel coordinates are always those of the *stored*
//! image (column `x` to the right, row `y` down, origin at the outer corner of the first pixel).

pub mod explanation;
pub mod finding;
pub mod geometry;
pub mod measurement;
pub mod provenance;
pub mod reading;
pub mod report;
pub mod study;
pub mod taxonomy;
pub mod zone;

pub use explanation::{
    Explanation, MapTrust, MemberSpread, Similar, SimilarCase, Span, Uncertainty,
};
pub use finding::{Finding, FindingStatus, OperatingPoint, PredictionSet, Region, RegionKind};
pub use geometry::{Line, Point, Rect};
pub use measurement::{Interval, Measurement, NamedLine, Unit};
pub use provenance::{ModelRef, Provenance};
pub use reading::{FailedPath, Gate, GateReason, ImageRecord, Masks, ReadError, Reading};
pub use report::{Evidence, EvidenceKind, Report, Section, Sentence};
pub use study::{AgeGroup, Laterality, Sex, Spacing, SpacingKind, StudyInfo, View};
pub use zone::LungZone;
