//! `facevault`: stands in until the parts have landed.

fn main() {}
