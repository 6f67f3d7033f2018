//! Nodules of LIDC-IDRI: the XML that the readers' outlines and ratings are published in.
//!
//! Up to four readers outlined each nodule of 3 mm or more slice by slice. The outline is the first pixels outside of the nodule; one that
//! is marked as an exclusion cuts a hole. Smaller nodules and other things carry no rating and are passed over.

use crate::error::ChestCtError;
use hilum_volume::Volume;
use hilum_volume::affine::{norm, sub};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of a file at most; published ones have less than a tenth.
const MOST: u64 = 64 << 20;

/// An outline in one slice.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Height of the slice, mm.
    pub z: f64,
    /// False for a hole.
    pub inclusion: bool,
    /// Column and row of its pixels, in order.
    pub points: Vec<[i32; 2]>,
}

/// One nodule as one reader saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Number of the reader within the file, from 0.
    pub reader: usize,
    /// The reader's name for it.
    pub id: String,
    /// Ratings by name: subtlety, internalStructure, calcification, sphericity, margin, lobulation, spiculation, texture, malignancy.
    pub ratings: BTreeMap<String, u8>,
    /// Its outlines.
    pub outlines: Vec<Outline>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotations {
    /// Series of the CT, where the file says.
    pub series_uid: Option<String>,
    /// Readings with ratings, in the order of the file.
    pub readings: Vec<Reading>,
    /// Small nodules and other marks that were passed over.
    pub passed_over: usize,
}

/// Reads a file.
///
/// # Errors
/// [`ChestCtError::Io`]; [`ChestCtError::Xml`] for broken XML, no reading session, a number that is none.
pub fn read(path: &Path) -> Result<Annotations, ChestCtError> {
    let io = |source| ChestCtError::Io {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(io)?.len();
    let bad = |reason: String| ChestCtError::Xml {
        path: path.to_owned(),
        reason,
    };
    if size > MOST {
        return Err(bad(format!("has {size} bytes, the limit is {MOST}")));
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    parse(&text).map_err(bad)
}

/// Reads the XML itself; the error says what is wrong with it.
pub fn parse(text: &str) -> Result<Annotations, String> {
    let mut reader = Reader::from_str(text);
    let mut state = State::default();
    let mut open: Vec<String> = Vec::new();
    loop {
        let event = reader
            .read_event()
            .map_err(|e| format!("at byte {}: {e}", reader.error_position()))?;
        match event {
            Event::Start(e) => {
                let name = e.local_name().into_inner().to_owned();
                state.start(&name);
                open.push(name);
            }
            Event::End(_) => {
                let name = open.pop().unwrap_or_default();
                state.end(&name)?;
            }
            Event::Text(t) => {
                let words: &str = &t;
                state.text(open.last().map_or("", String::as_str), words.trim())?;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if let Some(name) = open.last() {
        return Err(format!("ends inside <{name}>"));
    }
    if state.sessions == 0 {
        return Err("no <readingSession>: not the XML of LIDC-IDRI".into());
    }
    Ok(Annotations {
        series_uid: state.series,
        readings: state.readings,
        passed_over: state.passed_over,
    })
}

#[derive(Default)]
struct State {
    series: Option<String>,
    sessions: usize,
    readings: Vec<Reading>,
    passed_over: usize,
    nodule: Option<Reading>,
    outline: Option<(Option<f64>, bool, Vec<[i32; 2]>)>,
    point: [Option<i32>; 2],
    rated: bool,
}

impl State {
    fn start(&mut self, name: &str) {
        match name {
            "readingSession" => self.sessions += 1,
            "unblindedReadNodule" => {
                self.nodule = Some(Reading {
                    reader: self.sessions.saturating_sub(1),
                    id: String::new(),
                    ratings: BTreeMap::new(),
                    outlines: Vec::new(),
                });
            }
            "characteristics" => self.rated = true,
            "roi" => self.outline = Some((None, true, Vec::new())),
            "edgeMap" => self.point = [None; 2],
            _ => {}
        }
    }

    fn text(&mut self, name: &str, words: &str) -> Result<(), String> {
        if words.is_empty() {
            return Ok(());
        }
        let number = || {
            words
                .parse::<f64>()
                .ok()
                .filter(|v| v.is_finite() && v.abs() < 1e6)
                .ok_or_else(|| format!("<{name}> is {words:?}, no number"))
        };
        match name {
            "SeriesInstanceUid" => self.series = Some(words.to_owned()),
            "noduleID" => {
                if let Some(n) = &mut self.nodule {
                    words.clone_into(&mut n.id);
                }
            }
            "imageZposition" => {
                let z = number()?;
                if let Some(o) = &mut self.outline {
                    o.0 = Some(z);
                }
            }
            "inclusion" => {
                if let Some(o) = &mut self.outline {
                    o.1 = !words.eq_ignore_ascii_case("false");
                }
            }
            "xCoord" => self.point[0] = Some(number()? as i32),
            "yCoord" => self.point[1] = Some(number()? as i32),
            _ if self.rated => {
                let value = number()?;
                if let (Some(n), true) = (&mut self.nodule, (0.0..=10.0).contains(&value)) {
                    n.ratings.insert(name.to_owned(), value as u8);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), String> {
        match name {
            "edgeMap" => {
                let [Some(x), Some(y)] = self.point else {
                    return Err("an <edgeMap> without xCoord or yCoord".into());
                };
                if let Some(o) = &mut self.outline {
                    o.2.push([x, y]);
                }
            }
            "roi" => {
                let Some((z, inclusion, points)) = self.outline.take() else {
                    return Ok(());
                };
                let z = z.ok_or("an <roi> without imageZposition")?;
                if let Some(n) = &mut self.nodule {
                    n.outlines.push(Outline {
                        z,
                        inclusion,
                        points,
                    });
                }
            }
            "characteristics" => self.rated = false,
            "nonNodule" => self.passed_over += 1,
            "unblindedReadNodule" => {
                if let Some(n) = self.nodule.take() {
                    let rated = n.ratings.contains_key("malignancy");
                    if rated && n.outlines.iter().any(|o| o.points.len() > 2) {
                        self.readings.push(n);
                    } else {
                        self.passed_over += 1;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The pixels inside an outline: of the polygon through its pixels' centres, without those pixels.
pub fn inside(outline: &Outline) -> Vec<[i32; 2]> {
    let points = &outline.points;
    let (Some(top), Some(bottom)) = (
        points.iter().map(|p| p[1]).min(),
        points.iter().map(|p| p[1]).max(),
    ) else {
        return Vec::new();
    };
    let edge: std::collections::BTreeSet<[i32; 2]> = points.iter().copied().collect();
    let mut all = Vec::new();
    for y in top..=bottom {
        // A hair beside the row, so that corners are crossed once.
        let level = f64::from(y) + 1e-6;
        let mut cuts: Vec<f64> = Vec::new();
        for n in 0..points.len() {
            let (a, b) = (points[n], points[(n + 1) % points.len()]);
            let (ay, by) = (f64::from(a[1]), f64::from(b[1]));
            if (ay > level) != (by > level) {
                let t = (level - ay) / (by - ay);
                cuts.push(f64::from(a[0]) + t * f64::from(b[0] - a[0]));
            }
        }
        cuts.sort_by(f64::total_cmp);
        for pair in cuts.chunks_exact(2) {
            let (from, to) = (pair[0].ceil() as i32, pair[1].floor() as i32);
            all.extend((from..=to).map(|x| [x, y]).filter(|p| !edge.contains(p)));
        }
    }
    all
}

/// One nodule, as the readers agree on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consensus {
    /// Number in the mask's order, from 1.
    pub nodule: usize,
    /// Readers that outlined it.
    pub readers: usize,
    /// Mean of their ratings of malignancy, 1 to 5.
    pub malignancy: f64,
    /// True over 3, false under 3, null at 3: those are dropped from comparisons.
    pub malignant: Option<bool>,
    /// Positions in the CT's data that at least half of the readers put inside.
    #[serde(skip)]
    pub voxels: Vec<usize>,
}

/// Puts the readers' outlines on the CT's grid and joins those that share a voxel. The outlines count pixels of an axial matrix of
/// `matrix` columns and rows that covers the CT's extent, x to the patient's left and y to the back; the CT may be
/// coarser, and flipped.
///
/// # Errors
/// [`ChestCtError::Missing`] for an outline outside of the CT or between its slices, or a CT that is not axial.
pub fn nodules(
    annotations: &Annotations,
    ct: &Volume<f32>,
    matrix: usize,
) -> Result<Vec<Consensus>, ChestCtError> {
    let grid = Grid::of(ct, matrix)?;
    let mut masks: Vec<Vec<usize>> = Vec::new();
    for reading in &annotations.readings {
        masks.push(grid.voxels(reading)?);
    }
    let mut group: Vec<usize> = (0..masks.len()).collect();
    for a in 0..masks.len() {
        for b in 0..a {
            if shares(&masks[a], &masks[b]) {
                let (old, new) = (group[a].max(group[b]), group[a].min(group[b]));
                group
                    .iter_mut()
                    .filter(|g| **g == old)
                    .for_each(|g| *g = new);
            }
        }
    }
    let mut all = Vec::new();
    for g in 0..masks.len() {
        let members: Vec<usize> = (0..masks.len()).filter(|&n| group[n] == g).collect();
        if members.is_empty() {
            continue;
        }
        if let Some(found) = consensus(annotations, &masks, &members) {
            all.push(Consensus {
                nodule: all.len() + 1,
                ..found
            });
        }
    }
    Ok(all)
}

fn consensus(
    annotations: &Annotations,
    masks: &[Vec<usize>],
    members: &[usize],
) -> Option<Consensus> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for &n in members {
        masks[n]
            .iter()
            .for_each(|&at| *counts.entry(at).or_insert(0) += 1);
    }
    let voxels: Vec<usize> = counts
        .iter()
        .filter(|c| 2 * c.1 >= members.len())
        .map(|c| *c.0)
        .collect();
    let rated: Vec<f64> = members
        .iter()
        .filter_map(|&n| annotations.readings[n].ratings.get("malignancy"))
        .map(|r| f64::from(*r))
        .collect();
    if voxels.is_empty() || rated.is_empty() {
        return None;
    }
    let malignancy = rated.iter().sum::<f64>() / rated.len() as f64;
    Some(Consensus {
        nodule: 0,
        readers: members.len(),
        malignancy,
        malignant: match malignancy {
            m if m > 3.0 => Some(true),
            m if m < 3.0 => Some(false),
            _ => None,
        },
        voxels,
    })
}

/// Whether two sorted lists share a value.
fn shares(a: &[usize], b: &[usize]) -> bool {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => return true,
        }
    }
    false
}

/// How the outlines' pixels lie on the CT's voxels.
struct Grid<'a> {
    ct: &'a Volume<f32>,
    matrix: usize,
    /// Whether columns and rows run against the volume's indices.
    flipped: [bool; 2],
}

impl<'a> Grid<'a> {
    fn of(ct: &'a Volume<f32>, matrix: usize) -> Result<Self, ChestCtError> {
        let refuse = |reason: String| {
            Err(ChestCtError::Missing {
                what: "place for the outlines",
                reason,
            })
        };
        let spacing = ct.affine.spacing();
        let straight = (0..3).all(|k| ct.affine.axes[k][k].abs() > 0.999 * spacing[k]);
        if !straight {
            return refuse("the CT's slices are not axial".into());
        }
        let fits = |n: usize| matrix >= n && matrix.is_multiple_of(n);
        if !fits(ct.size[0]) || !fits(ct.size[1]) {
            return refuse(format!(
                "a matrix of {matrix} does not fit {} x {} voxels",
                ct.size[0], ct.size[1]
            ));
        }
        Ok(Grid {
            ct,
            matrix,
            flipped: [0, 1].map(|k| ct.affine.axes[k][k] < 0.0),
        })
    }

    fn slice(&self, z: f64) -> Result<usize, ChestCtError> {
        let (step, origin) = (self.ct.affine.axes[2][2], self.ct.affine.origin[2]);
        let k = (z - origin) / step;
        let whole = k.round();
        if (k - whole).abs() > 0.1 || whole < 0.0 || whole >= self.ct.size[2] as f64 {
            return Err(ChestCtError::Missing {
                what: "slice of the CT",
                reason: format!("an outline lies at z = {z} mm"),
            });
        }
        Ok(whole as usize)
    }

    /// The voxels of one reading, sorted.
    fn voxels(&self, reading: &Reading) -> Result<Vec<usize>, ChestCtError> {
        let mut inside_of: BTreeMap<usize, i32> = BTreeMap::new();
        for outline in &reading.outlines {
            let k = self.slice(outline.z)?;
            for p in inside(outline) {
                let at = self.voxel(p, k)?;
                *inside_of.entry(at).or_insert(0) += if outline.inclusion { 1 } else { -1 };
            }
        }
        // Pixels in a coarser voxel: half of them decide.
        let share = (self.matrix / self.ct.size[0]) * (self.matrix / self.ct.size[1]);
        Ok(inside_of
            .into_iter()
            .filter(|v| 2 * v.1 >= share as i32 && v.1 > 0)
            .map(|v| v.0)
            .collect())
    }

    fn voxel(&self, p: [i32; 2], k: usize) -> Result<usize, ChestCtError> {
        let index = |axis: usize| {
            let v = usize::try_from(p[axis]).ok().filter(|v| *v < self.matrix)?;
            let v = v * self.ct.size[axis] / self.matrix;
            Some(if self.flipped[axis] {
                self.ct.size[axis] - 1 - v
            } else {
                v
            })
        };
        match (index(0), index(1)) {
            (Some(i), Some(j)) => Ok(self.ct.at(i, j, k)),
            _ => Err(ChestCtError::Missing {
                what: "pixel of the CT",
                reason: format!(
                    "an outline has the pixel {p:?} of a matrix of {}",
                    self.matrix
                ),
            }),
        }
    }
}

/// Distance in mm between the centres of two sets of voxels.
pub fn centre_distance(ct: &Volume<f32>, a: &[usize], b: &[usize]) -> f64 {
    let centre = |set: &[usize]| {
        let mut sum = [0.0; 3];
        for &at in set {
            let p = ct.affine.apply(ct.index_of(at).map(|v| v as f64));
            (0..3).for_each(|k| sum[k] += p[k] / set.len() as f64);
        }
        sum
    };
    norm(sub(centre(a), centre(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_volume::Affine;
    use proptest::prelude::*;
    use std::fmt::Write;

    /// A square outline of `side` pixels inside, its first pixel inside at (x, y).
    fn roi(z: f64, x: i32, y: i32, side: i32, inclusion: bool) -> String {
        let mut points = Vec::new();
        points.extend((-1..side).map(|n| [x + n, y - 1]));
        points.extend((-1..side).map(|n| [x + side, y + n]));
        points.extend((0..=side).rev().map(|n| [x + n, y + side]));
        points.extend((0..=side).rev().map(|n| [x - 1, y + n]));
        let mut text = format!(
            "<roi><imageZposition>{z}</imageZposition><imageSOP_UID>1.2</imageSOP_UID><inclusion>{}</inclusion>",
            if inclusion { "TRUE" } else { "FALSE" }
        );
        for [x, y] in points {
            let _ = write!(
                text,
                "<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>"
            );
        }
        text + "</roi>"
    }

    fn nodule(id: &str, malignancy: u8, rois: &str) -> String {
        format!(
            "<unblindedReadNodule><noduleID>{id}</noduleID><characteristics><subtlety>4</subtlety><malignancy>{malignancy}</malignancy></characteristics>{rois}</unblindedReadNodule>"
        )
    }

    fn file(sessions: &[String]) -> String {
        let all: String = sessions
            .iter()
            .map(|s| format!("<readingSession><servicingRadiologistID>anon</servicingRadiologistID>{s}</readingSession>"))
            .collect();
        format!(
            "<?xml version=\"1.0\"?><LidcReadMessage xmlns=\"http://www.nih.gov\"><ResponseHeader><SeriesInstanceUid>1.2.3</SeriesInstanceUid></ResponseHeader>{all}</LidcReadMessage>"
        )
    }

    fn ct() -> Volume<f32> {
        Volume::filled(
            [32, 32, 6],
            Affine::axis_aligned([0.7, 0.7, 2.5], [-10.0, -10.0, -125.0]),
            -800.0,
        )
    }

    #[test]
    fn outlines_of_several_readers_become_nodules() {
        let small = "<unblindedReadNodule><noduleID>s</noduleID><roi><imageZposition>-125</imageZposition><inclusion>TRUE</inclusion><edgeMap><xCoord>3</xCoord><yCoord>3</yCoord></edgeMap></roi></unblindedReadNodule><nonNodule><nonNoduleID>n</nonNoduleID></nonNodule>";
        let two = roi(-122.5, 10, 12, 4, true) + &roi(-120.0, 10, 12, 4, true);
        let text = file(&[
            nodule("a", 5, &two) + small,
            nodule("b", 4, &roi(-122.5, 11, 12, 4, true)),
            nodule("c", 2, &roi(-117.5, 24, 24, 3, true)),
        ]);
        let read = parse(&text).unwrap();
        assert_eq!((read.readings.len(), read.passed_over), (3, 2));
        assert_eq!(read.series_uid.as_deref(), Some("1.2.3"));
        assert_eq!(read.readings[1].reader, 1);
        let ct = ct();
        let found = nodules(&read, &ct, 32).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].readers, found[0].malignancy, found[0].malignant),
            (2, 4.5, Some(true))
        );
        // Half of two readers is one: the union, 4 x 4 and 5 x 4 pixels.
        assert_eq!(found[0].voxels.len(), 16 + 20);
        assert!(found[0].voxels.contains(&ct.at(10, 12, 1)));
        assert!(!found[0].voxels.contains(&ct.at(9, 12, 1)));
        assert_eq!(
            (found[1].malignant, found[1].voxels.len()),
            (Some(false), 9)
        );
    }

    #[test]
    fn holes_are_cut_and_coarser_or_flipped_cts_taken() {
        let rois = roi(-125.0, 8, 8, 8, true) + &roi(-125.0, 10, 10, 4, false);
        let read = parse(&file(&[nodule("a", 3, &rois)])).unwrap();
        let ct = ct();
        let found = nodules(&read, &ct, 32).unwrap();
        assert_eq!((found[0].voxels.len(), found[0].malignant), (64 - 16, None));
        let coarse = nodules(&read, &ct, 64).unwrap();
        assert_eq!(coarse[0].voxels.len(), 16 - 4);
        let mut flipped = ct.clone();
        flipped.affine.axes[0][0] = -0.7;
        let there = nodules(&read, &flipped, 32).unwrap();
        assert!(there[0].voxels.contains(&flipped.at(31 - 8, 8, 0)));
        assert!(nodules(&read, &ct, 40).is_err());
    }

    #[test]
    fn what_is_broken_is_said() {
        let good = file(&[nodule("a", 5, &roi(-125.0, 8, 8, 4, true))]);
        for (text, words) in [
            (
                good[..good.find("</roi>").unwrap()].to_owned(),
                "ends inside",
            ),
            (
                good.replace("<xCoord>7</xCoord>", "<xCoord>x</xCoord>"),
                "no number",
            ),
            (
                good.replace("<yCoord>7</yCoord>", ""),
                "without xCoord or yCoord",
            ),
            ("<a></a>".to_owned(), "no <readingSession>"),
            (good.replace("</roi>", "</rio>"), "at byte"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let read = parse(&file(&[nodule("a", 5, &roi(-124.0, 8, 8, 4, true))])).unwrap();
        assert!(
            nodules(&read, &ct(), 32)
                .unwrap_err()
                .to_string()
                .contains("z = -124")
        );
        let read = parse(&file(&[nodule("a", 5, &roi(-125.0, 30, 8, 4, true))])).unwrap();
        assert!(nodules(&read, &ct(), 32).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in "(<[a-zA-Z]{1,8}>|</[a-zA-Z]{1,8}>|[0-9.-]{1,4}|<roi>|<edgeMap>|</roi>|.){0,40}") {
            let _ = parse(&text);
        }
    }
}
