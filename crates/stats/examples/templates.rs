//! Time and memory of template verification at the size of IJB-C, on made-up embeddings. The figures are in
//! `docs/templates.md`.
//!
//! ```sh
//! cargo run --release -p facevault-stats --example templates [FOLDER]
//! ```
//!
//! FOLDER gets what is compared in insightface's layout, without pictures but with the embeddings (1.3 GB), for
//! `experiments/peers/templates.py` to compute the same numbers from.

#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use facevault_base::progress::Cancel;
use facevault_stats::similarity::kernel::Rows;
use facevault_stats::templates::{Aggregation, QUANTITIES, TemplateInput, TemplatePair, TemplateProtocol, TemplateSet};
use facevault_stats::verification::bootstrap::Resampling;
use rayon::prelude::*;

const FACES: usize = 469_375;
const TEMPLATES: u32 = 23_124;
const SUBJECTS: u32 = 3_531;
const GENUINE: u32 = 19_557;
const PAIRS: usize = 15_658_489;
const DIMENSION: usize = 512;

/// Marsaglia's xorshift; seeds are spread first.
struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    /// −1 to 1.
    fn even(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// The first templates are the galleries', one a subject; the others are probes.
fn subject(template: u32) -> u32 {
    template % SUBJECTS
}

/// Unit rows around a direction of each subject.
fn rows(template_of: &[u32]) -> Vec<f32> {
    let mut data = vec![0.0; FACES * DIMENSION];
    data.par_chunks_exact_mut(DIMENSION).zip(template_of).enumerate().for_each(|(face, (row, &template))| {
        let mut centre = Draw::new(u64::from(subject(template)));
        let mut noise = Draw::new(1 << 40 | face as u64);
        for value in row.iter_mut() {
            *value = centre.even() + 14.0 * noise.even();
        }
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        for value in row {
            *value /= length;
        }
    });
    data
}

fn set() -> TemplateSet {
    let mut draw = Draw::new(7);
    // Each template has a face; the rest are spread unevenly.
    let mut template_of: Vec<u32> = (0..TEMPLATES).collect();
    template_of.extend((TEMPLATES as usize..FACES).map(|_| draw.below(TEMPLATES).min(draw.below(TEMPLATES))));
    let media_of = template_of.iter().map(|_| draw.below(6)).collect();
    let probes: Vec<u32> = (SUBJECTS..TEMPLATES).collect();
    let mut pairs: Vec<TemplatePair> =
        probes.iter().take(GENUINE as usize).map(|&probe| TemplatePair::new(subject(probe), probe, true)).collect();
    while pairs.len() < PAIRS {
        let (a, b) = (draw.below(SUBJECTS), SUBJECTS + draw.below(TEMPLATES - SUBJECTS));
        if subject(b) != a {
            pairs.push(TemplatePair::new(a, b, false));
        }
    }
    TemplateSet {
        template_of,
        media_of,
        names: (0..TEMPLATES).collect(),
        subject_of: (0..TEMPLATES).map(subject).collect(),
        named_subjects: true,
        pairs,
        galleries: vec![(0..SUBJECTS / 2).collect(), (SUBJECTS / 2..SUBJECTS).collect()],
        probes,
    }
}

/// Writes the set in insightface's layout, and its embeddings as plain numbers.
fn write(folder: &Path, set: &TemplateSet, data: &[f32], scores: &[Option<f32>]) -> io::Result<()> {
    let meta = folder.join("meta");
    fs::create_dir_all(&meta)?;
    fs::create_dir_all(folder.join("loose_crop"))?;
    let open = |path: &Path| File::create(path).map(BufWriter::new);
    let table = |end: &str| open(&meta.join(format!("ijbc_{end}")));
    let (mut points, mut members) = (table("name_5pts_score.txt")?, table("face_tid_mid.txt")?);
    for (face, score) in scores.iter().enumerate() {
        let (name, score) = (face + 1, score.unwrap_or_default());
        writeln!(points, "{name}.jpg 38.3 51.7 73.5 51.5 56.0 71.7 41.5 92.4 70.7 92.2 {score}")?;
        writeln!(members, "{name}.jpg {} {}", set.template_of[face], set.media_of[face])?;
    }
    let mut pairs = table("template_pair_label.txt")?;
    for pair in &set.pairs {
        writeln!(pairs, "{} {} {}", pair.a(), pair.b(), u8::from(pair.same()))?;
    }
    let lists = [("gallery_G1", &set.galleries[0]), ("gallery_G2", &set.galleries[1]), ("probe_mixed", &set.probes)];
    for (name, templates) in lists {
        let mut out = table(&format!("1N_{name}.csv"))?;
        writeln!(out, "TEMPLATE_ID,SUBJECT_ID")?;
        templates.iter().try_for_each(|&template| writeln!(out, "{template},{}", subject(template)))?;
    }
    let mut out = open(&folder.join("embeddings.f32"))?;
    data.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

fn main() -> io::Result<()> {
    let set = set();
    let data = rows(&set.template_of);
    let row_of: Vec<Option<u32>> = (0..FACES as u32).map(Some).collect();
    let scores: Vec<Option<f32>> = (0..FACES).map(|face| Some(0.5 + (face % 50) as f32 / 100.0)).collect();
    if let Some(folder) = std::env::args_os().nth(1) {
        write(Path::new(&folder), &set, &data, &scores)?;
    }
    let protocol = TemplateProtocol {
        name: "ijbc".into(),
        aggregation: Aggregation::Media,
        detector_score: true,
        max_left_out: 0.0,
    };
    let resampling = Resampling { replicates: 1000, level: 0.95, seed: 0 };
    let input = TemplateInput { set: &set, row_of: &row_of, scores: &scores, resampling };
    println!("made {FACES} faces, {TEMPLATES} templates, {} pairs; {} MiB", set.pairs.len(), peak());
    let started = Stopwatch::start();
    let templates = input.templates(&protocol, Rows { data: &data, dimension: DIMENSION });
    println!("faces to templates: {}", started.read());
    let started = Stopwatch::start();
    let Ok(Some(found)) = input.verify(&protocol, &templates, &Cancel::default()) else { return Ok(()) };
    println!("pairs and searches: {}; peak {} MiB", started.read(), peak());
    for quantity in QUANTITIES {
        let Some(rate) = found.estimate(quantity) else { continue };
        println!("{quantity} {:.12} {:?}", rate.point, rate.lower.zip(rate.upper));
    }
    Ok(())
}

/// Time, and time of all cores in this process, which other work on the machine changes less.
struct Stopwatch(Instant, f64);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now(), Self::cpu())
    }

    fn read(&self) -> String {
        format!("{:.1} s, {:.1} s of CPU", self.0.elapsed().as_secs_f64(), Self::cpu() - self.1)
    }

    /// In hundredths of a second, where the system tells.
    fn cpu() -> f64 {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    }
}

/// Peak memory so far in MiB, where the system tells.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}
