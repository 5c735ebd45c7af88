//! Error rates of scores.

use facevault::estimate;
use facevault::verification::{LabelledScores, RatesAt};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::calls::{call, input_error};

/// Point, lower and upper end, n, level, method, whether it is only a bound.
type Estimate = (f64, Option<f64>, Option<f64>, u64, f64, String, bool);

fn plain(estimate: estimate::Estimate) -> Estimate {
    let estimate::Estimate { point, lower, upper, n, level, method, bound, .. } = estimate;
    (point, lower, upper, n, level, method, bound)
}

fn both(RatesAt { threshold, fmr, tar }: RatesAt) -> (f64, Estimate, Estimate) {
    (threshold, plain(fmr), plain(tar))
}

/// Scores of pairs that are known to be genuine or impostor.
#[pyclass(frozen, module = "facevault_bench._native")]
pub struct Scores(LabelledScores);

#[pymethods]
impl Scores {
    #[new]
    fn new(
        py: Python<'_>,
        scores: PyReadonlyArray1<'_, f64>,
        same: PyReadonlyArray1<'_, bool>,
        groups: Option<PyReadonlyArray2<'_, u32>>,
        level: f64,
    ) -> PyResult<Self> {
        let (scores, same) = (scores.as_slice()?, same.as_slice()?);
        let groups = groups.as_ref().map(|groups| groups.as_slice()).transpose()?;
        let groups = groups.map(|groups| groups.as_chunks().0);
        call(py, |_| Ok(LabelledScores::new(scores, same, groups, level)))?
            .map(Self)
            .map_err(|error| input_error(py, &error.to_string()))
    }

    fn counts(&self) -> (u64, u64) {
        self.0.counts()
    }

    /// The equal error rate and its threshold.
    fn eer(&self, py: Python<'_>) -> PyResult<(Estimate, f64)> {
        let (estimate, threshold) = call(py, |_| Ok(self.0.eer()))?;
        Ok((plain(estimate), threshold))
    }

    /// Threshold, FMR and TAR at a false match rate; `None` where it cannot be resolved.
    fn tar(&self, py: Python<'_>, fmr: f64) -> PyResult<Option<(f64, Estimate, Estimate)>> {
        Ok(call(py, |_| Ok(self.0.tar(fmr)))?.map(both))
    }

    /// Threshold, FMR and TAR at a threshold.
    fn at(&self, py: Python<'_>, threshold: f64) -> PyResult<(f64, Estimate, Estimate)> {
        Ok(both(call(py, |_| Ok(self.0.at(threshold)))?))
    }
}
