//! Airways and vessels: trees that grow into the lungs.
//!
//! Leaves are spread over a lung and joined one by one, nearest to the root first, to the nearest node of the tree so far. The number of
//! leaves behind a branch gives its radius by Murray's law, `r^3 = sum r_i^3`.

use crate::anatomy::{Thorax, side_index};
use crate::random::{Draws, Purpose};
use crate::shapes::sampled;
use crate::solids::{Part, Solid, Tube};
use hilum_volume::Vec3;
use hilum_volume::affine::{add_scaled, dot, norm, sub, unit};

/// Exponent of Murray's law, a little under 3 as measured in lungs.
const MURRAY: f64 = 2.75;

/// What a tree is made for.
struct Plan {
    roots: Vec<Vec3>,
    leaves: usize,
    leaf_radius: f64,
    /// Distance that leaves keep from the pleura.
    margin: f64,
    part: Part,
    density: f64,
    /// Exponent that draws leaves towards the base; 0 spreads them evenly.
    basal: f64,
}

/// One node, towards its parent.
struct Node {
    at: Vec3,
    parent: Option<usize>,
    leaves: usize,
}

/// Trachea, bronchi, arteries and veins.
pub fn build(thorax: &Thorax, seed: u64) -> Vec<Solid> {
    let mut all = central_airways(thorax);
    for side in [-1.0, 1.0] {
        let lung = thorax.patient.lung_density * thorax.effects.density[side_index(side)];
        let blood = 1.03 - lung;
        let share = thorax.effects.vessels[side_index(side)];
        let count = |n: f64| (n * share).max(4.0) as usize;
        let upper = thorax.effects.upper_vessels;
        let plans = [
            Plan {
                roots: root(
                    side,
                    [[31.0, 5.0, 6.0], [44.0, 9.0, -18.0], [40.0, 8.0, 20.0]],
                ),
                leaves: count(270.0),
                leaf_radius: 0.86 * thorax.effects.vessel_width,
                margin: 5.0,
                part: Part::Vessels,
                density: blood,
                basal: 0.9 - upper,
            },
            Plan {
                roots: root(
                    side,
                    [[25.0, 14.0, -30.0], [36.0, 10.0, -36.0], [34.0, 0.0, 0.0]],
                ),
                leaves: count(210.0),
                leaf_radius: 0.74 * thorax.effects.vessel_width,
                margin: 6.0,
                part: Part::Vessels,
                density: blood,
                basal: 0.7 - upper,
            },
            Plan {
                roots: root(
                    side,
                    [[36.0, 12.0, 2.0], [46.0, 14.0, -22.0], [42.0, 12.0, 18.0]],
                ),
                leaves: 24,
                leaf_radius: 0.8,
                margin: 22.0,
                part: Part::Bronchi,
                density: -0.8 * lung,
                basal: 0.4,
            },
        ];
        for (n, plan) in plans.iter().enumerate() {
            let mut d = Draws::new(
                seed,
                Purpose::Trees,
                thorax.patient.number,
                10 * side_index(side) as u64 + n as u64,
            );
            all.extend(grow(thorax, side, plan, &mut d));
        }
    }
    all
}

fn root(side: f64, points: [[f64; 3]; 3]) -> Vec<Vec3> {
    let shift = if side > 0.0 { 8.0 } else { 0.0 };
    points
        .iter()
        .map(|p| [side * p[0], p[1], p[2] + shift])
        .collect()
}

/// Where the trachea divides, standard mm.
pub fn carina() -> Vec3 {
    [-2.0, 14.0, 26.0]
}

/// Middle lines of trachea, right and left main bronchus with their radius, standard mm.
pub fn airway_lines(thorax: &Thorax) -> [(Vec<Vec3>, f64); 3] {
    let push = thorax.effects.trachea_shift;
    let c = carina();
    let spread = |p: Vec3| {
        [
            c[0] + thorax.patient.carina_spread * (p[0] - c[0]),
            p[1],
            p[2],
        ]
    };
    let trachea = sampled(
        &[
            [0.0, -8.0, 200.0],
            [0.5 * push, -2.0, 130.0],
            [0.9 * push - 1.0, 6.0, 80.0],
            [c[0] + 0.5 * push, c[1], c[2]],
        ],
        24,
    );
    let right = sampled(
        &[
            c,
            [-21.0, 14.0, -10.0],
            [-32.0, 12.0, -24.0],
            [-40.0, 14.0, -44.0],
        ]
        .map(spread),
        12,
    );
    let left = sampled(
        &[
            c,
            [16.0, 14.0, 6.0],
            [34.0, 14.0, -12.0],
            [42.0, 16.0, -30.0],
        ]
        .map(spread),
        12,
    );
    [(trachea, 8.6), (right, 6.4), (left, 5.6)]
}

fn central_airways(thorax: &Thorax) -> Vec<Solid> {
    let k = thorax.patient.scale;
    let mut all = Vec::new();
    for (line, radius) in airway_lines(thorax) {
        let points: Vec<Vec3> = line.iter().map(|&p| thorax.to_mm(p)).collect();
        let mut pieces = Tube::round(points, radius * k).solids(-0.95, Part::Trachea);
        // Inside the lung there is little left to take away.
        for (piece, p) in pieces.iter_mut().zip(&line) {
            if thorax.cavity(*p, p[0].signum()) < 4.0 {
                piece.density = -0.6 * thorax.patient.lung_density;
            }
        }
        all.extend(pieces);
    }
    all
}

/// Whether a standard point carries aerated lung on the day of the study.
fn aerated(thorax: &Thorax, p: Vec3, side: f64) -> bool {
    let (level, gap) = thorax.effects.pleura(
        side,
        p,
        thorax.pleural_space(p, side),
        thorax.exposure.supine,
    );
    level > 0.0 && gap < 0.0
}

fn targets(thorax: &Thorax, side: f64, plan: &Plan, d: &mut Draws) -> Vec<Vec3> {
    let mut found = Vec::new();
    // Bounded: a lung that findings leave no room in keeps few vessels.
    for _ in 0..plan.leaves * 60 {
        if found.len() == plan.leaves {
            break;
        }
        let p = [
            side * d.range(12.0, 134.0),
            d.range(-74.0, 84.0),
            d.range(-150.0, 124.0),
        ];
        let height = ((p[2] + 130.0) / 250.0).clamp(0.0, 1.0);
        if !d.chance(1.0 - plan.basal.clamp(0.0, 0.95) * height) {
            continue;
        }
        if thorax.cavity(p, side) < -plan.margin && aerated(thorax, p, side) {
            found.push(p);
        }
    }
    let root = plan.roots[0];
    found.sort_by(|a, b| norm(sub(*a, root)).total_cmp(&norm(sub(*b, root))));
    found
}

fn grow(thorax: &Thorax, side: f64, plan: &Plan, d: &mut Draws) -> Vec<Solid> {
    let mut nodes: Vec<Node> = Vec::new();
    for &at in &plan.roots {
        let parent = (!nodes.is_empty()).then_some(0);
        nodes.push(Node {
            at,
            parent,
            leaves: 0,
        });
    }
    for target in targets(thorax, side, plan, d) {
        join(&mut nodes, target, d);
    }
    let mut solids = Vec::new();
    let inside: Vec<bool> = nodes
        .iter()
        .map(|n| thorax.cavity(n.at, side) < 1.0 && aerated(thorax, n.at, side))
        .collect();
    for (k, node) in nodes.iter().enumerate() {
        let Some(parent) = node.parent else { continue };
        if !(inside[k] && inside[parent]) || node.leaves == 0 {
            continue;
        }
        let radius = |leaves: usize| {
            thorax.patient.scale * plan.leaf_radius * (leaves as f64).powf(1.0 / MURRAY)
        };
        let points = vec![thorax.to_mm(nodes[parent].at), thorax.to_mm(node.at)];
        let tube = Tube {
            points,
            radii: vec![[radius(node.leaves); 2]; 2],
            up: [0.0, 0.3, 1.0],
        };
        solids.extend(tube.solids(plan.density, plan.part));
    }
    solids
}

/// Joins a leaf to the tree along a bent path of short steps.
fn join(nodes: &mut Vec<Node>, target: Vec3, d: &mut Draws) {
    let cost = |n: &Node| {
        let way = sub(target, n.at);
        let far = norm(way);
        // Branches leave forwards: turning back is dear.
        let back = n
            .parent
            .map_or(0.0, |p| dot(unit(way), unit(sub(n.at, nodes[p].at))));
        far * (1.7 - 0.7 * back)
    };
    let costs: Vec<f64> = nodes.iter().map(cost).collect();
    let Some(best) = (0..nodes.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b])) else {
        return;
    };
    let start = nodes[best].at;
    let far = norm(sub(target, start));
    let ahead = nodes[best]
        .parent
        .map_or([0.0; 3], |p| unit(sub(start, nodes[p].at)));
    let wobble: Vec3 = std::array::from_fn(|_| d.range(-0.06, 0.06) * far);
    let knee = add_scaled(
        add_scaled(
            add_scaled(start, 0.5, sub(target, start)),
            0.16 * far,
            ahead,
        ),
        1.0,
        wobble,
    );
    let steps = (far / 7.0).ceil().max(1.0) as usize;
    let mut parent = best;
    for k in 1..=steps {
        let t = k as f64 / steps as f64;
        let at = std::array::from_fn(|a| {
            (1.0 - t).powi(2) * start[a] + 2.0 * t * (1.0 - t) * knee[a] + t * t * target[a]
        });
        nodes.push(Node {
            at,
            parent: Some(parent),
            leaves: 0,
        });
        parent = nodes.len() - 1;
    }
    let mut up = Some(parent);
    while let Some(k) = up {
        nodes[k].leaves += 1;
        up = nodes[k].parent;
    }
}
