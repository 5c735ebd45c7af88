//! Score models whose error rates are known exactly, to see how often an interval holds them.
//!
//! A genuine score is a mean, what the identity adds, what each of the two faces adds, and noise; an
//! impostor score what both identities add ("lambs" and "wolves" are easily taken for others: Doddington et
//! al. 1998), what the two have in common, both faces and noise. All are normal, so that every rate is a value of the
//! normal distribution function. Numbers of faces differ, independent of everything else.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::erf::erfc;

use super::bootstrap::{Estimator, Resampling};
use super::cells::{CosineCell, CosineCells, Of};
use super::random::Draw;
use super::rates::RateEstimator;
use super::roc::{allowed, first_edge};
use super::tally::{BINS, Tally, edge};

/// How scores come about: standard deviations of their parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreModel {
    /// What it is an example of.
    pub name: &'static str,
    /// People.
    pub identities: u16,
    /// Fewest and most faces of one of them.
    pub faces: (u64, u64),
    /// 1: any number of faces is as likely as any other; 2, 3 …: few faces are ever more likely than many.
    pub skew: i32,
    /// Mean score of genuine pairs; that of others is 0.
    pub mean: f64,
    /// What an identity adds to its genuine scores.
    pub goat: f64,
    /// What an identity adds to its impostor scores.
    pub wolf: f64,
    /// What two identities add to the scores between them.
    pub alike: f64,
    /// What a face adds to all its scores.
    pub face: f64,
    /// What is left.
    pub noise: f64,
    /// At which rate FNMR is looked at.
    pub fnmr: f64,
    /// At which rate FMR is looked at.
    pub fmr: f64,
}

/// Models like the data that the intervals are for.
pub const MODELS: [ScoreModel; 5] = {
    let plain = ScoreModel {
        name: "pairs differ most",
        identities: 60,
        faces: (3, 7),
        skew: 1,
        mean: 0.45,
        goat: 0.03,
        wolf: 0.015,
        alike: 0.02,
        face: 0.02,
        noise: 0.12,
        fnmr: 0.05,
        fmr: 0.01,
    };
    [
        plain,
        ScoreModel { name: "hard identities", identities: 80, goat: 0.07, wolf: 0.02, noise: 0.1, ..plain },
        ScoreModel { name: "wolves", identities: 100, faces: (3, 6), wolf: 0.035, goat: 0.05, noise: 0.1, ..plain },
        ScoreModel { name: "look-alikes", identities: 80, alike: 0.07, goat: 0.05, noise: 0.09, ..plain },
        ScoreModel {
            name: "unequal numbers of faces",
            identities: 100,
            faces: (2, 11),
            skew: 2,
            goat: 0.04,
            wolf: 0.02,
            noise: 0.1,
            ..plain
        },
    ]
};

/// Models in which few people, or few of them, make the errors.
pub const HARD_MODELS: [ScoreModel; 3] = {
    let plain = MODELS[2];
    [
        ScoreModel { name: "20 identities", identities: 20, faces: (3, 9), fnmr: 0.1, ..plain },
        ScoreModel { name: "strong wolves, 40 identities", identities: 40, wolf: 0.06, noise: 0.08, ..plain },
        ScoreModel { name: "wolves at FMR 1e-3, FNMR 1e-2", fmr: 0.001, fnmr: 0.01, ..plain },
    ]
};

/// The rates that are looked at: the first three at thresholds that are given, the others where a false match rate is
/// kept.
pub const METRICS: [&str; 6] = ["FNMR", "FMR", "EER", "FNMR at FMR 1e-2", "FNMR at FMR 1e-3", "FNMR at FMR 1e-4"];

/// The false match rates of the last of [`METRICS`].
const KEPT: [f64; 3] = [1e-2, 1e-3, 1e-4];

/// Kinds of intervals: that of the estimates, percentiles of the bootstrap, the binomial one, and that of the estimates as
/// it would be if a threshold that is chosen for a false match rate were held fixed.
pub const KINDS: [&str; 4] =
    ["Wilson with plug-in variance", "double-or-nothing bootstrap", "naive (binomial)", "its threshold held fixed"];

/// Of one metric in one data set: the truth, and an interval of each of [`KINDS`], where there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialResult {
    /// The rate that the model has.
    pub truth: f64,
    /// Intervals.
    pub intervals: [Option<[f64; 2]>; 4],
}

/// Standard normal distribution function.
fn below(z: f64) -> f64 {
    erfc(-z / std::f64::consts::SQRT_2) / 2.0
}

impl ScoreModel {
    fn genuine_std(&self) -> f64 {
        (self.goat.powi(2) + 2.0 * self.face.powi(2) + self.noise.powi(2)).sqrt()
    }

    fn impostor_std(&self) -> f64 {
        let squares = 2.0 * (self.wolf.powi(2) + self.face.powi(2)) + self.alike.powi(2) + self.noise.powi(2);
        squares.sqrt()
    }

    /// FNMR at bin edge `bin`, exactly.
    #[must_use]
    pub fn fnmr_at(&self, bin: usize) -> f64 {
        below((edge(bin, BINS) - self.mean) / self.genuine_std())
    }

    /// FMR at bin edge `bin`, exactly.
    #[must_use]
    pub fn fmr_at(&self, bin: usize) -> f64 {
        below(-edge(bin, BINS) / self.impostor_std())
    }

    /// One data set. `number` chooses it.
    #[must_use]
    pub fn draw(&self, seed: u64, number: u32) -> (Tally, Tally, CosineCells) {
        let mut draw = Draw::simulation(seed, number);
        let (least, most) = self.faces;
        let groups: Vec<Vec<f64>> = (0..self.identities)
            .map(|_| {
                let share = (0..self.skew).map(|_| draw.below(1 << 20)).min().unwrap_or(0);
                let faces = least + ((share * (most - least + 1)) >> 20);
                (0..faces).map(|_| self.face * draw.normals()[0]).collect()
            })
            .collect();
        let people: Vec<[f64; 4]> = groups.iter().map(|_| draw.normals()).collect();
        let units = usize::from(self.identities);
        let mut cells = CosineCells { units, identities: units, ..CosineCells::default() };
        let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
        let (mut scores, mut spare) = (Vec::new(), Vec::new());
        let mut noise = |draw: &mut Draw| {
            if spare.is_empty() {
                spare.extend(draw.normals());
            }
            self.noise * spare.pop().unwrap_or(0.0)
        };
        for (g, faces) in groups.iter().enumerate() {
            let mean = self.mean + self.goat * people[g][0];
            for (i, a) in faces.iter().enumerate() {
                scores.extend(faces[..i].iter().map(|b| mean + a + b + noise(&mut draw)));
            }
            let here = cosines(&mut scores);
            genuine.extend(here.iter().copied());
            cells.genuine.extend(CosineCell::of((g as u16, g as u16), &here));
            for (h, others) in groups[..g].iter().enumerate() {
                let mean = self.wolf * (people[g][1] + people[h][1]) + self.alike * draw.normals()[0];
                for a in faces {
                    scores.extend(others.iter().map(|b| mean + a + b + noise(&mut draw)));
                }
                let here = cosines(&mut scores);
                impostor.extend(here.iter().copied());
                cells.impostor.extend(CosineCell::of((h as u16, g as u16), &here));
            }
        }
        (genuine, impostor, cells)
    }

    /// Intervals of [`METRICS`] in one data set. Without replicates, none by the bootstrap.
    #[must_use]
    pub fn trial(&self, replicates: u32, seed: u64, number: u32) -> [TrialResult; 6] {
        let (genuine, impostor, cells) = self.draw(seed, number);
        let how = Resampling { replicates, level: 0.95, seed: u64::from(number) };
        let Some(estimator) = Estimator::new(&genuine, &impostor, &cells, how, &|| false) else {
            return [TrialResult { truth: f64::NAN, intervals: [None; 4] }; 6];
        };
        let rates = RateEstimator { estimator: &estimator, cells: &cells };
        let ends = |lower: Option<f64>, upper: Option<f64>| Some([lower?, upper?]);
        let miss = first_edge(BINS, |bin| self.fnmr_at(bin) >= self.fnmr);
        let pass = first_edge(BINS, |bin| self.fmr_at(bin) <= self.fmr);
        let [fnmr, fmr] =
            [(rates.fnmr(miss), self.fnmr_at(miss)), (rates.fmr(pass), self.fmr_at(pass))].map(|(rate, truth)| {
                let recommended = ends(rate.estimate.lower, rate.estimate.upper);
                TrialResult {
                    truth,
                    intervals: [recommended, rate.intervals.bootstrap, Some(rate.intervals.naive), None],
                }
            });
        let (eer, _) = rates.eer();
        let resampled =
            estimator.interval(Of::Both, &|sample| sample.roc().eer().0).map(|(lower, upper)| [lower, upper]);
        let eer = TrialResult { truth: self.eer(), intervals: [ends(eer.lower, eer.upper), resampled, None, None] };
        let [a, b, c] = KEPT.map(|kept| {
            let truth = self.fnmr_where_fmr_is(kept);
            let impostor = &estimator.observed.impostor.survival;
            let matches = allowed(kept, impostor.total());
            if matches == 0 {
                return TrialResult { truth, intervals: [None; 4] };
            }
            let bin = impostor.lowest_edge(matches);
            let (chosen, fixed) = (rates.fnmr_at_fmr(bin, kept), rates.fnmr(bin).estimate);
            let recommended = ends(chosen.estimate.lower, chosen.estimate.upper);
            let naive = Some(chosen.intervals.naive);
            TrialResult {
                truth,
                intervals: [recommended, chosen.intervals.bootstrap, naive, ends(fixed.lower, fixed.upper)],
            }
        });
        [fnmr, fmr, eer, a, b, c]
    }

    /// FNMR at the threshold whose FMR this is, exactly.
    #[must_use]
    pub fn fnmr_where_fmr_is(&self, fmr: f64) -> f64 {
        let threshold = Normal::standard().inverse_cdf(1.0 - fmr) * self.impostor_std();
        below((threshold - self.mean) / self.genuine_std())
    }

    /// Where FNMR and FMR are equal: equally many standard deviations from both means.
    #[must_use]
    pub fn eer(&self) -> f64 {
        below(-self.mean / (self.genuine_std() + self.impostor_std()))
    }
}

/// Scores as cosines; nothing is left in `scores`.
fn cosines(scores: &mut Vec<f64>) -> Vec<f32> {
    scores.drain(..).map(|score| score.clamp(-1.0, 1.0) as f32).collect()
}
