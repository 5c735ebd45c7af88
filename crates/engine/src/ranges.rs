//! What int8 has to know of a network.

use std::collections::BTreeMap;

/// The least and the largest number of each value that is kept in whole numbers, by name; 0 lies between them.
pub type Ranges = BTreeMap<String, [f32; 2]>;
