//! Verification statistics.
