//! Why a request is not answered, as a status and a JSON body that a person understands.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hilum_store::StoreError;
use serde::Serialize;
use serde_json::{Value, json};
use tracing::{debug, warn};

/// Errors of the reading room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// A request that makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// The study is not (any more) in the store.
    #[error("the study is not in the store; it may have been deleted")]
    Deleted,
    /// The study has no reading yet.
    #[error("the study has not been read yet")]
    NotRead,
    /// Nobody is logged in.
    #[error("log in first")]
    Unauthorized,
    /// Wrong name or password.
    #[error("name or password is wrong")]
    WrongPassword,
    /// Logging in by a provider did not work.
    #[error("logging in did not work: {why}")]
    LogIn {
        /// `no_role`, `name_taken`, `expired`, `no_provider`, `refused` or `failed`.
        kind: &'static str,
        /// For the log.
        why: String,
    },
    /// The role does not suffice.
    #[error("this needs the role {0}")]
    Forbidden(&'static str),
    /// The request does not come from the application's own pages.
    #[error("{0}")]
    NotOurs(&'static str),
    /// Too many attempts.
    #[error("too many attempts; try again in {0} seconds")]
    TooMany(u64),
    /// Somebody else was faster.
    #[error("somebody else changed this meanwhile")]
    Conflict {
        /// Revision of the study now.
        revision: i64,
        /// Edits since the revision that the request knew, as JSON.
        edits: Value,
    },
    /// The request is about another reading than the one that is there now.
    #[error(
        "the study was read since this was shown (`reading_hash` is another one); look at the reading that is there now"
    )]
    ReadAgain,
    /// A body over the limit.
    #[error("{0}")]
    TooLarge(String),
    /// No space is left on the disk.
    #[error("no space is left on the server's disk; nothing was kept of what did not fit")]
    DiskFull,
    /// The pixels cannot be read.
    #[error(transparent)]
    Image(#[from] hilum_dicom::LoadError),
    /// Objects cannot be made of the reading.
    #[error(transparent)]
    Object(#[from] hilum_objects::ObjectError),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The database.
    #[error("database: {0}")]
    Database(sqlx::Error),
    /// A file of the store.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A setting that cannot be served with.
    #[error("{0}")]
    Setup(String),
    /// A defect.
    #[error("{0}")]
    Internal(String),
}

/// Result with [`RoomError`].
pub type Result<T, E = RoomError> = std::result::Result<T, E>;

/// What the body of an error says.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorText,
}

/// Kind and words of an error.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErrorText {
    /// Snake-case kind, for programs.
    pub kind: String,
    /// In words, for persons.
    pub message: String,
}

impl From<StoreError> for RoomError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull { .. } => RoomError::DiskFull,
            StoreError::Database(error) => error.into(),
            other => RoomError::Store(other),
        }
    }
}

impl From<sqlx::Error> for RoomError {
    fn from(error: sqlx::Error) -> Self {
        // SQLite says 13 (SQLITE_FULL), PostgreSQL 53100 (disk_full).
        let code = error.as_database_error().and_then(|e| e.code());
        match code.as_deref() {
            Some("13" | "53100") => RoomError::DiskFull,
            _ => RoomError::Database(error),
        }
    }
}

impl RoomError {
    /// An error of a file operation.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                RoomError::DiskFull
            }
            _ => RoomError::Io { what, source },
        }
    }

    /// Logging in by a provider did not work.
    pub(crate) fn log_in(kind: &'static str, why: impl Into<String>) -> Self {
        RoomError::LogIn {
            kind,
            why: why.into(),
        }
    }

    /// Kind in snake case, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            RoomError::BadRequest(_) => "bad_request",
            RoomError::NotFound(_) => "not_found",
            RoomError::Deleted => "deleted",
            RoomError::NotRead => "not_read",
            RoomError::Unauthorized => "not_logged_in",
            RoomError::WrongPassword => "wrong_password",
            RoomError::LogIn { kind, .. } => kind,
            RoomError::Forbidden(_) => "forbidden",
            RoomError::NotOurs(_) => "not_ours",
            RoomError::TooMany(_) => "too_many_attempts",
            RoomError::Conflict { .. } => "conflict",
            RoomError::ReadAgain => "read_again",
            RoomError::TooLarge(_) => "too_large",
            RoomError::DiskFull => "disk_full",
            RoomError::Image(error) => error.kind(),
            RoomError::Object(error) => error.kind(),
            RoomError::Store(error) => error.kind(),
            RoomError::Database(_) => "database",
            RoomError::Io { .. } => "io",
            RoomError::Setup(_) => "setup",
            RoomError::Internal(_) => "internal",
        }
    }

    /// HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            RoomError::BadRequest(_)
            | RoomError::Store(StoreError::Query { .. } | StoreError::BadUid { .. }) => {
                StatusCode::BAD_REQUEST
            }
            RoomError::NotFound(_) | RoomError::Deleted => StatusCode::NOT_FOUND,
            RoomError::NotRead | RoomError::Conflict { .. } | RoomError::ReadAgain => {
                StatusCode::CONFLICT
            }
            RoomError::Unauthorized | RoomError::WrongPassword => StatusCode::UNAUTHORIZED,
            RoomError::LogIn { .. } | RoomError::Forbidden(_) | RoomError::NotOurs(_) => {
                StatusCode::FORBIDDEN
            }
            RoomError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            RoomError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            RoomError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            RoomError::Image(_) | RoomError::Object(_) => StatusCode::UNPROCESSABLE_ENTITY,
            RoomError::Store(_)
            | RoomError::Database(_)
            | RoomError::Io { .. }
            | RoomError::Setup(_)
            | RoomError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the other side is told: paths of this machine and words of the database are no business of theirs.
    pub fn message(&self) -> String {
        match self {
            RoomError::Image(error) => told(error),
            RoomError::Object(error) => format!("no object can be made: {}", error.kind()),
            RoomError::LogIn { kind, .. } => format!("logging in did not work: {kind}"),
            _ if self.status() == StatusCode::INTERNAL_SERVER_ERROR => {
                "the server failed to do this; its log says why".to_owned()
            }
            _ => self.to_string(),
        }
    }
}

/// Why a file is no image, without its path.
pub(crate) fn told(error: &hilum_dicom::LoadError) -> String {
    use hilum_dicom::LoadError as E;
    match error {
        E::Io { .. } => "the file could not be read".to_owned(),
        E::Empty { .. } => "the file is empty".to_owned(),
        E::FileTooLarge {
            bytes, max_bytes, ..
        } => {
            format!("{bytes} bytes are over the limit of {max_bytes}")
        }
        E::NotAnImage { .. } => "not a DICOM, PNG, JPEG or TIFF file".to_owned(),
        E::Dicom { source, .. } => source.to_string(),
        E::Raster { source, .. } => source.to_string(),
    }
}

impl IntoResponse for RoomError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            warn!(error = %self, "request failed");
        } else {
            debug!(error = %self, "request refused");
        }
        let mut body = json!({ "error": { "kind": self.kind(), "message": self.message() } });
        if let RoomError::Conflict { revision, edits } = &self {
            body["revision"] = json!(revision);
            body["edits"] = edits.clone();
        }
        let mut response = (status, Json(body)).into_response();
        if let RoomError::TooMany(seconds) = self {
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_507_whoever_notices_it() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let by_store: RoomError = StoreError::DiskFull { path: "/x".into() }.into();
        for error in [by_store, RoomError::io("upload")(full())] {
            assert_eq!(error.status().as_u16(), 507);
            assert_eq!(error.kind(), "disk_full");
        }
    }

    #[test]
    fn nobody_is_told_paths_or_statements() {
        let error = RoomError::Io {
            what: "/home/secret".into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        assert!(!error.message().contains("secret"));
        let load = hilum_dicom::LoadError::NotAnImage {
            path: "/home/secret".into(),
        };
        assert!(!RoomError::from(load).message().contains("secret"));
    }
}
