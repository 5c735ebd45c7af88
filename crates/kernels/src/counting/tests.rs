use proptest::prelude::*;

use super::{Hits, Sums};
use crate::Kernels;
use crate::products::{COLUMNS, Products};
use crate::tally::{BINS, Tally, edge};

/// Cosines, lower edges of bins and the number before each, and what lies beyond −1 and 1.
fn product() -> impl Strategy<Value = f32> {
    let below = |bin| (edge(bin, BINS) as f32).next_down();
    prop_oneof![
        4 => -1.0f32..=1.0,
        2 => (0..BINS).prop_map(|bin| edge(bin, BINS) as f32),
        2 => (1..BINS).prop_map(below),
        1 => prop::sample::select(vec![-1.0, 1.0, 0.0, -0.0, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, 1f32.next_down()]),
        1 => prop::sample::select(vec![1f32.next_up(), (-1f32).next_down(), 1.5, -3.0, f32::MAX, f32::NEG_INFINITY]),
    ]
}

proptest! {
    #[test]
    fn any_products_are_counted_as_defined(
        runs in prop::collection::vec(prop::collection::vec(product(), 0..=COLUMNS), 1..4),
        tail in prop_oneof![4 => product(), 1 => prop::sample::select(vec![f32::NEG_INFINITY, 2.0])],
    ) {
        for kernels in [Kernels::Auto, Kernels::Avx512, Kernels::Avx2, Kernels::Neon, Kernels::Portable] {
            let Some(products) = Products::new(kernels, 1) else { continue };
            let (mut counts, mut sums, mut hits) = (vec![0; BINS], Sums::default(), Hits::default());
            let mut expected = Tally::default();
            for run in &runs {
                products.count(run, tail, &mut counts, &mut sums, &mut hits);
                let cosines: Vec<f32> = run.iter().map(|product| product.clamp(-1.0, 1.0)).collect();
                let reach = (0u16..).zip(&cosines).filter(|(_, cosine)| **cosine >= tail).map(|(place, _)| place);
                prop_assert_eq!(hits.places(), reach.collect::<Vec<_>>(), "{:?}", kernels);
                expected.extend(cosines);
            }
            prop_assert_eq!(sums.moments(), expected.moments, "{:?}", kernels);
            prop_assert_eq!((sums.min, sums.max), (expected.min, expected.max), "{:?}", kernels);
            prop_assert!(counts == expected.counts, "{:?}", kernels);
        }
    }
}

#[test]
fn every_length_of_a_run_is_counted_to_its_end() {
    for kernels in [Kernels::Avx512, Kernels::Avx2, Kernels::Neon, Kernels::Portable] {
        let Some(products) = Products::new(kernels, 1) else { continue };
        for length in 0..=COLUMNS {
            let (mut counts, mut sums, mut hits) = (vec![0; BINS], Sums::default(), Hits::default());
            // Only the last is positive and reaches the tail; what lies behind the run would, too.
            let mut line = vec![1.0; COLUMNS];
            line[..length].fill(-0.5);
            line[..length].last_mut().into_iter().for_each(|last| *last = 0.25);
            products.count(&line[..length], 0.0, &mut counts, &mut sums, &mut hits);
            let of = |cosine| counts[crate::tally::bin(cosine, BINS)];
            assert_eq!((of(-0.5), of(0.25)), (length.saturating_sub(1) as u64, u64::from(length > 0)));
            assert_eq!(counts.iter().sum::<u64>(), length as u64);
            assert_eq!(sums.moments().count(), length as u64);
            assert_eq!(hits.places(), length.checked_sub(1).map(|last| last as u16).as_slice());
            let least = [f32::INFINITY, 0.25, -0.5][length.min(2)];
            assert_eq!((sums.min, sums.max), (least, if length > 0 { 0.25 } else { f32::NEG_INFINITY }));
        }
    }
}
