//! What the quarters of a measured column are called: nobody knows whether a sharpness of 24 is much.

use crate::breakdown::{Slice, Slices};

/// Columns that facevault measures: the names of their quarters from the lowest values to the highest, and what their worst
/// pictures are.
const QUARTERS: [(&str, [&str; 4], &str); 6] = [
    ("sharpness", ["blurriest", "blurrier", "sharper", "sharpest"], "blurriest"),
    ("exposure", ["darkest", "darker", "brighter", "brightest"], "darkest or brightest"),
    ("contrast", ["least contrast", "less contrast", "more contrast", "most contrast"], "flattest"),
    ("size", ["smallest face", "smaller face", "larger face", "largest face"], "smallest"),
    ("box size", ["smallest box", "smaller box", "larger box", "largest box"], "smallest"),
    ("detector score", ["least certain", "less certain", "more certain", "most certain"], "least certainly detected"),
];

/// A short name, for an axis: `blurriest`, `light: indoor`.
pub(super) fn short(column: &Slices, slice: usize) -> String {
    match quarter(column, slice) {
        Some(name) => name.to_owned(),
        None => format!("{}: {}", column.column, column.slices.get(slice).map_or("", |slice| &slice.name)),
    }
}

/// A name that says where the slice comes from: `blurriest quarter (sharpness 8.1 to 24)`, `light: indoor`.
pub(super) fn full(column: &Slices, slice: usize) -> String {
    match (quarter(column, slice), column.slices.get(slice)) {
        (Some(name), Some(Slice { name: range, .. })) => format!("{name} quarter ({} {range})", column.column),
        _ => short(column, slice),
    }
}

/// What turning away the worst pictures by a measure turns away: `blurriest`.
pub(super) fn worst(measure: &str) -> String {
    let known = QUARTERS.iter().find(|(name, ..)| *name == measure);
    known.map_or_else(|| format!("worst (by {measure})"), |(.., worst)| (*worst).into())
}

fn quarter(column: &Slices, slice: usize) -> Option<&'static str> {
    let quarters = column.slices.len() == 4 && column.slices.iter().all(|slice| slice.range.is_some());
    let (_, names, _) = QUARTERS.iter().find(|(name, ..)| quarters && *name == column.column)?;
    names.get(slice).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_of_a_measure_have_names_and_other_slices_keep_theirs() {
        let slice = |name: &str, range| Slice {
            name: name.into(),
            range,
            faces: 1,
            identities: 1,
            fnmr: None,
            fmr: None,
            warnings: Vec::new(),
        };
        let quarters = ["8.1 to 24", "24 to 33", "33 to 45", "45 to 196"].map(|name| slice(name, Some([0.0, 1.0])));
        let sharpness = Slices { column: "sharpness".into(), unknown: 0, slices: quarters.into() };
        assert_eq!(short(&sharpness, 0), "blurriest");
        assert_eq!(full(&sharpness, 3), "sharpest quarter (sharpness 45 to 196)");
        let of_user = Slices { slices: vec![slice("low", None), slice("high", None)], ..sharpness };
        assert_eq!(full(&of_user, 1), "sharpness: high");
        assert_eq!([worst("exposure"), worst("age")], ["darkest or brightest", "worst (by age)"]);
    }
}
