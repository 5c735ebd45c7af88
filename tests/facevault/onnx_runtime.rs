//! `embed.kernels: onnxruntime`. Tests that need the library take what the binary finds (`ORT_DYLIB_PATH`, or Python's package
//! in an active environment), and skip and say so where there is none.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::workspace::Workspace;

const SIDE: usize = 32;

/// A message of protobuf.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(mut self, tag: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.varint(tag << 3 | 2);
        self.varint(bytes.as_ref().len() as u64);
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    fn number(mut self, tag: u64, number: u64) -> Self {
        self.varint(tag << 3);
        self.varint(number);
        self
    }

    fn message(self, tag: u64, message: Message) -> Self {
        self.bytes(tag, message.0)
    }
}

/// A description of an input or output; 0 is an open extent.
fn value(name: &str, element: u64, shape: &[u64]) -> Message {
    let extents = shape.iter().fold(Message::default(), |shape, extent| {
        shape.message(
            1,
            if *extent == 0 { Message::default().bytes(2, "n") } else { Message::default().number(1, *extent) },
        )
    });
    let tensor = Message::default().number(1, element).message(2, extents);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input));
    node.bytes(2, output).bytes(3, format!("the {operator}")).bytes(4, operator)
}

/// The numbers of the convolution, 8 × 3 × 3 × 3.
fn weights() -> Vec<u8> {
    (0..216u32).flat_map(|i| ((i * 7919 % 201) as f32 / 100.0 - 1.0).to_le_bytes()).collect()
}

fn tensor(name: &str, shape: &[u64], raw: &[u8]) -> Message {
    let tensor = shape.iter().fold(Message::default(), |tensor, extent| tensor.number(1, *extent));
    tensor.number(2, 1).bytes(8, name).bytes(9, raw)
}

/// The tensor `w`, in a file beside the network.
fn elsewhere(location: &str) -> Message {
    let tensor = [8, 3, 3, 3].iter().fold(Message::default(), |tensor, extent| tensor.number(1, *extent));
    let entry = Message::default().bytes(1, "location").bytes(2, location);
    tensor.number(2, 1).bytes(8, "w").message(13, entry).number(14, 1)
}

/// What may differ between two networks here.
struct Parts {
    activation: &'static str,
    weights: Message,
    /// Type of the face.
    element: u64,
    /// Faces at once, 0 for any number.
    batch: u64,
    /// Whether the file says how many numbers an embedding has.
    says_dimension: bool,
}

impl Default for Parts {
    fn default() -> Self {
        let weights = tensor("w", &[8, 3, 3, 3], &weights());
        Self { activation: "ThresholdedRelu", weights, element: 1, batch: 0, says_dimension: true }
    }
}

/// A convolution, `ThresholdedRelu` with a threshold of 0, which is a `Relu` that facevault does not know, and the means over
/// all pixels.
fn network(parts: Parts) -> Vec<u8> {
    let alpha = Message::default().bytes(1, "alpha").number(20, 1);
    // A float of 0 is the field's default, and the operator's is 1: it has to be there.
    let alpha = Message([&alpha.0[..], &[2 << 3 | 5, 0, 0, 0, 0]].concat());
    let to_f32 = Message::default().bytes(1, "to").number(3, 1).number(20, 2);
    let activation = node(parts.activation, &["c"], "a");
    let activation = if parts.activation == "ThresholdedRelu" { activation.message(5, alpha) } else { activation };
    let dimension = if parts.says_dimension { 8 } else { 0 };
    let graph = Message::default()
        .message(1, node("Cast", &["face"], "x").message(5, to_f32))
        .message(1, node("Conv", &["x", "w"], "c"))
        .message(1, activation)
        .message(1, node("GlobalAveragePool", &["a"], "p"))
        .message(1, node("Flatten", &["p"], "embedding"))
        .bytes(2, "small")
        .message(5, parts.weights)
        .message(11, value("face", parts.element, &[parts.batch, 3, SIDE as u64, SIDE as u64]))
        .message(12, value("embedding", 1, &[parts.batch, dimension]));
    let opset = Message::default().number(2, 13);
    Message::default().number(1, 8).message(7, graph).message(8, opset).0
}

/// The network with a `Relu`, which facevault knows: its only product takes three channels.
pub fn known_network() -> Vec<u8> {
    network(Parts { activation: "Relu", ..Parts::default() })
}

/// A workspace with these networks, `NAME.onnx`, and a config of the first.
fn workspace(networks: &[(&str, Vec<u8>)]) -> Workspace {
    let workspace = Workspace::empty();
    for (name, bytes) in networks {
        fs::write(workspace.path(format!("{name}.onnx")), bytes).unwrap();
    }
    let config = format!(
        "name: small\ndataset: {{source: synthetic, seed: 5, identities: 4, samples: 3, size: 64}}\n\
         preprocess: {{profile: insightface, crop: {{mode: whole}}, resize: {{size: {SIDE}}}}}\n\
         model: {{network: onnx}}\nweights: {{source: file, path: {}.onnx}}\nsimilarity: {{replicates: 100}}\n\
         embed: {{device: cpu, batch_size: 5, chunk_size: 12, threads: 1, kernels: onnxruntime}}\n",
        networks[0].0
    );
    fs::write(workspace.path("config.yaml"), config).unwrap();
    workspace
}

/// Whether the binary finds a library; says so if not.
fn has_library(workspace: &Workspace) -> bool {
    let output = workspace.command(&["check", "config.yaml"]).output().unwrap();
    let found = !String::from_utf8_lossy(&output.stderr).contains("ONNX Runtime is not on this machine");
    if !found {
        eprintln!("skipped: there is no ONNX Runtime on this machine (set ORT_DYLIB_PATH)");
    }
    found
}

/// The embeddings of a run with these overrides, in a folder of its own.
#[track_caller]
fn embeddings(workspace: &Workspace, overrides: &[&str]) -> Vec<f32> {
    let folder = tempfile::tempdir_in(workspace.path("")).unwrap();
    let mut arguments = vec!["embed", "config.yaml", "--quiet", "--experiments", folder.path().to_str().unwrap()];
    arguments.extend(overrides.iter().flat_map(|set| ["--set", set]));
    workspace.run(0, &arguments);
    let runs = fs::read_dir(folder.path()).unwrap().map(|run| run.unwrap().path());
    let run = runs.into_iter().find(|run| run.join("plan.json").is_file()).unwrap();
    let bytes = fs::read(run.join("face_embeddings.npy")).unwrap();
    let rows = &bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..];
    rows.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn off(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// What a command says on standard error, without the places of this test.
#[track_caller]
fn refused(workspace: &Workspace, mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = workspace.path("");
    let folder = folder.to_string_lossy();
    String::from_utf8(output.stderr).unwrap().trim().replace(&*folder, "HERE/")
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/graph/tests/fixtures/networks").join(name))
        .unwrap()
}

#[test]
fn the_library_gives_what_the_engine_gives() {
    for name in ["iresnet", "iresnet_dynamo", "iresnet_fp16", "iresnet_external", "mobilefacenet_interleaved"] {
        let workspace = workspace(&[(name, fixture(&format!("{name}.onnx")))]);
        if name == "iresnet_external" {
            fs::write(workspace.path("iresnet_external.bin"), fixture("iresnet_external.bin")).unwrap();
        }
        if !has_library(&workspace) {
            return;
        }
        let expected = embeddings(&workspace, &["embed.kernels=auto"]);
        for set in ["embed.batch_size=5", "embed.batch_size=1", "embed.threads=2"] {
            let found = embeddings(&workspace, &[set]);
            assert!(off(&found, &expected) <= 1e-5, "{name}, {set}: off by {}", off(&found, &expected));
            assert!(embeddings(&workspace, &[set]) == found, "{name}, {set}: another run, other bytes");
        }
    }
}

/// Fault (weights): an ONNX file with an operator that only ONNX Runtime knows → it runs there, by `embed.kernels: onnxruntime`
#[test]
fn a_network_that_facevault_does_not_know_runs_there() {
    let networks = [
        ("unknown", network(Parts::default())),
        ("silent", network(Parts { says_dimension: false, ..Parts::default() })),
        ("batch", network(Parts { batch: 3, ..Parts::default() })),
        ("beside", network(Parts { weights: elsewhere("w.bin"), ..Parts::default() })),
        ("halves", network(Parts { element: 10, ..Parts::default() })),
        ("doubles", network(Parts { element: 11, ..Parts::default() })),
        ("known", known_network()),
    ];
    let workspace = workspace(&networks);
    fs::write(workspace.path("w.bin"), weights()).unwrap();
    let mut command = workspace.command(&["check", "config.yaml", "--quiet", "--set", "embed.kernels=auto"]);
    let error = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(error.contains("the operator `ThresholdedRelu` (opset 13) of node `the ThresholdedRelu`"), "{error}");
    assert!(error.trim().ends_with("or let ONNX Runtime run it: `embed.kernels: onnxruntime`"), "{error}");
    if !has_library(&workspace) {
        return;
    }
    let expected = embeddings(&workspace, &["embed.kernels=auto", "weights.path=known.onnx"]);
    for (name, _) in &networks {
        let found = embeddings(&workspace, &[&format!("weights.path={name}.onnx")]);
        let allowed = if *name == "halves" { 1e-3 } else { 1e-5 };
        assert!(off(&found, &expected) <= allowed, "{name} is off by {}", off(&found, &expected));
    }
    let (shown, _) = workspace.run(0, &["check", "config.yaml"]);
    let line = shown.lines().find(|line| line.starts_with("network")).unwrap();
    insta::assert_snapshot!(line, @"network  `face` 32×32 (planar) → `embedding`, 8 numbers; operator set 13; only ONNX Runtime knows all of it");
}

#[test]
fn what_ran_is_recorded_and_part_of_the_run() {
    let workspace = workspace(&[("unknown", network(Parts::default()))]);
    if !has_library(&workspace) {
        return;
    }
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let json = |name: &str| serde_json::from_slice::<serde_json::Value>(&fs::read(run.join(name)).unwrap()).unwrap();
    let (plan, provenance) = (json("plan.json"), json("provenance.json"));
    let library = &provenance["arithmetic"]["library"];
    let version = library["version"].as_str().unwrap();
    assert_eq!(library["name"], "onnxruntime");
    assert_eq!(plan["model"]["embedder"], format!("onnx (onnxruntime {version})"));
    assert_eq!(provenance["sessions"][0]["device"], format!("CPU (ONNX Runtime {version}, 1 thread)"));
    // Where the library is on this machine is nobody's business.
    let report = format!("reports/{}.html", run.file_name().unwrap().to_str().unwrap());
    let said = fs::read_to_string(workspace.path(report)).unwrap() + &provenance.to_string();
    assert!(said.contains(version) && !said.contains("libonnxruntime"), "{provenance}");
    workspace.run(0, &["verify", run.to_str().unwrap()]);
}

#[test]
fn its_speed_is_measured_and_it_is_a_reference() {
    let workspace = workspace(&[("unknown", network(Parts::default())), ("iresnet", fixture("iresnet.onnx"))]);
    if !has_library(&workspace) {
        return;
    }
    let measure = |more: &[&str]| {
        let quick =
            ["throughput", "config.yaml", "--seconds", "0.01", "--rounds", "1", "--faces", "9", "--network-only"];
        workspace.json(0, &[&quick, &["--no-report"][..], more].concat())
    };
    let unknown = measure(&[]);
    assert_eq!(unknown["reference"], "onnxruntime");
    let both = ["--kernels", "auto,onnxruntime", "--reference", "onnxruntime", "--set", "weights.path=iresnet.onnx"];
    let known = measure(&both);
    for (measured, kernels) in [
        (&unknown["variants"][0], "onnxruntime"),
        (&known["variants"][0], "auto"),
        (known["variants"].as_array().unwrap().last().unwrap(), "onnxruntime"),
    ] {
        assert_eq!(measured["kernels"], kernels, "{measured}");
        assert!(measured["agreement"]["min_cosine"].as_f64().is_some_and(|cosine| cosine > 0.999_99), "{measured}");
    }
}

/// Fault (weights): no ONNX Runtime on the machine, and `embed.kernels: onnxruntime` → refused with how to get it
/// Fault (weights): a text file, a missing file or another library as ONNX Runtime → refused with the file and what to name
/// instead
#[test]
fn a_library_that_is_missing_or_another_is_refused() {
    let workspace = workspace(&[("known", network(Parts { activation: "Relu", ..Parts::default() }))]);
    let named = |file: Option<&Path>, verb: &str| {
        let mut command = workspace.command(&[verb, "config.yaml", "--quiet"]);
        for name in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
            command.env_remove(name);
        }
        // What the system has is not what is tested.
        command.env("LD_LIBRARY_PATH", workspace.path(""));
        if let Some(file) = file {
            command.env("ORT_DYLIB_PATH", file);
        }
        refused(&workspace, command)
    };
    let both = |file: Option<&Path>| {
        let said = named(file, "experiment");
        assert_eq!(said, named(file, "check"));
        said
    };
    assert!(!workspace.has_run());
    let missing = workspace.path("none.so");
    let said = both(Some(&missing));
    assert!(said.starts_with("error: HERE/none.so cannot be loaded as ONNX Runtime: "), "{said}");
    assert!(said.ends_with("; set `ORT_DYLIB_PATH` to `libonnxruntime.so`, or unset it"), "{said}");
    let text = workspace.path("text.so");
    fs::write(&text, "not a library").unwrap();
    assert!(both(Some(&text)).starts_with("error: HERE/text.so cannot be loaded as ONNX Runtime: "));
    if let Some(other) = some_library() {
        let said = both(Some(&other)).replace(&*other.to_string_lossy(), "OTHER");
        insta::assert_snapshot!(said, @"error: OTHER is a library, but not ONNX Runtime: it has no `OrtGetApiBase`; set `ORT_DYLIB_PATH` to `libonnxruntime.so`");
    }
    // In the loader's first folder, so that another one is not found.
    fs::write(workspace.path("libonnxruntime.so"), "not a library").unwrap();
    if cfg!(target_os = "linux") {
        let said = both(None);
        assert!(said.starts_with("error: ONNX Runtime is not on this machine ("), "{said}");
        assert!(said.contains("pip install onnxruntime") && said.contains("ORT_DYLIB_PATH"), "{said}");
    }
}

/// A library that is on this machine and is not ONNX Runtime: the C library that this test itself uses.
fn some_library() -> Option<std::path::PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    paths
        .map(std::path::PathBuf::from)
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libc.so")))
}

/// Fault (weights): an ONNX file that ONNX Runtime refuses → refused with its version and message
/// Fault (weights): external data outside the folder, in an ONNX file for ONNX Runtime → refused; nobody opens it
/// Fault (weights): an address in memory as external data, in an ONNX file for ONNX Runtime → refused as a file that is missing
/// Fault (weights): an ONNX file for ONNX Runtime that takes billions of faces at once → refused; no memory is taken
/// Fault (config): standardised pixels for an ONNX file that takes bytes, with ONNX Runtime → refused with the values to set
/// Fault (config): ONNX Runtime for another network, precision or device than it has here → refused with the value to set
#[test]
fn what_the_library_refuses_is_an_error() {
    let workspace = workspace(&[
        ("swosh", network(Parts { activation: "Swosh", ..Parts::default() })),
        ("outside", network(Parts { weights: elsewhere("../w.bin"), ..Parts::default() })),
        ("memory", network(Parts { weights: elsewhere("*/_ORT_MEM_ADDR_/*"), ..Parts::default() })),
        ("crowd", network(Parts { batch: 1 << 40, ..Parts::default() })),
        ("bytes", network(Parts { element: 2, ..Parts::default() })),
        ("known", network(Parts::default())),
    ]);
    if !has_library(&workspace) {
        return;
    }
    let says = |sets: &[&str]| {
        let overrides = sets.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["experiment", "config.yaml", "--quiet"].into_iter().chain(overrides).collect();
        let said = refused(&workspace, workspace.command(&arguments));
        let checked = [&["check"], &arguments[1..]].concat();
        assert_eq!(refused(&workspace, workspace.command(&checked)), said);
        said
    };
    let said = says(&[]);
    let (head, rest) = said.split_once(" cannot read the file: ").unwrap();
    assert!(
        head.starts_with("error: cannot load HERE/swosh.onnx: ONNX Runtime 1.") && rest.contains("Swosh"),
        "{said}"
    );
    insta::assert_snapshot!(says(&["weights.path=outside.onnx"]), @"error: cannot load HERE/outside.onnx: the tensor `w` of the ONNX file: its external data `../w.bin` is not in the folder of the ONNX file; it is not read");
    insta::assert_snapshot!(says(&["weights.path=memory.onnx"]), @"error: cannot load HERE/memory.onnx: the tensor `w` of the ONNX file: its external data `*/_ORT_MEM_ADDR_/*`: No such file or directory (os error 2); put that file beside the ONNX file");
    insta::assert_snapshot!(says(&["weights.path=crowd.onnx"]), @"error: cannot load HERE/crowd.onnx: the input of the ONNX file: `face` takes 1099511627776 faces at once, more than 4096");
    insta::assert_snapshot!(says(&["weights.path=bytes.onnx"]), @"error: HERE/bytes.onnx takes bytes, and `preprocess.standardise` (mean 127.5, scale 127.5) makes other numbers of them; set `preprocess.standardise: {mean: 0, scale: 1}`");
    insta::assert_snapshot!(says(&["weights.path=known.onnx", "embed.precision=bf16"]), @"error: `embed.precision: bf16` is not available with `embed.kernels: onnxruntime`, which runs ONNX files on the CPU in f32; use `precision: f32`");
    insta::assert_snapshot!(says(&["weights.path=known.onnx", "embed.device=cuda"]), @"error: `embed.device: cuda` is not available with `embed.kernels: onnxruntime`, which runs ONNX files on the CPU in f32; use `device: cpu`");
    insta::assert_snapshot!(says(&["weights.path=known.onnx", "preprocess.resize.size=48"]), @"error: HERE/known.onnx takes faces of 32×32 pixels, got 48×48; set `preprocess.resize.size` to 32, or take a profile of that size");
    let mut command =
        workspace.command(&["check", "config.yaml", "--quiet", "--set", "weights={source: embedded, name: demo}"]);
    command.args([
        "--set",
        "model={width: 0.25}",
        "--set",
        "preprocess={profile: facevault-notebook, crop: {mode: whole}}",
    ]);
    insta::assert_snapshot!(refused(&workspace, command), @"error: `model.network: inception-resnet-v1` is not available with `embed.kernels: onnxruntime`, which runs ONNX files on the CPU in f32; use `embed.kernels: auto`");
    assert!(!workspace.has_run());
    let raw = ["weights.path=bytes.onnx", "preprocess.standardise={mean: 0, scale: 1}"];
    let (bytes, floats) = (embeddings(&workspace, &raw), embeddings(&workspace, &["weights.path=known.onnx", raw[1]]));
    assert!(off(&bytes, &floats) <= 1e-6);
}

/// Fault (config): standardised pixels for an ONNX file that takes bytes, with the engine → refused with the values to set
/// Fault (weights): an ONNX file whose output is one number for a face → refused
#[test]
fn the_engine_gives_bytes_to_what_takes_bytes() {
    let known = || Parts { activation: "Relu", ..Parts::default() };
    let number = Parts { weights: tensor("w", &[1, 3, 3, 3], &weights()[..4 * 27]), says_dimension: false, ..known() };
    let workspace = workspace(&[
        ("bytes", network(Parts { element: 2, ..known() })),
        ("floats", network(known())),
        ("number", network(number)),
    ]);
    let says = |file: &str, sets: &[&str]| {
        let file = format!("weights.path={file}.onnx");
        let overrides = ["embed.kernels=auto", &file].into_iter().chain(sets.iter().copied());
        let overrides: Vec<&str> = overrides.flat_map(|set| ["--set", set]).collect();
        workspace.command(&[&["embed", "config.yaml", "--quiet"], &overrides[..]].concat())
    };
    insta::assert_snapshot!(refused(&workspace, says("bytes", &[])), @"error: HERE/bytes.onnx takes bytes, and `preprocess.standardise` (mean 127.5, scale 127.5) makes other numbers of them; set `preprocess.standardise: {mean: 0, scale: 1}`");
    insta::assert_snapshot!(refused(&workspace, says("number", &[])), @"error: the output of HERE/number.onnx is one number for a face, which is no embedding; set `model.output` to the output that is, or export the network with it");
    // It is told from a network of floats, which would be trained on standardised ones.
    let raw = &["preprocess.standardise={mean: 0, scale: 1}"][..];
    let said = |file: &str| String::from_utf8(says(file, raw).output().unwrap().stderr).unwrap();
    assert_eq!(said("bytes"), "");
    assert!(said("floats").contains("set `preprocess.standardise`"), "{}", said("floats"));
    let [bytes, floats] = ["bytes", "floats"]
        .map(|file| embeddings(&workspace, &["embed.kernels=auto", &format!("weights.path={file}.onnx"), raw[0]]));
    assert_eq!(bytes, floats);
}
