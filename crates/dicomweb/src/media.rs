//! Media types asked for, and multipart answers.

use crate::error::{Result, WebError};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, header};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// One media range of an Accept header, or of its parameter `accept`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    /// `multipart/related` or the type of a single part.
    pub(crate) multipart: bool,
    /// Type of the part in lower case, `*/*` for any.
    pub(crate) kind: String,
    /// Transfer syntax asked for; `*` as stored.
    pub(crate) syntax: Option<String>,
}

/// What is asked for, in order; anything when nothing is said.
pub(crate) fn accepted(headers: &HeaderMap) -> Vec<Range> {
    let text = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok());
    let ranges: Vec<Range> = text
        .flat_map(|t| split(t, ','))
        .filter_map(|r| range(&r))
        .collect();
    if ranges.is_empty() {
        return vec![Range {
            multipart: false,
            kind: "*/*".to_owned(),
            syntax: None,
        }];
    }
    ranges
}

fn range(text: &str) -> Option<Range> {
    let mut parts = split(text, ';').into_iter();
    let first = parts.next()?.trim().to_ascii_lowercase();
    let multipart = first == "multipart/related";
    let mut range = Range {
        multipart,
        kind: if multipart { "*/*".to_owned() } else { first },
        syntax: None,
    };
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((&part, ""));
        let value = value.trim().trim_matches('"').to_owned();
        match name.trim().to_ascii_lowercase().as_str() {
            "type" if multipart => range.kind = value.to_ascii_lowercase(),
            "transfer-syntax" => range.syntax = Some(value),
            _ => {}
        }
    }
    Some(range)
}

/// Splits at a separator outside of quotes.
pub(crate) fn split(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        if c == '"' {
            quoted = !quoted;
        }
        if c == separator && !quoted {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(c);
        }
    }
    parts.push(part);
    parts
}

/// Whether a range takes a type.
pub(crate) fn takes(range: &Range, kind: &str) -> bool {
    range.kind == kind
        || range.kind == "*/*"
        || range.kind.strip_suffix("/*").is_some_and(|family| {
            kind.strip_prefix(family)
                .is_some_and(|rest| rest.starts_with('/'))
        })
}

/// The boundary of a multipart answer: long enough that no data hold it by chance.
pub(crate) fn boundary() -> String {
    let now = hilum_store::now();
    let hash = crate::state::hash(&format!("{now}-{:?}", std::thread::current().id()));
    let hex: String = hash[..16].iter().map(|b| format!("{b:02x}")).collect();
    format!("hilum-{hex}")
}

/// The head of one part.
pub(crate) fn part_head(boundary: &str, kind: &str, location: Option<&str>) -> String {
    let location = location
        .map(|l| format!("Content-Location: {l}\r\n"))
        .unwrap_or_default();
    format!("--{boundary}\r\nContent-Type: {kind}\r\n{location}\r\n")
}

/// The head of a multipart answer.
pub(crate) fn multipart_type(boundary: &str, kind: &str) -> String {
    let kind = kind.split(';').next().unwrap_or(kind);
    format!("multipart/related; type=\"{kind}\"; boundary={boundary}")
}

/// A multipart answer whose parts are in memory.
pub(crate) fn multipart(kind: &str, parts: &[Vec<u8>]) -> Result<Response<Body>> {
    let boundary = boundary();
    let mut body = Vec::with_capacity(parts.iter().map(|p| p.len() + 200).sum());
    for part in parts {
        body.extend(part_head(&boundary, kind, None).into_bytes());
        body.extend(part);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").into_bytes());
    respond(&multipart_type(&boundary, kind), Body::from(body))
}

/// An answer with a content type.
pub(crate) fn respond(kind: &str, body: Body) -> Result<Response<Body>> {
    Response::builder()
        .header(header::CONTENT_TYPE, kind)
        .body(body)
        .map_err(|e| WebError::Internal(e.to_string()))
}

/// A body whose chunks are made while it is sent.
pub(crate) struct Chunks(mpsc::Receiver<std::io::Result<Bytes>>);

impl futures_core::Stream for Chunks {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// A body and the place to put its chunks.
pub(crate) fn streamed() -> (mpsc::Sender<std::io::Result<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Body::from_stream(Chunks(receiver)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_headers_as_viewers_send_them() {
        let mut headers = HeaderMap::new();
        let text = "multipart/related; type=\"image/jls\"; transfer-syntax=1.2.840.10008.1.2.4.80, multipart/related;type=\"application/octet-stream\";transfer-syntax=*, */*;q=0.1";
        headers.insert(header::ACCEPT, text.parse().unwrap());
        let ranges = accepted(&headers);
        assert_eq!(ranges.len(), 3);
        assert!(ranges[0].multipart && ranges[0].kind == "image/jls");
        assert_eq!(ranges[1].syntax.as_deref(), Some("*"));
        assert!(takes(&ranges[2], "image/png") && !takes(&ranges[0], "image/png"));
        assert!(takes(&range("image/*").unwrap(), "image/png"));
        assert!(!takes(&range("image/*").unwrap(), "imagesque/png"));
        assert_eq!(accepted(&HeaderMap::new())[0].kind, "*/*");
    }
}
