//! Non-maximum suppression: of boxes that overlap, the one with the highest score.

use crate::boxes::{Corners, Scored};

/// Up to so many boxes, each is compared with all that are kept; above, with those near it.
const FEW: usize = 256;

/// Indices of the boxes that overlap no box of a higher score by more than `threshold` ≥ 0.5 of their union, by falling
/// score, of equal scores the first in front: `torchvision.ops.nms`, whose areas are without the +1 pixel.
///
/// Its time grows as the number of boxes: a box is compared only with kept boxes of similar size around its centre, and those
/// are few, because they do not overlap.
pub(crate) fn union<T>(boxes: &[T], scored: impl Fn(&T) -> Scored, threshold: f64) -> Vec<u32> {
    let scored: Vec<Scored> = boxes.iter().map(scored).collect();
    let mut order: Vec<u32> = (0..boxes.len() as u32).collect();
    order.sort_by(|&a, &b| scored[b as usize].score.total_cmp(&scored[a as usize].score));
    let overlap = |a: u32, b: u32| {
        f64::from(intersection_over_union(scored[a as usize].corners, scored[b as usize].corners)) > threshold
    };
    let mut kept = Vec::new();
    if boxes.len() <= FEW {
        for &index in &order {
            if !kept.iter().any(|&other| overlap(other, index)) {
                kept.push(index);
            }
        }
    } else {
        let mut grid = Grid::new(boxes.len());
        for &index in &order {
            // A box without an area overlaps nothing.
            let Some(place) = Place::of(scored[index as usize].corners) else {
                kept.push(index);
                continue;
            };
            if !grid.any(&place, |other| overlap(other, index)) {
                grid.insert(&place, index);
                kept.push(index);
            }
        }
    }
    kept
}

fn intersection_over_union(a: Corners, b: Corners) -> f32 {
    let area = |[x1, y1, x2, y2]: Corners| (x2 - x1) * (y2 - y1);
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    let shared = width.max(0.0) * height.max(0.0);
    shared / (area(a) + area(b) - shared)
}

/// Where a box is in a [`Grid`].
struct Place {
    /// ⌊log₂⌋ of its longer side.
    level: i32,
    centre: [f64; 2],
}

impl Place {
    /// `None` for a box without an area.
    fn of([x1, y1, x2, y2]: Corners) -> Option<Self> {
        let (width, height) = (x2 - x1, y2 - y1);
        let side = if width > height { width } else { height };
        if !(width > 0.0 && height > 0.0 && side.is_finite()) {
            return None;
        }
        let level = (side.to_bits() >> 23) as i32 - 127;
        Some(Self { level, centre: [(f64::from(x1) + f64::from(x2)) * 0.5, (f64::from(y1) + f64::from(y2)) * 0.5] })
    }
}

/// 2 to the power of a level, −128 to 128.
fn power_of_two(level: i32) -> f64 {
    f64::from_bits(((1023 + level) as u64) << 52)
}

/// Boxes by size and centre.
struct Grid {
    /// First box of each bucket.
    heads: Vec<u32>,
    /// Next box of the same bucket, for each box.
    next: Vec<u32>,
    /// Which levels have a box, from −128.
    levels: [bool; 256],
}

const NONE: u32 = u32::MAX;

impl Grid {
    fn new(count: usize) -> Self {
        Self { heads: vec![NONE; (2 * count).next_power_of_two()], next: vec![NONE; count], levels: [false; 256] }
    }

    /// Cells of a level are as wide as its smallest boxes. Different cells may share a bucket: what is in it is compared anyway.
    fn bucket(&self, level: i32, x: i64, y: i64) -> usize {
        let key = (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
            ^ (level as u64).wrapping_mul(0x1656_67b1_9e37_79f9);
        let mixed = (key ^ (key >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 32) as usize & (self.heads.len() - 1)
    }

    fn insert(&mut self, place: &Place, index: u32) {
        let side = power_of_two(place.level);
        let [x, y] = place.centre.map(|centre| (centre / side).floor() as i64);
        let bucket = self.bucket(place.level, x, y);
        self.next[index as usize] = std::mem::replace(&mut self.heads[bucket], index);
        self.levels[(place.level + 128) as usize] = true;
    }

    /// Whether a box near `place` is what is looked for. Two boxes share at most the shorter side ÷ the longer of their union,
    /// so more than half only if their sides differ by less than a factor of 2 and their centres by less than half the longer
    /// side.
    fn any(&self, place: &Place, found: impl Fn(u32) -> bool) -> bool {
        (place.level - 1..=place.level + 1).any(|level| {
            if !self.levels.get((level + 128) as usize).copied().unwrap_or(false) {
                return false;
            }
            let side = power_of_two(level);
            let reach = power_of_two(level.max(place.level)) * 1.01;
            let cells = place
                .centre
                .map(|centre| ((centre - reach) / side).floor() as i64..=((centre + reach) / side).floor() as i64);
            let [columns, rows] = cells;
            rows.into_iter().any(|y| {
                columns.clone().any(|x| {
                    let mut index = self.heads[self.bucket(level, x, y)];
                    while index != NONE {
                        if found(index) {
                            return true;
                        }
                        index = self.next[index as usize];
                    }
                    false
                })
            })
        })
    }
}

/// Indices of the boxes that share with no box of a higher score more than `threshold` of the smaller area, by falling score,
/// of equal scores the last in front: facenet-pytorch's `nms_numpy` with "Min", whose sides include the +1 pixel, and whose
/// `argsort` keeps the order of up to 16 equals where NumPy runs without vector instructions. Compares each box with all that
/// are kept.
pub(crate) fn smaller<T>(boxes: &[T], scored: impl Fn(&T) -> Scored, threshold: f32) -> Vec<u32> {
    let scored: Vec<Scored> = boxes.iter().map(scored).collect();
    let mut order: Vec<u32> = (0..boxes.len() as u32).rev().collect();
    order.sort_by(|&a, &b| scored[b as usize].score.total_cmp(&scored[a as usize].score));
    let area = |[x1, y1, x2, y2]: Corners| (x2 - x1 + 1.0) * (y2 - y1 + 1.0);
    let overlap = |a: Corners, b: Corners| {
        let width = (a[2].min(b[2]) - a[0].max(b[0]) + 1.0).max(0.0);
        let height = (a[3].min(b[3]) - a[1].max(b[1]) + 1.0).max(0.0);
        width * height / area(a).min(area(b))
    };
    let mut kept: Vec<u32> = Vec::new();
    for &index in &order {
        let corners = scored[index as usize].corners;
        if kept.iter().all(|&other| overlap(scored[other as usize].corners, corners) <= threshold) {
            kept.push(index);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scored(x1: f32, y1: f32, x2: f32, y2: f32, score: f32) -> Scored {
        Scored { corners: [x1, y1, x2, y2], score }
    }

    #[test]
    fn of_two_boxes_that_overlap_too_much_the_better_stays() {
        // 10 × 10 boxes, moved by 3: 70 of 130.
        let boxes = [scored(0.0, 0.0, 10.0, 10.0, 0.8), scored(3.0, 0.0, 13.0, 10.0, 0.9)];
        assert_eq!(union(&boxes, |&b| b, 0.5), [1]);
        assert_eq!(union(&boxes, |&b| b, 0.7), [1, 0]);
    }

    #[test]
    fn exactly_the_threshold_is_no_overlap_too_much() {
        let boxes = [scored(0.0, 0.0, 10.0, 10.0, 0.8), scored(0.0, 0.0, 10.0, 5.0, 0.9)];
        assert_eq!(union(&boxes, |&b| b, 0.5), [1, 0]);
        // 0.7 is less than 0.7 in f32's neighbourhood: torchvision compares in f64.
        let boxes = [scored(0.0, 0.0, 10.0, 10.0, 0.8), scored(0.0, 0.0, 10.0, 7.0, 0.9)];
        assert_eq!(union(&boxes, |&b| b, 0.7), [1, 0]);
    }

    #[test]
    fn equal_scores_keep_their_order() {
        let boxes = [scored(0.0, 0.0, 10.0, 10.0, 0.9); 3];
        assert_eq!(union(&boxes, |&b| b, 0.5), [0]);
        assert_eq!(smaller(&boxes, |&b| b, 0.7), [2]);
        let apart: Vec<_> = (0..3).map(|i| scored(i as f32 * 20.0, 0.0, i as f32 * 20.0 + 10.0, 10.0, 0.9)).collect();
        assert_eq!(union(&apart, |&b| b, 0.5), [0, 1, 2]);
        assert_eq!(smaller(&apart, |&b| b, 0.7), [2, 1, 0]);
    }

    #[test]
    fn a_box_inside_another_falls_to_it_by_the_smaller_area_only() {
        let boxes = [scored(0.0, 0.0, 99.0, 99.0, 0.9), scored(20.0, 20.0, 29.0, 29.0, 0.8)];
        assert_eq!(union(&boxes, |&b| b, 0.5), [0, 1]);
        assert_eq!(smaller(&boxes, |&b| b, 0.7), [0]);
    }

    /// Greedy suppression written as its definition.
    fn plainly(boxes: &[Scored], threshold: f64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..boxes.len() as u32).collect();
        order.sort_by(|&a, &b| boxes[b as usize].score.total_cmp(&boxes[a as usize].score));
        let mut kept: Vec<u32> = Vec::new();
        for index in order {
            let one = boxes[index as usize].corners;
            if kept.iter().all(|&other| {
                f64::from(intersection_over_union(boxes[other as usize].corners, one)) <= threshold
                    || intersection_over_union(boxes[other as usize].corners, one).is_nan()
            }) {
                kept.push(index);
            }
        }
        kept
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Looking only around a box changes nothing: boxes of all sizes, negative ones too, many that nearly coincide.
        #[test]
        fn the_grid_keeps_what_comparing_all_keeps(
            boxes in prop::collection::vec((0u16..600, 0u16..600, -4i16..200, -3i16..6, 0u8..50), 300..900),
            spread in prop::sample::select(vec![0.03f32, 0.3, 1.0]),
            threshold in prop::sample::select(vec![0.5, 0.7]),
        ) {
            let boxes: Vec<_> = boxes.into_iter().map(|(x, y, side, longer, score)| {
                let (x, y, side) = (f32::from(x) * spread, f32::from(y) * spread, f32::from(side) * spread.sqrt());
                scored(x - 50.0, y - 50.0, x - 50.0 + side, y - 50.0 + side + f32::from(longer), f32::from(score) / 50.0)
            }).collect();
            prop_assert_eq!(union(&boxes, |&b| b, threshold), plainly(&boxes, threshold));
        }
    }
}
