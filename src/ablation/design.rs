//! The combinations of steps that a design computes, and the pairs of them that differ by one step.

use crate::config::Design;

/// The steps of each variant, ascending; the first variant has none.
pub fn variants(design: Design, steps: usize) -> Vec<Vec<usize>> {
    let all = design.variants(steps);
    match design {
        Design::Steps => (0..all).map(|variant| (0..variant).collect()).collect(),
        Design::Each => (0..all).map(|variant| variant.checked_sub(1).into_iter().collect()).collect(),
        Design::Grid => (0..all).map(|variant| (0..steps).filter(|step| variant >> step & 1 == 1).collect()).collect(),
    }
}

/// Pairs of `measured` variants (without the step, with it) that show what a step costs: against the variant before it
/// on a path, the config itself, or each combination of the other steps.
pub fn pairs(design: Design, measured: &[bool], step: usize) -> Vec<(usize, usize)> {
    let known = |variant: usize| measured.get(variant).copied().unwrap_or(false);
    let all = match design {
        // Unmeasured variants are skipped, so the change may cover several steps.
        Design::Steps => {
            (0..=step).rev().find(|&before| known(before)).map(|before| (before, step + 1)).into_iter().collect()
        }
        Design::Each => vec![(0, step + 1)],
        Design::Grid => {
            let with = 1 << step;
            (0..measured.len()).filter(|variant| variant & with == 0).map(|variant| (variant, variant | with)).collect()
        }
    };
    all.into_iter().filter(|&(without, with): &(usize, usize)| known(without) && known(with)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_design_has_its_combinations() {
        assert_eq!(variants(Design::Steps, 3), [vec![], vec![0], vec![0, 1], vec![0, 1, 2]]);
        assert_eq!(variants(Design::Each, 3), [vec![], vec![0], vec![1], vec![2]]);
        assert_eq!(variants(Design::Grid, 2), [vec![], vec![0], vec![1], vec![0, 1]]);
        for design in [Design::Steps, Design::Each, Design::Grid] {
            assert_eq!(variants(design, 4).len(), design.variants(4));
        }
    }

    #[test]
    fn a_pair_differs_by_its_step_alone() {
        for design in [Design::Steps, Design::Each, Design::Grid] {
            let variants = variants(design, 4);
            for step in 0..4 {
                let pairs = pairs(design, &vec![true; variants.len()], step);
                assert_eq!(pairs.len(), if design == Design::Grid { 8 } else { 1 });
                for (without, with) in pairs {
                    let mut expected = variants[without].clone();
                    expected.push(step);
                    expected.sort_unstable();
                    assert_eq!(variants[with], expected);
                }
            }
        }
    }

    #[test]
    fn what_was_not_measured_is_in_no_pair() {
        let measured = [true, false, true, true];
        assert_eq!(pairs(Design::Steps, &measured, 0), []);
        assert_eq!(pairs(Design::Steps, &measured, 1), [(0, 2)], "the change of both steps");
        assert_eq!(pairs(Design::Each, &measured, 0), []);
        assert_eq!(pairs(Design::Each, &[false, true], 0), []);
        assert_eq!(pairs(Design::Grid, &measured, 0), [(2, 3)]);
    }
}
