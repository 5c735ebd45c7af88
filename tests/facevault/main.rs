//! Everything that is tested from outside: the library through its public interface, and the binary as a user runs it.

mod ablate;
mod align;
mod arithmetic;
mod breakdown;
mod changed;
mod compare;
mod compare_sources;
mod containers;
mod cuda;
mod damage;
mod detection;
mod docs;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod endurance;
mod experiment;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod faults;
mod gate;
mod gpu;
mod hub;
mod hub_datasets;
mod hub_network;
mod interruption;
mod layers;
mod lfw;
mod meter;
mod model;
mod networks;
mod odd_files;
mod orl;
mod outcome;
mod pairs_card;
mod people;
mod precision;
mod protocols;
mod rows;
mod runs;
mod scale;
mod schemas;
mod support;
mod throughput;
mod url;
mod weights;
