//! The inner loops beside the products of `facevault-kernels`. They are loops over arrays, which the compiler vectorises for
//! each instruction set; `sets` compiles them.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

pub mod chain;
pub mod functions;
pub mod rows;
pub mod sets;
pub mod storage;
pub mod window;
