//! Received DICOM objects.
