//! The sidecar of a chunk, from whoever hands a run on.

use super::sidecar;

/// What was read is written so that it reads back; a change of one byte of that is noticed.
pub(crate) fn sidecars(data: &[u8]) {
    let Ok(mut record) = sidecar::read(data.to_vec()) else { return };
    let Ok(written) = sidecar::write(&record) else { return };
    let again = sidecar::read(written.clone()).expect("what was written is read");
    record.sidecar_sha256 = again.sidecar_sha256;
    assert_eq!(again, record);
    assert_eq!(sidecar::write(&again).expect("a record that was written before"), written);
    let at =
        data.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % written.len();
    let mut changed = written;
    changed[at] ^= 1 << (at % 8);
    // The digest itself means the same in capital letters.
    assert!(sidecar::read(changed).map_or(true, |read| read == again), "a change of byte {at} goes unnoticed");
}
