//! Paints a person's features, back to front.

use super::colour::{Rgb, dim, mix};
use super::draw::{Bounds, Canvas, ellipse, round_box, stroke};
use super::identity::{Head, Identity};
use super::pose::Pose;
use super::random::noise;

const SIDES: [f32; 2] = [-1.0, 1.0];

/// Height of the cheekbones, where the head is widest.
const CHEEK: f32 = 0.05;

impl Head {
    /// Distance to the outline of the head, grown by `rise` at the crown and `puff` at the sides.
    pub(super) fn distance(&self, x: f32, y: f32, rise: f32, puff: f32) -> f32 {
        let (t, square, bulge) = if y < CHEEK {
            ((CHEEK - y) / (CHEEK - self.crown + rise), self.crown_square, self.temple)
        } else {
            ((y - CHEEK) / (self.chin - CHEEK), self.chin_square, self.jaw)
        };
        let (t2, inner) = (t * t, t.min(1.0));
        let width = (self.width + puff) * (1.0 + bulge * 4.0 * inner * (1.0 - inner));
        let height = t2 * (1.0 - square) + t2 * t2 * square;
        let x = x / width;
        ((x * x + height.max(0.0)).sqrt() - 1.0) * width
    }
}

pub(super) fn background(canvas: &mut Canvas, pose: &Pose) {
    let scene = &pose.scene;
    let (frequency, strength, seed) = scene.pattern;
    let wall = |x: f32, y: f32| {
        let along =
            (0.5 + 0.3 * (x - y) + strength * (noise(seed, x * frequency, y * frequency) - 0.5)).clamp(0.0, 1.0);
        mix(scene.wall[0], scene.wall[1], along)
    };
    canvas.paint(Bounds::ALL, 0.0, 1.0, |_, _| -1.0, wall);
}

pub(super) fn behind(canvas: &mut Canvas, who: &Identity, pose: &Pose) {
    let (head, hair) = (&who.head, &who.hair);
    if hair.back_end > -1.5 {
        let shape = |x: f32, y: f32| {
            let width = hair.back_width + hair.ragged * (noise(hair.seed, y * 6.0, x.signum() * 9.0) - 0.5);
            let top = -0.75 - hair.rise;
            let middle = f32::midpoint(top, hair.back_end);
            round_box(x, y - middle, width, (hair.back_end - top) / 2.0, 0.45_f32.min((hair.back_end - top) / 2.0))
        };
        canvas.paint(Bounds(-1.3, -1.4, 1.3, hair.back_end), -0.25, hair.opacity.max(0.9), shape, |x, y| {
            dim(strands(who, x, y), 0.72)
        });
    }
    let neck = dim(who.skin.colour, 0.78);
    canvas.paint(
        Bounds(-0.7, 0.4, 0.7, 2.0),
        -0.15,
        1.0,
        |x, y| round_box(x, y - 1.4, head.neck, 0.9, 0.1),
        |_, _| neck,
    );
    canvas.paint(
        Bounds(-2.0, 1.0, 2.0, 2.0),
        -0.15,
        1.0,
        |x, y| 1.16 + 0.35 * (x.abs() - head.neck).max(0.0) - 0.12 * (1.0 - x * x).max(0.0) - y,
        |_, _| pose.scene.cloth,
    );
    for side in SIDES {
        let ears = &who.ears;
        let x0 = side * (head.width - 0.04);
        let rx = 0.05 + ears.out;
        let bounds = Bounds::around(x0, ears.y, rx, ears.height);
        canvas.paint(
            bounds,
            -0.1,
            1.0,
            |x, y| ellipse(x - x0, y - ears.y, rx, ears.height),
            |x, y| {
                let inner = ellipse(x - x0, y - ears.y, rx * 0.6, ears.height * 0.6);
                dim(who.skin.colour, if inner < 0.0 { 0.72 } else { 0.9 })
            },
        );
        if let Some((colour, radius)) = ears.ring {
            let (x0, y0) = (side * (head.width + 0.02), ears.y + ears.height + radius * 0.5);
            let bounds = Bounds::around(x0, y0, radius, radius);
            canvas.paint(bounds, -0.05, 1.0, |x, y| ellipse(x - x0, y - y0, radius, radius), |_, _| colour);
        }
    }
}

pub(super) fn skin(canvas: &mut Canvas, who: &Identity) {
    let (head, skin, marks) = (&who.head, &who.skin, &who.marks);
    let bounds = Bounds(-head.width - 0.2, head.crown, head.width + 0.2, head.chin);
    canvas.paint(
        bounds,
        0.0,
        1.0,
        |x, y| head.distance(x, y, 0.0, 0.0),
        |x, y| {
            let (nx, ny) = (x / (head.width + 0.1), (y - 0.1) / 1.15);
            let mut colour = dim(skin.colour, 1.06 - skin.rim * (nx * nx + ny * ny * 0.7));
            if marks.freckles > 0.0 && y > -0.2 && y < 0.5 {
                let spot = noise(marks.freckle_seed, x * 19.0, y * 19.0);
                let strength = ((spot - 0.62) * 6.0).clamp(0.0, 1.0) * marks.freckles;
                colour = mix(colour, [0.45, 0.24, 0.12], strength);
            }
            colour
        },
    );
    let warm = [0.10 * skin.blush, -0.5 * skin.blush, -0.45 * skin.blush];
    for side in SIDES {
        canvas.shade((side * 0.42, 0.25), (0.28, 0.24), 0.1, warm);
        canvas.shade((side * 0.5, 0.42), (0.16, 0.3), 0.08, [-skin.hollow; 3]);
    }
    if let Some((x, y, rx, ry)) = marks.birthmark {
        canvas.shade((x, y), (rx, ry), 0.12, [-0.35, -0.75, -0.7]);
    }
    let line = dim(skin.colour, 0.45);
    for i in 0..marks.forehead_lines {
        let y0 = -0.42 - 0.09 * i as f32;
        let curve = |x: f32, y: f32| ((y - y0 - 0.12 * x * x).abs() - 0.012).max(x.abs() - 0.34);
        canvas.paint(Bounds(-0.4, y0 - 0.05, 0.4, y0 + 0.1), 0.08, marks.forehead_strength, curve, |_, _| line);
    }
    for side in SIDES {
        let from = (side * 0.05, who.eyes.y - 0.16);
        let to = (side * 0.045, who.eyes.y - 0.02);
        canvas.paint(
            Bounds(-0.1, from.1 - 0.05, 0.1, to.1 + 0.05),
            0.1,
            marks.frown,
            |x, y| stroke(x, y, from, to, 0.012),
            |_, _| line,
        );
        let (from, to) =
            ((side * (who.nose.width + 0.03), who.nose.tip_y - 0.03), (side * (who.mouth.width + 0.06), who.mouth.y));
        let bounds = Bounds(-0.6, from.1 - 0.05, 0.6, to.1 + 0.05);
        canvas.paint(bounds, 0.12, marks.folds, |x, y| stroke(x, y, from, to, 0.014), |_, _| line);
        for i in 0..3 {
            let lean = (i as f32 - 1.0) * 0.06;
            let from = (side * (who.eyes.apart + who.eyes.width + 0.03), who.eyes.y + lean * 0.5);
            let to = (from.0 + side * 0.09, from.1 + lean);
            let bounds = Bounds(-0.8, from.1 - 0.1, 0.8, from.1 + 0.1);
            canvas.paint(bounds, 0.02, marks.crow_feet, |x, y| stroke(x, y, from, to, 0.009), |_, _| line);
        }
    }
    for &(x0, y0, radius, darkness) in &marks.moles {
        let bounds = Bounds::around(x0, y0, radius, radius);
        canvas.paint(bounds, 0.12, darkness, |x, y| ellipse(x - x0, y - y0, radius, radius), |_, _| [0.2, 0.1, 0.06]);
    }
    if let Some(([x0, y0, x1, y1], strength)) = marks.scar {
        let bounds = Bounds(x0.min(x1) - 0.03, y0.min(y1) - 0.03, x0.max(x1) + 0.03, y0.max(y1) + 0.03);
        let colour = mix(skin.colour, [1.0, 0.75, 0.72], 0.8);
        canvas.paint(bounds, 0.1, strength, |x, y| stroke(x, y, (x0, y0), (x1, y1), 0.018), |_, _| colour);
    }
    if let Some((colour, radius)) = marks.bindi {
        let y0 = who.eyes.y - 0.2;
        canvas.paint(
            Bounds::around(0.0, y0, radius, radius),
            0.12,
            1.0,
            |x, y| ellipse(x, y - y0, radius, radius),
            |_, _| colour,
        );
    }
}

pub(super) fn beard(canvas: &mut Canvas, who: &Identity) {
    let (head, beard, mouth) = (&who.head, &who.beard, &who.mouth);
    let colour = |x: f32, y: f32| dim(beard.colour, 0.75 + 0.5 * noise(who.hair.seed, x * 18.0, y * 9.0));
    let jaw = |x: f32, y: f32| {
        let edge = beard.line + 0.45 * (0.55 - x.abs()).max(0.0);
        (edge - y).max(head.distance(x, y, 0.0, 0.03))
    };
    canvas.paint(Bounds(-0.9, 0.0, 0.9, 1.15), 0.03, beard.jaw, jaw, colour);
    let middle = (mouth.y + 0.09 + head.chin) / 2.0;
    let half = (head.chin - mouth.y - 0.05) / 2.0;
    let goatee = |x: f32, y: f32| ellipse(x, y - middle, beard.goatee.max(0.01), half.max(0.05));
    if beard.goatee > 0.0 {
        canvas.paint(Bounds::around(0.0, middle, 0.4, half), 0.1, 0.9, goatee, colour);
    }
    let (y0, width) = (mouth.y - mouth.upper - 0.05, mouth.width * beard.moustache_width);
    let moustache = |x: f32, y: f32| ellipse(x, y - y0 - 0.5 * x * x, width, beard.moustache_height);
    canvas.paint(Bounds::around(0.0, y0, width, 0.22), 0.16, beard.moustache, moustache, colour);
}

pub(super) fn nose(canvas: &mut Canvas, who: &Identity) {
    let nose = &who.nose;
    let relief = nose.relief;
    let length = nose.tip_y - who.eyes.y;
    for side in SIDES {
        let x0 = side * (nose.bridge + 0.03) + nose.crook * 0.5;
        canvas.shade((x0, nose.tip_y - length * 0.45), (0.09, length * 0.75), 0.12, [-relief; 3]);
        canvas.shade((side * nose.width * 0.85, nose.tip_y), (nose.width * 0.6, 0.1), 0.16, [-relief * 1.2; 3]);
    }
    canvas.shade((nose.crook, nose.tip_y - length * 0.4), (nose.bridge * 1.3, length * 0.8), 0.16, [relief * 0.7; 3]);
    canvas.shade(
        (nose.crook, nose.tip_y - 0.02),
        (nose.tip, nose.tip),
        0.2,
        [relief * 0.7 + nose.red * 0.2, relief * 0.7 - nose.red, relief * 0.7 - nose.red],
    );
    canvas.shade((nose.crook, nose.tip_y + 0.11), (nose.width * 1.1, 0.1), 0.12, [-relief * 1.1; 3]);
    for side in SIDES {
        let (x0, y0) = (nose.crook + side * nose.nostril_apart, nose.tip_y + 0.045);
        let bounds = Bounds::around(x0, y0, nose.nostril * 1.4, nose.nostril);
        let shape = |x: f32, y: f32| ellipse(x - x0, y - y0, nose.nostril * 1.4, nose.nostril);
        canvas.paint(bounds, 0.16, 0.85, shape, |_, _| dim(who.skin.colour, 0.25));
    }
    let (y0, y1) = (nose.tip_y + 0.09, who.mouth.y - who.mouth.upper);
    canvas.shade((0.0, f32::midpoint(y0, y1)), (0.045, (y1 - y0).max(0.02)), 0.14, [-who.mouth.philtrum; 3]);
}

pub(super) fn mouth(canvas: &mut Canvas, who: &Identity, pose: &Pose) {
    let (mouth, face) = (&who.mouth, &pose.expression);
    let width = mouth.width * (1.0 + 0.12 * face.smile);
    let open = face.open;
    // Height of the line between the lips, and the lens that a lip is.
    let line = |x: f32| {
        let t = x / width;
        mouth.y + mouth.skew * t - (mouth.corner + 0.05 * face.smile) * (t * t - 0.4)
    };
    let lens = |x: f32| {
        let t = x / width;
        (1.0 - t * t).max(0.0)
    };
    let bow = |x: f32| mouth.bow * (1.0 - (x.abs() - 0.06).abs() / 0.06).max(-1.0) * lens(x);
    let bounds = Bounds::around(0.0, mouth.y, width, 0.3);
    let inside = |x: f32, y: f32| {
        let middle = line(x);
        (middle - open * 0.3 * lens(x) - y).max(y - middle - open * lens(x) - 0.006).max(x.abs() - width)
    };
    let upper = |x: f32, y: f32| {
        let middle = line(x) - open * 0.3 * lens(x);
        (middle - (mouth.upper + bow(x)) * lens(x) - y).max(y - middle).max(x.abs() - width)
    };
    let lower = |x: f32, y: f32| {
        let middle = line(x) + open * lens(x);
        (middle - y).max(y - middle - mouth.lower * lens(x)).max(x.abs() - width)
    };
    canvas.shade((0.0, mouth.y + open + mouth.lower + 0.05), (width * 0.8, 0.08), 0.1, [-0.25; 3]);
    let lip = mouth.colour;
    canvas.paint(bounds, 0.14, 1.0, lower, |x, _| dim(lip, 1.08 - 0.3 * (x / width) * (x / width)));
    canvas.paint(bounds, 0.14, 1.0, upper, |_, _| dim(lip, 0.86));
    canvas.paint(bounds, 0.13, 0.9, inside, |x, y| {
        let teeth = open > 0.03 && y < line(x) + open * 0.35 * lens(x);
        if teeth { [0.93, 0.91, 0.86] } else { [0.22, 0.06, 0.06] }
    });
}

pub(super) fn eyes(canvas: &mut Canvas, who: &Identity, pose: &Pose) {
    let (eyes, face) = (&who.eyes, &pose.expression);
    for side in SIDES {
        let x0 = side * eyes.apart;
        // (x, y) of the picture → along the eye (−1 nose … 1 temple) and below its axis.
        let local = |x: f32, y: f32| {
            let along = side * (x - x0);
            (along / eyes.width, y - eyes.y + eyes.tilt * along)
        };
        let lens = |t: f32| (1.0 - t * t).max(0.0) * (1.0 + eyes.peak * 0.5 * t);
        let top = |t: f32| -eyes.upper * lens(t) * (1.0 - face.lid) + eyes.lower * lens(t) * face.lid * 0.8;
        let bottom = |t: f32| eyes.lower * (1.0 - t * t).max(0.0);
        let bounds = Bounds::around(x0, eyes.y, eyes.width * 1.15, 0.26);
        canvas.shade((x0, eyes.y - 0.02), (eyes.width * 1.4, 0.2), 0.06, [-0.18; 3]);
        canvas.shade((x0, eyes.y + eyes.lower + 0.07), (eyes.width, 0.075), 0.08, [-eyes.bag; 3]);
        let (colour, strength) = eyes.shadow;
        let lid = |x: f32, y: f32| {
            let (t, v) = local(x, y);
            (-eyes.upper * lens(t) - 0.06 - v).max(v).max((t.abs() - 1.1) * eyes.width)
        };
        canvas.paint(bounds, 0.08, strength, lid, |_, _| colour);
        let crease = |x: f32, y: f32| {
            let (t, v) = local(x, y);
            ((v + (eyes.upper + 0.03) * lens(t) + 0.012).abs() - 0.009).max((t.abs() - 0.9) * eyes.width)
        };
        canvas.paint(bounds, 0.08, eyes.crease, crease, |_, _| dim(who.skin.colour, 0.4));
        let opening = |x: f32, y: f32| {
            let (t, v) = local(x, y);
            (top(t) - v).max(v - bottom(t)).max((t.abs() - 1.0) * eyes.width)
        };
        let gaze = (x0 + face.gaze.0 * 0.1, eyes.y - 0.012 + face.gaze.1 * 0.1);
        canvas.paint(bounds, 0.08, 1.0, opening, |x, y| {
            let (dx, dy) = (x - gaze.0, y - gaze.1);
            let radius = (dx * dx + dy * dy).sqrt();
            if radius < eyes.iris * eyes.pupil {
                [0.03, 0.03, 0.03]
            } else if radius < eyes.iris {
                dim(eyes.iris_colour, if radius > eyes.iris * 0.86 { 0.5 } else { 1.0 })
            } else {
                eyes.white
            }
        });
        let glint = (gaze.0 - 0.025, gaze.1 - 0.03);
        let spark = |x: f32, y: f32| ellipse(x - glint.0, y - glint.1, 0.016, 0.016).max(opening(x, y));
        canvas.paint(bounds, 0.08, 0.9, spark, |_, _| [1.0; 3]);
        let lash = |x: f32, y: f32| {
            let (t, v) = local(x, y);
            let grow = eyes.lash * (0.6 + 0.5 * t.clamp(-1.0, 1.0));
            ((v - top(t)).abs() - grow.max(0.004)).max((t.abs() - 1.06) * eyes.width)
        };
        canvas.paint(bounds, 0.09, 0.9, lash, |_, _| [0.06, 0.04, 0.04]);
    }
}

pub(super) fn brows(canvas: &mut Canvas, who: &Identity, pose: &Pose) {
    let (eyes, brows) = (&who.eyes, &who.brows);
    for side in SIDES {
        let (x0, y0) = (side * (eyes.apart + 0.02 - brows.inset), eyes.y - brows.gap - pose.expression.brow);
        let shape = |x: f32, y: f32| {
            let t = side * (x - x0) / brows.length;
            let bend = 1.0 - (t - brows.peak) * (t - brows.peak);
            let middle = y0 - brows.arch * bend + brows.slope * t;
            let thickness = brows.thickness * (1.0 - brows.taper * (0.5 + 0.5 * t).clamp(0.0, 1.0)) * 0.5 + 0.008;
            ((y - middle).abs() - thickness).max((t.abs() - 1.0) * brows.length)
        };
        canvas.paint(Bounds::around(x0, y0, brows.length, 0.3), 0.1, brows.density, shape, |_, _| brows.colour);
    }
}

pub(super) fn glasses(canvas: &mut Canvas, who: &Identity) {
    let (Some(glasses), eyes) = (&who.glasses, &who.eyes) else { return };
    let y0 = eyes.y + glasses.drop;
    let lens = |x: f32, y: f32, x0: f32| {
        let (rx, ry) = (glasses.width, glasses.height);
        if glasses.square < 0.35 {
            ellipse(x - x0, y - y0, rx, ry)
        } else {
            // Trapezoid for the squarest ones.
            let lean = (glasses.square - 0.35) * 0.3 * (y - y0);
            round_box(x - x0, y - y0, rx - lean, ry, (1.05 - glasses.square) * ry)
        }
    };
    for side in SIDES {
        let x0 = side * (eyes.apart + 0.01).max(glasses.width + 0.03);
        let bounds = Bounds::around(x0, y0, glasses.width + 0.1, glasses.height + 0.1);
        canvas.paint(bounds, 0.18, glasses.tint.1, |x, y| lens(x, y, x0), |_, _| glasses.tint.0);
        let frame = |x: f32, y: f32| lens(x, y, x0).abs() - glasses.thickness * 0.6;
        canvas.paint(bounds, 0.18, 1.0, frame, |_, _| glasses.colour);
        let (from, to) = ((x0 + side * glasses.width, y0 - 0.03), (side * (who.head.width + 0.02), y0 - 0.05));
        let bounds = Bounds(from.0.min(to.0), y0 - 0.1, from.0.max(to.0), y0 + 0.05);
        canvas.paint(bounds, 0.08, 1.0, |x, y| stroke(x, y, from, to, glasses.thickness * 0.5), |_, _| glasses.colour);
    }
    let inner = (eyes.apart + 0.01).max(glasses.width + 0.03) - glasses.width;
    let bridge = |x: f32, y: f32| {
        stroke(x, y + 0.4 * (inner * inner - x * x), (-inner, y0), (inner, y0), glasses.thickness * 0.55)
    };
    canvas.paint(Bounds::around(0.0, y0, inner, 0.1), 0.19, 1.0, bridge, |_, _| glasses.colour);
}

pub(super) fn hair(canvas: &mut Canvas, who: &Identity) {
    let (head, hair) = (&who.head, &who.hair);
    if let Some((x0, above, radius)) = hair.bun.filter(|_| hair.opacity > 0.0) {
        let y0 = head.crown - above + 0.12;
        let bounds = Bounds::around(x0, y0, radius, radius);
        canvas.paint(
            bounds,
            -0.2,
            1.0,
            |x, y| ellipse(x - x0, y - y0, radius, radius),
            |x, y| dim(strands(who, x, y), 0.85),
        );
    }
    let cap = |x: f32, y: f32| {
        let rag = hair.ragged * (noise(hair.seed, x * 14.0, y * 14.0) - 0.5);
        // The hairline: falls to the sides, has a peak in the middle and a step at the parting.
        let from_part = x - hair.part;
        let sweep = hair.part_depth * (1.0 - (from_part * 2.5).clamp(-1.0, 1.0) * hair.part.signum()) * 0.5;
        let peak = hair.peak * (1.0 - x.abs() * 5.0).max(0.0);
        let x2 = x * x;
        let line = hair.line + hair.fall * x2 + 1.2 * x2 * x2 + sweep + peak + rag;
        let side = (head.width * 0.86 - x.abs()).max(y - hair.side_end);
        head.distance(x, y, hair.rise, hair.puff + 0.02).max((y - line).min(side)) + rag * 0.6
    };
    let bounds = Bounds(-1.3, head.crown - hair.rise - 0.1, 1.3, hair.side_end.max(0.2) + 0.3);
    canvas.paint(bounds, 0.05, hair.opacity, cap, |x, y| strands(who, x, y));
    if let Some((colour, y0, thickness)) = hair.band {
        let band = |x: f32, y: f32| {
            ((y - y0 - 0.35 * x * x).abs() - thickness).max(head.distance(x, y, hair.rise + 0.02, hair.puff + 0.04))
        };
        canvas.paint(Bounds(-1.2, y0 - 0.2, 1.2, y0 + 0.7), 0.06, 1.0, band, |_, _| colour);
    }
}

fn strands(who: &Identity, x: f32, y: f32) -> Rgb {
    let hair = &who.hair;
    let (fx, fy) = hair.frequency;
    let wave = noise(hair.seed, x * fx, y * fy) - 0.5;
    let streak = noise(hair.seed ^ 0x5A5A, x * 3.0, y * 1.2);
    dim(mix(hair.colour, hair.second, (streak * 1.6 - 0.4).clamp(0.0, 1.0)), 1.0 + hair.contrast * wave)
}

pub(super) fn occluder(canvas: &mut Canvas, pose: &Pose) {
    let Some((colour, edge, reach)) = pose.scene.occluder else { return };
    let inner = 1.1 - reach;
    let shape = move |x: f32, y: f32| match edge {
        0 => inner - y + 0.3 * x,
        1 => inner - x + 0.2 * y,
        2 => inner + x - 0.2 * y,
        _ => inner + 0.35 + y + 0.3 * x,
    };
    canvas.paint(Bounds::ALL, 0.0, 1.0, shape, |x, y| {
        dim(colour, 0.85 + 0.3 * noise(pose.scene.pattern.2, x * 5.0, y * 5.0))
    });
}
