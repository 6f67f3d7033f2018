//! The web application, part of the program.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// Page of the application: it shows all of its own paths itself.
const PAGE: &str = "index.html";

/// A file of the application; any path that is none gives its page, except where files and services are.
pub(crate) async fn serve(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    match Assets::get(path) {
        Some(file) => answer(path, &file, known),
        None if path.starts_with("assets/")
            || path.starts_with("api/")
            || path.starts_with("dicom-web") =>
        {
            crate::RoomError::NotFound("such page").into_response()
        }
        None => match Assets::get(PAGE) {
            Some(file) => answer(PAGE, &file, known),
            None => crate::RoomError::NotFound("such page").into_response(),
        },
    }
}

fn answer(path: &str, file: &rust_embed::EmbeddedFile, known: Option<HeaderValue>) -> Response {
    let tag = format!(
        "\"{}\"",
        crate::access::hex(&file.metadata.sha256_hash()[..16])
    );
    let cache = match is_hashed(path) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let mut response = if known.is_some_and(|k| k.as_bytes() == tag.as_bytes()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(file.data.to_vec()))
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type(path)),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether the name changes when the content does: `name-HASH.ext` under `assets/`, as Vite writes it.
fn is_hashed(path: &str) -> bool {
    let Some(name) = path.strip_prefix("assets/") else {
        return false;
    };
    let stem = name.rsplit('/').next().unwrap_or(name);
    let stem = stem.split('.').next().unwrap_or(stem);
    let hash = stem.get(stem.len().saturating_sub(8)..).unwrap_or_default();
    let before = stem
        .len()
        .checked_sub(9)
        .and_then(|at| stem.as_bytes().get(at));
    before == Some(&b'-')
        && hash
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        assert!(is_hashed("assets/index-BxY12_ab.js"));
        assert!(is_hashed("assets/decode-C0ffee12.wasm"));
        for path in [
            "index.html",
            "assets/logo.svg",
            "assets/index.js",
            "assets/",
        ] {
            assert!(!is_hashed(path), "{path}");
        }
    }

    #[test]
    fn the_page_is_there() {
        assert!(Assets::get(PAGE).is_some());
    }
}
