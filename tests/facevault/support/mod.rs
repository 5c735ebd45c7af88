//! What several tests share.

pub mod fake_cuda;
pub mod fake_hub;
pub mod formula;
pub mod network;
#[path = "../../support/shared.rs"]
pub mod shared;
pub mod workspace;
