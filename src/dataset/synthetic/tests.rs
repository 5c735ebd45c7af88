use super::render;

/// Mean absolute difference of two pictures, 8-bit steps.
fn difference(a: &image::RgbImage, b: &image::RgbImage) -> f64 {
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[test]
fn the_same_numbers_give_the_same_picture_and_any_other_gives_another() {
    let face = render(3, 5, 7, 96);
    assert_eq!(face.dimensions(), (96, 96));
    assert_eq!(face, render(3, 5, 7, 96));
    for other in [render(4, 5, 7, 96), render(3, 6, 7, 96), render(3, 5, 8, 96)] {
        assert!(difference(&face, &other) > 3.0);
    }
}

#[test]
fn pictures_have_not_changed_without_a_new_version() {
    // Exact on every platform: if the digest changes, increment GENERATOR_VERSION.
    let pixels: Vec<u8> = (0..6).flat_map(|i| render(2026, i, i, 64).into_raw()).collect();
    insta::assert_snapshot!(crate::digest::Digest::of(&pixels).to_string(), @"dd6e0d1dba15a48668b75fed19cf10a71e769adcf179abfb20cd50e134969de4");
}

#[test]
fn pictures_of_a_person_are_nearer_to_each_other_than_to_those_of_others() {
    // The centre of the face: the surroundings are not part of the person.
    let middle =
        |identity, sample| image::imageops::crop_imm(&render(11, identity, sample, 64), 18, 18, 28, 28).to_image();
    let (mut same, mut different) = (0.0, 0.0);
    for i in 0..12 {
        same += difference(&middle(i, 0), &middle(i, 1));
        different += difference(&middle(i, 0), &middle(i + 1, 1));
    }
    assert!(same < 0.75 * different, "{same} {different}");
}

#[test]
fn every_size_can_be_drawn() {
    for size in [1, 2, 17, 160] {
        assert_eq!(render(1, 1, 1, size).dimensions(), (size, size));
    }
}
