//! Where source, patient and detector are.

use crate::error::DrrError;
use hilum_volume::Vec3;
use hilum_volume::affine::{add_scaled, cross, dot, norm, sub, unit};
use serde::{Deserialize, Serialize};

/// Named projections. Pictures are shown as radiographs are: head up, and in frontal views the patient's right on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Postero-anterior: the source behind the patient.
    Pa,
    /// Antero-posterior: the source in front.
    Ap,
    /// Left lateral: the source on the patient's right, the left side at the detector; shown with the front of the patient on the left.
    Lateral,
    /// Right lateral: the source on the patient's left; shown with the front of the patient on the right.
    RightLateral,
}

impl View {
    /// Direction of the central ray and of the picture's columns (to the right) in LPS.
    fn axes(self) -> (Vec3, Vec3) {
        match self {
            View::Pa => ([0.0, -1.0, 0.0], [1.0, 0.0, 0.0]),
            View::Ap => ([0.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
            View::Lateral => ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
            View::RightLateral => ([-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]),
        }
    }
}

/// The shape of the beam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beam {
    /// From a point source.
    Perspective,
    /// Parallel rays; distances do not magnify.
    Parallel,
}

/// How the patient stands in the beam: turned about the volume's centre, then moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Degrees about the long axis; positive turns the patient's front to the patient's left.
    pub yaw: f64,
    /// Degrees about the left-right axis; positive leans the head backwards (as in a lordotic view).
    pub pitch: f64,
    /// Degrees about the front-back axis; positive tips the head to the patient's left.
    pub roll: f64,
    /// Millimetres in LPS.
    pub shift: Vec3,
}

/// Source and detector in the patient's space, in millimetres LPS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Shape of the beam.
    pub beam: Beam,
    /// Position of the source. For parallel rays it only tells the direction.
    pub source: Vec3,
    /// Middle of the detector.
    pub detector: Vec3,
    /// Unit vector along the rows, to the right of the picture.
    pub right: Vec3,
    /// Unit vector along the columns, down the picture.
    pub down: Vec3,
    /// Columns of the picture.
    pub width: usize,
    /// Rows of the picture.
    pub height: usize,
    /// Side of a detector pixel in mm.
    pub pixel: f64,
    /// Source to detector in mm.
    pub sid: f64,
    /// Source to the point looked at (the volume's centre) in mm.
    pub sad: f64,
}

/// A ray with its direction as a unit vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ray {
    /// Where it starts.
    pub from: Vec3,
    /// Where it ends, on the detector.
    pub to: Vec3,
}

fn turn(v: Vec3, axis: usize, degrees: f64) -> Vec3 {
    let (s, c) = degrees.to_radians().sin_cos();
    let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut out = v;
    out[a] = c * v[a] - s * v[b];
    out[b] = s * v[a] + c * v[b];
    out
}

impl Pose {
    /// A direction of the room in the space of the turned patient.
    fn undo(&self, v: Vec3) -> Vec3 {
        // The patient turns by yaw, pitch, roll; the room turns back in the opposite order.
        turn(turn(turn(v, 1, -self.roll), 0, self.pitch), 2, -self.yaw)
    }
}

impl Geometry {
    /// A named view of a point.
    ///
    /// # Errors
    /// [`DrrError::Parameter`] for sizes and distances that make no picture.
    #[allow(clippy::too_many_arguments)]
    pub fn of_view(
        view: View,
        centre: Vec3,
        pose: &Pose,
        beam: Beam,
        sid: f64,
        sad: f64,
        pixel: f64,
        size: (usize, usize),
    ) -> Result<Self, DrrError> {
        check(sid, sad, pixel, size)?;
        let (ray, right) = view.axes();
        let (ray, right) = (pose.undo(ray), pose.undo(right));
        let target = sub(centre, pose.undo(pose.shift));
        let source = add_scaled(target, -sad, ray);
        Ok(Geometry {
            beam,
            source,
            detector: add_scaled(source, sid, ray),
            right,
            down: pose.undo([0.0, 0.0, -1.0]),
            width: size.0,
            height: size.1,
            pixel,
            sid,
            sad,
        })
    }

    /// Unit vector of the central ray.
    pub fn axis(&self) -> Vec3 {
        unit(sub(self.detector, self.source))
    }

    /// Centre of a detector pixel in mm; `(0, 0)` is at the top left, whole numbers are pixel centres.
    pub fn pixel_centre(&self, column: f64, row: f64) -> Vec3 {
        let x = (column - (self.width as f64 - 1.0) / 2.0) * self.pixel;
        let y = (row - (self.height as f64 - 1.0) / 2.0) * self.pixel;
        add_scaled(add_scaled(self.detector, x, self.right), y, self.down)
    }

    /// The ray to a pixel.
    pub fn ray(&self, column: f64, row: f64) -> Ray {
        let to = self.pixel_centre(column, row);
        let from = match self.beam {
            Beam::Perspective => self.source,
            Beam::Parallel => add_scaled(to, -self.sid, self.axis()),
        };
        Ray { from, to }
    }

    /// Where a point in mm falls, as column and row with whole numbers at pixel centres; `None` behind the source.
    pub fn project(&self, point: Vec3) -> Option<[f64; 2]> {
        let v = sub(point, self.source);
        let depth = dot(v, self.axis());
        let scale = match self.beam {
            Beam::Perspective if depth <= 0.0 => return None,
            Beam::Perspective => dot(sub(self.detector, self.source), self.axis()) / depth,
            Beam::Parallel => 1.0,
        };
        let x = scale * dot(v, self.right) / self.pixel + (self.width as f64 - 1.0) / 2.0;
        let y = scale * dot(v, self.down) / self.pixel + (self.height as f64 - 1.0) / 2.0;
        Some([x, y])
    }

    /// How much larger a thing at `point` is drawn than it is.
    pub fn magnification(&self, point: Vec3) -> f64 {
        match self.beam {
            Beam::Perspective => self.sid / dot(sub(point, self.source), self.axis()),
            Beam::Parallel => 1.0,
        }
    }

    /// The same view with another number of pixels over the same detector.
    pub fn resized(&self, width: usize, height: usize) -> Geometry {
        Geometry {
            pixel: self.pixel * self.width as f64 / width as f64,
            width,
            height,
            ..self.clone()
        }
    }
}

fn check(sid: f64, sad: f64, pixel: f64, size: (usize, usize)) -> Result<(), DrrError> {
    let finite = |v: f64| v.is_finite() && v > 0.0;
    DrrError::check(finite(sad), "sad", sad, "over 0 mm")?;
    DrrError::check(finite(sid) && sid >= sad, "sid", sid, "at least sad")?;
    DrrError::check(finite(pixel), "pixel", pixel, "over 0 mm")?;
    for side in [size.0, size.1] {
        DrrError::check(
            (1..=16384).contains(&side),
            "size",
            side as f64,
            "1 to 16384 pixels",
        )?;
    }
    Ok(())
}

/// The rotation of `right` onto columns and `down` onto rows is right-handed about the direction of the ray or its opposite.
pub fn is_mirrored(g: &Geometry) -> bool {
    dot(cross(g.right, g.down), g.axis()) < 0.0
}

/// Length of a ray.
pub fn length(ray: &Ray) -> f64 {
    norm(sub(ray.to, ray.from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(v: View, pose: Pose) -> Geometry {
        Geometry::of_view(
            v,
            [5.0, 6.0, 7.0],
            &pose,
            Beam::Perspective,
            1800.0,
            1600.0,
            0.8,
            (512, 512),
        )
        .unwrap()
    }

    #[test]
    fn frontal_pictures_have_the_right_side_on_the_left() {
        for v in [View::Pa, View::Ap] {
            let g = view(v, Pose::default());
            let centre = g.project([5.0, 6.0, 7.0]).unwrap();
            assert!((centre[0] - 255.5).abs() < 1e-9 && (centre[1] - 255.5).abs() < 1e-9);
            let left_up = g.project([15.0, 6.0, 27.0]).unwrap();
            assert!((left_up[0] - 255.5 - 10.0 * 1.125 / 0.8).abs() < 1e-9);
            assert!((left_up[1] - 255.5 + 20.0 * 1.125 / 0.8).abs() < 1e-9);
        }
        // Seen from the front, the ray of a PA comes out of the picture.
        assert!(is_mirrored(&view(View::Pa, Pose::default())));
        assert!(!is_mirrored(&view(View::Ap, Pose::default())));
    }

    #[test]
    fn what_is_nearer_to_the_source_is_larger() {
        let pa = view(View::Pa, Pose::default());
        assert!(pa.magnification([5.0, 100.0, 7.0]) > pa.magnification([5.0, -100.0, 7.0]));
        assert!((pa.magnification([5.0, 6.0, 7.0]) - 1.125).abs() < 1e-12);
        let lateral = view(View::Lateral, Pose::default());
        // The back of the patient on the right of the picture, the right side nearer to the source.
        assert!(lateral.project([5.0, 60.0, 7.0]).unwrap()[0] > 255.5);
        assert!(lateral.magnification([-90.0, 6.0, 7.0]) > lateral.magnification([90.0, 6.0, 7.0]));
    }

    #[test]
    fn rays_hit_the_pixels_that_points_project_to() {
        let pose = Pose {
            yaw: 20.0,
            pitch: -7.0,
            roll: 3.0,
            shift: [4.0, 5.0, -6.0],
        };
        for beam in [Beam::Perspective, Beam::Parallel] {
            let g = Geometry::of_view(
                View::Ap,
                [0.0; 3],
                &pose,
                beam,
                1500.0,
                1300.0,
                0.9,
                (300, 200),
            )
            .unwrap();
            let ray = g.ray(31.0, 170.0);
            let point = add_scaled(ray.from, 0.8, sub(ray.to, ray.from));
            let at = g.project(point).unwrap();
            assert!(
                (at[0] - 31.0).abs() < 1e-9 && (at[1] - 170.0).abs() < 1e-9,
                "{at:?}"
            );
        }
    }

    #[test]
    fn a_quarter_turn_makes_a_lateral() {
        // Turning the front to the patient's left before an AP source is what the source on the ... side sees.
        let turned = view(
            View::Ap,
            Pose {
                yaw: 90.0,
                ..Pose::default()
            },
        );
        let lateral = view(View::RightLateral, Pose::default());
        let close = |a: Vec3, b: Vec3| norm(sub(a, b)) < 1e-9;
        assert!(
            close(turned.source, lateral.source)
                || close(turned.source, view(View::Lateral, Pose::default()).source)
        );
        assert!(
            Geometry::of_view(
                View::Pa,
                [0.0; 3],
                &Pose::default(),
                Beam::Perspective,
                100.0,
                200.0,
                1.0,
                (4, 4)
            )
            .is_err()
        );
    }
}
