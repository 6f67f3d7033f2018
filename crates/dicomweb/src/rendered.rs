//! Rendered frames and thumbnails: the same pixel path as the reader's, as PNG or JPEG.

use crate::error::{Result, WebError};
use crate::frames;
use crate::media::{self, accepted, takes};
use crate::qido::parameters;
use crate::state::WebState;
use crate::wado::{UidPath, decoding, instance_path, series_path, study_path};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Response};
use hilum_dicom::{Limits, load_frame};
use hilum_image::{Plane, Recipe, resize};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::collections::HashMap;

/// Longest side of a thumbnail.
const THUMBNAIL: usize = 128;

pub(crate) async fn instance(
    state: State<WebState>,
    Path(path): Path<(String, String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    render(state.0, instance_path(path), 0, query.0, &headers, None).await
}

pub(crate) async fn frame(
    state: State<WebState>,
    Path((study, series, instance, frame)): Path<(String, String, String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    let frame = one(&frame)?;
    render(
        state.0,
        instance_path((study, series, instance)),
        frame,
        query.0,
        &headers,
        None,
    )
    .await
}

pub(crate) async fn frame_thumbnail(
    state: State<WebState>,
    Path((study, series, instance, frame)): Path<(String, String, String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    let frame = one(&frame)?;
    render(
        state.0,
        instance_path((study, series, instance)),
        frame,
        query.0,
        &headers,
        Some(THUMBNAIL),
    )
    .await
}

pub(crate) async fn instance_thumbnail(
    state: State<WebState>,
    Path(path): Path<(String, String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    render(
        state.0,
        instance_path(path),
        0,
        query.0,
        &headers,
        Some(THUMBNAIL),
    )
    .await
}

pub(crate) async fn series_thumbnail(
    state: State<WebState>,
    Path(path): Path<(String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    render(
        state.0,
        series_path(path),
        0,
        query.0,
        &headers,
        Some(THUMBNAIL),
    )
    .await
}

pub(crate) async fn study_thumbnail(
    state: State<WebState>,
    Path(study): Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    render(
        state.0,
        study_path(study),
        0,
        query.0,
        &headers,
        Some(THUMBNAIL),
    )
    .await
}

fn one(frame: &str) -> Result<usize> {
    match frames::numbers(frame)?.as_slice() {
        [frame] => Ok(*frame),
        _ => Err(WebError::BadRequest(
            "one frame is rendered at a time".to_owned(),
        )),
    }
}

/// How a picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Jpeg(u8),
}

impl Format {
    fn kind(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg(_) => "image/jpeg",
        }
    }
}

async fn render(
    state: WebState,
    path: UidPath,
    frame: usize,
    query: Option<String>,
    headers: &HeaderMap,
    longest: Option<usize>,
) -> Result<Response<Body>> {
    let parameters = parameters(query.as_deref(), &["accept", "viewport", "quality"])?;
    let format = format(headers, &parameters)?;
    let viewport = parameters
        .get("viewport")
        .map(|v| viewport(v))
        .transpose()?;
    let found = state.objects(&path).await?;
    let path = state.store.path(&found[0]);
    let made = decoding(move || {
        let plane = displayed(&path, frame)?;
        let limit = longest.map(|l| (l, l)).or(viewport);
        encode(&fitted(plane, limit)?, format)
    });
    media::respond(format.kind(), Body::from(made.await?))
}

fn format(headers: &HeaderMap, parameters: &HashMap<String, String>) -> Result<Format> {
    let quality = match parameters.get("quality") {
        None => 90,
        Some(text) => text
            .parse()
            .ok()
            .filter(|q| (1..=100).contains(q))
            .ok_or_else(|| WebError::BadRequest("quality is a number from 1 to 100".to_owned()))?,
    };
    let mut ranges = accepted(headers);
    if let Some(accept) = parameters.get("accept") {
        let mut asked = HeaderMap::new();
        let value = accept
            .parse()
            .map_err(|_| WebError::BadRequest("accept".to_owned()))?;
        asked.insert("accept", value);
        ranges = accepted(&asked);
    }
    for range in &ranges {
        // JPEG is the default of the standard (PS3.18, table 8.7.4-1).
        if takes(range, "image/jpeg") {
            return Ok(Format::Jpeg(quality));
        }
        if takes(range, "image/png") {
            return Ok(Format::Png);
        }
    }
    Err(WebError::NotAcceptable(
        "pictures are given as image/jpeg or image/png".to_owned(),
    ))
}

fn viewport(text: &str) -> Result<(usize, usize)> {
    let wrong = || WebError::BadRequest("viewport is width,height from 1 to 8192".to_owned());
    let sides: Vec<usize> = text
        .split(',')
        .filter_map(|s| s.trim().parse().ok())
        .collect();
    match sides.as_slice() {
        [w, h]
            if (1..=8192).contains(w) && (1..=8192).contains(h) && text.split(',').count() == 2 =>
        {
            Ok((*w, *h))
        }
        _ => Err(wrong()),
    }
}

fn displayed(path: &std::path::Path, frame: usize) -> Result<Plane<u8>> {
    let loaded = load_frame(path, Recipe::default(), frame, &Limits::default());
    match loaded {
        Ok(loaded) => Ok(loaded.pixels.to_u8()),
        Err(hilum_dicom::LoadError::Dicom { source, .. }) => Err(source.into()),
        Err(error) => Err(WebError::Internal(error.to_string())),
    }
}

/// The picture within a box, its sides kept in proportion; never larger than it is.
fn fitted(plane: Plane<u8>, limit: Option<(usize, usize)>) -> Result<Plane<u8>> {
    let Some((width, height)) = limit else {
        return Ok(plane);
    };
    let scale = (width as f64 / plane.width as f64).min(height as f64 / plane.height as f64);
    if scale >= 1.0 {
        return Ok(plane);
    }
    let side = |n: usize| ((n as f64 * scale).round() as usize).max(1);
    let sides = (side(plane.width), side(plane.height));
    resize::resize_u8(&plane, sides.0, sides.1, resize::Kernel::PilBox)
        .map_err(|e| WebError::Internal(e.to_string()))
}

fn encode(plane: &Plane<u8>, format: Format) -> Result<Vec<u8>> {
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (width, height) = (side(plane.width), side(plane.height));
    let mut bytes = Vec::new();
    let written =
        match format {
            Format::Png => PngEncoder::new(&mut bytes).write_image(
                &plane.data,
                width,
                height,
                ExtendedColorType::L8,
            ),
            Format::Jpeg(quality) => JpegEncoder::new_with_quality(&mut bytes, quality)
                .write_image(&plane.data, width, height, ExtendedColorType::L8),
        };
    written.map_err(|e| WebError::Internal(e.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewport_keeps_proportions_and_enlarges_nothing() {
        let plane = Plane::filled(400, 200, 7u8);
        let small = fitted(plane.clone(), Some((100, 100))).unwrap();
        assert_eq!((small.width, small.height), (100, 50));
        assert_eq!(
            fitted(plane.clone(), Some((4000, 4000))).unwrap().width,
            400
        );
        assert_eq!(viewport("10,20").unwrap(), (10, 20));
        for bad in ["", "10", "0,1", "1,2,3", "a,b"] {
            assert!(viewport(bad).is_err(), "{bad}");
        }
        let png = encode(&small, Format::Png).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
    }
}
