//! The sample of a dataset's faces that int8 is calibrated on and precisions are compared on.

/// [`rows`] in words, as `plan.json` records it.
pub const RULE: &str = "256 faces in evenly spaced blocks of 8";

const FACES: usize = 256;

/// Datasets are ordered by person, so blocks of neighbouring rows give the sample genuine pairs.
const BLOCK: usize = 8;

/// The rows of the sample in a manifest of `faces`, ascending: evenly spaced blocks including the first and the last;
/// all rows if there are no more than the sample holds.
#[must_use]
pub fn rows(faces: usize) -> Vec<usize> {
    blocks(faces, FACES)
}

/// At most `wanted` of `faces` rows, ascending: evenly spaced blocks including the first and the last, truncated to
/// `wanted`.
#[must_use]
pub fn blocks(faces: usize, wanted: usize) -> Vec<usize> {
    if faces <= wanted {
        return (0..faces).collect();
    }
    let blocks = wanted.div_ceil(BLOCK);
    let first = |block: usize| block * faces.saturating_sub(BLOCK) / (blocks - 1).max(1);
    // Blocks overlap if there are hardly more faces than wanted.
    let mut rows: Vec<usize> = (0..blocks).flat_map(|block| (0..BLOCK).map(move |i| first(block) + i)).collect();
    rows.sort_unstable();
    rows.dedup();
    rows.truncate(wanted);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_dataset_is_its_own_sample() {
        assert_eq!(rows(0), Vec::<usize>::new());
        assert_eq!(rows(3), [0, 1, 2]);
        assert_eq!(rows(256), (0..256).collect::<Vec<_>>());
    }

    #[test]
    fn blocks_reach_from_the_first_row_to_the_last() {
        let rows = rows(10_000);
        assert_eq!(rows[..10], [0, 1, 2, 3, 4, 5, 6, 7, 322, 323]);
        assert_eq!(rows[248..], [9992, 9993, 9994, 9995, 9996, 9997, 9998, 9999]);
    }

    proptest! {
        #[test]
        fn as_many_rows_as_wanted_come_once_and_in_order(faces in 0usize..500, wanted in 1usize..100) {
            let rows = blocks(faces, wanted);
            prop_assert_eq!(rows.len(), faces.min(wanted));
            prop_assert!(rows.is_sorted_by(|a, b| a < b) && rows.iter().all(|row| *row < faces));
        }

        #[test]
        fn a_sample_is_256_rows_in_whole_blocks_evenly_apart(faces in 257usize..20_000_000) {
            let rows = rows(faces);
            prop_assert_eq!(rows.len(), 256);
            prop_assert!(rows.is_sorted_by(|a, b| a < b) && rows[255] == faces - 1);
            let starts: Vec<_> = rows.chunks(8).map(|block| block[0]).collect();
            prop_assert!(rows.chunks(8).all(|block| block[7] == block[0] + 7));
            let gaps: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
            prop_assert!(gaps.iter().max().unwrap() - gaps.iter().min().unwrap() <= 1);
        }
    }
}
