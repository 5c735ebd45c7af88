//! Runs in an object store, from several machines: each has a copy of its own, and the store has the bytes that a folder has.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use facevault_objects::testing::{FakeStore, Fault};
use serde_json::Value;

use crate::support::formula;
use crate::support::workspace::{Workspace, outcome};

const RUNS: &str = "s3://faces/runs";

/// Machines with one config and a store between them.
struct Machines {
    workspace: Workspace,
    store: FakeStore,
}

impl Machines {
    fn new() -> Self {
        Self { workspace: Workspace::synthetic(6, 7, ""), store: FakeStore::start() }
    }

    /// The binary on one of them.
    fn command(&self, machine: &str, arguments: &[&str]) -> Command {
        let mut command = self.workspace.command(arguments);
        command.envs(self.store.environment()).env("FACEVAULT_CACHE", self.workspace.path(machine));
        command
    }

    #[track_caller]
    fn run(&self, machine: &str, code: i32, arguments: &[&str]) -> (String, String) {
        outcome(self.command(machine, arguments), code)
    }

    /// What one process makes of the config in a folder, by name.
    fn whole(&self) -> BTreeMap<String, Vec<u8>> {
        self.workspace.run(0, &["experiment", "config.yaml", "--experiments", "whole", "--quiet"]);
        let mut files = BTreeMap::new();
        let mut runs = fs::read_dir(self.workspace.path("whole")).unwrap().map(|entry| entry.unwrap().path());
        let run = runs.find(|path| path.join("plan.json").is_file()).unwrap();
        for entry in fs::read_dir(run).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            files.insert(entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        }
        results(files)
    }

    /// What the only run in the store has.
    fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        let files = self.store.keys().into_iter().filter_map(|key| {
            let name = key.strip_prefix("runs/")?.split_once('/')?.1.to_owned();
            (!name.contains('/')).then(|| (name, self.store.get(&key).unwrap()))
        });
        results(files.collect())
    }

    fn missing(&self, machine: &str, count: usize) -> String {
        let arguments = ["missing", "small", "--experiments", RUNS, "--shards", &count.to_string()];
        self.run(machine, 0, &arguments).0.trim().to_owned()
    }

    fn shard(&self, machine: &str, index: usize, count: usize) {
        self.run(
            machine,
            0,
            &["embed", "small", "--experiments", RUNS, "--quiet", "--shard", &format!("{index}/{count}")],
        );
    }

    /// One of the people of the run.
    fn somebody(&self) -> String {
        let index = String::from_utf8(self.stored()["face_embedding_index.csv"].clone()).unwrap();
        index.lines().nth(20).unwrap().rsplit_once('-').unwrap().0.to_owned()
    }

    /// No object names the person, and once these machines have looked at the run, none of their files does.
    #[track_caller]
    fn assert_forgotten(&self, identity: &str, machines: &[&str]) {
        let naming = |bytes: &[u8]| bytes.windows(identity.len()).any(|text| text == identity.as_bytes());
        let left: Vec<_> = self.store.keys().into_iter().filter(|key| naming(&self.store.get(key).unwrap())).collect();
        assert_eq!(left, [""; 0]);
        for machine in machines {
            self.run(machine, 0, &["verify", "small", "--experiments", RUNS]);
            assert_eq!(files_naming(&self.workspace.path(machine), &naming), [""; 0]);
        }
    }

    fn finish(&self, machine: &str) {
        for verb in ["finish", "evaluate", "verify"] {
            self.run(machine, 0, &[verb, "small", "--experiments", RUNS, "--quiet"]);
        }
    }
}

/// Without what is of the machine, and of the time.
fn results(mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    files.retain(|name, _| !name.starts_with('.') && !["provenance.json", "SEALED"].contains(&name.as_str()));
    files
}

#[track_caller]
fn assert_same(found: &BTreeMap<String, Vec<u8>>, whole: &BTreeMap<String, Vec<u8>>) {
    let differing: Vec<_> =
        whole.keys().chain(found.keys()).filter(|name| found.get(*name) != whole.get(*name)).collect();
    assert_eq!(differing, [""; 0]);
}

#[test]
fn an_experiment_in_a_store_has_the_bytes_of_one_in_a_folder() {
    let machines = Machines::new();
    let whole = machines.whole();
    let (stdout, stderr) = machines.run("a", 0, &["experiment", "config.yaml", "--experiments", RUNS]);
    assert!(stdout.contains("s3://faces/runs/small-"), "{stdout}");
    assert!(
        !(stdout + &stderr).contains(machines.workspace.path("a").to_str().unwrap()),
        "the copy is nobody's concern: {stderr}"
    );
    assert_same(&machines.stored(), &whole);
    // Another machine finds it under all its names.
    let name = machines.store.keys()[0].split('/').nth(1).unwrap().to_owned();
    let address = format!("{RUNS}/{name}");
    machines.run("b", 0, &["verify", &address]);
    let listed = machines.run("c", 0, &["runs", "--experiments", RUNS, "--json"]).0;
    assert!(listed.contains(&name) && listed.contains("complete"), "{listed}");
    machines.run("b", 0, &["report", "small", "--experiments", RUNS]);
    let index = String::from_utf8(machines.stored()["face_embedding_index.csv"].clone()).unwrap();
    machines.run("b", 0, &["lookup", "small", "--experiments", RUNS, index.lines().nth(1).unwrap()]);
    let (_, said) = machines.run("b", 2, &["verify", "smal1", "--experiments", RUNS]);
    assert!(said.contains(&format!("no run `smal1` in {RUNS}")), "{said}");
    // Starting it again is a no-op, and sends nothing.
    machines.store.clear_log();
    machines.run("a", 0, &["experiment", "config.yaml", "--experiments", RUNS, "--quiet"]);
    assert_eq!((machines.store.requests("PUT", ""), machines.store.requests("GET", "runs/")), (0, 0));
    // On a fresh machine too, from what is there.
    machines.run("d", 0, &["experiment", "config.yaml", "--experiments", RUNS, "--quiet"]);
    assert_eq!(machines.store.requests("PUT", ""), 0);
}

/// Fault (object stores): shards run on three machines without a common disk, in any order and twice → the bytes of one process
#[test]
fn shards_on_machines_without_a_common_disk_give_the_bytes_of_one_process() {
    let machines = Machines::new();
    let whole = machines.whole();
    machines.run("a", 0, &["prepare", "config.yaml", "--experiments", RUNS]);
    assert_eq!(machines.missing("d", 3), "0-2");
    for (machine, index, count) in [("a", 2, 3), ("b", 0, 3), ("c", 1, 2), ("c", 1, 3), ("b", 0, 3)] {
        machines.shard(machine, index, count);
    }
    assert_eq!(machines.missing("d", 9), "");
    let seen = machines.run("e", 0, &["watch", "small", "--experiments", RUNS, "--once"]).0;
    assert!(seen.contains("42/42 faces") && seen.contains("\nnext      facevault finish "), "{seen}");
    machines.finish("d");
    assert_same(&machines.stored(), &whole);
    assert!(!machines.store.keys().iter().any(|key| key.contains("workers/")), "{:?}", machines.store.keys());
    // A task that comes late has nothing to do.
    machines.shard("b", 0, 3);
    machines.run("f", 0, &["verify", "small", "--experiments", RUNS]);
}

/// Workers share the ranges of int8 that preparing measured, and its agreement with f32.
#[test]
fn int8_is_shared_out_through_a_store() {
    let int8 = "embed: {device: cpu, precision: int8, batch_size: 4, chunk_size: 5, threads: 1}";
    let workspace = Workspace::new();
    workspace.config(&format!("dataset: {{source: synthetic, seed: 5, identities: 4, samples: 4, size: 96}}\n{int8}"));
    let machines = Machines { workspace, store: FakeStore::start() };
    let whole = machines.whole();
    machines.run("a", 0, &["prepare", "config.yaml", "--experiments", RUNS]);
    machines.shard("b", 0, 2);
    machines.shard("c", 1, 2);
    machines.finish("d");
    assert_same(&machines.stored(), &whole);
}

/// Fault (object stores): a worker starts → it reads its rows of the manifest and its chunks, and nothing of the others
#[test]
fn a_worker_reads_its_own_part() {
    let machines = Machines::new();
    machines.run("a", 0, &["prepare", "config.yaml", "--experiments", RUNS]);
    machines.shard("b", 0, 3);
    machines.store.clear_log();
    machines.shard("c", 2, 3);
    let requests = |method: &str, key: &str| machines.store.requests(method, key);
    assert_eq!(requests("GET", "chunks/0000[0-2]"), 0);
    assert_eq!((requests("GET", "chunks/"), requests("PUT", "chunks/")), (0, 6), "three chunks of two files");
    assert!(requests("GET", "manifest.parquet") <= 4);
    // Once more: what it has, it does not compute.
    machines.store.clear_log();
    machines.shard("d", 2, 3);
    assert_eq!((requests("GET", "chunks/"), requests("PUT", "chunks/")), (6, 0));
}

/// Fault (object stores): workers on two machines compute the same chunks at once → both succeed, each chunk is committed once
#[test]
fn workers_on_the_same_chunks_agree() {
    let machines = Machines::new();
    let whole = machines.whole();
    machines.run("a", 0, &["prepare", "config.yaml", "--experiments", RUNS]);
    machines.store.delay(Duration::from_millis(10));
    let start = |machine: &str| {
        let mut command =
            machines.command(machine, &["embed", "small", "--experiments", RUNS, "--quiet", "--shard", "0/1"]);
        command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    };
    for mut worker in ["b", "c", "d"].map(start) {
        assert!(worker.wait().unwrap().success());
    }
    machines.finish("a");
    assert_same(&machines.stored(), &whole);
}

/// Fault (object stores): workers are killed at random moments, the store answers 500 and 503, loses answers and connections →
/// nothing but the chunks in flight is lost, and the bytes are those of one process
#[test]
fn kills_and_a_failing_store_lose_nothing() {
    let machines = Machines::new();
    let whole = machines.whole();
    machines.run("a", 0, &["prepare", "config.yaml", "--experiments", RUNS]);
    let mut moments = formula::fractions("moments of the kills of workers of a store", 6);
    for round in 0..3 {
        for fault in [Fault::Status(503), Fault::LoseAnswer, Fault::HangUp, Fault::Status(500)] {
            machines.store.fail("PUT", ".npy", fault);
            machines.store.fail("PUT", ".json", fault);
            machines.store.fail("GET", "", fault);
        }
        for index in 0..2 {
            let shard = format!("{index}/2");
            let machine = format!("m{round}-{index}");
            let mut command =
                machines.command(&machine, &["embed", "small", "--experiments", RUNS, "--quiet", "--shard", &shard]);
            let mut worker = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_secs_f64(0.2 + 0.8 * moments.next().unwrap()));
            worker.kill().unwrap();
            worker.wait().unwrap();
        }
    }
    println!("shards of 9 left after the kills: {:?}", machines.missing("d", 9));
    for fault in [Fault::Status(503), Fault::LoseAnswer, Fault::Cut] {
        machines.store.fail("PUT", "", fault);
        machines.store.fail("GET", "chunks", fault);
    }
    for index in 0..2 {
        machines.shard("b", index, 2);
    }
    for fault in [Fault::Status(503), Fault::LoseAnswer, Fault::HangUp] {
        machines.store.fail("PUT", "metrics", fault);
        machines.store.fail("PUT", "SEALED", fault);
        machines.store.fail("GET", "chunks", fault);
    }
    machines.finish("c");
    assert_same(&machines.stored(), &whole);
}

/// Fault (object stores): the machine of an experiment is lost while it embeds → another continues from the chunks in the store
#[test]
fn another_machine_continues_an_experiment() {
    let machines = Machines::new();
    let whole = machines.whole();
    let arguments = ["experiment", "config.yaml", "--experiments", RUNS, "--quiet"];
    for _ in 0..40 {
        // The store goes away after the fourth chunk.
        machines.store.fail("PUT", "chunks/00004.npy", Fault::Status(403));
    }
    let (_, said) = machines.run("a", 1, &arguments);
    assert!(said.contains("chunks/00004.npy: 403 Forbidden"), "{said}");
    machines.store.mend();
    machines.store.clear_log();
    machines.run("b", 0, &arguments);
    assert_eq!(machines.store.requests("PUT", "chunks/"), 10, "the other five chunks");
    assert_same(&machines.stored(), &whole);
}

/// Fault (object stores): a chunk in the store was changed → `finish` removes it there, and it is computed again
#[test]
fn a_damaged_chunk_is_removed_from_the_store() {
    let machines = Machines::new();
    let whole = machines.whole();
    machines.run("a", 0, &["prepare", "config.yaml", "--experiments", RUNS]);
    machines.shard("a", 0, 1);
    let key = machines.store.keys().into_iter().find(|key| key.ends_with("chunks/00004.npy")).unwrap();
    let mut bytes = machines.store.get(&key).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    machines.store.put(&key, bytes);
    let (_, said) = machines.run("b", 1, &["finish", "small", "--experiments", RUNS]);
    assert!(said.contains("chunk 00004 is damaged"), "{said}");
    assert!(said.contains(&format!("facevault missing {RUNS}/small-")), "{said}");
    assert_eq!(machines.missing("c", 9), "4");
    machines.shard("c", 4, 9);
    machines.finish("a");
    assert_same(&machines.stored(), &whole);
}

/// Fault (object stores): a server that does not know `If-None-Match` → workers refuse it, because two could commit one chunk
#[test]
fn a_store_that_replaces_what_it_must_not_is_refused() {
    let machines = Machines::new();
    machines.run("a", 0, &["prepare", "config.yaml", "--experiments", RUNS]);
    machines.store.forget_conditions();
    let (_, said) = machines.run("b", 1, &["embed", "small", "--experiments", RUNS, "--shard", "0/1"]);
    assert!(said.contains("the store replaces objects although it is asked not to"), "{said}");
    assert!(!machines.store.keys().iter().any(|key| key.contains("chunks/")));
}

/// Fault (object stores): pairs are compared in parts on two machines → the statistics of one process
#[test]
fn pairs_are_compared_on_several_machines() {
    let machines = Machines::new();
    let whole = machines.whole();
    machines.run("a", 0, &["prepare", "config.yaml", "--experiments", RUNS]);
    machines.shard("a", 0, 1);
    machines.run("a", 0, &["finish", "small", "--experiments", RUNS, "--quiet"]);
    // Two of them at once on one.
    let shards = [("b", "0/3"), ("b", "1/3"), ("c", "2/3")].map(|(machine, shard)| {
        let arguments = ["evaluate", "small", "--experiments", RUNS, "--quiet", "--shard", shard];
        machines.command(machine, &arguments).stderr(Stdio::piped()).spawn().unwrap()
    });
    for shard in shards {
        let output = shard.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(machines.store.keys().iter().filter(|key| key.contains(".pairs.partial.")).count(), 3);
    machines.run("d", 0, &["evaluate", "small", "--experiments", RUNS, "--quiet"]);
    assert_same(&machines.stored(), &whole);
    assert!(!machines.store.keys().iter().any(|key| key.contains(".pairs")), "they are used up");
}

/// Fault (object stores): a person is removed from a run → from every object of it, and from the copies of other machines
#[test]
fn a_person_is_forgotten_in_the_store() {
    let machines = Machines::new();
    machines.run("a", 0, &["experiment", "config.yaml", "--experiments", RUNS, "--quiet"]);
    machines.run("b", 0, &["verify", "small", "--experiments", RUNS]);
    let identity = machines.somebody();
    machines.run("a", 0, &["forget", "small", "--experiments", RUNS, "--identity", &identity, "--quiet"]);
    machines.assert_forgotten(&identity, &["b"]);
}

/// Fault (object stores): `forget` fails while it sends the run → other machines refuse it, only the one that began can end it, and
/// then nobody has the person
#[test]
fn an_interrupted_removal_is_ended_by_the_machine_that_began_it() {
    let machines = Machines::new();
    machines.run("a", 0, &["experiment", "config.yaml", "--experiments", RUNS, "--quiet"]);
    machines.run("b", 0, &["verify", "small", "--experiments", RUNS]);
    let identity = machines.somebody();
    for _ in 0..4 {
        machines.store.fail("PUT", "manifest.parquet", Fault::Status(403));
    }
    let forget = ["forget", "small", "--experiments", RUNS, "--quiet"];
    machines.run("a", 1, &[&forget[..], &["--identity", &identity]].concat());
    machines.store.mend();
    assert!(!machines.store.keys().iter().any(|key| key.ends_with("/SEALED") || key.ends_with("/metrics.json")));
    let refused = |verb: &str| machines.run("b", 2, &[verb, "small", "--experiments", RUNS]).1;
    assert!(
        refused("evaluate").contains("was interrupted: finish it with `facevault forget"),
        "{}",
        refused("evaluate")
    );
    let elsewhere = refused("forget");
    assert!(elsewhere.contains("another machine is removing faces from s3://faces/runs/small-"), "{elsewhere}");
    // What looks at it meanwhile changes nothing.
    machines.run("a", 0, &["runs", "--experiments", RUNS]);
    machines.run("a", 0, &forget);
    machines.assert_forgotten(&identity, &["a", "b"]);
}

/// Fault (object stores): `forget` is killed when it has begun, or while it sends the run → the same command ends it, and nobody has
/// the person
#[test]
fn a_killed_removal_is_ended_by_the_next_call() {
    for stage in ["\"kept\": null", "\"manifest\":"] {
        let machines = Machines::new();
        machines.run("a", 0, &["experiment", "config.yaml", "--experiments", RUNS, "--quiet"]);
        let identity = machines.somebody();
        let forget = ["forget", "small", "--experiments", RUNS, "--quiet"];
        machines.store.delay(Duration::from_millis(100));
        let mut killed = machines.command("a", &[&forget[..], &["--identity", &identity]].concat()).spawn().unwrap();
        let journal = || {
            let key = machines.store.keys().into_iter().find(|key| key.ends_with("/.forgetting"))?;
            Some(String::from_utf8(machines.store.get(&key)?).unwrap())
        };
        while !journal().is_some_and(|text| text.contains(stage)) {
            assert!(killed.try_wait().unwrap().is_none(), "{stage}: too late");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Some of what it sends may have arrived.
        std::thread::sleep(Duration::from_millis(30));
        killed.kill().unwrap();
        assert!(!killed.wait().unwrap().success(), "{stage}: too late");
        machines.store.delay(Duration::ZERO);
        machines.run("a", 0, &["runs", "--experiments", RUNS]);
        machines.run("a", 0, &forget);
        assert_eq!(journal(), None, "{stage}");
        machines.assert_forgotten(&identity, &["a", "b"]);
    }
}

fn files_naming(folder: &Path, naming: &impl Fn(&[u8]) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files_naming(&entry.path(), naming));
        } else if naming(&fs::read(entry.path()).unwrap()) {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// Fault (object stores): wrong credentials, no such bucket, credentials in an address, a folder of reports that is an address →
/// said with the remedy, and no credential is shown
#[test]
fn what_is_wrong_with_a_store_is_said() {
    let machines = Machines::new();
    let said = |arguments: &[&str], code| {
        let (_, stderr) = machines.run("a", code, arguments);
        stderr.lines().filter(|line| line.starts_with("error")).collect::<String>()
    };
    machines.store.fail("GET", "", Fault::Status(403));
    let texts = [
        said(&["runs", "--experiments", RUNS], 1),
        said(&["runs", "--experiments", "s3://key:secret@faces/runs"], 2),
        said(&["report", "small", "--reports", "s3://faces/pages"], 2),
        said(&["verify", "s3://faces/runs/none"], 2),
        said(&["verify", "none", "--experiments", RUNS], 2),
    ];
    let text = texts.join("\n");
    assert!(!text.contains("secret"), "{text}");
    insta::assert_snapshot!(text, @r"
    error: cannot list s3://faces/runs: 403 Forbidden: SlowDown; set the credentials of the store (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY), or AWS_SKIP_SIGNATURE=true for a public bucket
    error: invalid value 's3://**********@faces/runs' for '--experiments <DIR>': `s3://faces/runs`: it has a user or a password: credentials belong into the environment
    error: invalid value 's3://faces/pages' for '--reports <DIR>': name a folder of this machine
    error: no run `none` in s3://faces/runs; it holds no runs: create one with `facevault experiment CONFIG --experiments s3://faces/runs`
    error: no run `none` in s3://faces/runs; it holds no runs: create one with `facevault experiment CONFIG --experiments s3://faces/runs`
    ");
}

/// Everything that a run in a store says: its address, never a credential, and no face.
#[test]
fn provenance_says_nothing_of_the_store() {
    let machines = Machines::new();
    machines.run("a", 0, &["experiment", "config.yaml", "--experiments", RUNS, "--quiet"]);
    for key in machines.store.keys() {
        let text = String::from_utf8_lossy(&machines.store.get(&key).unwrap()).into_owned();
        assert!(!text.contains("a-very-secret-key") && !text.contains("127.0.0.1"), "{key}");
    }
    let plan: Value = serde_json::from_slice(&machines.stored()["plan.json"]).unwrap();
    assert!(plan.is_object());
}
