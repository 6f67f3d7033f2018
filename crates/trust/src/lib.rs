//! How far an answer may be believed.
