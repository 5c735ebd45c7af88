//! Reduces data to what a chart can show: wide bins from narrow ones, curves without indistinguishable points.

use crate::similarity::Histograms;

/// A range of cosines and the number of pairs in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bin {
    pub lower: f64,
    pub upper: f64,
    pub genuine: u64,
    pub impostor: u64,
}

/// Merges neighbouring bins into at most `most` that cover the range from the lowest to the highest cosine.
pub(super) fn rebin(histograms: &Histograms, most: usize) -> Vec<Bin> {
    let bins = histograms.genuine.len().max(histograms.impostor.len());
    let count = |counts: &[u64], bin: usize| counts.get(bin).copied().unwrap_or(0);
    let pairs = |bin: usize| (count(&histograms.genuine, bin), count(&histograms.impostor, bin));
    let occupied = |bin: &usize| pairs(*bin) != (0, 0);
    let (Some(first), Some(last)) = ((0..bins).find(occupied), (0..bins).rfind(occupied)) else { return Vec::new() };
    let most = most.max(1);
    let mut group = (last + 1 - first).div_ceil(most);
    // Groups start at multiples of their size, so that edges do not depend on the outermost pair.
    while last / group - first / group >= most {
        group += 1;
    }
    let edge = |bin: usize| 2.0 * bin.min(bins) as f64 / bins as f64 - 1.0;
    (first / group..=last / group)
        .map(|index| {
            let range = index * group..(index + 1) * group;
            let (genuine, impostor) = range
                .clone()
                .map(pairs)
                .fold((0_u64, 0_u64), |sum, pair| (sum.0.saturating_add(pair.0), sum.1.saturating_add(pair.1)));
            Bin { lower: edge(range.start), upper: edge(range.end), genuine, impostor }
        })
        .collect()
}

/// Indices of the points to keep so that each is at least `distance` from the previous one on either axis; always keeps
/// the last.
pub(super) fn thin(points: &[(f64, f64)], distance: f64) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        let far = kept
            .last()
            .map(|&last| points[last])
            .is_none_or(|last| (point.0 - last.0).abs() >= distance || (point.1 - last.1).abs() >= distance);
        if far || index + 1 == points.len() {
            kept.push(index);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bins_cover_the_occupied_range_only() {
        let mut histograms = Histograms { genuine: vec![0; 65_536], impostor: vec![0; 65_536] };
        histograms.genuine[65_535] = 2;
        histograms.impostor[32_768] = 3;
        let bins = rebin(&histograms, 200);
        assert!(bins.len() <= 200);
        assert!(bins[0].lower <= 0.0 && bins[0].upper > 0.0 && bins[0].impostor == 3);
        assert_eq!(bins.last().map(|bin| (bin.upper, bin.genuine)), Some((1.0, 2)));
    }

    #[test]
    fn no_pairs_make_no_bins() {
        assert!(rebin(&Histograms { genuine: vec![], impostor: vec![0; 4] }, 10).is_empty());
    }

    #[test]
    fn thinning_keeps_both_ends() {
        let points: Vec<_> = (0..=1000).map(|i| (f64::from(i) / 1000.0, 0.5)).collect();
        let kept = thin(&points, 0.1);
        assert_eq!((kept.first(), kept.last()), (Some(&0), Some(&1000)));
        assert!(kept.len() <= 12, "{}", kept.len());
    }

    proptest! {
        #[test]
        fn no_pair_is_lost(genuine in proptest::collection::vec(0_u64..9, 0..300), impostor in proptest::collection::vec(0_u64..9, 0..300), most in 1_usize..50) {
            let histograms = Histograms { genuine, impostor };
            let bins = rebin(&histograms, most);
            prop_assert!(bins.len() <= most, "{} > {most}", bins.len());
            prop_assert_eq!(bins.iter().map(|bin| bin.genuine).sum::<u64>(), histograms.genuine.iter().sum::<u64>());
            prop_assert_eq!(bins.iter().map(|bin| bin.impostor).sum::<u64>(), histograms.impostor.iter().sum::<u64>());
            prop_assert!(bins.windows(2).all(|pair| pair[0].upper == pair[1].lower));
        }
    }
}
