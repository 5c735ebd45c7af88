//! Everything that is tested from outside: the library through its public interface, and the binary as a user runs it.

mod hub;
mod model;
mod support;
mod weights;
