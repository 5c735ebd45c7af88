//! What several tests share.

pub mod fake_cuda;
pub mod fake_hub;
pub mod formula;
pub mod network;
pub mod workspace;
