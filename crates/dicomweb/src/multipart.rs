//! Reading `multipart/related` bodies (RFC 2387, RFC 2046 section 5.1).

use crate::error::{Result, WebError};
use crate::media::split;

/// One part of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// Its content type in lower case, empty when not given.
    pub(crate) kind: String,
    /// Its bytes.
    pub(crate) data: &'a [u8],
}

/// Most characters of a boundary. RFC 2046 allows 70; Orthanc 1.10 takes 73.
const MAX_BOUNDARY: usize = 200;

/// The boundary of a content type.
pub(crate) fn boundary(content_type: &str) -> Result<String> {
    let mut parts = split(content_type, ';').into_iter();
    let kind = parts.next().unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("multipart/related") {
        return Err(WebError::UnsupportedMediaType(kind.trim().to_owned()));
    }
    let found = parts.find_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"').to_owned())
    });
    found
        .filter(|b| !b.is_empty() && b.len() <= MAX_BOUNDARY)
        .ok_or_else(|| WebError::BadRequest("multipart/related without a boundary".to_owned()))
}

/// The parts of a body.
pub(crate) fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>> {
    let wrong = |what: &str| WebError::BadRequest(format!("multipart body: {what}"));
    let delimiter = format!("--{boundary}").into_bytes();
    let mut at = find(body, &delimiter, 0).ok_or_else(|| wrong("no part"))? + delimiter.len();
    let mut found = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(found);
        }
        let line = find(rest, b"\n", 0).ok_or_else(|| wrong("cut short"))?;
        let start = at + line + 1;
        let mut marker = b"\r\n".to_vec();
        marker.extend(&delimiter);
        // A part may be empty: its delimiter then follows the line break of its head at once.
        let end = find(body, &marker, start.saturating_sub(2)).ok_or_else(|| wrong("cut short"))?;
        found.push(
            part(&body[start..end.max(start)])
                .ok_or_else(|| wrong("a part without the end of its head"))?,
        );
        at = end + marker.len();
    }
}

fn part(bytes: &[u8]) -> Option<Part<'_>> {
    let (head, data) = if let Some(data) = bytes.strip_prefix(b"\r\n") {
        (&bytes[..0], data)
    } else {
        let end = find(bytes, b"\r\n\r\n", 0)?;
        (&bytes[..end], &bytes[end + 4..])
    };
    let head = String::from_utf8_lossy(head);
    let kind = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-type")
            .then(|| value.trim().to_ascii_lowercase())
    });
    Some(Part {
        kind: kind.unwrap_or_default(),
        data,
    })
}

/// Where `needle` begins, from `start` on.
fn find(bytes: &[u8], needle: &[u8], start: usize) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = start;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|&b| b == first)?;
        if bytes[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_with_and_without_heads() {
        let body = b"preamble\r\n--b\r\nContent-Type: application/dicom\r\nX: y\r\n\r\nab\r\n--b\r\n\r\ncd\r\n--b--\r\n";
        let found = parts(body, "b").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].kind.as_str(), found[0].data),
            ("application/dicom", &b"ab"[..])
        );
        assert_eq!((found[1].kind.as_str(), found[1].data), ("", &b"cd"[..]));
        assert!(parts(&body[..body.len() - 20], "b").is_err());
        assert!(parts(b"nothing", "b").is_err());
        assert_eq!(
            boundary("Multipart/Related; type=\"application/dicom\"; boundary=\"x y\"").unwrap(),
            "x y"
        );
        assert!(boundary("application/json").is_err());
        // As long as Orthanc's.
        let long = "e".repeat(73);
        let kind = format!("multipart/related; type=\"application/dicom\"; boundary={long}");
        assert_eq!(boundary(&kind).unwrap(), long);
        assert!(boundary(&format!("{kind}{}", "e".repeat(200))).is_err());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in "(--b|\r\n|--|x|Content-Type: y){0,30}") {
            let _ = parts(body.as_bytes(), "b");
        }

        #[test]
        fn what_is_written_is_read_back(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut body = b"--hilum-q\r\nContent-Type: application/dicom\r\n\r\n".to_vec();
            body.extend(&data);
            body.extend(b"\r\n--hilum-q--\r\n");
            prop_assert_eq!(parts(&body, "hilum-q").unwrap()[0].data, data.as_slice());
        }
    }
}
