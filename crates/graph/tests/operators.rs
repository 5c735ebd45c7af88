//! Every operator alone against ONNX Runtime, on goldens of `experiments/peers/onnx_operators.py`.

mod common;

use common::{face, fixture, names, npy};
use facevault_graph::onnx::{self, Options};
use facevault_graph::reference;

#[test]
fn every_operator_makes_what_onnx_runtime_makes() {
    let names = names("operators");
    assert!(names.len() > 200, "{} goldens", names.len());
    let mut wrong = Vec::new();
    for name in names {
        let onnx = match onnx::read(&fixture(&format!("operators/{name}.onnx")), &Options::default()) {
            Ok(onnx) => onnx,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let made = reference::run(&onnx.graph, &face(144));
        let expected = npy(&fixture(&format!("operators/{name}.npy")));
        let each = made.iter().zip(&expected).map(|(a, b)| (a - b).abs() / (1.0 + b.abs()));
        // `f32::max` would pass over NaN.
        let off = each.max_by(f32::total_cmp).unwrap_or(0.0);
        if made.len() != expected.len() || off.is_nan() || off > 1e-5 {
            wrong.push(format!("{name}: {} numbers, not {}, off by {off}", made.len(), expected.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
