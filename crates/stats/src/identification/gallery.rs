//! The templates that probes are compared with, person by person.

use std::borrow::Cow;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::similarity::kernel::Rows;

/// A row that stands for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its row.
    pub row: u32,
    /// Number of its person. A probe whose person is not known gets a number of its own.
    pub person: u32,
}

/// How a person with several templates in the gallery is compared with a probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GalleryRule {
    /// The template that is most like the probe counts.
    #[default]
    Max,
    /// The unit mean of the person's templates counts.
    Mean,
}

/// The templates of a gallery, sorted by person.
#[derive(Debug, Clone)]
pub struct Gallery<'a> {
    data: Cow<'a, [f32]>,
    dimension: usize,
    templates: Vec<Template>,
    people: usize,
}

impl<'a> Gallery<'a> {
    /// From unit rows, in any order.
    #[must_use]
    pub fn new(rows: Rows<'a>, templates: &[Template], rule: GalleryRule) -> Self {
        let mut sorted = templates.to_vec();
        sorted.sort_by_key(|template| template.person);
        let by_person = || sorted.chunk_by(|a, b| a.person == b.person);
        let people = by_person().count();
        let dimension = rows.dimension;
        if rule == GalleryRule::Max {
            return Self { data: Cow::Borrowed(rows.data), dimension, templates: sorted, people };
        }
        let mut data = Vec::with_capacity(people * dimension);
        let mean = |(row, of_person): (u32, &[Template])| {
            let rows_of_person: Vec<u32> = of_person.iter().map(|template| template.row).collect();
            data.extend(rows.unit_mean(&rows_of_person));
            Template { row, person: of_person[0].person }
        };
        let templates = (0..).zip(by_person()).map(mean).collect();
        Self { data: Cow::Owned(data), dimension, templates, people }
    }

    /// Number of people.
    #[must_use]
    pub fn people(&self) -> usize {
        self.people
    }

    /// What probes are compared with, sorted by person.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// Numbers in a row.
    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Where a person's templates are; empty for one who is not in the gallery.
    pub(super) fn of(&self, person: u32) -> Range<usize> {
        let first = self.templates.partition_point(|template| template.person < person);
        first..first + self.templates[first..].partition_point(|template| template.person == person)
    }

    /// The rows of some templates.
    pub(super) fn rows(&self, templates: Range<usize>) -> impl ExactSizeIterator<Item = &[f32]> {
        let rows = Rows { data: &self.data, dimension: self.dimension };
        self.templates[templates].iter().map(move |template| rows.row(template.row))
    }
}
