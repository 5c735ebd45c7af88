//! LFW's file layout, as the image folder `marcelohaps/lfw` on the Hugging Face Hub has it, beside LFW's own lists:
//!
//! ```text
//! train/metadata.csv                            file_name, label, label_name, identity, image_num, source_filename
//! train/images/<shard>/<Name>_0001.jpg          250×250
//! pairs.csv                                     View 2: ten folds of 300 same and 300 different pairs
//! pairs.txt, pairsDevTrain.txt, pairsDevTest.txt
//! boxes.csv                                     the true box of every face
//! ```

mod pairs;
pub mod people;
mod picture;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use image::codecs::jpeg::JpegEncoder;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use pairs::{Pair, Picture};
use people::Person;

/// LFW's pictures.
pub const FACES: u32 = 13_233;
/// With fewer, a fold would have nobody with two pictures.
pub const FEWEST: u32 = 200;

const FOLDS: usize = 10;
/// Pictures in a folder.
const SHARD: usize = 1_000;
const QUALITY: u8 = 90;

/// What was written.
pub struct Summary {
    pub people: usize,
    /// Of View 2.
    pub pairs: usize,
    /// Of the pictures.
    pub bytes: u64,
}

/// Writes all of it below `folder`. Pictures are drawn, encoded and written one by one, on all cores: memory holds one a
/// thread.
pub fn write(folder: &Path, faces: u32) -> io::Result<Summary> {
    let people = people::people(faces);
    let pictures: Vec<Picture> =
        (0..).zip(&people).flat_map(|(who, person)| (1..=person.pictures).map(move |number| (who, number))).collect();
    for shard in 0..pictures.len().div_ceil(SHARD) {
        fs::create_dir_all(folder.join(format!("train/images/{shard:03}")))?;
    }
    let bytes = AtomicU64::new(0);
    let boxes = pictures
        .par_iter()
        .enumerate()
        .map(|(row, &(who, number))| {
            let (picture, face) = picture::picture(who as u32, number);
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&picture).map_err(io::Error::other)?;
            bytes.fetch_add(jpeg.len() as u64, Ordering::Relaxed);
            fs::write(folder.join("train").join(path(&people, row, (who, number))), jpeg)?;
            Ok(face)
        })
        .collect::<io::Result<Vec<[u32; 4]>>>()?;
    let table = |name: &str| File::create(folder.join(name)).map(BufWriter::new);

    let (mut metadata, mut box_table) = (table("train/metadata.csv")?, table("boxes.csv")?);
    writeln!(metadata, "file_name,label,label_name,identity,image_num,source_filename")?;
    writeln!(box_table, "file_name,x1,y1,x2,y2")?;
    for (row, (&(who, number), [x1, y1, x2, y2])) in pictures.iter().zip(boxes).enumerate() {
        let (path, name) = (path(&people, row, (who, number)), &people[who].name);
        writeln!(metadata, "{path},{who},{name},{name},{number},{name}_{number:04}.jpg")?;
        writeln!(box_table, "{path},{x1},{y1},{x2},{y2}")?;
    }
    let pairs = protocols(folder, &people, faces)?;
    metadata.flush()?;
    box_table.flush()?;
    Ok(Summary { people: people.len(), pairs, bytes: bytes.into_inner() })
}

/// Where a picture is below `train`.
fn path(people: &[Person], row: usize, (who, number): Picture) -> String {
    format!("images/{:03}/{}_{number:04}.jpg", row / SHARD, people[who].name)
}

/// Both views; gives the pairs of View 2.
fn protocols(folder: &Path, people: &[Person], faces: u32) -> io::Result<usize> {
    // Those with most pictures first, so that every part has its share of them.
    let mut ranked: Vec<usize> = (0..people.len()).collect();
    ranked.sort_by_key(|&who| std::cmp::Reverse(people[who].pictures));
    let part = |parts: usize, part: usize| -> Vec<usize> { ranked.iter().copied().skip(part).step_by(parts).collect() };
    let number = |of_all: usize, groups: &[Vec<usize>]| {
        let possible = groups.iter().map(|who| pairs::possible(people, who) / 2).min().unwrap_or_default();
        (of_all * faces as usize).div_ceil(FACES as usize).min(possible).max(1)
    };
    let mut random = ChaCha8Rng::seed_from_u64(1);

    let groups: Vec<Vec<usize>> = (0..FOLDS).map(|fold| part(FOLDS, fold)).collect();
    let count = number(300, &groups);
    let folds: Vec<Vec<Pair>> = groups.iter().map(|who| pairs::draw(people, who, count, &mut random)).collect();
    lists(folder, people, count, &folds)?;

    let halves = [part(2, 0), part(2, 1)];
    for (name, who, of_all) in [("pairsDevTrain.txt", &halves[0], 1_100), ("pairsDevTest.txt", &halves[1], 500)] {
        let count = number(of_all, std::slice::from_ref(who));
        let mut text = format!("{count}\n");
        text.extend(pairs::draw(people, who, count, &mut random).iter().map(|pair| line(people, pair)));
        fs::write(folder.join(name), text)?;
    }
    Ok(folds.iter().map(Vec::len).sum())
}

/// View 2 as a table and as LFW's text.
fn lists(folder: &Path, people: &[Person], count: usize, folds: &[Vec<Pair>]) -> io::Result<()> {
    let mut rows = vec![0; people.len()];
    for who in 1..people.len() {
        rows[who] = rows[who - 1] + people[who - 1].pictures as usize;
    }
    let mut table = "pair_id,fold_id,fold_position,is_same,image_a,image_b,image_a_path,image_b_path\n".to_owned();
    let mut text = format!("{}\t{count}\n", folds.len());
    let mut id = 0;
    for (fold, pairs) in (1..).zip(folds) {
        for (position, pair) in (1..).zip(pairs) {
            id += 1;
            let [a, b] = [pair.a, pair.b].map(|(who, number)| {
                let row = rows[who] + number as usize - 1;
                (format!("{}_{number:04}.jpg", people[who].name), format!("train/{}", path(people, row, (who, number))))
            });
            let same = u8::from(pair.same);
            table.extend([format!("{id},{fold},{position},{same},{},{},{},{}\n", a.0, b.0, a.1, b.1)]);
            text += &line(people, pair);
        }
    }
    fs::write(folder.join("pairs.csv"), table)?;
    fs::write(folder.join("pairs.txt"), text)
}

/// A pair in LFW's own form.
fn line(people: &[Person], Pair { same, a, b }: &Pair) -> String {
    let [first, second] = [a, b].map(|&(who, _)| &people[who].name);
    if *same { format!("{first}\t{}\t{}\n", a.1, b.1) } else { format!("{first}\t{}\t{second}\t{}\n", a.1, b.1) }
}
