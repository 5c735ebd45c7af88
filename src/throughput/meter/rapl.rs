//! Energy of the processor packages, from Linux (`/sys/class/powercap`, RAPL): everything in a package, including other
//! programs, but not memory modules, disks and fans.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Meter, WrappingCounter};

/// Where Linux exposes it.
pub(super) const ROOT: &str = "/sys/class/powercap";

/// All packages of the machine together.
#[derive(Debug)]
pub struct Rapl {
    packages: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    file: PathBuf,
    counter: WrappingCounter,
}

impl Rapl {
    /// Opens every package under `root`.
    ///
    /// # Errors
    /// Why energy cannot be read here.
    pub fn open(root: &Path) -> Result<Self, String> {
        let zones = fs::read_dir(root).map_err(|_| format!("{} does not exist: no RAPL", root.display()))?;
        let mut folders: Vec<PathBuf> =
            zones.filter_map(|zone| Some(zone.ok()?.path())).filter(|folder| is_package(folder)).collect();
        folders.sort();
        if folders.is_empty() {
            return Err(format!("{} has no processor package", root.display()));
        }
        let packages = folders.iter().map(|folder| Package::open(folder)).collect::<Result<_, _>>()?;
        Ok(Self { packages })
    }

    /// Opens this machine's packages.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn here() -> Result<Self, String> {
        Self::open(Path::new(ROOT))
    }
}

/// Whether a zone is a whole package. Its parts (cores, memory controller) are included in it, and `psys` covers more
/// than processors.
fn is_package(folder: &Path) -> bool {
    fs::read_to_string(folder.join("name")).is_ok_and(|name| name.starts_with("package"))
}

impl Package {
    fn open(folder: &Path) -> Result<Self, String> {
        let largest = read(&folder.join("max_energy_range_uj"))?;
        let file = folder.join("energy_uj");
        let counter = WrappingCounter::new(largest, read(&file)?);
        Ok(Self { file, counter })
    }
}

fn read(file: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => format!("{} is not readable by this user", file.display()),
        _ => format!("{}: {error}", file.display()),
    })?;
    text.trim().parse().map_err(|_| format!("{} does not hold a number", file.display()))
}

impl Meter for Rapl {
    fn source(&self) -> String {
        let packages = self.packages.len();
        format!("RAPL, {packages} processor package{}", if packages == 1 { "" } else { "s" })
    }

    /// Reading twice per window is enough: a counter takes at least minutes to wrap.
    fn joules(&mut self) -> Result<f64, String> {
        let mut microjoules = 0;
        for package in &mut self.packages {
            microjoules += package.counter.advance(read(&package.file)?);
        }
        Ok(microjoules as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(root: &Path, folder: &str, name: &str, energy: u64) -> PathBuf {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        fs::write(folder.join("max_energy_range_uj"), "262143000000\n").unwrap();
        fs::write(folder.join("energy_uj"), format!("{energy}\n")).unwrap();
        folder.join("energy_uj")
    }

    #[test]
    fn packages_are_added_up_without_their_parts_and_begin_again() {
        let root = tempfile::tempdir().unwrap();
        let first = zone(root.path(), "intel-rapl:0", "package-0", 1_000_000);
        let second = zone(root.path(), "intel-rapl:1", "package-1", 262_142_000_000);
        let part = zone(root.path(), "intel-rapl:0:0", "core", 500_000);
        zone(root.path(), "intel-rapl:2", "psys", 0);
        let mut rapl = Rapl::open(root.path()).unwrap();
        assert_eq!((rapl.source().as_str(), rapl.joules()), ("RAPL, 2 processor packages", Ok(0.0)));
        fs::write(&first, "3500000").unwrap();
        fs::write(&second, "1000000").unwrap();
        fs::write(&part, "900000000").unwrap();
        // 2.5 J in the first package; 1 J up to the wrap and 1 J after it in the second.
        assert_eq!(rapl.joules(), Ok(4.5));
        fs::remove_file(&second).unwrap();
        assert!(rapl.joules().unwrap_err().contains("energy_uj"), "a sensor that is gone is an error");
    }

    #[test]
    fn a_machine_without_it_says_so() {
        let root = tempfile::tempdir().unwrap();
        let shown = |error: String| error.replace(root.path().to_str().unwrap(), "ROOT");
        insta::assert_snapshot!(shown(Rapl::open(root.path()).unwrap_err()), @"ROOT has no processor package");
        let file = zone(root.path(), "intel-rapl:0", "package-0", 1);
        fs::write(file, "no number").unwrap();
        insta::assert_snapshot!(shown(Rapl::open(root.path()).unwrap_err()), @"ROOT/intel-rapl:0/energy_uj does not hold a number");
        insta::assert_snapshot!(shown(Rapl::open(&root.path().join("none")).unwrap_err()), @"ROOT/none does not exist: no RAPL");
    }
}
