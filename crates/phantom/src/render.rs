//! From anatomy to pictures and their masks.

use crate::anatomy::{Organ, Thorax};
use crate::error::PhantomError;
use crate::findings::{Finding, Kind};
use crate::grid::Distances;
use crate::labels;
use crate::lobes::Lobe;
use crate::solids::{self, Part, Solid};
use hilum_drr::geometry::{Beam, Geometry, Pose, View};
use hilum_drr::{Look, MU_WATER, Method, Projector};
use hilum_image::{Gray, Mask};
use hilum_volume::Volume;
use std::sync::OnceLock;

/// Side of the detector in mm.
pub const DETECTOR: f64 = 409.6;

/// A thorax ready to be projected.
pub struct Scene<'t> {
    /// The anatomy.
    pub thorax: &'t Thorax,
    distances: Distances,
    /// Distances to the lobes, made when they are first asked for.
    lobes: [OnceLock<Vec<f32>>; Lobe::ALL.len()],
    seed: u64,
}

/// Which tissue a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tissue {
    /// Everything.
    All,
    /// Everything but bones.
    Soft,
    /// Bones alone.
    Bone,
}

impl<'t> Scene<'t> {
    /// Evaluates the anatomy on a grid; `seed` is that of its texture.
    pub fn new(thorax: &'t Thorax, seed: u64) -> Self {
        Scene {
            distances: Distances::of(thorax),
            lobes: Default::default(),
            thorax,
            seed,
        }
    }

    /// Geometry of the frontal or lateral view with `size` pixels a side.
    ///
    /// # Errors
    /// [`PhantomError::Drr`] for a size of 0.
    pub fn geometry(&self, lateral: bool, size: usize) -> Result<Geometry, PhantomError> {
        let e = &self.thorax.exposure;
        let (view, sid, sad) = match (lateral, e.supine) {
            (true, _) => (View::Lateral, 1800.0, 1560.0),
            (false, true) => (View::Ap, 1150.0, 1010.0),
            (false, false) => (View::Pa, 1800.0, 1640.0),
        };
        let pose = if lateral {
            Pose {
                yaw: 0.6 * e.rotation,
                shift: [0.0, 0.3 * e.off_centre, e.off_height],
                ..Pose::default()
            }
        } else {
            Pose {
                yaw: e.rotation,
                pitch: e.lordosis,
                roll: 0.3 * e.rotation,
                shift: [e.off_centre, 0.0, e.off_height],
            }
        };
        let k = self.thorax.patient.scale;
        Ok(Geometry::of_view(
            view,
            [0.0, 6.0, -12.0 * k],
            &pose,
            Beam::Perspective,
            sid,
            sad,
            DETECTOR / size as f64,
            (size, size),
        )?)
    }

    /// Line integrals of attenuation.
    ///
    /// # Errors
    /// [`PhantomError::Drr`].
    pub fn integrals(
        &self,
        geometry: &Geometry,
        lateral: bool,
        tissue: Tissue,
    ) -> Result<Gray, PhantomError> {
        let mut sum = if tissue == Tissue::Bone {
            Gray::filled(geometry.width, geometry.height, 0.0)
        } else {
            let density = self.distances.density(self.thorax, lateral, self.seed);
            Projector::new(&density, |v| v)?.project(geometry, Method::Trilinear)
        };
        let drawn: Vec<&Solid> = self
            .thorax
            .solids
            .iter()
            .filter(|s| shown(s, lateral, tissue))
            .collect();
        solids::draw(&drawn, geometry, &mut sum);
        Ok(sum.map(|&v| MU_WATER as f32 * v.max(0.0)))
    }

    /// The picture, 0 to 1, bone bright.
    ///
    /// # Errors
    /// [`PhantomError::Drr`].
    pub fn picture(
        &self,
        integrals: &Gray,
        geometry: &Geometry,
        lateral: bool,
    ) -> Result<Gray, PhantomError> {
        let e = &self.thorax.exposure;
        let look = Look {
            scatter: e.scatter,
            photons: e.photons * if lateral { 2.0 } else { 1.0 },
            blur_mm: if e.supine { 0.45 } else { 0.3 },
            sharpen: e.sharpen,
            // The lateral view needs less: what lies over the lungs differs less from place to place.
            equalise: if lateral {
                e.equalise - 0.1
            } else {
                e.equalise
            },
            percentiles: if lateral { (9.0, 99.0) } else { (5.0, 99.8) },
            toe: if lateral { 0.1 } else { 0.22 },
            floor: 0.55,
            gamma: e.gamma,
            shoulder: e.shoulder,
            window: None,
            seed: e.noise ^ u64::from(lateral),
        };
        Ok(look.picture(integrals, geometry.pixel)?.0)
    }

    /// Silhouette of an organ.
    ///
    /// # Errors
    /// [`PhantomError::Drr`].
    pub fn organ(&self, organ: Organ, geometry: &Geometry) -> Result<Mask, PhantomError> {
        Ok(self
            .distances
            .silhouette(self.distances.organ(organ).to_vec(), geometry)?)
    }

    /// Silhouette of a lobe with air in it.
    ///
    /// # Errors
    /// [`PhantomError::Drr`].
    pub fn lobe(&self, lobe: Lobe, geometry: &Geometry) -> Result<Mask, PhantomError> {
        let field =
            self.lobes[lobe as usize].get_or_init(|| self.distances.lobe(self.thorax, lobe));
        Ok(self.distances.silhouette(field.clone(), geometry)?)
    }

    /// The label of every voxel of [`Scene::volume`]; [`labels::structures`] names them.
    pub fn labels(&self) -> Volume<u8> {
        labels::volume(self.thorax, &self.distances)
    }

    /// Silhouette of the solids of some parts.
    pub fn parts(&self, wanted: impl Fn(Part) -> bool, geometry: &Geometry) -> Mask {
        solids::silhouette(
            self.thorax.solids.iter().filter(|s| wanted(s.part)),
            geometry,
        )
    }

    /// Where a finding is on the picture; `None` for those without an area of their own.
    ///
    /// # Errors
    /// [`PhantomError::Drr`].
    pub fn finding(&self, f: &Finding, geometry: &Geometry) -> Result<Option<Mask>, PhantomError> {
        let right = f.side < 0.0;
        let organ = match f.kind {
            Kind::Effusion if right => Some(Organ::RightFluid),
            Kind::Effusion => Some(Organ::LeftFluid),
            Kind::Pneumothorax if right => Some(Organ::RightAir),
            Kind::Pneumothorax => Some(Organ::LeftAir),
            Kind::Cardiomegaly => Some(Organ::Heart),
            _ => None,
        };
        if let Some(organ) = organ {
            return Ok(Some(self.organ(organ, geometry)?));
        }
        Ok(match f.kind {
            Kind::Consolidation | Kind::GroundGlass | Kind::Interstitial | Kind::Oedema => Some(
                self.distances
                    .silhouette(self.distances.haze(self.thorax, f.id), geometry)?,
            ),
            Kind::Emphysema => Some(
                self.organ(Organ::RightLung, geometry)?
                    .or(&self.organ(Organ::LeftLung, geometry)?)?,
            ),
            Kind::RibFracture => {
                let centre = crate::findings::solids::fracture_place(self.thorax, f);
                let ball = crate::shapes::Ellipsoid::upright(centre, [11.0; 3]);
                let solid = Solid {
                    shape: solids::Shape::Ball(ball),
                    density: 1.0,
                    part: Part::Finding(f.id),
                };
                Some(solids::silhouette(std::iter::once(&solid), geometry))
            }
            _ => {
                let own = |s: &&Solid| s.part == Part::Finding(f.id);
                Some(solids::silhouette(
                    self.thorax.solids.iter().filter(own),
                    geometry,
                ))
            }
        })
    }

    /// The whole as Hounsfield units, at the spacing of the fine grid.
    pub fn volume(&self) -> Volume<f32> {
        self.hounsfield(self.distances.density(self.thorax, false, self.seed))
    }

    /// The slice of [`Scene::volume`] that is nearest to a height in mm, without making the others.
    pub fn slice(&self, height: f64) -> Volume<f32> {
        let at = self.distances.slice_near(height);
        let density = self
            .distances
            .density_of(self.thorax, false, self.seed, at..at + 1);
        self.hounsfield(density)
    }

    fn hounsfield(&self, mut density: Volume<f32>) -> Volume<f32> {
        let all: Vec<&Solid> = self.thorax.solids.iter().collect();
        solids::voxelise(&all, &mut density);
        density
            .data
            .iter_mut()
            .for_each(|v| *v = (1000.0 * (*v - 1.0)).clamp(-1024.0, 3071.0));
        density
    }
}

fn shown(solid: &Solid, lateral: bool, tissue: Tissue) -> bool {
    // For the lateral view the arms are raised out of the picture.
    if lateral && matches!(solid.part, Part::Humerus) {
        return false;
    }
    match tissue {
        Tissue::All => true,
        Tissue::Soft => !solid.part.is_bone(),
        Tissue::Bone => solid.part.is_bone(),
    }
}
