//! A part of a run's work: what one of several workers, on one machine or many, does.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Part `index` of `count`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

const SLURM: &str = "SLURM_ARRAY_TASK_ID";
const AWS_BATCH: &str = "AWS_BATCH_JOB_ARRAY_INDEX";
const KUBERNETES: &str = "JOB_COMPLETION_INDEX";

/// The number of shards: where the engine does not say it, and where an array is of some shards only.
const COUNT: &str = "FACEVAULT_SHARDS";

impl Shard {
    /// Part `index` of `count`.
    ///
    /// # Errors
    /// Why there is no such part.
    pub fn new(index: usize, count: usize) -> Result<Self, String> {
        match count.checked_sub(1) {
            None => Err("0 shards: there is one at least".into()),
            Some(last) if index > last => Err(format!("shard {index} of {count}: they are numbered from 0 to {last}")),
            Some(_) => Ok(Self { index, count }),
        }
    }

    /// The part that an engine's environment says: a task of a Slurm array, of an array job of AWS Batch, of an Indexed Job of
    /// Kubernetes.
    ///
    /// # Errors
    /// What the environment lacks.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| -> Result<Option<usize>, String> {
            let parse =
                |text: String| text.trim().parse().map_err(|_| format!("{name} is `{text}`, expected a whole number"));
            variable(name).filter(|value| !value.is_empty()).map(parse).transpose()
        };
        let of_all = number(COUNT)?;
        let unknown = |name: &str| format!("{name} says which shard, but not of how many: set {COUNT} to their number");
        if let Some(at) = number(SLURM)? {
            if let Some(count) = of_all {
                return Self::new(at, count);
            }
            let of_array = |what: &str| number(&format!("SLURM_ARRAY_TASK_{what}"));
            let (Some(first), Some(last), Some(count)) = (of_array("MIN")?, of_array("MAX")?, of_array("COUNT")?)
            else {
                return Err(unknown(SLURM));
            };
            // An array of all neighbours is a split of its own, whatever it starts at.
            return match (at.checked_sub(first), last.checked_sub(first)) {
                (Some(index), Some(span)) if span.checked_add(1) == Some(count) => Self::new(index, count),
                _ => Err(format!(
                    "the array has {count} tasks from {first} to {last}: set {COUNT} to the number of shards that these \
                     are some of"
                )),
            };
        }
        if let Some(at) = number(AWS_BATCH)? {
            let count = of_all.map_or_else(|| number("AWS_BATCH_JOB_ARRAY_SIZE"), |count| Ok(Some(count)))?;
            return Self::new(at, count.ok_or_else(|| unknown(AWS_BATCH))?);
        }
        if let Some(at) = number(KUBERNETES)? {
            return Self::new(at, of_all.ok_or_else(|| unknown(KUBERNETES))?);
        }
        Err(format!(
            "no task of an array is running here: none of {SLURM}, {AWS_BATCH} and {KUBERNETES} is set; give the shard as \
             `--shard 0/8`"
        ))
    }

    /// Which, from 0, of how many.
    #[must_use]
    pub fn numbers(self) -> (usize, usize) {
        (self.index, self.count)
    }

    /// Its items of `items`: the parts of all shards are all items, in order, and differ by one item at most.
    #[must_use]
    pub fn part(self, items: usize) -> Range<usize> {
        let cut = |index: usize| (items as u128 * index as u128 / self.count as u128) as usize;
        cut(self.index)..cut(self.index + 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// As [`fmt::Display`] writes it.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) = numbers.ok_or("expected `auto`, or a shard and their number as in `0/8`")?;
        Self::new(index, count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_of_all_shards_are_all_items(items in 0..10_000_usize, count in 1..200_usize) {
            let mut next = 0;
            for index in 0..count {
                let part = Shard::new(index, count).unwrap().part(items);
                prop_assert_eq!(part.start, next);
                prop_assert!((items / count..=items.div_ceil(count)).contains(&part.len()));
                next = part.end;
            }
            prop_assert_eq!(next, items);
        }
    }

    #[test]
    fn a_shard_is_written_as_it_is_read() {
        assert_eq!("3/8".parse::<Shard>().unwrap().to_string(), "3/8");
        let wrong = ["8/8", "1/0", "1", "a/8", "-1/8"].map(|text| text.parse::<Shard>().unwrap_err());
        insta::assert_snapshot!(wrong.join("\n"), @r"
        shard 8 of 8: they are numbered from 0 to 7
        0 shards: there is one at least
        expected `auto`, or a shard and their number as in `0/8`
        expected `auto`, or a shard and their number as in `0/8`
        expected `auto`, or a shard and their number as in `0/8`
        ");
    }

    #[test]
    fn engines_say_which_shard_it_is() {
        let of = |variables: &[(&str, &str)]| {
            let shard = Shard::from_environment(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            });
            shard.map_or_else(|error| error, |shard| shard.to_string())
        };
        let slurm = |id, min, max, count| {
            let names =
                ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_COUNT"];
            names.into_iter().zip([id, min, max, count]).collect::<Vec<_>>()
        };
        assert_eq!(of(&slurm("5", "1", "8", "8")), "4/8");
        let again = slurm("17", "3", "17", "2");
        assert_eq!(of(&[&again[..], &[("FACEVAULT_SHARDS", "20")]].concat()), "17/20");
        assert_eq!(of(&[("AWS_BATCH_JOB_ARRAY_INDEX", "0"), ("AWS_BATCH_JOB_ARRAY_SIZE", "3")]), "0/3");
        assert_eq!(of(&[("JOB_COMPLETION_INDEX", "2"), ("FACEVAULT_SHARDS", "4")]), "2/4");
        let wrong = [of(&[]), of(&[("JOB_COMPLETION_INDEX", "2")]), of(&again), of(&[("SLURM_ARRAY_TASK_ID", "x")])];
        insta::assert_snapshot!(wrong.join("\n"), @r"
        no task of an array is running here: none of SLURM_ARRAY_TASK_ID, AWS_BATCH_JOB_ARRAY_INDEX and JOB_COMPLETION_INDEX is set; give the shard as `--shard 0/8`
        JOB_COMPLETION_INDEX says which shard, but not of how many: set FACEVAULT_SHARDS to their number
        the array has 2 tasks from 3 to 17: set FACEVAULT_SHARDS to the number of shards that these are some of
        SLURM_ARRAY_TASK_ID is `x`, expected a whole number
        ");
    }
}
