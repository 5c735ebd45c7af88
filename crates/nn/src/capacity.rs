//! Chooses how many faces go through a device at once. Pure: the caller allocates and measures.

use std::ops::{Range, RangeInclusive};

use super::ModelError;

/// The batch sizes, each twice the one before, that [`best_batch`] tries on a GPU.
pub const CANDIDATES: RangeInclusive<usize> = 32..=1024;

/// The speed-up that justifies doubling the faces, their memory and their latency.
const WORTHWHILE: f64 = 1.03;

/// Allocates memory for `wanted` faces, halving the number until it fits, and returns that number and the memory. `say` gets
/// one line if it is less than `wanted`.
///
/// # Errors
/// [`ModelError::OutOfMemory`] when a single face does not fit; any other error of `allocate` immediately.
pub fn fit<T>(
    wanted: usize,
    mut allocate: impl FnMut(usize) -> Result<T, ModelError>,
    say: &dyn Fn(&str),
) -> Result<(usize, T), ModelError> {
    let mut faces = wanted.max(1);
    loop {
        match allocate(faces) {
            Err(ModelError::OutOfMemory { .. }) if faces > 1 => faces /= 2,
            Err(error) => return Err(error),
            Ok(memory) => {
                if faces < wanted {
                    say(&format!("out of memory with {wanted} faces per batch: using {faces}"));
                }
                return Ok((faces, memory));
            }
        }
    }
}

/// The best batch size: doubles from the first of `candidates` while `measure` (faces per second) gains 3%, the device has
/// the memory, and the last candidate is not passed. The first is never rejected for memory: [`fit`] halves it.
///
/// # Errors
/// Those of `measure`, but for [`ModelError::OutOfMemory`].
pub fn best_batch(
    candidates: RangeInclusive<usize>,
    mut measure: impl FnMut(usize) -> Result<f64, ModelError>,
) -> Result<usize, ModelError> {
    let (first, last) = candidates.into_inner();
    let (mut best, mut most) = (first.max(1), 0.0);
    let mut faces = best;
    while faces <= last {
        match measure(faces) {
            Ok(speed) if speed >= WORTHWHILE * most => (best, most) = (faces, speed),
            Ok(_) | Err(ModelError::OutOfMemory { .. }) => break,
            Err(error) => return Err(error),
        }
        faces *= 2;
    }
    Ok(best)
}

/// `faces` faces in pieces of at most `capacity`, in order. Pieces give the rows of the whole, since a row depends on its own
/// face only.
pub fn pieces(faces: usize, capacity: usize) -> impl Iterator<Item = Range<usize>> {
    let capacity = capacity.max(1);
    (0..faces).step_by(capacity).map(move |first| first..faces.min(first.saturating_add(capacity)))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn out_of_memory() -> ModelError {
        ModelError::OutOfMemory { device: "GPU".into(), wanted: 3 << 30, free: 1 << 20 }
    }

    /// What a device was asked for, what it gave, and what was said.
    type Tried = (Vec<usize>, Result<(usize, String), ModelError>, Vec<String>);

    /// A device with memory for so many faces.
    fn tried(wanted: usize, room: usize) -> Tried {
        let (mut asked, said) = (Vec::new(), RefCell::new(Vec::new()));
        let found = fit(
            wanted,
            |faces| {
                asked.push(faces);
                if faces > room { Err(out_of_memory()) } else { Ok(format!("{faces} faces")) }
            },
            &|line| said.borrow_mut().push(line.to_owned()),
        );
        (asked, found, said.into_inner())
    }

    #[test]
    fn faces_are_halved_until_they_fit_and_one_line_says_so() {
        let (asked, found, said) = tried(512, 1000);
        assert_eq!((asked, found.unwrap(), said.len()), (vec![512], (512, "512 faces".into()), 0));
        let (asked, found, said) = tried(512, 100);
        assert_eq!((asked, found.unwrap()), (vec![512, 256, 128, 64], (64, "64 faces".into())));
        assert_eq!(said, ["out of memory with 512 faces per batch: using 64"]);
        let (asked, found, _) = tried(7, 1);
        assert_eq!((asked, found.unwrap().0), (vec![7, 3, 1], 1));
    }

    #[test]
    fn without_memory_for_one_face_it_is_an_error_with_a_remedy() {
        let (asked, found, said) = tried(4, 0);
        assert_eq!((asked, said.len()), (vec![4, 2, 1], 0));
        insta::assert_snapshot!(found.unwrap_err(), @"out of memory on GPU: 3072 MiB needed, 1 MiB free; use a smaller `embed.batch_size`");
    }

    #[test]
    fn only_memory_is_answered_by_halving() {
        let mut asked = 0;
        let broken = |_| -> Result<(), _> {
            asked += 1;
            Err(ModelError::Device { device: "GPU".into(), reason: "fell off the bus".into() })
        };
        assert_eq!(fit(512, broken, &|_| {}).unwrap_err().to_string(), "the GPU failed: fell off the bus");
        assert_eq!(asked, 1);
    }

    /// What is taken, and how many sizes were measured.
    fn best(speed: impl Fn(usize) -> Result<f64, ModelError>) -> (Result<usize, ModelError>, usize) {
        let mut measured = 0;
        let found = best_batch(CANDIDATES, |faces| {
            measured += 1;
            speed(faces)
        });
        (found, measured)
    }

    #[test]
    fn a_batch_grows_while_it_pays() {
        // A device that needs 200 faces to be full.
        let (found, measured) = best(|faces| Ok(faces.min(200) as f64));
        assert_eq!((found.unwrap(), measured), (256, 5));
        // Each doubling pays.
        assert_eq!(best(|faces| Ok(faces as f64)).0.unwrap(), 1024);
        // None does: 2.9% are not worth it, 3% are.
        assert_eq!(best(|faces| Ok(if faces == 32 { 1000.0 } else { 1029.0 })).0.unwrap(), 32);
        assert_eq!(best(|faces| Ok(if faces == 32 { 1000.0 } else { 1030.0 })).0.unwrap(), 64);
        assert_eq!(best(|_| Ok(f64::NAN)).0.unwrap(), 32);
    }

    #[test]
    fn memory_ends_the_search_and_other_failures_are_returned() {
        let short = |room| move |faces| if faces > room { Err(out_of_memory()) } else { Ok(faces as f64) };
        assert_eq!(best(short(200)).0.unwrap(), 128);
        assert_eq!(best(short(4)).0.unwrap(), 32, "left to `fit`");
        let (found, measured) = best(|_| Err(ModelError::Idle));
        assert!(matches!((found, measured), (Err(ModelError::Idle), 1)));
    }

    #[test]
    fn pieces_are_all_of_it_in_order() {
        let cut = |faces, capacity| pieces(faces, capacity).collect::<Vec<_>>();
        assert_eq!(cut(10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(cut(8, 4), [0..4, 4..8]);
        assert_eq!((cut(3, 4)[0].clone(), cut(3, 4).len()), (0..3, 1));
        assert_eq!((cut(0, 4), cut(2, 0)), (vec![], vec![0..1, 1..2]));
    }
}
