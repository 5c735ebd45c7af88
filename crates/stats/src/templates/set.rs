//! Templates and what is compared of them, as a dataset lists them.

use std::collections::HashMap;

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
    /// Whether the dataset names the subjects. Otherwise templates that its tables or pairs call one person form one.
    pub named_subjects: bool,
    /// The listed pairs.
    pub pairs: Vec<TemplatePair>,
    /// The galleries of 1:N, none of them empty, each the indices of its templates, ascending.
    pub galleries: Vec<Vec<u32>>,
    /// The templates that are searched in the galleries, ascending.
    pub probes: Vec<u32>,
}

impl TemplateSet {
    /// The set as if it had never had the faces for which `gone` is true. Templates that lose their last face leave it with
    /// their pairs.
    #[must_use]
    pub fn without(&self, gone: &[bool]) -> Self {
        let mut lost = vec![false; self.names.len()];
        let mut left = vec![false; self.names.len()];
        for (&template, gone) in self.template_of.iter().zip(gone) {
            let side = if *gone { &mut lost } else { &mut left };
            side[template as usize] = true;
        }
        let kept: Vec<bool> = lost.iter().zip(&left).map(|(lost, left)| *left || !lost).collect();
        let mut now = vec![None; kept.len()];
        (0..).zip(now.iter_mut().zip(&kept).filter(|(_, kept)| **kept)).for_each(|(at, (now, _))| *now = Some(at));
        let moved = |template: &u32| -> Option<u32> { now[*template as usize] };
        let of_templates = |values: &[u32]| -> Vec<u32> {
            values.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(value, _)| *value).collect()
        };
        let faces = || gone.iter().zip(0..).filter(|(gone, _)| !**gone).map(|(_, face): (_, usize)| face);
        let subjects = of_templates(&self.subject_of);
        let mut known = subjects.clone();
        known.sort_unstable();
        known.dedup();
        let subject = |subject: &u32| known.partition_point(|other| other < subject) as u32;
        Self {
            template_of: faces().filter_map(|face| moved(&self.template_of[face])).collect(),
            media_of: faces().map(|face| self.media_of[face]).collect(),
            names: of_templates(&self.names),
            subject_of: subjects.iter().map(subject).collect(),
            named_subjects: self.named_subjects,
            pairs: self
                .pairs
                .iter()
                .filter_map(|pair| Some(TemplatePair::new(moved(&pair.a())?, moved(&pair.b())?, pair.same())))
                .collect(),
            galleries: self
                .galleries
                .iter()
                .map(|gallery| gallery.iter().filter_map(moved).collect())
                .filter(|gallery: &Vec<u32>| !gallery.is_empty())
                .collect(),
            probes: self.probes.iter().filter_map(moved).collect(),
        }
    }
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

/// The subjects that names of some templates and a list of pairs imply: templates that either calls one person, directly
/// or through others, are one subject. Numbered in the order of the templates.
#[must_use]
pub fn implied_subjects(named: &[Option<u32>], pairs: &[TemplatePair]) -> Vec<u32> {
    let mut sets = DisjointSets::new(named.len());
    let mut first_of = HashMap::new();
    for (template, subject) in (0..).zip(named) {
        if let Some(subject) = subject {
            sets.join(*first_of.entry(subject).or_insert(template), template);
        }
    }
    pairs.iter().filter(|pair| pair.same()).for_each(|pair| sets.join(pair.a(), pair.b()));
    sets.numbered()
}
