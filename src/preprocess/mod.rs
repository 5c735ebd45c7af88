//! Bytes → 8-bit RGB → crop → resize: everything between a picture and the network's input. Pure: no files, no network.

mod profiles;

pub use profiles::{PROFILES, profile};
