//! Why a request is not answered, and the HTTP status of each reason.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hilum_store::StoreError;
use tracing::{debug, warn};

/// Errors of the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// A request that makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Nothing is stored under these UIDs.
    #[error("not found")]
    NotFound,
    /// None of the media types asked for can be given.
    #[error("not acceptable: {0}")]
    NotAcceptable(String),
    /// A body of another media type.
    #[error("unsupported media type: {0}")]
    UnsupportedMediaType(String),
    /// The operation is not allowed by the configuration.
    #[error("not allowed by the configuration")]
    Forbidden,
    /// The token is missing or wrong.
    #[error("a bearer token is needed")]
    Unauthorized,
    /// An object whose pixels cannot be read.
    #[error(transparent)]
    Image(#[from] hilum_dicom::DicomError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file that is gone, or a picture that cannot be encoded.
    #[error("{0}")]
    Internal(String),
}

/// Result with [`WebError`].
pub type Result<T, E = WebError> = std::result::Result<T, E>;

impl WebError {
    /// Kind in snake case: errors of the store name files, and those have UIDs in their names.
    fn kind(&self) -> &'static str {
        match self {
            WebError::Image(error) => error.kind(),
            WebError::Store(error) => error.kind(),
            WebError::Internal(_) => "internal",
            _ => "request",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            WebError::BadRequest(_)
            | WebError::Store(StoreError::Query { .. } | StoreError::BadUid { .. }) => {
                StatusCode::BAD_REQUEST
            }
            WebError::NotFound => StatusCode::NOT_FOUND,
            WebError::NotAcceptable(_) | WebError::Image(_) => StatusCode::NOT_ACCEPTABLE,
            WebError::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            WebError::Forbidden => StatusCode::FORBIDDEN,
            WebError::Unauthorized => StatusCode::UNAUTHORIZED,
            WebError::Store(_) | WebError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            warn!(kind = self.kind(), "request failed");
            debug!(error = %self, "request failed");
            // Paths and database errors are no business of the other side.
            return (status, "internal error\n").into_response();
        }
        debug!(error = %self, "request refused");
        let mut response = (status, format!("{self}\n")).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let value = axum::http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert("www-authenticate", value);
        }
        response
    }
}
