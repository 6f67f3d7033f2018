//! DICOMweb as a client, as far as results and priors need it. The crate that speaks HTTP brings it.

use crate::config::WebService;
use crate::error::{NodeError, Result};
use dicom_object::InMemDicomObject;
use std::path::Path;

/// A DICOMweb client. Blocks its thread.
pub trait WebClient: std::fmt::Debug + Send + Sync {
    /// QIDO-RS: the answers to a search such as `/studies` with its parameters.
    ///
    /// # Errors
    /// [`NodeError::Web`].
    fn search(
        &self,
        at: &WebService,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<InMemDicomObject>>;

    /// WADO-RS: the objects under a path, as DICOM files.
    ///
    /// # Errors
    /// [`NodeError::Web`].
    fn retrieve(&self, at: &WebService, path: &str) -> Result<Vec<Vec<u8>>>;

    /// STOW-RS of one file with this SOP Instance UID. When it returns, the server has said that it keeps it.
    ///
    /// # Errors
    /// [`NodeError::Status`] with the server's failure reason, [`NodeError::Web`], [`NodeError::File`].
    fn store(&self, at: &WebService, file: &Path, instance: &str) -> Result<()>;

    /// Whether the server has an object (QIDO-RS at the level of instances); `None` when it answers no such searches.
    ///
    /// # Errors
    /// [`NodeError::Web`] when it is not there.
    fn has(&self, at: &WebService, study: &str, instance: &str) -> Result<Option<bool>>;
}

/// No client: every call is an error that says so.
#[derive(Debug, Clone, Copy)]
pub struct NoWeb;

impl NoWeb {
    fn none<T>() -> Result<T> {
        Err(NodeError::Web {
            what: "no client in this program".to_owned(),
            transient: false,
        })
    }
}

impl WebClient for NoWeb {
    fn search(&self, _: &WebService, _: &str, _: &[(&str, &str)]) -> Result<Vec<InMemDicomObject>> {
        NoWeb::none()
    }

    fn retrieve(&self, _: &WebService, _: &str) -> Result<Vec<Vec<u8>>> {
        NoWeb::none()
    }

    fn store(&self, _: &WebService, _: &Path, _: &str) -> Result<()> {
        NoWeb::none()
    }

    fn has(&self, _: &WebService, _: &str, _: &str) -> Result<Option<bool>> {
        NoWeb::none()
    }
}
