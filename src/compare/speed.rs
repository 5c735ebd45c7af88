//! Embedding speed of runs, and whether it is comparable.

use schemars::JsonSchema;
use serde::Serialize;

/// Timing of one run's embedding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timing {
    /// Faces and wall-clock seconds of each chunk.
    pub chunks: Vec<(u64, f64)>,
    /// What it ran on, for each session that embedded something.
    pub settings: Vec<Setting>,
}

/// What a speed depends on apart from the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Setting {
    /// Processor, its instruction sets and cores.
    pub machine: String,
    /// `CPU`, or the GPU's name.
    pub device: String,
    pub threads: usize,
    /// `release` or `debug`.
    pub profile: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Speed {
    /// Faces a second, from reading to the last forward pass: median of the chunks.
    pub median: f64,
    /// Lower quartile of the chunks.
    pub lower: f64,
    /// Upper quartile of the chunks.
    pub upper: f64,
    /// How many chunks.
    pub chunks: u64,
    /// This median over the first run's; `None` in the first run and where the two cannot be compared.
    pub ratio: Option<f64>,
    /// Why they cannot be compared.
    pub not_comparable: Option<String>,
}

/// Speed of each run; the first is the reference. `None` for a run without a timed chunk.
pub fn speeds(runs: &[Timing]) -> Vec<Option<Speed>> {
    let mut speeds: Vec<Option<Speed>> = runs.iter().map(speed).collect();
    let Some((reference, others)) = speeds.split_first_mut() else { return speeds };
    for (speed, timing) in others.iter_mut().zip(&runs[1..]) {
        let Some(speed) = speed else { continue };
        speed.not_comparable = match reference {
            None => Some("the reference has no timed chunk".into()),
            // One chunk holds the start of everything, and does not show how speed varies.
            Some(Speed { chunks: 1, .. }) => Some("the reference has a single chunk".into()),
            Some(_) if speed.chunks == 1 => Some("it has a single chunk".into()),
            Some(_) => difference(&runs[0], timing),
        };
        if speed.not_comparable.is_none() {
            speed.ratio = reference.as_ref().map(|reference| speed.median / reference.median);
        }
    }
    speeds
}

fn speed(timing: &Timing) -> Option<Speed> {
    let timed = timing.chunks.iter().filter(|(faces, seconds)| *faces > 0 && *seconds > 0.0);
    let mut rates: Vec<f64> = timed.map(|&(faces, seconds)| faces as f64 / seconds).collect();
    rates.sort_unstable_by(f64::total_cmp);
    let at = |level: f64| {
        let place = level * (rates.len() - 1) as f64;
        let (low, high) = (rates[place.floor() as usize], rates[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    (!rates.is_empty()).then(|| Speed {
        median: at(0.5),
        lower: at(0.25),
        upper: at(0.75),
        chunks: rates.len() as u64,
        ratio: None,
        not_comparable: None,
    })
}

/// Why two speeds are not comparable.
fn difference(reference: &Timing, run: &Timing) -> Option<String> {
    let one = |timing: &Timing| {
        let first = timing.settings.first()?;
        timing.settings.iter().all(|setting| setting == first).then(|| first.clone())
    };
    let (Some(a), Some(b)) = (one(reference), one(run)) else {
        return Some("one of the two was embedded on several machines, devices or thread counts".into());
    };
    let differing = [
        ("machine", a.machine != b.machine),
        ("device", a.device != b.device),
        ("threads", a.threads != b.threads),
        ("build profile", a.profile != b.profile),
    ];
    let names: Vec<_> = differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    (!names.is_empty()).then(|| format!("not on the same {} as the reference", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(rates: &[f64], threads: usize) -> Timing {
        let setting = Setting { threads, device: "CPU".into(), ..Setting::default() };
        Timing { chunks: rates.iter().map(|rate| (100, 100.0 / rate)).collect(), settings: vec![setting] }
    }

    #[test]
    fn speeds_are_medians_of_chunks_against_the_first_run() {
        let found = speeds(&[timing(&[50.0, 100.0, 400.0], 2), timing(&[50.0, 90.0], 2)]);
        let [Some(first), Some(second)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((first.median.round(), first.lower.round(), first.upper.round()), (100.0, 75.0, 250.0));
        assert_eq!((first.ratio, second.chunks), (None, 2));
        assert!((second.ratio.unwrap() - 0.7).abs() < 1e-9);
    }

    #[test]
    fn other_threads_or_machines_are_no_comparison() {
        let mut moved = timing(&[100.0, 90.0], 2);
        moved.settings.push(Setting { machine: "another".into(), ..moved.settings[0].clone() });
        let found = speeds(&[timing(&[100.0, 90.0], 2), timing(&[100.0, 90.0], 4), moved, timing(&[], 2)]);
        let reason = |run: usize| found[run].as_ref().unwrap().not_comparable.clone().unwrap();
        insta::assert_snapshot!(reason(1), @"not on the same threads as the reference");
        insta::assert_snapshot!(reason(2), @"one of the two was embedded on several machines, devices or thread counts");
        assert!(found[1].as_ref().unwrap().ratio.is_none() && found[3].is_none());
        assert!(speeds(&[]).is_empty());
    }

    #[test]
    fn a_single_chunk_is_no_comparison() {
        let reason = |runs: [Timing; 2]| speeds(&runs)[1].as_ref().unwrap().not_comparable.clone().unwrap();
        let [one, two] = [timing(&[100.0], 2), timing(&[100.0, 90.0], 2)];
        assert_eq!(reason([one.clone(), two.clone()]), "the reference has a single chunk");
        assert_eq!(reason([two, one]), "it has a single chunk");
    }
}
