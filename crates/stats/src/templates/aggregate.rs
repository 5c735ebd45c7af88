//! Face embeddings → template embeddings, as insightface's `image2template_feature` makes them (`IJB_11.py`).

use rayon::prelude::*;

use super::Aggregation;
use crate::similarity::kernel::Rows;

/// A face of a template.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TemplateFace {
    /// Its matrix row.
    pub row: u32,
    /// Index of its template.
    pub template: u32,
    /// Its media; numbers of other templates' media may be the same.
    pub media: u32,
    /// What it counts.
    pub weight: f32,
}

/// One embedding a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Templates {
    /// Row-major, of length 1. Zeros where there is no face, or where faces cancel out.
    data: Vec<f64>,
    dimension: usize,
    /// Whether each template has a face.
    has_face: Vec<bool>,
    /// Faces of all templates.
    faces: usize,
}

impl Templates {
    /// Aggregates faces, in any order, to `count` templates. The sums are in f64.
    #[must_use]
    pub fn new(rows: Rows<'_>, mut faces: Vec<TemplateFace>, count: usize, aggregation: Aggregation) -> Self {
        let dimension = rows.dimension;
        faces.par_sort_unstable_by_key(|face| (face.template, face.media, face.row));
        let mut of: Vec<&[TemplateFace]> = vec![&[]; count];
        for faces in faces.chunk_by(|a, b| a.template == b.template) {
            of[faces[0].template as usize] = faces;
        }
        let mut data = vec![0.0; count * dimension];
        data.par_chunks_exact_mut(dimension).zip(&of).for_each(|(sum, faces)| match aggregation {
            // Of a mean only the direction stays.
            Aggregation::Faces => {
                add(sum, rows, faces, 1.0);
                normalise(sum);
            }
            Aggregation::Media => {
                for media in faces.chunk_by(|a, b| a.media == b.media) {
                    add(sum, rows, media, 1.0 / media.len() as f64);
                }
                normalise(sum);
            }
        });
        let has_face = of.iter().map(|faces| !faces.is_empty()).collect();
        Self { data, dimension, has_face, faces: faces.len() }
    }

    /// Number of faces that they are made of.
    #[must_use]
    pub fn faces(&self) -> usize {
        self.faces
    }

    /// Number of templates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.has_face.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.has_face.is_empty()
    }

    /// Numbers in a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// All embeddings in 32 bits, row-major.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        self.data.iter().map(|value| *value as f32).collect()
    }

    /// Whether a template has a face.
    #[must_use]
    pub fn has_face(&self, template: u32) -> bool {
        self.has_face[template as usize]
    }

    /// The embedding of a template.
    #[must_use]
    pub fn row(&self, template: u32) -> &[f64] {
        let start = template as usize * self.dimension;
        &self.data[start..start + self.dimension]
    }

    /// Cosine of two templates, from −1 to 1.
    #[must_use]
    pub fn cosine(&self, a: u32, b: u32) -> f64 {
        const LANES: usize = 8;
        let ((a, a_rest), (b, b_rest)) = (self.row(a).as_chunks::<LANES>(), self.row(b).as_chunks::<LANES>());
        let mut sums = [0.0; LANES];
        for (a, b) in a.iter().zip(b) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        // Adding zero makes −0 the 0 that it equals.
        (sums.iter().sum::<f64>() + rest).clamp(-1.0, 1.0) + 0.0
    }
}

/// Adds the weighted faces, times `scale`.
fn add(sum: &mut [f64], rows: Rows<'_>, faces: &[TemplateFace], scale: f64) {
    for face in faces {
        let weight = f64::from(face.weight) * scale;
        sum.iter_mut().zip(rows.row(face.row)).for_each(|(sum, &value)| *sum += f64::from(value) * weight);
    }
}

/// Divides by the length; of length 0 it stays.
fn normalise(row: &mut [f64]) {
    let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        for value in row {
            *value /= length;
        }
    }
}
