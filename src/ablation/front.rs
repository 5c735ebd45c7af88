//! Which variants are worth their time: accuracy against speed.

use super::AblationResult;
use crate::compare::MetricDirection;

/// A variant with a value and a speed of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    /// Its place among the variants.
    pub variant: usize,
    /// The metric's value.
    pub value: f64,
    /// Faces per second, median over the chunks.
    pub speed: f64,
    /// Whether no other variant is as good in both and better in one.
    pub on_front: bool,
}

impl AblationResult {
    /// The variants that were embedded for this, the best value first; empty for a metric without a better direction, and
    /// where there is nothing to choose between.
    pub fn standings(&self) -> Vec<Standing> {
        let sign = match self.metric.better {
            MetricDirection::Higher => 1.0,
            MetricDirection::Lower => -1.0,
            MetricDirection::Neither => return Vec::new(),
        };
        let measured = self.variants.iter().enumerate().filter(|(_, variant)| variant.adopted_from.is_none());
        let mut standings: Vec<Standing> = measured
            .filter_map(|(variant, found)| {
                let (value, speed) = (found.value.as_ref()?.point, found.speed.as_ref()?.median);
                Some(Standing { variant, value, speed, on_front: false })
            })
            .collect();
        if standings.len() < 2 {
            return Vec::new();
        }
        let all = standings.clone();
        for one in &mut standings {
            let beaten = |other: &Standing| {
                let (better, faster) = (sign * (other.value - one.value), other.speed - one.speed);
                better >= 0.0 && faster >= 0.0 && (better > 0.0 || faster > 0.0)
            };
            one.on_front = !all.iter().any(beaten);
        }
        standings.sort_by(|a, b| (sign * b.value).total_cmp(&(sign * a.value)).then(b.speed.total_cmp(&a.speed)));
        standings
    }
}

#[cfg(test)]
mod tests {
    use crate::ablation::tests::ablation_with_speeds;
    use crate::config::Design;

    #[test]
    fn the_front_is_what_nothing_beats_in_both() {
        let values = [Some(0.10), Some(0.05), Some(0.08), Some(0.10), None];
        let found = ablation_with_speeds(Design::Each, 4, &values, &[100.0, 20.0, 50.0, 90.0, 5.0]);
        let standings = found.standings();
        let order: Vec<_> = standings.iter().map(|one| (one.variant, one.on_front)).collect();
        assert_eq!(order, [(1, true), (2, true), (0, true), (3, false)]);
        assert_eq!(standings[0].value, 0.05);
    }

    #[test]
    fn one_variant_is_no_choice() {
        let found = ablation_with_speeds(Design::Each, 1, &[Some(0.1), None], &[10.0, 10.0]);
        assert!(found.standings().is_empty());
    }
}
