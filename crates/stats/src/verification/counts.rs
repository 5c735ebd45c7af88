//! Counts of trials by cluster: who has how many, and how many of them count.

/// The trials of one cluster and how many of them count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    /// Trials that count: errors, as a rule.
    pub hits: u64,
    /// All trials.
    pub trials: u64,
}

/// Which counts a trial is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// That of its one cluster.
    One,
    /// Those of two clusters: a pair, counted with both of its faces or identities.
    Two,
    /// That of one cluster, once for each of its faces that is looked at: at least half of the trials are different.
    /// Whom the faces are compared with is held fixed, so the interval of a false match rate, where that is chance as
    /// well, is too narrow: by up to a factor of 2 where everybody is looked at.
    PerFace,
}

/// All clusters together.
pub(super) struct Total {
    pub hits: u64,
    pub trials: u64,
    /// Those with a trial.
    pub clusters: usize,
}

impl Total {
    pub fn of(counts: &[Count], membership: Membership) -> Self {
        let divisor = if membership == Membership::Two { 2 } else { 1 };
        Self {
            hits: counts.iter().map(|count| count.hits).sum::<u64>() / divisor,
            trials: counts.iter().map(|count| count.trials).sum::<u64>() / divisor,
            clusters: counts.iter().filter(|count| count.trials > 0).count(),
        }
    }
}
