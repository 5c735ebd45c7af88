//! Identification: each probe is searched for among the people of a gallery (1:N).
//!
//! `options` is a protocol, `roles` says which faces are its gallery and its probes, `protocol` runs it. `gallery` holds the templates, `search` compares each probe with all of them, `rates` says how often searches succeed,
//! with intervals over people, and `curves` draws that over ranks and thresholds.
//!
//! Terms and decision rule are those of ISO/IEC 19795-1:2021 and of NIST's FRVT 1:N (Grother, Ngan & Hanaoka, NIST IR
//! 8271); IJB-C (Maze et al. 2018) reports the same quantities as CMC and TPIR at FPIR.
//!
//! - A search is *mated* when the probe's person is in the gallery, else *non-mated*.
//! - The score of a person is the highest cosine of the probe with their templates, or the cosine with their mean template
//!   ([`GalleryRule`]).
//! - The *rank* of a mated search is 1 plus the number of other people whose score is at least that of the mate: a tie
//!   counts against the system, whatever the order of the gallery. The share of mated searches of rank ≤ r is the
//!   cumulative match characteristic (CMC) at r.
//! - At a threshold, a person is returned whose score is at or above it. *FPIR* is the share of non-mated searches that
//!   return anybody. *FNIR* is the share of mated searches that do not return the mate among the first candidates; TPIR (also
//!   DIR, detection and identification rate) is 1 − FNIR.
//! - The threshold for an FPIR is the lowest at which the observed FPIR does not exceed it. With fewer than 1/FPIR non-mated
//!   searches there is none, and no rate.

pub mod curves;
mod gallery;
mod options;
mod protocol;
mod rates;
mod roles;
#[cfg(test)]
mod roles_tests;
mod search;
#[cfg(test)]
mod tests;

pub use gallery::{Gallery, GalleryRule, Template};
pub use options::{
    IdentificationProtocol, Roles, WrittenDistractors, WrittenGallery, WrittenIdentification, WrittenProbes,
};
pub use protocol::{IdentificationResult, LeftOutSearches, SearchedProbe, run};
pub use rates::{Asked, OpenSetRates, RankRate, SearchCounts, SearchRates, Searches};
pub use roles::{Enrolled, Enrolment, Role, RoleEntry, RoleFace, RoleTable, RolesError, enrol};
pub use search::{Mate, OtherPerson, Search, search};
