//! Files that are damaged, hostile, or ask for what is not known.

use std::fs;

use super::*;
use proto::{Extent, Kind, Shape, TensorKind, ValueInfo};

/// A file, piece by piece.
#[derive(Default)]
struct Written {
    nodes: Vec<proto::Node>,
    tensors: Vec<proto::Tensor>,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
    opset: i64,
}

fn info(name: &str, element: i32, shape: &[i64]) -> ValueInfo {
    // What is negative is a symbol.
    let extents = shape.iter().map(|n| Extent { value: (*n >= 0).then_some(*n) }).collect();
    let tensor = TensorKind { element, shape: Some(Shape { extents }) };
    ValueInfo { name: name.into(), kind: Some(Kind { tensor: Some(tensor) }) }
}

fn floats(name: &str, shape: &[i64], numbers: &[f32]) -> proto::Tensor {
    proto::Tensor {
        name: name.into(),
        extents: shape.to_vec(),
        element: 1,
        floats: numbers.to_vec(),
        ..Default::default()
    }
}

fn ints(name: &str, numbers: &[i64]) -> proto::Tensor {
    let extents = vec![numbers.len() as i64];
    proto::Tensor { name: name.into(), extents, element: 7, int64s: numbers.to_vec(), ..Default::default() }
}

fn int(name: &str, int: i64) -> proto::Attribute {
    proto::Attribute { name: name.into(), int: Some(int), kind: 2, ..Default::default() }
}

impl Written {
    /// A network that reads `face`, (1, 3, 4, 4), and gives `embedding`.
    fn new() -> Written {
        Written {
            inputs: vec![info("face", 1, &[1, 3, 4, 4])],
            outputs: vec![info("embedding", 1, &[1, 48])],
            opset: 17,
            ..Written::default()
        }
    }

    fn node(mut self, operator: &str, inputs: &[&str], output: &str) -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.nodes.push(proto::Node {
            operator: operator.into(),
            inputs: list(inputs),
            outputs: list(&[output]),
            name: format!("{operator}_{}", self.nodes.len()),
            ..Default::default()
        });
        self
    }

    fn with(mut self, attribute: &proto::Attribute) -> Self {
        self.nodes.last_mut().unwrap().attributes.push(attribute.encode_to_vec().into());
        self
    }

    fn tensor(mut self, tensor: proto::Tensor) -> Self {
        self.tensors.push(tensor);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        fn all<M: prost::Message>(messages: &[M]) -> Vec<Bytes> {
            messages.iter().map(|message| message.encode_to_vec().into()).collect()
        }
        let graph = proto::Graph {
            nodes: all(&self.nodes),
            initialisers: all(&self.tensors),
            inputs: all(&self.inputs),
            outputs: all(&self.outputs),
        };
        let opsets = vec![proto::Opset { domain: String::new(), version: self.opset }];
        let graph = graph.encode_to_vec().into();
        proto::Model { producer: "test".into(), graph, opsets, ..Default::default() }.encode_to_vec()
    }

    fn read(&self) -> Result<Onnx, OnnxError> {
        parse(self.bytes(), &Options::default())
    }

    /// The error, which must have these words.
    fn refused(&self, words: &[&str]) -> String {
        refused(&self.read(), words)
    }
}

#[track_caller]
fn refused(result: &Result<Onnx, OnnxError>, words: &[&str]) -> String {
    let error = result.as_ref().map(|onnx| &onnx.found).expect_err("it is refused").to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
    error
}

/// face → Flatten → embedding.
fn flat() -> Written {
    Written::new().node("Flatten", &["face"], "embedding")
}

#[test]
fn a_file_that_was_written_here_is_read() {
    let onnx = flat().read().unwrap();
    assert_eq!((onnx.found.dimension, onnx.graph.nodes.len()), (48, 1));
}

/// Fault (weights): an ONNX file that is cut off anywhere → refused: it is no whole ONNX file
/// Fault (weights): an empty file, or one that is something else, as an ONNX file → refused: it is no whole ONNX file
#[test]
fn a_file_that_is_cut_off_is_refused() {
    for name in ["vit", "iresnet_fp16"] {
        let whole = fs::read(format!("{}/tests/fixtures/networks/{name}.onnx", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(parse(whole.clone(), &Options::default()).is_ok());
        for sixteenth in 0..16 {
            let cut = whole[..whole.len() * sixteenth / 16].to_vec();
            let error = parse(cut, &Options::default()).expect_err("it is cut off");
            assert!(matches!(error, OnnxError::Damaged(_)), "{sixteenth}: {error}");
        }
    }
    let other: [&[u8]; 3] = [b"PK\x03\x04 a zip archive", b"{\"a\": \"text\"}", b"\x93NUMPY\x01\x00"];
    for bytes in other {
        refused(&parse(bytes.to_vec(), &Options::default()), &["no whole ONNX file", "download or export it again"]);
    }
}

/// Fault (weights): nodes of an ONNX file that wait for one another → refused with a node of the cycle
#[test]
fn a_cycle_is_refused() {
    let cyclic =
        Written::new().node("Add", &["face", "b"], "a").node("Relu", &["a"], "b").node("Flatten", &["b"], "embedding");
    cyclic.refused(&["node `Relu_1` waits for itself"]);
    Written::new().node("Relu", &["embedding"], "embedding").refused(&["waits for itself"]);
}

#[test]
fn nodes_may_stand_in_any_order_and_what_nobody_needs_is_not_looked_at() {
    let file =
        Written::new().node("Flatten", &["a"], "embedding").node("Relu", &["face"], "a").node("Loop", &["face"], "c");
    let graph = file.read().unwrap().graph;
    assert_eq!(graph.nodes.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["Relu_1", "Flatten_0"]);
}

/// Fault (weights): an ONNX file with operators that are not known → refused with all of them, node and operator set
/// Fault (weights): If, Loop and Scan in an ONNX file → refused as operators that are not known
/// Fault (weights): an operator of somebody's own domain in an ONNX file → refused with its domain
#[test]
fn all_operators_that_are_not_known_are_named_at_once() {
    let mut file = Written::new()
        .node("If", &["face"], "a")
        .node("Loop", &["a"], "b")
        .node("NonMaxSuppression", &["b"], "c")
        .node("Loop", &["c"], "d")
        .node("Loop", &["d"], "e")
        .node("Relu", &["e"], "embedding");
    file.nodes[2].domain = "my.own".into();
    file.refused(&[
        "the operator `Loop` (opset 17) of node `Loop_1` and 2 more",
        "the operator `If` (opset 17) of node `If_0`",
        "`my.own.NonMaxSuppression` (opset 1)",
        "`facevault guide onnx` lists those that are",
    ]);
}

/// Fault (weights): a graph within a graph within a graph, 3000 deep, in an ONNX file → refused as an If; nothing of it is decoded
#[test]
fn endless_nesting_is_not_followed() {
    let mut inner = proto::Graph::default().encode_to_vec();
    for _ in 0..3000 {
        // Field 6 of an attribute is a graph.
        let mut attribute = vec![6 << 3 | 2];
        prost::encode_length_delimiter(inner.len(), &mut attribute).unwrap();
        attribute.extend(&inner);
        let node = proto::Node { operator: "If".into(), attributes: vec![attribute.into()], ..Default::default() };
        inner = proto::Graph { nodes: vec![node.encode_to_vec().into()], ..Default::default() }.encode_to_vec();
    }
    let mut file = Written::new().node("If", &["face"], "embedding");
    let node = proto::Graph::decode(Bytes::from(inner)).unwrap().nodes.remove(0);
    file.nodes[0].attributes = proto::Node::decode(node).unwrap().attributes;
    file.refused(&["`If` (opset 17) of node `If_0`"]);
}

/// Fault (weights): matrices, maps or sums of an ONNX file whose shapes do not go together → refused with node and shapes
#[test]
fn shapes_that_contradict_each_other_are_refused() {
    let weight = || floats("w", &[3, 2], &[0.0; 6]);
    let one = |operator: &str, tensor: proto::Tensor| {
        Written::new().node(operator, &["face", &tensor.name.clone()], "embedding").tensor(tensor)
    };
    one("MatMul", weight()).refused(&["`MatMul` (opset 17) of node `MatMul_0`", "[1, 3, 4, 4]", "[3, 2]"]);
    one("Add", floats("w", &[5], &[0.0; 5])).refused(&["[5] do not go together"]);
    one("Conv", weight()).refused(&["its weight has shape [3, 2]"]);
    one("Conv", floats("w", &[1, 2, 1, 1], &[0.0; 2])).refused(&["in 1 groups"]);
    one("Conv", floats("w", &[1, 3, 9, 1], &[0.0; 27])).refused(&["its window of 9 is larger than its map of 4"]);
    one("Conv", floats("w", &[0, 3, 1, 1], &[])).refused(&["its weight has shape [0, 3, 1, 1]"]);
    one("PRelu", floats("w", &[2, 1, 3, 4, 4], &[0.0; 96])).refused(&["its slope has shape"]);
    one("Reshape", ints("w", &[5, -1])).refused(&["cannot have the shape [5, -1]"]);
    one("Reshape", ints("w", &[-1, -1])).refused(&["its shape is [-1, -1]"]);
    one("Reshape", ints("w", &[i64::MAX, i64::MAX])).refused(&["which no memory holds"]);
    one("Reshape", ints("w", &[1, 3, 4, 4, 0])).refused(&["has no axis 4"]);
    one("Expand", ints("w", &[2, 1, 1])).refused(&["do not go together"]);
    one("Tile", ints("w", &[1, 2])).refused(&["2 repeats for 4 axes"]);
    one("Gather", ints("w", &[7])).refused(&["index 7 along an axis of 1"]);
    one("Squeeze", ints("w", &[1])).refused(&["it drops axis 1"]);
    one("Unsqueeze", ints("w", &[9])).refused(&["axis 9 of a tensor with 5 axes"]);
    one("Unsqueeze", ints("w", &[1, 1])).refused(&["name one twice"]);
    one("Concat", weight()).with(&int("axis", 1)).refused(&["it joins [3, 2]"]);
    one("Split", ints("w", &[1, 2])).with(&int("axis", 1)).refused(&["into 1 parts of [1, 2]"]);
    Written::new()
        .node("Softmax", &["face"], "embedding")
        .with(&int("axis", 4))
        .refused(&["axis 4 of a tensor with 4 axes"]);
    Written::new()
        .node("BatchNormalization", &["face", "w", "w", "w", "w"], "embedding")
        .tensor(weight())
        .refused(&["not 3 constant"]);
    Written::new().node("Add", &["face"], "embedding").refused(&["it has no input 1"]);
    Written::new().node("MaxPool", &["face"], "embedding").refused(&["no kernel_shape"]);
}

/// Fault (weights): a tensor of 2^31 × 2^31 numbers, of a negative extent, or of other numbers than its shape asks for, in an
/// ONNX file → refused with the tensor; no memory is taken
#[test]
fn tensors_that_lie_about_their_size_are_refused() {
    let with = |extents: &[i64], numbers: &[f32]| {
        Written::new().node("Add", &["face", "w"], "embedding").tensor(floats("w", extents, numbers))
    };
    with(&[1 << 31, 1 << 31], &[]).refused(&["more than the 2147483648 that are allowed"]);
    with(&[1 << 40, 1 << 40], &[]).refused(&["the tensor `w`", "which no memory holds"]);
    with(&[0, 1 << 62, 1 << 62], &[]).refused(&["which no memory holds"]);
    with(&[-1, 2], &[]).refused(&["its shape is [-1, 2]"]);
    with(&[1 << 31], &[1.0]).refused(&["its shape asks for 2147483648 numbers, and it has 1"]);
    with(&[3], &[1.0; 4]).refused(&["its shape asks for 3 numbers, and it has 4"]);
    with(&[1; 40], &[1.0]).refused(&["40 axes"]);
    let mut raw = with(&[3], &[]);
    raw.tensors[0].raw = Some(vec![0; 11].into());
    raw.refused(&["its shape asks for 12 bytes, and it has 11"]);
    raw.tensors[0].element = 8;
    raw.refused(&["its numbers have type 8 of ONNX"]);
    let input = Written { inputs: vec![info("face", 1, &[1, 3, 1 << 31, 1 << 31])], ..flat() };
    input.refused(&["its height of 2147483648 is not that of a face"]);
}

/// Fault (weights): an ONNX file of a few bytes whose constants grow to gigabytes when they are computed → refused; no memory
/// is taken
/// Fault (weights): an ONNX file that asks for years of arithmetic on its constants → refused
#[test]
fn constants_that_grow_are_refused() {
    let most = "more than the 67108864 that are allowed";
    let made = |operator: &str, inputs: &[&str]| {
        Written::new().node(operator, inputs, "big").node("Add", &["face", "big"], "embedding")
    };
    let huge = ints("n", &[1 << 20, 1 << 20]);
    made("ConstantOfShape", &["n"]).tensor(huge.clone()).refused(&[most]);
    made("ConstantOfShape", &["n"]).tensor(ints("n", &[i64::MAX, 3])).refused(&["no memory holds"]);
    made("ConstantOfShape", &["n"]).tensor(ints("n", &[1; 100])).refused(&["100 axes"]);
    made("Expand", &["one", "n"]).tensor(huge).tensor(floats("one", &[], &[1.0])).refused(&[most]);
    made("Tile", &["w", "n"])
        .tensor(ints("n", &[i64::MAX]))
        .tensor(floats("w", &[3], &[1.0; 3]))
        .refused(&["no memory holds"]);
    made("Pad", &["w", "n"]).tensor(ints("n", &[1 << 31, 0])).tensor(floats("w", &[2], &[1.0; 2])).refused(&[most]);
    let count = |name: &str, n: i64| proto::Tensor { extents: vec![], ..ints(name, &[n]) };
    let range = made("Range", &["a", "b", "c"]).tensor(count("a", 0)).tensor(count("b", 1 << 40));
    range.tensor(count("c", 1)).refused(&["it counts from 0 to 1099511627776"]);
    let by_zero = made("Range", &["a", "b", "a"]).tensor(count("a", 0)).tensor(count("b", 9));
    by_zero.refused(&["by 0"]);

    let mut doubling = Written::new().tensor(floats("x0", &[1], &[1.0]));
    for n in 0..60 {
        let (from, to) = (format!("x{n}"), format!("x{}", n + 1));
        doubling = doubling.node("Concat", &[&from, &from], &to).with(&int("axis", 0));
    }
    let doubling = doubling.node("Add", &["face", "x60"], "embedding").bytes();
    let limits = Limits { computed: 1 << 16, folded: 1 << 12, ..Limits::default() };
    let few = Options { limits, ..Options::default() };
    refused(&parse(doubling, &few), &["8190 numbers in constants", "4096"]);

    // A convolution of a constant map, as large as may be, with a large kernel.
    let slow = Written::new()
        .tensor(ints("map", &[1, 1, 1000, 1000]))
        .tensor(ints("kernel", &[1, 1, 500, 500]))
        .node("ConstantOfShape", &["map"], "m")
        .node("ConstantOfShape", &["kernel"], "k")
        .node("Conv", &["m", "k"], "c")
        .node("Add", &["face", "c"], "embedding");
    slow.refused(&["steps of arithmetic on constants"]);
}

/// Fault (weights): an ONNX file with more nodes, bytes or longer names than are allowed → refused before they are decoded
#[test]
fn what_is_too_much_is_refused() {
    let few = |limits: Limits| Options { limits, ..Options::default() };
    let file = flat().node("Relu", &["face"], "b").node("Relu", &["face"], "c");
    let two = few(Limits { nodes: 2, ..Limits::default() });
    refused(&parse(file.bytes(), &two), &["3 nodes, more than the 2 that are allowed"]);

    // Nodes of no bytes: two bytes in the file each.
    let graph = proto::Graph { nodes: vec![Bytes::new(); 2_000_000], ..Default::default() };
    let opsets = vec![proto::Opset { domain: String::new(), version: 17 }];
    let model = proto::Model { graph: graph.encode_to_vec().into(), opsets, ..Default::default() };
    let error =
        refused(&parse(model.encode_to_vec(), &Options::default()), &["2000000 nodes, tensors and descriptions"]);
    assert!(error.contains("800000"), "{error}");

    let mut many = flat();
    many.nodes[0].inputs = vec![String::new(); 70_000];
    many.refused(&["inputs, outputs and attributes of a node"]);
    let mut named = flat();
    named.nodes[0].name = "n".repeat(5000);
    named.refused(&["a name of 5000 bytes"]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.onnx");
    fs::write(&path, flat().bytes()).unwrap();
    let small = few(Limits { file: 64, ..Limits::default() });
    refused(&read(&path, &small), &["bytes, more than the 64 that are allowed"]);
    refused(&read(folder.path(), &Options::default()), &[folder.path().to_str().unwrap()]);
    #[cfg(unix)]
    refused(&read(Path::new("/dev/zero"), &small), &["more than the 64 that are allowed"]);
}

fn external(entries: &[(&str, &str)]) -> proto::Tensor {
    let entries = entries.iter().map(|(key, value)| proto::Entry { key: (*key).into(), value: (*value).into() });
    proto::Tensor {
        name: "w".into(),
        extents: vec![3, 1, 1],
        element: 1,
        external: entries.collect(),
        location: 1,
        ..Default::default()
    }
}

fn read_beside(folder: &Path, entries: &[(&str, &str)]) -> Result<Onnx, OnnxError> {
    let file =
        Written::new().node("Add", &["face", "w"], "a").node("Flatten", &["a"], "embedding").tensor(external(entries));
    let path = folder.join("network.onnx");
    fs::write(&path, file.bytes()).unwrap();
    read(&path, &Options::default())
}

#[test]
fn external_data_is_read_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<u8> = [9.0f32, 1.0, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/weights.bin"), numbers).unwrap();
    let entries = [("location", "data/weights.bin"), ("offset", "4"), ("length", "12")];
    let onnx = read_beside(folder.path(), &entries).unwrap();
    assert!(onnx.graph.values.iter().any(|value| value.constant.as_deref() == Some(&[1.0, 2.0, 3.0])));
    assert_eq!(onnx.found.files, ["data/weights.bin"]);
    refused(
        &parse(fs::read(folder.path().join("network.onnx")).unwrap(), &Options::default()),
        &["the ONNX file came alone"],
    );
}

/// Fault (weights): external data of an ONNX file in another folder, by `..`, by an absolute path or through a symbolic link →
/// refused; it is not read
#[test]
fn external_data_outside_the_folder_is_not_read() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("inner");
    fs::create_dir(&folder).unwrap();
    let secret = outer.path().join("secret");
    fs::write(&secret, [0; 12]).unwrap();
    let outside = |location: &str| {
        refused(
            &read_beside(&folder, &[("location", location)]),
            &["the tensor `w`", "is not in the folder of the ONNX file"],
        )
    };
    outside("../secret");
    outside("a/../../secret");
    outside(secret.to_str().unwrap());
    outside("..\\secret");
    outside("");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secret, folder.join("link")).unwrap();
        std::os::unix::fs::symlink(outer.path(), folder.join("up")).unwrap();
        outside("link");
        outside("up/secret");
    }
}

/// Fault (weights): external data of an ONNX file that is missing, too short, a folder, or of another length than the tensor →
/// refused with tensor, file and bytes
#[test]
fn external_data_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("short"), [0; 11]).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let fails = |entries: &[(&str, &str)], words: &[&str]| refused(&read_beside(folder.path(), entries), words);
    fails(&[("location", "none")], &["`none`", "No such file"]);
    fails(&[("location", "short")], &["it needs 12 bytes from byte 0 of `short`, which has 11"]);
    fails(&[("location", "short"), ("offset", "18446744073709551615")], &["from byte 18446744073709551615"]);
    fails(&[("location", "short"), ("offset", "-1")], &["its offset is `-1`"]);
    fails(&[("location", "short"), ("length", "11")], &["its shape asks for 12 bytes"]);
    fails(&[("location", "folder")], &["`folder`"]);
    fails(&[("offset", "0")], &["does not say in which"]);
    fails(&[("location", "short"); 70], &["70 times"]);
}

/// Fault (weights): two tensors, values or attributes of an ONNX file with the same name → refused with the name
#[test]
fn names_that_are_there_twice_are_refused() {
    flat().node("Relu", &["face"], "embedding").refused(&["the value `embedding` is made twice"]);
    let twice = flat().tensor(floats("w", &[1], &[1.0])).tensor(floats("w", &[1], &[2.0]));
    twice.refused(&["two of its tensors are called `w`"]);
    flat().tensor(floats("embedding", &[1], &[1.0])).refused(&["the value `embedding` is made twice"]);
    flat().with(&int("axis", 1)).with(&int("axis", 2)).refused(&["its attribute `axis` is there twice"]);
    flat()
        .with(&proto::Attribute { name: "axis".into(), float: Some(1.0), ..Default::default() })
        .refused(&["not a whole number"]);
}

/// Fault (weights): an ONNX file of an operator set before 7 or after 21 → refused with the remedy
#[test]
fn operator_sets_that_are_not_known_are_refused() {
    for opset in [6, 22, i64::MIN] {
        Written { opset, ..flat() }.refused(&[
            &format!("uses operator set {opset}"),
            "from 7 to 21",
            "opset_version=17",
        ]);
    }
}

/// Fault (weights): an ONNX file whose input is no face → refused with its shape
#[test]
fn an_input_that_is_no_face_is_refused() {
    let with = |inputs: Vec<ValueInfo>| Written { inputs, ..flat() };
    with(vec![]).refused(&["there is none"]);
    with(vec![info("face", 1, &[1, 3, 4, 4]), info("mask", 1, &[1, 4])]).refused(&["`face`, `mask`"]);
    with(vec![info("face", 1, &[1, 1, 4, 4])]).refused(&["has shape (1, 1, 4, 4); a face has three channels"]);
    with(vec![info("face", 1, &[1, 48])]).refused(&["a face has a batch"]);
    with(vec![info("face", 7, &[1, 3, 4, 4])]).refused(&["its numbers are int64"]);
    Written::new()
        .node("Add", &["face", "nobody"], "embedding")
        .refused(&["the network reads `nobody` beside the face `face`"]);
}

#[test]
fn the_side_is_asked_for_where_it_is_open() {
    let open = Written { inputs: vec![info("face", 1, &[-1, 3, -1, -1])], ..flat() };
    open.refused(&["(?, 3, ?, ?)", "its height is open: say with `side`"]);
    let sized = |side| parse(open.bytes(), &Options { side: Some(side), ..Options::default() });
    assert_eq!(sized(10).unwrap().found.dimension, 300);
    refused(&sized(1 << 20), &["is not that of a face"]);
    refused(&parse(flat().bytes(), &Options { side: Some(5), ..Options::default() }), &["not of 5 × 5"]);
    let last = Written { inputs: vec![info("face", 1, &[-1, 6, 5, 3])], ..flat() }.read().unwrap().found;
    assert_eq!((last.layout, last.height, last.width), (Layout::Interleaved, 6, 5));
}

/// Fault (weights): an ONNX file with several outputs, of which it is not clear which is the embedding → refused with all of
/// them
/// Fault (weights): an ONNX file whose output is a map, or does not depend on the face → refused with its shape
#[test]
fn the_embedding_is_the_output_that_is_asked_for_or_the_only_matrix() {
    let mut two = flat().node("Relu", &["embedding"], "other");
    two.outputs = vec![info("map", 1, &[1, 3, 4, 4]), info("other", 1, &[1, 48])];
    assert_eq!(two.read().unwrap().found.output, "other");
    two.outputs.push(info("norm", 1, &[-1, 1]));
    assert_eq!(two.read().unwrap().found.output, "other");
    two.outputs.pop();
    two.outputs.push(info("embedding", 1, &[-1, 48]));
    two.refused(&["`map` (1, 3, 4, 4), `other` (1, 48), `embedding` (?, 48)", "say with `model.output`"]);
    let asked = |name: &str| parse(two.bytes(), &Options { output: Some(name.into()), ..Options::default() });
    assert_eq!(asked("embedding").unwrap().found.output, "embedding");
    refused(&asked("none"), &["there is no `none`; there are `map`"]);
    Written { outputs: vec![], ..flat() }.refused(&["there is none"]);
    Written::new().node("Relu", &["face"], "embedding").refused(&["has shape [1, 3, 4, 4] for one face"]);
    Written::new()
        .node("Relu", &["w"], "embedding")
        .tensor(floats("w", &[2], &[1.0; 2]))
        .refused(&["does not depend on the face"]);
}

#[test]
fn what_a_network_does_with_pixels_is_found() {
    let swapped = Written::new()
        .node("Gather", &["face", "order"], "a")
        .node("Sub", &["a", "mean"], "b")
        .node("Div", &["b", "two"], "c")
        .node("Flatten", &["c"], "embedding")
        .tensor(ints("order", &[2, 1, 0]))
        .tensor(floats("mean", &[3, 1, 1], &[100.0, 110.0, 120.0]))
        .tensor(floats("two", &[], &[2.0]));
    let mut swapped = swapped;
    swapped.nodes[0].attributes.push(int("axis", 1).encode_to_vec().into());
    let found = swapped.read().unwrap().found;
    let expected = Normalisation { scale: [0.5; 3], shift: [-60.0, -55.0, -50.0] };
    assert_eq!((&found.normalisation, found.swaps_channels), (&Some(expected.clone()), true));
    assert!(expected.is_of_pixels());
    assert!(!Normalisation { scale: [2.0; 3], shift: [-1.0; 3] }.is_of_pixels());
    assert!(Normalisation { scale: [1.0 / 255.0; 3], shift: [0.0; 3] }.is_of_pixels());
    let found = flat().read().unwrap().found;
    assert_eq!((found.normalisation, found.swaps_channels), (None, false));
}

/// Fault (weights): an ONNX file that was exported for batches of eight, with eight in its shapes → refused with the remedy
#[test]
fn a_batch_in_the_shapes_is_refused_and_one_that_is_not_does_no_harm() {
    let eight = vec![info("face", 1, &[8, 3, 4, 4])];
    let baked = Written { inputs: eight.clone(), ..Written::new() };
    let baked = baked.node("Reshape", &["face", "shape"], "embedding").tensor(ints("shape", &[8, 48]));
    baked.refused(&["cannot have the shape [8, 48]", "exported for batches of 8"]);
    assert_eq!(Written { inputs: eight, ..flat() }.read().unwrap().found.dimension, 48);
}

#[test]
fn a_second_output_that_is_read_is_refused() {
    let mut file = Written::new().node("Dropout", &["face"], "a").node("Flatten", &["a"], "embedding");
    file.nodes[0].outputs.push("mask".into());
    assert!(file.read().is_ok(), "nobody reads it");
    file.nodes[1].inputs[0] = "mask".into();
    file.refused(&["node `Dropout_0`", "its output 1 is read, which is not supported"]);
}

/// Fault (weights): weights, shapes or indices of an ONNX file that depend on the face → refused with the node
#[test]
fn what_must_be_constant_and_is_not_is_refused() {
    let of_face = |operator: &str| Written::new().node(operator, &["face", "face"], "embedding");
    for operator in ["Conv", "PRelu", "Reshape", "Expand", "Gather", "Tile", "Equal"] {
        of_face(operator).refused(&[&format!("node `{operator}_0`"), "depend"]);
    }
    Written::new().node("Cast", &["face"], "embedding").with(&int("to", 7)).refused(&["it makes int64 of numbers"]);
    Written::new().node("Floor", &["face"], "embedding").refused(&["only constants are supported"]);
}

#[test]
fn an_error_quotes_names_of_the_file_without_what_confuses_a_terminal() {
    let mut file = Written::new().node("Unheard\u{1b}[2J", &["face"], "embedding");
    file.nodes[0].name = "n\n".repeat(300);
    let error = file.refused(&["Unheard\\u{1b}[2J"]);
    assert!(!error.contains(['\u{1b}', '\n']) && error.len() < 700, "{error}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

    /// Whatever a few bytes become, nothing panics, and what is read can be computed.
    #[test]
    fn bytes_that_change_do_no_harm(
        pick in 0usize..1000,
        changes in proptest::collection::vec((proptest::num::usize::ANY, proptest::num::u8::ANY), 1..4),
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/operators");
        let files = FILES.get_or_init(|| {
            let files = folder.read_dir().unwrap().map(|file| file.unwrap().path());
            let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "onnx")).collect();
            files.sort();
            files.iter().map(|file| fs::read(file).unwrap()).collect()
        });
        let mut bytes = files[pick % files.len()].clone();
        for (place, byte) in changes {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        let limits = Limits { computed: 1 << 16, folded: 1 << 18, ..Limits::default() };
        if let Ok(onnx) = parse(bytes, &Options { limits, ..Options::default() }) {
            let face = vec![0.5; onnx.graph.values[onnx.graph.input].len()];
            assert_eq!(crate::reference::run(&onnx.graph, &face).len(), onnx.found.dimension);
        }
    }
}

static FILES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();

/// A tensor in a file beside, wherever it stands: in a graph within a node, or as the value of a node.
#[test]
fn a_whole_file_refers_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::write(folder.path().join("w.bin"), [&[0; 4][..], &numbers].concat()).unwrap();
    let beside = || external(&[("location", "w.bin"), ("offset", "4")]);
    let value = proto::Attribute {
        name: "value".into(),
        tensor: Some(beside().encode_to_vec().into()),
        kind: 4,
        ..Default::default()
    };
    let constant = proto::Node {
        operator: "Constant".into(),
        outputs: vec!["c".into()],
        attributes: vec![value.encode_to_vec().into()],
        ..Default::default()
    };
    let inner = proto::Graph {
        nodes: vec![constant.encode_to_vec().into()],
        initialisers: vec![beside().encode_to_vec().into()],
        ..Default::default()
    };
    // The field `g` of an attribute, which this reader does not decode.
    let mut branch = proto::Attribute { name: "then_branch".into(), kind: 5, ..Default::default() }.encode_to_vec();
    wire::write(&mut branch, 6, &inner.encode_to_vec());
    let mut file = Written::new()
        .node("Add", &["face", "w"], "a")
        .node("Flatten", &["a"], "embedding")
        .node("If", &["a"], "b")
        .tensor(beside());
    file.nodes.last_mut().unwrap().attributes.push(branch.into());
    let bytes = Bytes::from(file.bytes());
    let count = |text: &[u8], words: &[u8]| text.windows(words.len()).filter(|window| *window == words).count();
    assert_eq!((count(&bytes, b"w.bin"), count(&bytes, &numbers)), (3, 0));
    let (made, files) = whole(bytes.clone(), Some(folder.path()), &Limits::default()).unwrap();
    assert_eq!(files, ["w.bin"]);
    assert_eq!((count(&made, b"w.bin"), count(&made, b"location"), count(&made, &numbers)), (0, 0, 3));
    let read = |onnx: Onnx| (format!("{:?}", onnx.graph), onnx.found.parameters);
    let (alone, both) =
        (parse(made.clone(), &Options::default()), parse_beside(bytes.clone(), folder.path(), &Options::default()));
    assert_eq!(read(alone.unwrap()), read(both.unwrap()));
    let (again, files) = whole(made.clone(), None, &Limits::default()).unwrap();
    assert!(again == made && files.is_empty(), "nothing is left to put inside");
    let outlined = outline(bytes.clone(), &Options::default()).unwrap();
    assert_eq!((&*outlined.input, &*outlined.output, outlined.batch), ("face", "embedding", Some(1)));

    let error = whole(bytes.clone(), None, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("`w`") && error.contains("`w.bin`"), "{error}");
    for cut in [1, 5, bytes.len() / 2, bytes.len() - 1] {
        let error = whole(bytes.slice(..cut), Some(folder.path()), &Limits::default()).unwrap_err();
        assert!(matches!(error, OnnxError::Damaged(_) | OnnxError::Tensor { .. }), "{cut}: {error}");
    }
}

/// Fault (weights): graphs within graphs, thousands deep, in an ONNX file for ONNX Runtime → refused before it is given away
/// Fault (weights): numbers of external data in two halves of a tensor, each without the other, in an ONNX file for ONNX
/// Runtime → refused, or without the reference
#[test]
fn a_file_that_hides_a_reference_is_refused() {
    let mut graph = Vec::new();
    for _ in 0..2000 {
        let (mut attribute, mut node, mut outer) = (Vec::new(), Vec::new(), Vec::new());
        wire::write(&mut attribute, 6, &graph);
        wire::write(&mut node, 5, &attribute);
        wire::write(&mut outer, 1, &node);
        graph = outer;
    }
    let mut model = Vec::new();
    wire::write(&mut model, 7, &graph);
    let error = whole(model.into(), None, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("graphs within graphs"), "{error}");

    let model = |tensor: &[u8]| {
        let (mut graph, mut model) = (Vec::new(), Vec::new());
        wire::write(&mut graph, 5, tensor);
        wire::write(&mut model, 7, &graph);
        whole(model.into(), None, &Limits::default())
    };
    // What reads both as one tensor sees a reference in none of them.
    let place = proto::Tensor { location: 0, ..external(&[("location", "/etc/passwd")]) }.encode_to_vec();
    let (made, _) = model(&place).unwrap();
    assert!(!made.windows(11).any(|window| window == b"/etc/passwd"));
    let kind = proto::Tensor { external: Vec::new(), ..external(&[]) }.encode_to_vec();
    assert!(model(&kind).unwrap_err().to_string().contains("does not say in which"));
    // A group, which nobody writes and some skip.
    assert!(model(&[0x0b, 0x0c]).is_err());
}
