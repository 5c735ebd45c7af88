//! The source `parquet`: shards with columns of encoded pictures, read one row group at a time.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use polars::io::parquet::read::FileMetadata;
use polars::prelude::*;

use super::budget::{self, LONGEST_TEXT};
use super::layout::{self, Layout, ShardColumns};
use super::unpacked::{self, Distinct, Index, PartialFolder, UnpackedFace, file_name};
use super::{ContainerProblem, Located, Place, Task, is_known, say_pairs, shorter_side};
use crate::dataset::csv_lines::MOST_COLUMNS;
use crate::dataset::scan::OpenContext;
use crate::dataset::{DatasetError, LARGEST_PICTURE, LONGEST_NAME, Manifest};
use crate::digest::Digest;
use crate::files::FileError;
use crate::parquet::{self, ParquetProblem};
use crate::text;

/// Bytes that are decoded at a time; larger row groups are split.
const SLICE: u64 = 256 << 20;

/// Reads shards.
pub(super) fn open(shards: &[Located], context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let unpack = |folder: &mut PartialFolder<'_>| unpack(shards, folder);
    let manifest = unpacked::open("parquet", shards, context, unpack, |_| Ok(None))?;
    say_pairs(&manifest, context);
    Ok(manifest)
}

/// The shorter sides of the first pictures of a shard, at most `most`, in pixels, where their headers tell.
pub(super) fn first_sides(shard: &Place, most: usize) -> Result<Vec<u32>, DatasetError> {
    let opened = Shard::open(shard)?;
    let layout = layout::find(&opened.columns).map_err(|problem| shard.problem(problem))?;
    let column = [layout.picture().to_owned()];
    opened.check_pages(&column)?;
    let Some(&(start, rows)) = opened.slices().first() else { return Ok(Vec::new()) };
    let frame = opened.read(start, rows.min(most), column.to_vec())?;
    let (pictures, _) = Rows { frame: &frame, start: 0, located: shard }.pictures(&column[0])?;
    Ok(pictures.iter().flatten().filter_map(shorter_side).collect())
}

fn unpack(shards: &[Located], folder: &mut PartialFolder<'_>) -> Result<Index, DatasetError> {
    let first = Shard::open(&shards[0])?;
    let layout = layout::find(&first.columns).map_err(|problem| shards[0].problem(problem))?;
    let kept = layout.kept(&first.columns);
    let read = [layout.columns(), kept.clone()].concat();
    let mut faces = ShardFaces::default();
    let mut pairs = ShardPairs::default();
    for located in shards {
        let shard = Shard::open(located)?;
        if layout::find(&shard.columns).ok().as_ref() != Some(&layout) || !shard.columns.has(&kept) {
            let [found, first] = [&shard, &first].map(|shard| shard.columns.described());
            return Err(located.problem(ContainerProblem::OtherColumns { found, first }));
        }
        shard.check_pages(&read)?;
        let task = Task::start(folder.context, "unpacking", &located.path, "rows", shard.rows);
        for (start, rows) in shard.slices() {
            folder.go_on()?;
            let frame = shard.read(start, rows, read.clone())?;
            let table = Rows { frame: &frame, start: start as u64, located };
            match &layout {
                Layout::Pairs { pictures, same } => pairs.add(&table, pictures, same, folder)?,
                Layout::Faces { .. } => faces.add(&table, &layout, &kept, folder)?,
            }
            task.advance(rows as u64);
        }
    }
    let index = match layout {
        Layout::Pairs { .. } => pairs.distinct.with(pairs.pairs),
        Layout::Faces { .. } => faces.finish(kept),
    };
    let index = Index { unused: first.columns.unused(&read), ..index };
    let fault = |entry: &UnpackedFace| entry.fault.clone();
    match index.faces.iter().map(fault).collect::<Option<Vec<_>>>() {
        None => Ok(index),
        // Without any picture, the file itself is at fault.
        Some(faults) => Err(shards[0].problem(match faults.into_iter().next() {
            Some(first) => ContainerProblem::NoRow(first),
            None => ContainerProblem::Empty,
        })),
    }
}

/// One parquet file.
struct Shard<'a> {
    located: &'a Place,
    columns: ShardColumns,
    rows: u64,
    /// Rows and bytes of each row group.
    groups: Vec<(usize, u64)>,
    metadata: Arc<FileMetadata>,
}

impl<'a> Shard<'a> {
    fn open(located: &'a Place) -> Result<Self, DatasetError> {
        let problem = |problem| located.problem(problem);
        located.expect(b"PAR1", "a parquet file")?;
        if !ends_whole(&mut located.open()?).map_err(FileError::new("read", &located.path))? {
            let length = located.bytes;
            return Err(problem(ContainerProblem::Truncated { length, what: "the table" }));
        }
        parquet::check_footer(located.open()?, located.bytes).map_err(|error| of_pages(located, error))?;
        let mut reader = ParquetReader::new(located.open()?);
        let (columns, metadata) =
            polars(|| Ok((ShardColumns::of(&*reader.schema()?), reader.get_metadata()?.clone()))).map_err(problem)?;
        let groups: Vec<_> =
            metadata.row_groups.iter().map(|group| (group.num_rows(), group.total_byte_size() as u64)).collect();
        let rows = groups.iter().try_fold(0u64, |sum, (rows, _)| sum.checked_add(*rows as u64)).unwrap_or(u64::MAX);
        let found = columns.len();
        if found > MOST_COLUMNS {
            return Err(problem(ContainerProblem::TooManyColumns { found, most: MOST_COLUMNS }));
        }
        parquet::check_rows(rows, located.bytes).map_err(|rule| problem(ContainerProblem::Rows(rule)))?;
        Ok(Self { located, columns, rows, groups, metadata })
    }

    /// Refuses pages of these columns that would fill memory, and a file that unpacks to more than pictures do.
    fn check_pages(&self, columns: &[String]) -> Result<(), DatasetError> {
        let mut chunks = Vec::new();
        for group in &self.metadata.row_groups {
            let read = columns.iter().filter_map(|name| group.columns_under_root_iter(name)).flatten();
            chunks.extend(read.map(|chunk| (chunk.byte_range().start, chunk.byte_range().end)));
        }
        let bytes = self.located.bytes;
        let unpacked = parquet::unpacked_bytes(self.located.open()?, bytes, &chunks)
            .map_err(|error| of_pages(self.located, error))?;
        budget::grows(bytes, unpacked).map_err(|problem| self.located.problem(problem))
    }

    /// First row and number of rows of each slice: a row group, or part of a large one.
    fn slices(&self) -> Vec<(usize, usize)> {
        let mut slices = Vec::new();
        let mut start = 0;
        // Each slice reads the footer again, so small row groups are read together.
        let mut together: Vec<(usize, u64)> = Vec::new();
        for &(rows, bytes) in &self.groups {
            match together.last_mut() {
                Some(last) if last.1.saturating_add(bytes) <= SLICE => *last = (last.0 + rows, last.1 + bytes),
                _ => together.push((rows, bytes)),
            }
        }
        for (rows, bytes) in together {
            let step = ((rows as u128 * u128::from(SLICE) / u128::from(bytes.max(1))) as usize).clamp(1, rows.max(1));
            slices.extend((0..rows).step_by(step).map(|from| (start + from, step.min(rows - from))));
            start += rows;
        }
        slices
    }

    fn read(&self, start: usize, rows: usize, columns: Vec<String>) -> Result<DataFrame, DatasetError> {
        let file = self.located.open()?;
        let read = || {
            let reader =
                ParquetReader::new(parquet::map(&file)?).with_columns(Some(columns)).with_slice(Some((start, rows)));
            let frame = reader.set_rechunk(true).finish()?;
            polars_ensure!(frame.height() == rows, ComputeError: "{} rows instead of {rows}", frame.height());
            Ok(frame)
        };
        polars(read).map_err(|problem| self.located.problem(problem))
    }
}

/// Whether a parquet file ends as it begins; where encrypted ones end otherwise, polars says so.
fn ends_whole(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut end = [0; 4];
    file.seek(SeekFrom::End(-4))?;
    file.read_exact(&mut end)?;
    Ok([*b"PAR1", *b"PARE"].contains(&end))
}

fn polars<T>(work: impl FnOnce() -> PolarsResult<T>) -> Result<T, ContainerProblem> {
    parquet::guarded(work).map_err(|error| ContainerProblem::Polars(error.to_string()))
}

fn of_pages(located: &Place, problem: ParquetProblem) -> DatasetError {
    match problem {
        ParquetProblem::Io(error) => FileError::new("read", &located.path)(error).into(),
        ParquetProblem::Damaged { .. } => located.problem(ContainerProblem::Polars(problem.to_string())),
        other => located.problem(ContainerProblem::Parquet(other)),
    }
}

/// Rows of a shard.
struct Rows<'a> {
    frame: &'a DataFrame,
    /// Number of the first.
    start: u64,
    located: &'a Place,
}

impl Rows<'_> {
    fn wrong(&self, row: usize, column: &str, rule: impl Into<String>) -> DatasetError {
        let (row, column) = (self.start + row as u64, column.to_owned());
        self.located.problem(ContainerProblem::Value { row, column, rule: rule.into() })
    }

    fn polars<T>(&self, result: PolarsResult<T>) -> Result<T, DatasetError> {
        result.map_err(|error| self.located.problem(ContainerProblem::Polars(error.to_string())))
    }

    /// The encoded pictures, and their paths.
    fn pictures(&self, name: &str) -> Result<(BinaryChunked, Option<StringChunked>), DatasetError> {
        let column = self.polars(self.frame.column(name))?;
        let Ok(fields) = column.struct_() else { return Ok((self.polars(column.binary())?.clone(), None)) };
        let bytes = self.polars(fields.field_by_name("bytes"))?;
        let paths = fields.field_by_name("path").ok().and_then(|paths| paths.str().cloned().ok());
        Ok((self.polars(bytes.binary())?.clone(), paths))
    }

    /// A text to be kept.
    fn text(&self, row: usize, column: &str, text: &str, folder: &PartialFolder<'_>) -> Result<String, DatasetError> {
        if text.len() > LONGEST_TEXT {
            return Err(self.wrong(row, column, format!("has {} bytes, at most {LONGEST_TEXT} are read", text.len())));
        }
        folder.text(text)
    }

    /// A column of names or numbers as text.
    fn texts(&self, name: &str) -> Result<StringChunked, DatasetError> {
        let column = self.polars(self.frame.column(name).and_then(|column| column.cast(&DataType::String)))?;
        Ok(self.polars(column.str())?.clone())
    }
}

/// The picture of a row, or why it has none. With a path alone, the picture is somewhere unknown.
fn picture<'a>(
    table: &Rows<'_>,
    column: &str,
    row: usize,
    bytes: &'a BinaryChunked,
    paths: Option<&StringChunked>,
) -> Result<&'a [u8], String> {
    let rule = match (bytes.get(row), paths.and_then(|paths| paths.get(row))) {
        (Some(bytes), _) if bytes.len() as u64 > LARGEST_PICTURE => "has more than 512 MiB",
        (Some(bytes), _) => return Ok(bytes),
        (None, Some(_)) => "has a path but no bytes; the file must contain the pictures",
        (None, None) => "is null",
    };
    Err(format!("row {}: `{column}` {rule}", table.start + row as u64))
}

#[derive(Default)]
struct ShardPairs {
    distinct: Distinct,
    pairs: Vec<(u32, u32, bool)>,
}

impl ShardPairs {
    fn add(
        &mut self,
        table: &Rows<'_>,
        names: &[String; 2],
        same: &str,
        folder: &PartialFolder<'_>,
    ) -> Result<(), DatasetError> {
        let [first, second] = [table.pictures(&names[0])?, table.pictures(&names[1])?];
        let labels = table.polars(table.frame.column(same).and_then(|column| column.cast(&DataType::Int64)))?;
        let labels = table.polars(labels.i64())?;
        for row in 0..table.frame.height() {
            let label = match labels.get(row) {
                Some(label @ (0 | 1)) => label == 1,
                Some(other) => {
                    return Err(table.wrong(row, same, format!("is {other}, expected 1 (genuine) or 0 (impostor)")));
                }
                None => return Err(table.wrong(row, same, "is null")),
            };
            let number = 2 * self.pairs.len();
            let mut face = |side: usize, (bytes, paths): &(BinaryChunked, Option<StringChunked>)| match picture(
                table,
                &names[side],
                row,
                bytes,
                paths.as_ref(),
            ) {
                Ok(picture) => self.distinct.row(number + side, picture, folder),
                Err(fault) => Ok(self.distinct.absent(number + side, fault)),
            };
            let (a, b) = (face(0, &first)?, face(1, &second)?);
            self.pairs.push((a, b, label));
        }
        Ok(())
    }
}

/// Why a value cannot be an id or an identity.
fn unusable_name(value: &str) -> Option<String> {
    if value.len() > LONGEST_NAME {
        let value = text::quoted_to(value, 40);
        return Some(format!("is `{value}`, and at most {LONGEST_NAME} bytes are accepted"));
    }
    value.contains(char::is_control).then(|| "contains a line break or another control character".into())
}

/// The faces, and their names in the table.
#[derive(Default)]
struct ShardFaces {
    entries: Vec<UnpackedFace>,
    names: Vec<Option<String>>,
    /// Values of the kept columns, column by column.
    kept: Vec<Vec<String>>,
}

/// The file in a path of any system.
fn last(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

impl ShardFaces {
    fn add(
        &mut self,
        table: &Rows<'_>,
        layout: &Layout,
        kept: &[String],
        folder: &PartialFolder<'_>,
    ) -> Result<(), DatasetError> {
        let Layout::Faces { picture: column, identity, name, photo: photo_column } = layout else { return Ok(()) };
        let (bytes, paths) = table.pictures(column)?;
        let identities = table.texts(identity)?;
        let names = name.as_ref().map(|name| table.texts(name)).transpose()?;
        let photos = photo_column.as_ref().map(|photo| table.texts(photo)).transpose()?;
        self.kept.resize(kept.len(), Vec::new());
        for (values, name) in self.kept.iter_mut().zip(kept) {
            for (row, value) in table.texts(name)?.iter().enumerate() {
                values.push(table.text(row, name, value.unwrap_or_default(), folder)?);
            }
        }
        for row in 0..table.frame.height() {
            let who = identities.get(row).filter(|identity| is_known(identity));
            let photo = photos.as_ref().and_then(|photos| photos.get(row)).filter(|photo| !photo.is_empty());
            let unusable = [(Some(identity), who), (photo_column.as_ref(), photo)]
                .into_iter()
                .find_map(|(column, value)| Some((column, unusable_name(value?)?)));
            let picture = match unusable {
                Some((column, rule)) => {
                    let (row, column) = (table.start + row as u64, column.map_or("", String::as_str));
                    Err(format!("row {row}: `{column}` {rule}"))
                }
                None => picture(table, column, row, &bytes, paths.as_ref()),
            };
            let path = file_name(self.entries.len(), picture.as_ref().copied().unwrap_or_default());
            let (sha256, fault) = match picture {
                Ok(picture) => {
                    folder.put(&path, picture)?;
                    (Some(Digest::of(picture)), None)
                }
                Err(fault) => (None, Some(fault)),
            };
            let usable = |value: &&str| unusable_name(value).is_none();
            let (who, photo) = (who.filter(usable), photo.filter(usable));
            let text =
                |name: &str, value: Option<&str>| value.map(|value| table.text(row, name, value, folder)).transpose();
            self.names.push(match &names {
                Some(names) => text(name.as_deref().unwrap_or_default(), names.get(row))?,
                None => text(column, paths.as_ref().and_then(|paths| paths.get(row)).map(last))?,
            });
            let identity = text(identity, who)?;
            let photo = text(photo_column.as_deref().unwrap_or_default(), photo)?;
            self.entries.push(UnpackedFace { id: path.clone(), identity, photo, path, sha256, fault });
        }
        Ok(())
    }

    /// The table's names become ids if they are unique; otherwise numbers do.
    fn finish(mut self, kept: Vec<String>) -> Index {
        let usable = |name: &&str| !name.is_empty() && unusable_name(name).is_none();
        let distinct: HashSet<_> = self.names.iter().flatten().map(String::as_str).filter(usable).collect();
        if distinct.len() == self.entries.len() {
            for (entry, name) in self.entries.iter_mut().zip(self.names) {
                entry.id = name.unwrap_or_default();
            }
        }
        let columns = kept.into_iter().zip(self.kept).collect();
        Index { faces: self.entries, columns, ..Index::default() }
    }
}
