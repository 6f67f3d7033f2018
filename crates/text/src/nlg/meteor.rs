//! METEOR.
