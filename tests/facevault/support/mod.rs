//! What several tests share.

pub mod formula;
