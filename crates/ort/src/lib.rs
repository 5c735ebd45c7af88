//! ONNX Runtime's C API, as far as running a network on the CPU takes it. The library is opened at run time, by the first
//! [`Runtime::get`], which decides for the whole process.
//!
//! ```text
//! session   a network that is ready to run
//! runtime   the library, once it is open
//! api       its functions, by their places in `OrtApi`
//! find      where the library is
//! ```

mod api;
mod error;
mod find;
mod runtime;
mod session;

pub use error::OrtError;
pub use find::PATH;
pub use runtime::Runtime;
pub use session::{Input, Output, Session, element};
