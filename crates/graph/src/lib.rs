//! A network as a graph of operators over the tensors of **one face**: shapes are known, whatever depends on constants only
//! is computed, and the batch does not occur. Engines compile it; they run as many faces at a time as suits them.
//!
//! ```text
//! onnx       a file → Graph
//! reference  Graph → numbers, by definition
//! ```

pub mod graph;
pub mod onnx;
pub mod reference;

pub use graph::{Binary, Function, Graph, Node, Operator, Pool, Reduction, Value, ValueId};
