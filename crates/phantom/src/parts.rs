//! Outlines of parts of organs that measurements are taken on: the three parts of the aorta, the upper mediastinum, the
//! spinous processes, the backs of the right ribs one by one.

use crate::anatomy::{ARCH_ENDS, ARCH_STARTS, Thorax};
use crate::render::Scene;
use crate::shapes::Ellipsoid;
use crate::skeleton::{posterior_rib, spinous_processes};
use crate::solids::{Part, Shape, Solid, silhouette};
use crate::trees::carina;
use hilum_drr::Geometry;
use hilum_image::Mask;
use hilum_volume::Vec3;

/// Distance of the balls that a vessel's outline is made of, mm.
const BALL_STEP: f64 = 1.5;
/// Height where the upper mediastinum ends, a finger's breadth over the arch, standard mm.
pub const UPPER_END: f64 = 72.0;

/// Middle line of a vessel in mm with its radius, in steps of at most `BALL_STEP`.
pub fn vessel(thorax: &Thorax, line: &[(Vec3, f64)]) -> Vec<(Vec3, f64)> {
    let mut all = Vec::new();
    for pair in line.windows(2) {
        let ((a, ra), (b, rb)) = (pair[0], pair[1]);
        let (from, to) = (thorax.to_mm(a), thorax.to_mm(b));
        let length = hilum_volume::affine::norm(hilum_volume::affine::sub(to, from));
        let steps = (length / BALL_STEP).ceil().max(1.0) as usize;
        all.extend((0..=steps).map(|k| {
            let t = k as f64 / steps as f64;
            let at = std::array::from_fn(|i| from[i] + t * (to[i] - from[i]));
            (at, (ra + t * (rb - ra)) * thorax.patient.scale)
        }));
    }
    all
}

/// The parts of the aorta by name, as middle lines in mm with radii.
pub fn aorta(thorax: &Thorax) -> [(&'static str, Vec<(Vec3, f64)>); 3] {
    let line = thorax.aorta_line();
    [
        ("ascending_aorta", vessel(thorax, &line[..=ARCH_STARTS])),
        (
            "aortic_arch",
            vessel(thorax, &line[ARCH_STARTS..=ARCH_ENDS]),
        ),
        ("descending_aorta", vessel(thorax, &line[ARCH_ENDS..])),
    ]
}

fn outline(balls: &[(Vec3, f64)], geometry: &Geometry) -> Mask {
    let solids: Vec<Solid> = balls
        .iter()
        .map(|&(at, radius)| Solid {
            shape: Shape::Ball(Ellipsoid::upright(at, [radius; 3])),
            density: 1.0,
            part: Part::Vessels,
        })
        .collect();
    silhouette(solids.iter(), geometry)
}

/// Row of a standard height in the middle of the chest.
fn row(thorax: &Thorax, z: f64, geometry: &Geometry) -> f64 {
    let seen = geometry.project(thorax.to_mm([0.0, carina()[1], z]));
    seen.map_or(f64::NAN, |p| p[1])
}

/// Masks of the parts by name. `middle` is the outline of mediastinum and aorta.
pub fn masks(scene: &Scene, geometry: &Geometry, middle: &Mask) -> Vec<(String, Mask)> {
    let thorax = scene.thorax;
    let mut all: Vec<(String, Mask)> = aorta(thorax)
        .iter()
        .map(|(name, balls)| ((*name).to_owned(), outline(balls, geometry)))
        .collect();
    let (top, bottom) = (
        row(thorax, UPPER_END, geometry),
        row(thorax, carina()[2], geometry),
    );
    let mut upper = middle.clone();
    for y in 0..upper.height {
        // Rows that do not lie between both heights; NaN would leave none.
        if !((y as f64) >= top && (y as f64) <= bottom) {
            upper.row_mut(y).fill(0);
        }
    }
    all.push(("upper_mediastinum".to_owned(), upper));
    all.push((
        "spinous_processes".to_owned(),
        silhouette(spinous_processes(thorax).iter(), geometry),
    ));
    for n in 1..=12 {
        let back = posterior_rib(thorax, -1.0, n);
        all.push((
            format!("right_posterior_rib_{n}"),
            silhouette(back.iter(), geometry),
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anatomy::Organ;
    use crate::patient::{Exposure, Patient};

    #[test]
    fn the_parts_make_up_the_aorta_and_ribs_go_down() {
        let exposure = Exposure::draw(3, 4, 0, false);
        let thorax = Thorax::new(Patient::draw(3, 4), exposure, Vec::new(), 3);
        let scene = Scene::new(&thorax, 3);
        let g = scene.geometry(false, 192).unwrap();
        let whole = scene.organ(Organ::Aorta, &g).unwrap();
        let all = masks(&scene, &g, &whole);
        let mask = |name: &str| &all.iter().find(|m| m.0 == name).unwrap().1;
        let parts = ["ascending_aorta", "aortic_arch", "descending_aorta"].map(mask);
        let union = parts[0].or(parts[1]).unwrap().or(parts[2]).unwrap();
        let both = union.and(&whole).unwrap().count() as f64;
        let dice = 2.0 * both / (union.count() + whole.count()) as f64;
        assert!(dice > 0.95, "{dice}");
        let top = |m: &Mask| (0..m.height).find(|y| m.row(*y).iter().any(|v| *v != 0));
        let ribs: Vec<usize> = (1..=12)
            .filter_map(|n| top(mask(&format!("right_posterior_rib_{n}"))))
            .collect();
        assert!(
            ribs.len() >= 10 && ribs.windows(2).all(|w| w[0] < w[1]),
            "{ribs:?}"
        );
        let upper = mask("upper_mediastinum");
        assert!(upper.count() > 0 && top(upper) > top(parts[1]).map(|y| y.saturating_sub(20)));
        assert!(mask("spinous_processes").count() > 0);
    }
}
