//! Faces aligned by the landmarks of a table: drawn faces, each turned, scaled and moved in its photo, come out alike.

use std::fs;

use image::{Rgb, RgbImage};

use crate::support::workspace::{Workspace, embeddings};

/// insightface's, for a face of side 112.
const TEMPLATE: [[f64; 2]; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];
const ALIGN: [&str; 2] = ["--set", "preprocess.crop={mode: align}"];
const HEADER: &str = "file_name,lx,ly,rx,ry,nx,ny,mlx,mly,mrx,mry\n";

/// Where a face is in its photo of 200 × 180 pixels.
#[derive(Clone, Copy)]
struct Pose {
    angle: f64,
    scale: f64,
    middle: [f64; 2],
}

impl Pose {
    /// A point of the upright face, in the photo.
    fn place(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let (x, y) = ((x - 56.0) * self.scale, (y - 72.0) * self.scale);
        [cos * x - sin * y + self.middle[0], sin * x + cos * y + self.middle[1]]
    }

    fn upright(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let (x, y) = ((x - self.middle[0]) / self.scale, (y - self.middle[1]) / self.scale);
        [cos * x + sin * y + 56.0, -sin * x + cos * y + 72.0]
    }

    /// The photo of a person: smooth waves that differ from person to person, so that resampling changes little.
    fn photo(self, person: u32) -> RgbImage {
        let wave = |x: f64, y: f64, c: u32| {
            let (a, b) = (f64::from(person * 3 + c + 1), f64::from((person * 5 + c * 2) % 7));
            ((x * a * 0.013 + b).sin() * (y * b * 0.011 + a).cos() * 110.0 + 128.0) as u8
        };
        RgbImage::from_fn(200, 180, |x, y| {
            let [x, y] = self.upright([f64::from(x), f64::from(y)]);
            Rgb([wave(x, y, 0), wave(x, y, 1), wave(x, y, 2)])
        })
    }

    fn landmarks(self) -> String {
        let points = TEMPLATE.map(|point| self.place(point)).map(|[x, y]| format!(",{x:.3},{y:.3}"));
        points.concat()
    }
}

const POSES: [Pose; 3] = [
    Pose { angle: 0.0, scale: 1.0, middle: [100.0, 90.0] },
    Pose { angle: 0.5, scale: 0.8, middle: [90.0, 95.0] },
    Pose { angle: -0.9, scale: 0.9, middle: [110.0, 85.0] },
];

/// Three people, a photo in each pose, `faces/p<person>/<pose>.png`; returns the lines of the table of landmarks.
fn draw(workspace: &Workspace) -> Vec<String> {
    let mut lines = Vec::new();
    for person in 0..3 {
        fs::create_dir_all(workspace.path(format!("faces/p{person}"))).unwrap();
        for (i, pose) in POSES.into_iter().enumerate() {
            let path = format!("p{person}/{i}.png");
            pose.photo(person).save(workspace.path(format!("faces/{path}"))).unwrap();
            lines.push(format!("{path}{}\n", pose.landmarks()));
        }
    }
    lines
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn faces_turned_and_scaled_in_their_photos_come_out_alike() {
    let workspace = Workspace::new();
    fs::write(workspace.path("faces.csv"), HEADER.to_owned() + &draw(&workspace).concat()).unwrap();
    workspace.config("dataset: {source: folders, root: faces, boxes: ./faces.csv}");
    let (out, said) = workspace.run(0, &["experiment", "config.yaml", ALIGN[0], ALIGN[1]]);
    assert!(!format!("{out}{said}").contains("no landmarks") && !said.contains("is not used"), "{out}{said}");
    let run = workspace.only_run();
    let rows = embeddings(&run);
    assert_eq!(rows.len(), 9);
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows.iter().enumerate().skip(i + 1) {
            let (alike, same) = (cosine(a, b), i / 3 == j / 3);
            assert_eq!(alike > 0.999, same, "{i} {j}: {alike}");
        }
    }
    let metadata = fs::read_to_string(run.join("face_metadata.csv")).unwrap();
    let header = "face_id,image_id,identity_id,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score,crop_path,left_eye_x,\
                  left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,mouth_left_x,mouth_left_y,mouth_right_x,mouth_right_y\n";
    assert!(metadata.starts_with(header), "{metadata}");
    assert!(metadata.lines().nth(2).unwrap().ends_with(&POSES[1].landmarks().replace(".000", "")), "{metadata}");
    // The side of the square of the photo: 96 pixels of output, over a scale of 96/112 over the pose's.
    let sidecar = fs::read_to_string(run.join("chunks/00000.json")).unwrap();
    let sidecar: serde_json::Value = serde_json::from_str(&sidecar).unwrap();
    assert_eq!(sidecar["quality"]["size"].to_string(), "[112,90,101,112,90]", "{sidecar}");
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    workspace.run(0, &["verify", &name]);
    let (_, said) = workspace.run(0, &["experiment", "config.yaml", ALIGN[0], ALIGN[1]]);
    assert!(!said.contains("embedding"), "nothing is left to do: {said}");

    // The same faces from the hand-over, as a Phase-1 table of photos.
    let table = metadata.replace("p0/", "faces/p0/").replace("p1/", "faces/p1/").replace("p2/", "faces/p2/");
    let boxed: String = table.lines().map(|line| line.replacen(",,,,", ",1,1,9,9", 1) + "\n").collect();
    fs::write(workspace.path("face_metadata.csv"), boxed).unwrap();
    fs::rename(workspace.path("experiments"), workspace.path("first")).unwrap();
    workspace.config("dataset: {source: phase1, csv: face_metadata.csv, image: photo}");
    workspace.run(0, &["embed", "config.yaml", ALIGN[0], ALIGN[1]]);
    assert_eq!(embeddings(&workspace.only_run()), rows);
}

#[test]
fn a_face_without_landmarks_is_a_failure_and_a_dataset_without_any_is_refused() {
    let workspace = Workspace::new();
    let mut lines = draw(&workspace);
    let at = |line: &str| line.split_once(',').unwrap().0.to_owned();
    lines[1] = format!("{},,,,,,,,,,\n", at(&lines[1]));
    lines[2] = format!("{},1,2,3,4,5,six,7,8,9,10\n", at(&lines[2]));
    lines[3] = format!("{}{}\n", at(&lines[3]), ",50,60".repeat(5));
    lines[4] = format!("{},10,10,20,20,30,30,40,40,50,50\n", at(&lines[4]));
    lines[5] = format!("{},1010,10,1020,10,1015,15,1010,20,1020,20\n", at(&lines[5]));
    fs::write(workspace.path("faces.csv"), HEADER.to_owned() + &lines.concat()).unwrap();
    workspace.config("dataset: {source: folders, root: faces, boxes: ./faces.csv}");
    let (out, _) = workspace.run(0, &["check", "config.yaml", ALIGN[0], ALIGN[1]]);
    let told = "1 of 8 faces has no landmarks and fails, because `preprocess.crop` aligns faces by them; provide them in \
                `dataset.boxes` (columns `left_eye_x` to `mouth_right_y`), or let `detect` find them";
    assert!(out.contains(told), "{out}");
    let done = workspace.json(0, &["embed", "config.yaml", ALIGN[0], ALIGN[1]]);
    assert_eq!((&done["embedded"], &done["failed"]), (&4.into(), &5.into()), "{done}");
    let failures = fs::read_to_string(workspace.only_run().join("failures.csv")).unwrap();
    for reason in [
        "p0/1.png,crop,\"the face has no landmarks to align it by; provide them in `dataset.boxes`, or let `detect` find them",
        "p0/2.png,row,\"line 4: `ny` is `six`, expected a finite number",
        "(50, 60) (50, 60) (eyes, nose, corners of the mouth) are all the same point",
        "(40, 40) (50, 50) (eyes, nose, corners of the mouth) lie on one line",
        "the face is outside the 200 × 180 picture",
    ] {
        assert!(failures.contains(reason), "{reason}\n{failures}");
    }
    // What is wrong with landmarks does not matter to other crops.
    fs::rename(workspace.path("experiments"), workspace.path("first")).unwrap();
    let done = workspace.json(0, &["embed", "config.yaml"]);
    assert_eq!((&done["embedded"], &done["failed"]), (&9.into(), &0.into()), "{done}");

    fs::rename(workspace.path("experiments"), workspace.path("second")).unwrap();
    workspace.config("dataset: {source: folders, root: faces}");
    for verb in ["check", "experiment"] {
        let (_, said) = workspace.run(1, &[verb, "config.yaml", ALIGN[0], ALIGN[1]]);
        let told = "no face has landmarks (of 9), by which `preprocess.crop: {mode: align}` aligns them; provide \
                    them in `dataset.boxes`";
        assert!(said.contains(told), "{said}");
        assert!(!workspace.has_run());
    }
}
