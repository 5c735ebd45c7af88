//! Everything that is tested from outside: the library through its public interface, and the binary as a user runs it.

mod ablate;
mod breakdown;
mod compare;
mod containers;
mod cuda;
mod experiment;
mod gpu;
mod hub;
mod hub_datasets;
mod interruption;
mod lfw;
mod meter;
mod model;
mod networks;
mod orl;
mod outcome;
mod pairs_card;
mod people;
mod precision;
mod preprocess;
mod protocols;
mod scale;
mod support;
mod throughput;
mod weights;
