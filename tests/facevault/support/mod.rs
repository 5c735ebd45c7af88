//! What several tests share.

pub mod formula;
pub mod workspace;
