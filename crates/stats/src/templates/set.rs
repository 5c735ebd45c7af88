//! Templates and what is compared of them, as a dataset lists them.

use crate::disjoint_sets::DisjointSets;

/// Which faces make up which template, and which templates are compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TemplateSet {
    /// Template of each manifest row, an index into `names`.
    pub template_of: Vec<u32>,
    /// Media of each manifest row: the photo or the video that it comes from.
    pub media_of: Vec<u32>,
    /// The templates as the dataset numbers them, ascending.
    pub names: Vec<u32>,
    /// Number of each template's subject.
    pub subject_of: Vec<u32>,
    /// Whether the dataset names the subjects. Otherwise templates that its pairs call one person form one.
    pub named_subjects: bool,
    /// The listed pairs.
    pub pairs: Vec<TemplatePair>,
}

/// Two templates, and whether the list calls them one person. 8 bytes: lists have millions of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplatePair {
    a: u32,
    /// The second template, and in the lowest bit the label.
    b: u32,
}

/// Most templates of a set: one bit of a number is the label.
pub const MOST_TEMPLATES: usize = 1 << 31;

impl TemplatePair {
    /// Indices of two templates, both below [`MOST_TEMPLATES`].
    #[must_use]
    pub fn new(a: u32, b: u32, same: bool) -> Self {
        Self { a, b: b << 1 | u32::from(same) }
    }

    /// Index of the first template.
    #[must_use]
    pub fn a(self) -> u32 {
        self.a
    }

    /// Index of the second template.
    #[must_use]
    pub fn b(self) -> u32 {
        self.b >> 1
    }

    /// Whether the list calls them one person.
    #[must_use]
    pub fn same(self) -> bool {
        self.b & 1 == 1
    }
}

/// The subjects that a list of pairs implies: templates that it calls one person, directly or through others, are one
/// subject. Numbered in the order of the templates.
#[must_use]
pub fn implied_subjects(templates: usize, pairs: &[TemplatePair]) -> Vec<u32> {
    let mut sets = DisjointSets::new(templates);
    pairs.iter().filter(|pair| pair.same()).for_each(|pair| sets.join(pair.a(), pair.b()));
    sets.numbered()
}
