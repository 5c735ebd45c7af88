//! Small networks of known architectures against ONNX Runtime, on goldens of `experiments/peers/onnx_graphs.py`, and what is
//! said of them.

mod common;

use common::{fixture, names, npy};
use facevault_graph::onnx::{self, Found, Layout, Normalisation, Onnx, Options};
use facevault_graph::reference;

fn read(name: &str) -> Onnx {
    let onnx = onnx::read(&fixture(&format!("networks/{name}.onnx")), &Options::default());
    onnx.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The face of a golden as its network takes it.
fn face(name: &str, found: &Found) -> Vec<f32> {
    let bytes = std::fs::read(fixture(&format!("networks/{name}.input.npy"))).expect("a golden");
    let pixels = &bytes[bytes.len() - 3 * found.height * found.width..];
    let raw = found.normalisation.as_ref().is_some_and(Normalisation::is_of_pixels);
    let number = |pixel: &u8| if raw { f32::from(*pixel) } else { (f32::from(*pixel) - 127.5) / 127.5 };
    match found.layout {
        Layout::Interleaved => pixels.iter().map(number).collect(),
        Layout::Planar => (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3)).map(number).collect(),
    }
}

fn unit(x: &[f32]) -> Vec<f32> {
    let norm = x.iter().map(|x| x * x).sum::<f32>().sqrt();
    x.iter().map(|x| x / norm).collect()
}

#[test]
fn unit_embeddings_are_those_of_onnx_runtime() {
    let names = names("networks");
    assert_eq!(names.len(), 8, "{names:?}");
    for name in names {
        let Onnx { graph, found } = read(&name);
        let made = unit(&reference::run(&graph, &face(&name, &found)));
        let expected = unit(&npy(&fixture(&format!("networks/{name}.output.npy"))));
        assert_eq!((made.len(), found.dimension), (expected.len(), expected.len()), "{name}");
        let off = made.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-5, "{name} is off by {off}");
    }
}

#[test]
fn what_a_file_is_is_said() {
    let plain = read("iresnet").found;
    let summary =
        (plain.input.as_str(), plain.layout, plain.height, plain.width, plain.output.as_str(), plain.dimension);
    assert_eq!(summary, ("input", Layout::Planar, 32, 32, "embedding", 16));
    assert_eq!((plain.opset, plain.format, plain.normalisation), (11, "f32", None));
    assert!(plain.producer.starts_with("pytorch 2"), "{}", plain.producer);
    assert_eq!(plain.parameter_bytes, 4 * plain.parameters);
    assert!(!plain.normalises_embedding && plain.files.is_empty());

    let pixels = read("ir_se_normalising").found;
    let scale = 0.007_812_5;
    assert_eq!(pixels.normalisation, Some(Normalisation { scale: [scale; 3], shift: [-127.5 * scale; 3] }));
    assert!(pixels.normalisation.expect("one").is_of_pixels() && pixels.normalises_embedding);

    assert_eq!(read("mobilefacenet_interleaved").found.layout, Layout::Interleaved);
    let half = read("iresnet_fp16").found;
    assert_eq!((half.format, half.parameter_bytes), ("f16", 2 * half.parameters));
    assert_eq!(read("iresnet_external").found.files, ["iresnet_external.bin"]);
}

#[test]
fn every_value_has_its_shape_and_is_made_before_it_is_read() {
    for name in names("networks") {
        let graph = read(&name).graph;
        let mut there: Vec<bool> = graph.values.iter().map(|value| value.constant.is_some()).collect();
        there[graph.input] = true;
        for node in &graph.nodes {
            assert!(node.inputs.iter().all(|value| there[*value]), "{name}: {}", node.name);
            assert!(node.inputs.iter().any(|value| graph.values[*value].constant.is_none()), "{name}: {}", node.name);
            assert!(!there[node.output], "{name}: {} is made twice", node.name);
            there[node.output] = true;
        }
        assert!(there.iter().all(|there| *there), "{name}");
        let mut names: Vec<_> = graph.values.iter().map(|value| &value.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), graph.values.len(), "{name}: names are unique");
        let constants = graph.values.iter().filter_map(|value| Some((value, value.constant.as_ref()?)));
        for (value, constant) in constants {
            assert_eq!(constant.len(), value.len(), "{name}: {}", value.name);
        }
    }
}
