//! Every image decoded and resized once, then kept as bytes.

mod cache;

use crate::Progress;
use crate::error::{DataError, Result};
use crate::pixels::{self, Arrays, Plane8};
use crate::sample::Sample;
use cache::DiskCache;
use hilum_core::Rect;
use hilum_image::{Kernel, Recipe};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How an image is brought to a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Both sides are scaled by themselves.
    Stretch,
    /// One scale, the rest filled with 0 on both sides.
    Letterbox,
}

/// What an [`ImageStore`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreConfig {
    /// Side of the square in pixels.
    pub size: usize,
    /// How images are brought to it.
    pub fit: Fit,
    /// Resize kernel, for images and (before a cut at one half) masks.
    pub kernel: Kernel,
    /// How stored values become display values.
    pub recipe: Recipe,
    /// Structures whose masks are loaded, e.g. `lungs`; see [`Sample::mask_parts`].
    pub masks: Vec<String>,
    /// Folder for decoded images, kept between runs; none by default.
    pub cache: Option<PathBuf>,
}

impl StoreConfig {
    /// Stretched squares without masks or disk cache.
    pub fn square(size: usize) -> Self {
        let (kernel, recipe) = (Kernel::PilBilinear, Recipe::Voi);
        StoreConfig {
            size,
            fit: Fit::Stretch,
            kernel,
            recipe,
            masks: Vec::new(),
            cache: None,
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Setting`].
    pub fn validate(&self) -> Result<()> {
        if (1..=8192).contains(&self.size) {
            return Ok(());
        }
        Err(DataError::setting("size", "between 1 and 8192", self.size))
    }
}

/// Where a stored image went in the square: `square = stored * scale + offset`, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Horizontal and vertical scale.
    pub scale: (f64, f64),
    /// Left and top margin in the square.
    pub offset: (f64, f64),
    /// Width and height that the image takes in the square.
    pub inner: (usize, usize),
}

impl Placement {
    /// The placement of an image of `width` x `height` in a square of side `size`.
    pub fn new(fit: Fit, size: usize, width: usize, height: usize) -> Self {
        let inner = match fit {
            Fit::Stretch => (size, size),
            Fit::Letterbox => {
                let longest = width.max(height) as f64;
                let side =
                    |n: usize| ((n as f64 * size as f64 / longest).round() as usize).clamp(1, size);
                (side(width), side(height))
            }
        };
        let offset = ((size - inner.0) / 2, (size - inner.1) / 2);
        Placement {
            scale: (
                inner.0 as f64 / width as f64,
                inner.1 as f64 / height as f64,
            ),
            offset: (offset.0 as f64, offset.1 as f64),
            inner,
        }
    }

    /// A box of the stored image in the square.
    pub fn to_square(&self, r: &Rect) -> Rect {
        Rect {
            x: r.x * self.scale.0 + self.offset.0,
            y: r.y * self.scale.1 + self.offset.1,
            w: r.w * self.scale.0,
            h: r.h * self.scale.1,
        }
    }

    /// A box of the square in the stored image.
    pub fn to_stored(&self, r: &Rect) -> Rect {
        Rect {
            x: (r.x - self.offset.0) / self.scale.0,
            y: (r.y - self.offset.1) / self.scale.1,
            w: r.w / self.scale.0,
            h: r.h / self.scale.1,
        }
    }
}

/// A box in the square with its taxonomy code, when it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedBox {
    /// Code.
    pub code: Option<&'static str>,
    /// The set's own word.
    pub label: String,
    /// Box in pixels of the square.
    pub rect: Rect,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    image: Vec<u8>,
    masks: Vec<Option<Vec<u8>>>,
    boxes: Vec<PlacedBox>,
    placement: Placement,
}

/// Decoded, resized images of many samples, with masks and boxes in the same square.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageStore {
    config: StoreConfig,
    entries: Vec<Entry>,
}

/// What loading gave.
#[derive(Debug)]
pub struct Loaded {
    /// The images that could be loaded.
    pub store: ImageStore,
    /// Index of each of them in the samples given.
    pub kept: Vec<usize>,
    /// Index and reason of those that could not.
    pub failures: Vec<(usize, DataError)>,
}

impl Loaded {
    /// The store, if every image could be loaded.
    ///
    /// # Errors
    /// The first failure.
    pub fn strict(self) -> Result<ImageStore> {
        match self.failures.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(self.store),
        }
    }
}

impl ImageStore {
    /// Loads the samples in parallel; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a config out of range, and [`DataError::Format`] for a broken array
    /// file. Single files that fail are in [`Loaded::failures`].
    pub fn load(
        samples: &[Sample],
        config: &StoreConfig,
        progress: Option<Progress>,
    ) -> Result<Loaded> {
        config.validate()?;
        let cache = config.cache.as_deref().map(DiskCache::open).transpose()?;
        let arrays = Arrays::load(samples.iter().map(|s| &s.pixels))?;
        let done = AtomicUsize::new(0);
        let results: Vec<Result<Entry>> = samples
            .par_iter()
            .map(|sample| {
                let entry = load_entry(sample, config, &arrays, cache.as_ref());
                if let Some(report) = progress {
                    report(done.fetch_add(1, Ordering::Relaxed) + 1, samples.len());
                }
                entry
            })
            .collect();
        let mut loaded = Loaded {
            store: ImageStore {
                config: config.clone(),
                entries: Vec::with_capacity(samples.len()),
            },
            kept: Vec::new(),
            failures: Vec::new(),
        };
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(entry) => {
                    loaded.store.entries.push(entry);
                    loaded.kept.push(index);
                }
                Err(error) => loaded.failures.push((index, error)),
            }
        }
        Ok(loaded)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without images.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What it was loaded with.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// Side of the squares in pixels.
    pub fn size(&self) -> usize {
        self.config.size
    }

    /// One image: `size * size` bytes, row by row.
    ///
    /// # Panics
    /// When `index` is not below [`ImageStore::len`], as slices do; so do the next three.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.entries[index].image
    }

    /// A mask of one image (0 or 255, `size * size`); `None` when the image has none of that structure.
    pub fn mask(&self, index: usize, structure: &str) -> Option<&[u8]> {
        let slot = self.config.masks.iter().position(|m| m == structure)?;
        self.entries[index].masks[slot].as_deref()
    }

    /// The boxes of one image in pixels of the square.
    pub fn boxes(&self, index: usize) -> &[PlacedBox] {
        &self.entries[index].boxes
    }

    /// Where the stored image went.
    pub fn placement(&self, index: usize) -> Placement {
        self.entries[index].placement
    }

    /// Mean and standard deviation of all values, divided by 255.
    pub fn mean_std(&self) -> (f64, f64) {
        let (mut n, mut sum, mut squares) = (0u64, 0u64, 0u64);
        for v in self.entries.iter().flat_map(|e| &e.image) {
            n += 1;
            sum += u64::from(*v);
            squares += u64::from(*v) * u64::from(*v);
        }
        let mean = sum as f64 / n.max(1) as f64;
        let variance = squares as f64 / n.max(1) as f64 - mean * mean;
        (mean / 255.0, variance.max(0.0).sqrt() / 255.0)
    }
}

fn load_entry(
    s: &Sample,
    config: &StoreConfig,
    arrays: &Arrays,
    cache: Option<&DiskCache>,
) -> Result<Entry> {
    let (image, (width, height)) = match cache {
        Some(cache) => cache.image(s, config, arrays)?,
        None => decode_square(s, config, arrays)?,
    };
    let placement = Placement::new(config.fit, config.size, width, height);
    let masks = config
        .masks
        .iter()
        .map(|m| load_square_mask(s, m, config, (width, height)));
    let place = |b: &crate::sample::BoxLabel| PlacedBox {
        code: b.code,
        label: b.label.clone(),
        rect: placement.to_square(&b.rect),
    };
    Ok(Entry {
        image,
        masks: masks.collect::<Result<_>>()?,
        boxes: s.boxes.iter().map(place).collect(),
        placement,
    })
}

/// The square image and the size it had before.
fn decode_square(
    s: &Sample,
    config: &StoreConfig,
    arrays: &Arrays,
) -> Result<(Vec<u8>, (usize, usize))> {
    let plane = pixels::load_gray(&s.pixels, config.recipe, arrays)?;
    let size = (plane.width, plane.height);
    Ok((to_square(plane, config, s)?, size))
}

fn load_square_mask(
    s: &Sample,
    name: &str,
    config: &StoreConfig,
    size: (usize, usize),
) -> Result<Option<Vec<u8>>> {
    let Some(mask) = pixels::load_union(&s.mask_parts(name), s.path(), size)? else {
        return Ok(None);
    };
    let mut square = to_square(mask, config, s)?;
    square
        .iter_mut()
        .for_each(|v| *v = if *v >= 128 { 255 } else { 0 });
    Ok(Some(square))
}

fn to_square(plane: Plane8, config: &StoreConfig, of: &Sample) -> Result<Vec<u8>> {
    let size = config.size;
    let placement = Placement::new(config.fit, size, plane.width, plane.height);
    let (w, h) = placement.inner;
    let inner = pixels::resize(plane, w, h, config.kernel, of.path())?.data;
    if (w, h) == (size, size) {
        return Ok(inner);
    }
    let mut square = vec![0; size * size];
    let (left, top) = (placement.offset.0 as usize, placement.offset.1 as usize);
    for (row, line) in inner.chunks_exact(w).enumerate() {
        let start = (top + row) * size + left;
        square[start..start + w].copy_from_slice(line);
    }
    Ok(square)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{BoxLabel, MaskForm, MaskRef, Pixels};

    fn sample(dir: &std::path::Path) -> Sample {
        let path = dir.join("a.png");
        let image = image::GrayImage::from_fn(8, 4, |x, y| image::Luma([(x * 30 + y) as u8]));
        image.save(&path).unwrap();
        let mask = dir.join("m.png");
        image::GrayImage::from_fn(8, 4, |x, _| image::Luma([if x < 4 { 255 } else { 0 }]))
            .save(&mask)
            .unwrap();
        let mut s = Sample::new("x", "a.png", Pixels::File(path));
        s.masks.push(MaskRef {
            name: "lungs".into(),
            form: MaskForm::File(mask),
        });
        let rect = Rect {
            x: 2.0,
            y: 1.0,
            w: 4.0,
            h: 2.0,
        };
        s.boxes.push(BoxLabel {
            label: "Mass".into(),
            code: Some("mass"),
            rect,
            source: String::new(),
        });
        s
    }

    fn config(fit: Fit, cache: Option<PathBuf>) -> StoreConfig {
        StoreConfig {
            fit,
            masks: vec!["lungs".into()],
            cache,
            ..StoreConfig::square(8)
        }
    }

    #[test]
    fn a_wide_image_stays_wide_in_a_letterbox() {
        let dir = tempfile::tempdir().unwrap();
        let s = [sample(dir.path())];
        let store = ImageStore::load(&s, &config(Fit::Letterbox, None), None)
            .unwrap()
            .strict()
            .unwrap();
        let image = store.image(0);
        assert!(image[..16].iter().all(|v| *v == 0) && image[48..].iter().all(|v| *v == 0));
        assert_eq!(
            image[2 * 8 + 7],
            210,
            "the right end of the first row is the brightest"
        );
        let mask = store.mask(0, "lungs").unwrap();
        assert_eq!((mask[2 * 8], mask[2 * 8 + 7], mask[0]), (255, 0, 0));
        let b = &store.boxes(0)[0];
        assert_eq!(
            b.rect,
            Rect {
                x: 2.0,
                y: 3.0,
                w: 4.0,
                h: 2.0
            }
        );
        assert_eq!(store.placement(0).to_stored(&b.rect), s[0].boxes[0].rect);
    }

    #[test]
    fn stretching_scales_both_sides_by_themselves() {
        let p = Placement::new(Fit::Stretch, 8, 8, 4);
        let r = p.to_square(&Rect {
            x: 2.0,
            y: 1.0,
            w: 4.0,
            h: 2.0,
        });
        assert_eq!(
            r,
            Rect {
                x: 2.0,
                y: 2.0,
                w: 4.0,
                h: 4.0
            }
        );
    }

    #[test]
    fn the_disk_cache_gives_the_same_bytes_and_notices_changes() {
        let dir = tempfile::tempdir().unwrap();
        let s = [sample(dir.path())];
        let load = |cache: Option<PathBuf>| {
            ImageStore::load(&s, &config(Fit::Letterbox, cache), None)
                .unwrap()
                .strict()
                .unwrap()
        };
        let plain = load(None);
        let cached = Some(dir.path().join("cache"));
        assert_eq!(load(cached.clone()).entries, plain.entries);
        assert_eq!(load(cached.clone()).entries, plain.entries);
        image::GrayImage::from_pixel(8, 4, image::Luma([9]))
            .save(s[0].path())
            .unwrap();
        assert_eq!(load(cached).image(0)[3 * 8 + 3], 9);
    }

    #[test]
    fn bad_files_are_listed_and_the_others_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let good = sample(dir.path());
        let bad = Sample::new("x", "b.png", Pixels::File(dir.path().join("b.png")));
        let loaded = ImageStore::load(&[bad, good], &StoreConfig::square(4), None).unwrap();
        assert_eq!(loaded.kept, [1]);
        assert_eq!(loaded.failures[0].0, 0);
        assert!(loaded.strict().is_err());
    }
}
