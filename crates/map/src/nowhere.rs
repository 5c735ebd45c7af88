//! Where nothing is mapped: numbers have another byte order, or the system has other calls.

use std::ops::Deref;

use super::Extent;

/// There is none.
#[derive(Debug)]
pub enum Mapping {}

impl Mapping {
    /// Always `None`.
    #[must_use]
    pub fn new(_: &[Extent<'_>]) -> Option<Self> {
        None
    }
}

impl Deref for Mapping {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match *self {}
    }
}
