//! Whether a gate compares two builds, or one build with itself.

use std::collections::BTreeSet;

use crate::digest::Digest;

/// What embedded a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedBy {
    /// Digest of everything in the plan that can change an embedding.
    pub plan: Digest,
    /// Start and host of each session that embedded some of its faces, here or in a run whose embeddings it reused.
    pub sessions: BTreeSet<(u64, String)>,
    /// Whether it reused any.
    pub reused: bool,
    /// Source revisions of their builds, as far as they are known.
    pub builds: BTreeSet<String>,
}

/// What a comparison of a run with the reference cannot show about its build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SameBuild {
    /// Both have the same embeddings: one reused the other's, or both those of a third run.
    Embeddings(String),
    /// The build did not change, or the run was not embedded by the build that compares.
    Build(String),
}

impl EmbeddedBy {
    /// Compares a run with the reference; `here` is the revision of this build. Runs whose embeddings differ by plan, such
    /// as those of other weights, may come from one build.
    pub fn same_build(&self, reference: &Self, here: &str) -> Option<SameBuild> {
        if self.plan != reference.plan {
            return None;
        }
        // Without reuse, two sessions of one host that began in the same second are two.
        if (self.reused || reference.reused) && !self.sessions.is_disjoint(&reference.sessions) {
            return Some(SameBuild::Embeddings(
                "it has the reference's own embeddings, so this compares one build with itself; embed it with its own \
                 build: `facevault experiment CONFIG --fresh`"
                    .into(),
            ));
        }
        let [build] = &self.builds.iter().collect::<Vec<_>>()[..] else { return None };
        if !is_commit(build) {
            return None;
        }
        if reference.builds.len() == 1 && reference.builds.contains(*build) {
            return Some(SameBuild::Build(format!(
                "build {} embedded both, so only the machine can differ",
                short(build)
            )));
        }
        (is_commit(here) && *build != here)
            .then(|| SameBuild::Build(format!("build {} embedded it, not this one, {}", short(build), short(here))))
    }
}

/// Whether a revision names one source: not that of a changed working tree or of an archive.
pub fn is_commit(revision: &str) -> bool {
    revision.len() >= 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A revision, short enough to read.
pub fn short(revision: &str) -> String {
    if is_commit(revision) { revision[..12].to_owned() } else { revision.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(plan: &[u8], started: u64, build: &str) -> EmbeddedBy {
        let plan = Digest::of(plan);
        let sessions = [(started, "host".into())].into();
        EmbeddedBy { plan, sessions, reused: false, builds: [build.into()].into() }
    }

    #[test]
    fn a_build_compared_with_itself_is_found() {
        let [old, new] = ["a", "b"].map(|letter| letter.repeat(40));
        let reference = run(b"plan", 1, &old);
        let found = |run: EmbeddedBy| match run.same_build(&reference, &new) {
            Some(SameBuild::Embeddings(text)) => format!("fails: {text}"),
            Some(SameBuild::Build(text)) => text,
            None => "another build".into(),
        };
        insta::assert_snapshot!(found(run(b"plan", 2, &new)), @"another build");
        insta::assert_snapshot!(found(run(b"plan", 1, &new)), @"another build");
        let reused = EmbeddedBy { reused: true, ..run(b"plan", 1, &old) };
        insta::assert_snapshot!(found(reused), @"fails: it has the reference's own embeddings, so this compares one build with itself; embed it with its own build: `facevault experiment CONFIG --fresh`");
        insta::assert_snapshot!(found(run(b"plan", 2, &old)), @"build aaaaaaaaaaaa embedded both, so only the machine can differ");
        insta::assert_snapshot!(found(run(b"plan", 2, &"c".repeat(40))), @"build cccccccccccc embedded it, not this one, bbbbbbbbbbbb");
        // Other weights are a comparison, whatever embedded them; a changed working tree could be anything.
        insta::assert_snapshot!(found(run(b"other", 1, &old)), @"another build");
        insta::assert_snapshot!(found(run(b"plan", 2, &format!("{old} (dirty)"))), @"another build");
    }
}
