//! A network as a graph of operators over the tensors of **one face**: shapes are known, whatever depends on constants only
//! is computed, and the batch does not occur. Engines compile it; they run as many faces at a time as suits them.
//!
//! ```text
//! check      whether the shapes of a Graph fit its operators
//! onnx       a file → Graph
//! reference  Graph → numbers, by definition
//! ```

mod check;
pub mod graph;
pub mod onnx;
pub mod reference;

pub use check::{Misshapen, check};
pub use graph::{Binary, Function, Graph, Node, Operator, Pool, Reduction, Value, ValueId};
