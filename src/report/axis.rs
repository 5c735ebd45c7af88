//! Axes: the position of a value, and ticks labelled with plain numbers.

/// One axis of a chart. Positions run from 0.0 at its lower end to 1.0 at its upper end on every scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChartAxis {
    pub title: String,
    /// Position and label of each tick, ascending.
    pub ticks: Vec<(f64, String)>,
    scale: AxisScale,
    lower: f64,
    upper: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum AxisScale {
    Linear,
    Log,
}

impl ChartAxis {
    /// A linear axis from `lower` to `upper`, widened if that is not a range.
    pub fn linear(title: &str, lower: f64, upper: f64) -> Self {
        Self::stepped(title, lower, upper, 0.0)
    }

    /// A linear axis from 0 to `most` times `scale`, which converts the unit and leaves room; to 1 where `most` is 0.
    pub fn from_zero(title: &str, most: f64, scale: f64) -> Self {
        Self::linear(title, 0.0, if most > 0.0 { most * scale } else { 1.0 })
    }

    /// A linear axis of `rows` rows, counted from 0 at the lower end, each with its name.
    pub fn named(names: impl IntoIterator<Item = (f64, String)>, rows: usize) -> Self {
        let mut axis = Self::whole("", -0.5, rows as f64 - 0.5);
        axis.ticks = names.into_iter().map(|(row, name)| (axis.at(row), name)).collect();
        axis.ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        axis
    }

    /// A linear axis of counts: ticks at whole numbers only.
    pub fn whole(title: &str, lower: f64, upper: f64) -> Self {
        Self::stepped(title, lower, upper, 1.0)
    }

    fn stepped(title: &str, lower: f64, upper: f64, least: f64) -> Self {
        let (lower, upper) = span(lower, upper);
        let (step, decimals) = nice_step(upper - lower, least);
        let mut axis = Self { title: title.into(), ticks: Vec::new(), scale: AxisScale::Linear, lower, upper };
        let first = (lower / step - 1e-6).ceil();
        axis.ticks = (0..MAX_TICKS)
            .map(|i| (first + i as f64) * step)
            .take_while(|value| *value <= upper + step * 1e-6)
            .map(|value| (axis.at(value), plain(value, decimals)))
            .collect();
        axis
    }

    /// A logarithmic axis of rates from a power of ten ≥ `floor` to 100%, labelled in percent.
    pub fn rate(title: &str, floor: f64) -> Self {
        let lower = decade(floor).clamp(-9, -1);
        Self::decades(title, lower, 0)
    }

    /// A logarithmic axis of shares from `least` to `most`, labelled in percent.
    pub fn share(title: &str, least: f64, most: f64) -> Self {
        let lower = decade(least).clamp(-9, 1);
        let upper = if most > 0.0 && most.is_finite() { most.log10().ceil() as i32 } else { 0 };
        Self::decades(title, lower, upper.clamp(lower + 1, lower + 16))
    }

    /// A logarithmic axis that spans positive values, labelled at 1, 2 and 5 times powers of ten.
    pub fn powers(title: &str, values: &[f64]) -> Self {
        let (least, most) = positive_range(values);
        let mut axis = Self::log_between(title, least, most);
        let decades = axis.upper - axis.lower;
        let steps: &[f64] = if decades <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let stride = ((decades / 10.0).ceil() as usize).max(1);
        axis.ticks = (axis.lower.floor() as i32..=axis.upper.ceil() as i32)
            .step_by(stride)
            .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
            .filter(|value| (axis.lower..=axis.upper).contains(&value.log10()))
            .map(|value| (axis.at(value), plain(value, (-value.log10().floor()).max(0.0) as usize)))
            .collect();
        axis
    }

    /// A logarithmic axis that spans positive values, labelled at these values.
    pub fn powers_at(title: &str, values: &[f64]) -> Self {
        let (least, most) = positive_range(values);
        let mut axis = Self::log_between(title, least, most);
        let mut places: Vec<f64> = values.iter().copied().filter(|value| (least..=most).contains(value)).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        axis.ticks = places.into_iter().map(|value| (axis.at(value), plain(value, 0))).collect();
        axis.sparse(MAX_TICKS)
    }

    /// A logarithmic axis without ticks, with a little room at both ends.
    fn log_between(title: &str, least: f64, most: f64) -> Self {
        let (lower, upper) = ((least / 1.2).log10(), (most * 1.2).log10());
        Self { title: title.into(), ticks: Vec::new(), scale: AxisScale::Log, lower, upper }
    }

    fn decades(title: &str, lower: i32, upper: i32) -> Self {
        let mut axis = Self {
            title: title.into(),
            ticks: Vec::new(),
            scale: AxisScale::Log,
            lower: f64::from(lower),
            upper: f64::from(upper),
        };
        let stride = (upper - lower).div_euclid(8) + 1;
        // From the top down, so that 100% is always labelled.
        let mut ticks: Vec<_> = (0..=(upper - lower) / stride)
            .map(|i| upper - i * stride)
            .map(|power| (axis.at(10f64.powi(power)), power_percent(power)))
            .collect();
        ticks.reverse();
        axis.ticks = ticks;
        axis
    }

    /// The position of a value, 0 … 1. Values beyond an end are placed on that end, NaN on the lower end.
    pub fn at(&self, value: f64) -> f64 {
        let value = match self.scale {
            AxisScale::Linear => value,
            AxisScale::Log => value.max(f64::MIN_POSITIVE).log10(),
        };
        let position = (value - self.lower) / (self.upper - self.lower);
        if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) }
    }

    /// The same axis with at most `most` labels: the topmost and every n-th below it.
    pub fn sparse(mut self, most: usize) -> Self {
        let (count, stride) = (self.ticks.len(), self.ticks.len().div_ceil(most.max(1)).max(1));
        let mut below_top = (0..count).rev();
        self.ticks.retain(|_| below_top.next().is_some_and(|i| i.is_multiple_of(stride)));
        self
    }

    /// The same axis with only as many labels as fit on `length` side by side; `width` is what a label takes, its
    /// distance to the next included.
    pub fn fitting(&self, length: f64, width: impl Fn(&str) -> f64) -> Self {
        let fits = |axis: &Self| {
            axis.ticks.windows(2).all(|pair| {
                let apart = (pair[1].0 - pair[0].0) * length;
                apart >= f64::midpoint(width(&pair[0].1), width(&pair[1].1))
            })
        };
        (1..=self.ticks.len()).rev().map(|most| self.clone().sparse(most)).find(fits).unwrap_or_else(|| self.clone())
    }

    /// What a script needs to place values as [`Self::at`] does: `linear` or `log`, and the values at both ends (their
    /// decimal logarithms on a logarithmic axis).
    pub fn ends(&self) -> (&'static str, f64, f64) {
        let kind = match self.scale {
            AxisScale::Linear => "linear",
            AxisScale::Log => "log",
        };
        (kind, self.lower, self.upper)
    }

    /// The value at the lower end.
    pub fn lower(&self) -> f64 {
        match self.scale {
            AxisScale::Linear => self.lower,
            AxisScale::Log => 10f64.powf(self.lower),
        }
    }
}

const MAX_TICKS: usize = 12;

/// The smallest and largest of the values that a logarithmic axis can show; 1 and 10 if there are none.
fn positive_range(values: &[f64]) -> (f64, f64) {
    let sane = values.iter().copied().filter(|value| (1e-12..=1e12).contains(value));
    let (least, most) = sane.fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    if most > 0.0 { (least, most) } else { (1.0, 10.0) }
}

/// A finite, non-empty range.
fn span(lower: f64, upper: f64) -> (f64, f64) {
    // Beyond this limit, labels of neighbouring ticks would no longer differ.
    let sane = |value: f64| value.is_finite() && value.abs() < 1e12;
    match (sane(lower), sane(upper)) {
        (true, true) if upper - lower > 1e-9 * lower.abs().max(1e-3) => (lower, upper),
        (true, true) => (lower.min(upper) - 0.5, lower.max(upper) + 0.5),
        _ => (0.0, 1.0),
    }
}

/// A step of 1, 2 or 5 times a power of ten, at least `least`, aiming at four to ten ticks; and the decimals its multiples
/// need.
fn nice_step(range: f64, least: f64) -> (f64, usize) {
    let rough = range / 8.0;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * magnitude)
        .find(|step| *step >= rough)
        .unwrap_or(rough)
        .max(least);
    (step, (-(step * 1.000_001).log10().floor()).max(0.0) as usize)
}

/// The power of ten at or below a value; −12 for values without one.
fn decade(value: f64) -> i32 {
    if value > 0.0 && value.is_finite() { (value * 1.000_001).log10().floor() as i32 } else { -12 }
}

fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    // Never "−0.0".
    let text = if text.chars().all(|c| "-0.".contains(c)) { text.replace('-', "") } else { text };
    text.replace('-', "−")
}

/// A power of ten in percent, without an exponent.
fn power_percent(power: i32) -> String {
    let decimals = (-(power + 2)).max(0) as usize;
    format!("{:.decimals$}%", 10f64.powi(power + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &ChartAxis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_plain_numbers() {
        assert_eq!(labels(&ChartAxis::linear("", -0.32, 1.0)), ["−0.2", "0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            labels(&ChartAxis::linear("", 0.0, 1500.0)),
            ["0", "200", "400", "600", "800", "1000", "1200", "1400"]
        );
        assert_eq!(labels(&ChartAxis::whole("", 0.0, 2.0)), ["0", "1", "2"]);
        assert_eq!(labels(&ChartAxis::rate("", 3e-5)), ["0.001%", "0.01%", "0.1%", "1%", "10%", "100%"]);
        assert_eq!(labels(&ChartAxis::share("", 0.004, 0.8)), ["0.1%", "1%", "10%", "100%"]);
    }

    #[test]
    fn logarithmic_axes_have_plain_labels_for_any_range() {
        assert_eq!(labels(&ChartAxis::powers("", &[90.0, 700.0])), ["100", "200", "500"]);
        assert_eq!(labels(&ChartAxis::powers("", &[0.5, 30_000.0])), ["1", "10", "100", "1000", "10000"]);
        assert_eq!(labels(&ChartAxis::powers("", &[f64::NAN, -1.0])), ["1", "2", "5", "10"]);
        assert_eq!(labels(&ChartAxis::powers_at("", &[8.0, 1.0, 128.0, 8.0])), ["1", "8", "128"]);
        let axis = ChartAxis::powers_at("", &[1.0, 100.0]);
        assert!((axis.at(10.0) - 0.5).abs() < 1e-9 && axis.at(1.0) > 0.0);
    }

    #[test]
    fn many_decades_are_thinned_from_the_top() {
        assert_eq!(labels(&ChartAxis::rate("", 1e-9)), ["0.000001%", "0.0001%", "0.01%", "1%", "100%"]);
    }

    #[test]
    fn a_sparse_axis_keeps_its_top() {
        assert_eq!(labels(&ChartAxis::rate("", 1e-7).sparse(5)), ["0.0001%", "0.01%", "1%", "100%"]);
        assert_eq!(labels(&ChartAxis::whole("", 0.0, 2.0).sparse(5)), ["0", "1", "2"]);
        assert_eq!(labels(&ChartAxis::whole("", 0.0, 2.0).sparse(0)), ["2"]);
    }

    #[test]
    fn values_beyond_an_end_are_placed_on_it() {
        let axis = ChartAxis::rate("", 1e-4);
        assert_eq!((axis.at(0.0), axis.at(1e-2), axis.at(5.0)), (0.0, 0.5, 1.0));
    }

    proptest! {
        #[test]
        fn any_input_gives_a_usable_axis(lower in proptest::num::f64::ANY, upper in proptest::num::f64::ANY, value in proptest::num::f64::ANY) {
            for axis in [ChartAxis::linear("", lower, upper), ChartAxis::whole("", lower, upper), ChartAxis::rate("", lower), ChartAxis::share("", lower, upper), ChartAxis::powers("", &[lower, upper]), ChartAxis::powers_at("", &[lower, upper])] {
                prop_assert!((0.0..=1.0).contains(&axis.at(value)));
                prop_assert!(axis.ticks.len() <= MAX_TICKS);
                prop_assert!(axis.ticks.windows(2).all(|pair| pair[0].0 < pair[1].0));
            }
        }
    }
}
