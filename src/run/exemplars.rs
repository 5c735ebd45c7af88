//! The most typical face of an identity, to set beside one whose label is in doubt.

use std::collections::{BTreeMap, BTreeSet};

use super::inspect::EmbeddedFaces;
use super::{RunDirectory, RunError};
use crate::embed::MatrixReader;
use crate::evaluate::Evaluation;

/// The matrix row of each wanted identity's most typical face: the one closest to the identity's centroid, suspects left
/// aside. Reads the matrix once, a row at a time. An identity of suspects only has none.
pub(crate) fn exemplars(
    run: &RunDirectory,
    faces: &EmbeddedFaces,
    evaluation: &Evaluation,
    wanted: &BTreeSet<&str>,
) -> Result<BTreeMap<String, u32>, RunError> {
    let suspects: BTreeSet<u32> = evaluation.people.audit.suspects.iter().map(|suspect| suspect.row).collect();
    let centroids = &evaluation.centroids;
    let centroid_of: BTreeMap<&str, &[f32]> = evaluation
        .identities
        .iter()
        .zip(centroids.data.chunks_exact(centroids.dimension.max(1)))
        .map(|(identity, centroid)| (identity.identity_id.as_str(), centroid))
        .filter(|(identity, _)| wanted.contains(identity))
        .collect();
    let mut reader = MatrixReader::open(&run.matrix())?;
    let mut row = vec![0.0_f32; reader.dimension()];
    let mut best: BTreeMap<&str, (f32, u32)> = BTreeMap::new();
    for (number, face) in (0..reader.rows() as u32).zip(faces.iter()) {
        reader.read(&mut row)?;
        let Some((identity, centroid)) = face.identity_id.as_deref().and_then(|id| centroid_of.get_key_value(id))
        else {
            continue;
        };
        let cosine: f32 = row.iter().zip(*centroid).map(|(a, b)| a * b).sum();
        if !suspects.contains(&number) && best.get(identity).is_none_or(|(highest, _)| cosine > *highest) {
            best.insert(identity, (cosine, number));
        }
    }
    Ok(best.into_iter().map(|(identity, (_, row))| (identity.to_owned(), row)).collect())
}
