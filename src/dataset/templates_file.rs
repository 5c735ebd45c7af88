//! `templates.parquet` and `template_pairs.parquet`: the templates of a dataset and what is compared of them. The faces of
//! each are columns of the manifest.

use std::collections::HashMap;
use std::path::Path;

use polars::prelude::Column;

use super::ijb::{MEDIA, TEMPLATE};
use super::table_file::{TableFile, write};
use super::{DatasetError, Manifest};
use crate::table::{Kind, Table, TableColumn};
use crate::templates::{TemplatePair, TemplateSet};

/// Galleries of a set: IJB's protocol has two.
pub(super) const GALLERIES: [&str; 2] = ["gallery_1", "gallery_2"];

pub(crate) const TEMPLATES: Table = Table {
    file: "templates.parquet",
    about: "The dataset's templates, sets of faces of one subject. One row per template, by its number; only for \
            `source: ijb`. The template of a face is `meta.template_id` of the manifest.",
    columns: &[&[
        TableColumn::new("template_id", Kind::U32, "The template as the dataset numbers it"),
        TableColumn::new("subject", Kind::U32, "Number of its subject. Within this file alone"),
        TableColumn::new(
            "named",
            Kind::Bool,
            "Whether the dataset names all subjects; otherwise its genuine pairs imply them",
        ),
        TableColumn::new("gallery_1", Kind::Bool, "Whether it is in the first gallery of 1:N"),
        TableColumn::new("gallery_2", Kind::Bool, "Whether it is in the second gallery"),
        TableColumn::new("probe", Kind::Bool, "Whether it is searched in the galleries"),
    ]],
    others: None,
};

pub(crate) const TEMPLATE_PAIRS: Table = Table {
    file: "template_pairs.parquet",
    about: "The pairs of templates that the dataset lists, in its order; only for `source: ijb`.",
    columns: &[&[
        TableColumn::new("template_a", Kind::U32, "The first template, as the dataset numbers it"),
        TableColumn::new("template_b", Kind::U32, "The second template"),
        TableColumn::new("same", Kind::Bool, "Whether the list says that both are of one person"),
    ]],
    others: None,
};

impl Manifest {
    /// Writes the lists of pairs, the roles and the templates into a run's folder, each atomically. What there is none of has no file.
    pub(crate) fn write_lists(&self, folder: &Path) -> Result<(), DatasetError> {
        self.write_pair_lists(&folder.join(super::pair_lists_file::PAIR_LISTS.file))?;
        self.write_roles(&folder.join(super::roles_file::ROLES.file))?;
        let Some(set) = &self.templates else { return Ok(()) };
        let listed = |templates: &[u32]| {
            let mut there = vec![false; set.names.len()];
            for &template in templates {
                there[template as usize] = true;
            }
            there
        };
        let gallery = |number: usize| listed(set.galleries.get(number).map_or(&[], |gallery| gallery));
        let columns = vec![
            Column::new("template_id".into(), &set.names),
            Column::new("subject".into(), &set.subject_of),
            Column::new("named".into(), vec![set.named_subjects; set.names.len()]),
            Column::new(GALLERIES[0].into(), gallery(0)),
            Column::new(GALLERIES[1].into(), gallery(1)),
            Column::new("probe".into(), listed(&set.probes)),
        ];
        write(&folder.join(TEMPLATES.file), &TEMPLATES, columns)?;
        let name = |of: fn(TemplatePair) -> u32| {
            set.pairs.iter().map(|&pair| set.names[of(pair) as usize]).collect::<Vec<u32>>()
        };
        let columns = vec![
            Column::new("template_a".into(), name(TemplatePair::a)),
            Column::new("template_b".into(), name(TemplatePair::b)),
            Column::new("same".into(), set.pairs.iter().map(|pair| pair.same()).collect::<Vec<bool>>()),
        ];
        write(&folder.join(TEMPLATE_PAIRS.file), &TEMPLATE_PAIRS, columns)
    }

    /// Reads the lists of pairs, the roles and the templates of a run's folder; without files there are none.
    pub(crate) fn read_lists(&mut self, folder: &Path) -> Result<(), DatasetError> {
        self.read_pair_lists(&folder.join(super::pair_lists_file::PAIR_LISTS.file))?;
        self.read_roles(&folder.join(super::roles_file::ROLES.file))?;
        let Some(table) = TableFile::read(&folder.join(TEMPLATES.file))? else { return Ok(()) };
        let numbers = |table: &TableFile, column: &str| table.whole(column, table.numbers(column)?.iter());
        let flags = |table: &TableFile, column: &str| table.whole(column, table.flags(column)?.iter());
        let names = numbers(&table, "template_id")?;
        let named = flags(&table, "named")?;
        let flagged = |column: &str| -> Result<Vec<u32>, DatasetError> {
            let flags = flags(&table, column)?;
            Ok((0..).zip(flags).filter_map(|(template, there)| there.then_some(template)).collect())
        };
        let galleries = GALLERIES.iter().map(|column| flagged(column)).collect::<Result<Vec<_>, _>>()?;
        let number: HashMap<u32, u32> = names.iter().copied().zip(0..).collect();
        let mut set = TemplateSet {
            named_subjects: named.first().copied().unwrap_or_default(),
            subject_of: numbers(&table, "subject")?,
            galleries: galleries.into_iter().filter(|gallery| !gallery.is_empty()).collect(),
            probes: flagged("probe")?,
            names,
            ..TemplateSet::default()
        };
        let of_faces = |column: &str| -> Option<Vec<u32>> {
            let at = self.table.headers.iter().position(|header| header == column)?;
            self.table.columns[at].iter().map(|value| value.parse().ok()).collect()
        };
        let faces = of_faces(TEMPLATE).zip(of_faces(MEDIA));
        let faces = faces.and_then(|(templates, media)| {
            let templates =
                templates.iter().map(|template| number.get(template).copied()).collect::<Option<Vec<u32>>>();
            Some((templates?, media))
        });
        let Some((template_of, media_of)) = faces else {
            return Err(table.wrong("the manifest's faces have other templates, or none".into()));
        };
        let pairs = TableFile::read(&folder.join(TEMPLATE_PAIRS.file))?;
        let pairs = pairs.ok_or_else(|| table.wrong(format!("{} is not beside it", TEMPLATE_PAIRS.file)))?;
        let (a, b) = (numbers(&pairs, "template_a")?, numbers(&pairs, "template_b")?);
        let same = flags(&pairs, "same")?;
        for ((a, b), same) in a.iter().zip(&b).zip(same) {
            let (Some(&a), Some(&b)) = (number.get(a), number.get(b)) else {
                return Err(pairs.wrong(format!("it has the pair {a}, {b}, of which one is no template")));
            };
            set.pairs.push(TemplatePair::new(a, b, same));
        }
        (set.template_of, set.media_of) = (template_of, media_of);
        self.templates = Some(set);
        Ok(())
    }
}
