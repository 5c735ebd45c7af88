//! What a face costs before the network sees it: decoding, cropping and resizing with each filter, measuring its quality.

use std::hint::black_box;
use std::io::Cursor;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use facevault::preprocess::{
    ChannelOrder, Crop, Filter, Limits, Preprocess, RenderBuffers, Resize, decode, profile, render,
};
use facevault::quality::measure;
use image::{ImageFormat, Rgb, RgbImage};

/// A picture with the detail of a photograph; about the size of a face crop in the public data sets.
fn photo() -> RgbImage {
    RgbImage::from_fn(250, 300, |x, y| {
        let wave = |fx: f32, fy: f32| 110.0 + 70.0 * (x as f32 * fx).sin() * (y as f32 * fy).cos();
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) % 9;
        Rgb([wave(0.05, 0.03), wave(0.02, 0.07), wave(0.11, 0.01)].map(|value| value as u8 + noise as u8))
    })
}

fn benchmarks(criterion: &mut Criterion) {
    let photo = photo();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, format) in [("jpeg", ImageFormat::Jpeg), ("png", ImageFormat::Png)] {
        let mut bytes = Vec::new();
        photo.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| decode(black_box(&bytes), &Limits::default()).unwrap()));
    }
    group.finish();

    let mut group = criterion.benchmark_group("render");
    group.throughput(Throughput::Elements(1));
    let mut scratch = RenderBuffers::default();
    let mut out = vec![0; 160 * 160 * 3];
    for (name, filter) in [
        ("pillow-bilinear", Filter::PillowBilinear),
        ("pillow-bicubic", Filter::PillowBicubic),
        ("opencv-linear", Filter::OpencvLinear),
    ] {
        let preprocess = Preprocess {
            crop: Crop::Whole,
            resize: Resize { size: 160, filter },
            ..profile("facenet-pytorch").unwrap()
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| render(black_box(&photo), None, None, &preprocess, &mut scratch, &mut out).unwrap());
        });
    }
    group.finish();

    let mut luma = Vec::new();
    criterion.bench_function("quality", |bencher| {
        bencher.iter(|| measure(black_box(&out), 160, ChannelOrder::Rgb, [250, 300], &mut luma));
    });
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
