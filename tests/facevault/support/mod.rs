//! What several tests share.

pub mod fake_hub;
pub mod formula;
