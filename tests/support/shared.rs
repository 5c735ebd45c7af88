//! Data that is not part of the repository. Included by the tests of several packages.

use std::path::{Path, PathBuf};

/// A folder of shared data that holds these `files`: in `$FACEVAULT_SHARED`, else in `shared` next to the repository.
/// `None`, with a message that `what` is not there, where it is not.
pub fn shared(folder: &str, files: &[&str], what: &str) -> Option<PathBuf> {
    // Packages are two folders below the repository.
    let next_to = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("FACEVAULT_SHARED").map_or_else(next_to, PathBuf::from).join(folder);
    if files.iter().all(|file| folder.join(file).is_file()) {
        return folder.canonicalize().ok();
    }
    println!("SKIPPED: {what} are not in {}", folder.display());
    None
}
