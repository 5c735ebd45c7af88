//! The published evaluation, exactly: thresholds from a grid, chosen on the training pairs and judged on the test pairs.
//!
//! `facenet/src/facenet.py` and `insightface/recognition/arcface_torch/eval/verification.py`: `calculate_roc`,
//! `calculate_val`, and from `validate_on_lfw.py` AUC and EER of the mean curve. Its corners are kept: a pair is accepted
//! when its distance is *below* the threshold; of equally accurate thresholds the lowest is taken; a false accept rate
//! that no threshold of the grid reaches gives threshold 0.

use crate::protocol::{FarTarget, Grid};

/// Which pairs are training and which are test: indices into the pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Its number as the list has it.
    pub number: u32,
    /// Thresholds come from these.
    pub train: Vec<usize>,
    /// They are judged on these.
    pub test: Vec<usize>,
}

/// What the evaluation says of one fold.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedFold {
    /// The most accurate threshold on the training pairs.
    pub threshold: f64,
    /// Share of test pairs that it decides rightly.
    pub accuracy: f64,
    /// The threshold whose false accept rate on the training pairs is the target; 0 where no threshold reaches it.
    pub val_threshold: f64,
    /// Share of the genuine test pairs that it accepts; `None` without one.
    pub val: Option<f64>,
    /// Share of the impostor test pairs that it accepts; `None` without one.
    pub far: Option<f64>,
    /// True accept rate on the test pairs, threshold by threshold of the accuracy's grid; 0 without genuine pairs.
    pub tpr: Vec<f64>,
    /// False accept rate likewise.
    pub fpr: Vec<f64>,
}

/// The mean over folds of one of their curves.
#[must_use]
pub fn mean_curve(judged: &[JudgedFold], of: fn(&JudgedFold) -> &[f64]) -> Vec<f64> {
    let length = judged.first().map_or(0, |fold| of(fold).len());
    (0..length).map(|i| judged.iter().map(|fold| of(fold)[i]).sum::<f64>() / judged.len() as f64).collect()
}

/// Thresholds as NumPy's `arange(from, to, step)` has them.
#[must_use]
pub fn thresholds(from: f64, to: f64, step: f64) -> Vec<f64> {
    let count = ((to - from) / step).ceil().max(0.0) as usize;
    (0..count).map(|i| from + i as f64 * step).collect()
}

/// Judges one fold. `distances` and `same` are of all pairs.
#[must_use]
pub fn judge(distances: &[f64], same: &[bool], fold: &Fold, grid: &Grid, far: &FarTarget) -> JudgedFold {
    let [train, test] = [&fold.train, &fold.test].map(|pairs| Accepted::new(distances, same, pairs));
    let grid_of = |step| thresholds(grid.from, grid.to, step);
    let thresholds = grid_of(grid.step);
    let mut best = (thresholds.first().copied().unwrap_or_default(), f64::NEG_INFINITY);
    for &threshold in &thresholds {
        let accuracy = train.accuracy(threshold);
        if accuracy > best.1 {
            best = (threshold, accuracy);
        }
    }
    let val_grid = grid_of(far.step);
    let rates: Vec<f64> = val_grid.iter().map(|&threshold| train.far(threshold).unwrap_or(0.0)).collect();
    let reached = rates.last().is_some_and(|highest| *highest >= far.target);
    let val_threshold = if reached { interpolate(far.target, &rates, &val_grid) } else { 0.0 };
    JudgedFold {
        threshold: best.0,
        accuracy: test.accuracy(best.0),
        val_threshold,
        val: test.val(val_threshold),
        far: test.far(val_threshold),
        tpr: thresholds.iter().map(|&threshold| test.val(threshold).unwrap_or(0.0)).collect(),
        fpr: thresholds.iter().map(|&threshold| test.far(threshold).unwrap_or(0.0)).collect(),
    }
}

/// Distances of some pairs, sorted, so that counting those below a threshold is a search.
struct Accepted {
    genuine: Vec<f64>,
    impostor: Vec<f64>,
}

impl Accepted {
    fn new(distances: &[f64], same: &[bool], pairs: &[usize]) -> Self {
        let of = |kind: bool| {
            let mut of_kind: Vec<f64> =
                pairs.iter().filter(|&&pair| same[pair] == kind).map(|&pair| distances[pair]).collect();
            // NaN, the distance from nowhere, comes last: it is never below a threshold.
            of_kind.sort_unstable_by(|a, b| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(b)));
            of_kind
        };
        Self { genuine: of(true), impostor: of(false) }
    }

    fn below(sorted: &[f64], threshold: f64) -> usize {
        sorted.partition_point(|distance| *distance < threshold)
    }

    fn share(sorted: &[f64], threshold: f64) -> Option<f64> {
        (!sorted.is_empty()).then(|| Self::below(sorted, threshold) as f64 / sorted.len() as f64)
    }

    fn val(&self, threshold: f64) -> Option<f64> {
        Self::share(&self.genuine, threshold)
    }

    fn far(&self, threshold: f64) -> Option<f64> {
        Self::share(&self.impostor, threshold)
    }

    fn accuracy(&self, threshold: f64) -> f64 {
        let right =
            Self::below(&self.genuine, threshold) + self.impostor.len() - Self::below(&self.impostor, threshold);
        right as f64 / (self.genuine.len() + self.impostor.len()) as f64
    }
}

/// y at x on the line through (xs, ys), xs not falling; of several points at one x the last: NumPy's `interp`.
fn interpolate(x: f64, xs: &[f64], ys: &[f64]) -> f64 {
    let after = xs.partition_point(|&knot| knot <= x);
    let Some(before) = after.checked_sub(1) else { return ys[0] };
    if after == xs.len() {
        return ys[before];
    }
    let slope = (ys[after] - ys[before]) / (xs[after] - xs[before]);
    slope * (x - xs[before]) + ys[before]
}

/// Area under a curve by trapezoids: scikit-learn's `auc`.
#[must_use]
pub fn auc(fpr: &[f64], tpr: &[f64]) -> f64 {
    let widths = fpr.windows(2).map(|x| x[1] - x[0]);
    widths.zip(tpr.windows(2)).map(|(width, y)| width * (y[0] + y[1]) / 2.0).sum()
}

/// Where 1 − tpr equals fpr on the line through the curve's points; `None` for a curve that does not reach from 0 to 1,
/// for which `scipy.interpolate.interp1d` is an error.
#[must_use]
pub fn eer(fpr: &[f64], tpr: &[f64]) -> Option<f64> {
    if *fpr.first()? != 0.0 || *fpr.last()? < 1.0 {
        return None;
    }
    let crossed = fpr.iter().zip(tpr).position(|(x, y)| 1.0 - x - y <= 0.0)?;
    let Some(before) = crossed.checked_sub(1) else { return Some(fpr[crossed]) };
    let width = fpr[crossed] - fpr[before];
    if width <= 0.0 {
        return Some(fpr[crossed]);
    }
    let slope = (tpr[crossed] - tpr[before]) / width;
    Some((1.0 - tpr[before] + slope * fpr[before]) / (1.0 + slope))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thresholds_are_those_of_numpy() {
        assert_eq!(thresholds(0.0, 4.0, 0.01).len(), 400);
        assert_eq!(thresholds(0.0, 4.0, 0.001).len(), 4000);
        assert_eq!(thresholds(0.0, 1.0, 0.3), [0.0, 0.3, 0.6, 0.899_999_999_999_999_9]);
        assert_eq!(thresholds(1.0, 1.0, 0.3), [0.0; 0]);
    }

    #[test]
    fn a_distance_at_the_threshold_is_not_accepted() {
        let fold = Fold { number: 1, train: vec![0, 1], test: vec![2, 3] };
        let (grid, far) = (Grid { from: 0.0, to: 1.0, step: 0.25 }, FarTarget { target: 0.5, step: 0.25 });
        let judged = judge(&[0.25, 0.5, 0.25, 0.5], &[true, false, true, false], &fold, &grid, &far);
        assert_eq!((judged.threshold, judged.accuracy), (0.5, 1.0));
        assert_eq!(judged.tpr, [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(judged.fpr, [0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_distance_from_nowhere_is_never_accepted() {
        let fold = Fold { number: 1, train: vec![0, 1, 2], test: vec![0, 1, 2] };
        let (grid, far) = (Grid { from: 0.0, to: 4.0, step: 0.01 }, FarTarget { target: 1e-3, step: 0.001 });
        for nan in [f64::NAN, -f64::NAN] {
            let judged = judge(&[nan, 0.1, 2.0], &[true, true, false], &fold, &grid, &far);
            assert_eq!(judged.tpr.last(), Some(&0.5));
            assert_eq!(judged.accuracy, 2.0 / 3.0);
        }
    }

    proptest! {
        /// Another way to the same numbers: look at every pair at every threshold.
        #[test]
        fn counting_by_search_is_counting_one_by_one(
            pairs in prop::collection::vec((0u32..40, any::<bool>()), 2..40), at in 0u32..40,
        ) {
            let distances: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.0) / 10.0).collect();
            let same: Vec<bool> = pairs.iter().map(|pair| pair.1).collect();
            let all: Vec<usize> = (0..pairs.len()).collect();
            let accepted = Accepted::new(&distances, &same, &all);
            let threshold = f64::from(at) / 10.0;
            let right = distances.iter().zip(&same).filter(|(d, same)| (**d < threshold) == **same).count();
            prop_assert_eq!(accepted.accuracy(threshold), right as f64 / pairs.len() as f64);
        }
    }
}
