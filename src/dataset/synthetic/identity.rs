//! The properties of a person that are the same in all pictures: some hundred numbers.
//!
//! Lengths are in half heights of a head: the crown is near y = −1, the chin near y = 1, x = 0 is the middle.

use super::colour::{Rgb, hsv, mix};
use super::random::Random;

pub(super) struct Identity {
    pub(super) head: Head,
    pub(super) skin: Skin,
    pub(super) eyes: Eyes,
    pub(super) brows: Brows,
    pub(super) nose: Nose,
    pub(super) mouth: Mouth,
    pub(super) ears: Ears,
    pub(super) hair: Hair,
    pub(super) beard: Beard,
    pub(super) glasses: Option<Glasses>,
    pub(super) marks: Marks,
}

pub(super) struct Head {
    pub(super) width: f32,
    pub(super) crown: f32,
    pub(super) chin: f32,
    /// 0: an ellipse; 1: nearly a box.
    pub(super) crown_square: f32,
    pub(super) chin_square: f32,
    pub(super) jaw: f32,
    pub(super) temple: f32,
    pub(super) neck: f32,
}

pub(super) struct Skin {
    pub(super) colour: Rgb,
    pub(super) blush: f32,
    pub(super) rim: f32,
    pub(super) hollow: f32,
}

pub(super) struct Eyes {
    pub(super) y: f32,
    pub(super) apart: f32,
    pub(super) width: f32,
    pub(super) upper: f32,
    pub(super) lower: f32,
    pub(super) tilt: f32,
    pub(super) peak: f32,
    pub(super) iris: f32,
    pub(super) pupil: f32,
    pub(super) iris_colour: Rgb,
    pub(super) white: Rgb,
    pub(super) lash: f32,
    pub(super) crease: f32,
    pub(super) bag: f32,
    /// Make-up on the lid: colour and strength.
    pub(super) shadow: (Rgb, f32),
}

pub(super) struct Brows {
    pub(super) gap: f32,
    pub(super) thickness: f32,
    pub(super) length: f32,
    pub(super) arch: f32,
    pub(super) peak: f32,
    pub(super) slope: f32,
    pub(super) taper: f32,
    pub(super) inset: f32,
    pub(super) colour: Rgb,
    pub(super) density: f32,
}

pub(super) struct Nose {
    pub(super) tip_y: f32,
    pub(super) width: f32,
    pub(super) bridge: f32,
    pub(super) tip: f32,
    pub(super) nostril: f32,
    pub(super) nostril_apart: f32,
    pub(super) relief: f32,
    pub(super) crook: f32,
    pub(super) red: f32,
}

pub(super) struct Mouth {
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) upper: f32,
    pub(super) lower: f32,
    pub(super) bow: f32,
    pub(super) corner: f32,
    pub(super) skew: f32,
    pub(super) colour: Rgb,
    pub(super) philtrum: f32,
}

pub(super) struct Ears {
    pub(super) y: f32,
    pub(super) height: f32,
    pub(super) out: f32,
    pub(super) ring: Option<(Rgb, f32)>,
}

/// Hair consists of three shapes: the part behind the head, the cap with its hairline, and a bun.
pub(super) struct Hair {
    pub(super) colour: Rgb,
    pub(super) second: Rgb,
    pub(super) opacity: f32,
    /// Distance of the cap from the skull, at the top and at the sides.
    pub(super) rise: f32,
    pub(super) puff: f32,
    pub(super) line: f32,
    /// How quickly the hairline falls to the sides, and its tilt.
    pub(super) fall: f32,
    pub(super) part: f32,
    pub(super) part_depth: f32,
    pub(super) peak: f32,
    pub(super) side_end: f32,
    /// Lower end of the hair behind the head, and its width there; none if above the crown.
    pub(super) back_end: f32,
    pub(super) back_width: f32,
    pub(super) frequency: (f32, f32),
    pub(super) contrast: f32,
    pub(super) ragged: f32,
    pub(super) bun: Option<(f32, f32, f32)>,
    pub(super) band: Option<(Rgb, f32, f32)>,
    pub(super) seed: u32,
}

pub(super) struct Beard {
    pub(super) colour: Rgb,
    pub(super) jaw: f32,
    pub(super) goatee: f32,
    pub(super) moustache: f32,
    pub(super) moustache_width: f32,
    pub(super) moustache_height: f32,
    pub(super) line: f32,
}

pub(super) struct Glasses {
    pub(super) colour: Rgb,
    pub(super) width: f32,
    pub(super) height: f32,
    /// 0: round; 1: rectangular.
    pub(super) square: f32,
    pub(super) thickness: f32,
    pub(super) drop: f32,
    pub(super) tint: (Rgb, f32),
}

pub(super) struct Marks {
    /// x, y, radius, darkness.
    pub(super) moles: Vec<(f32, f32, f32, f32)>,
    pub(super) freckles: f32,
    pub(super) freckle_seed: u32,
    /// Two ends and strength.
    pub(super) scar: Option<([f32; 4], f32)>,
    pub(super) forehead_lines: u32,
    pub(super) forehead_strength: f32,
    pub(super) folds: f32,
    pub(super) crow_feet: f32,
    pub(super) frown: f32,
    /// A painted mark on the forehead.
    pub(super) bindi: Option<(Rgb, f32)>,
    /// Birthmark: x, y, two radii.
    pub(super) birthmark: Option<(f32, f32, f32, f32)>,
}

impl Identity {
    pub(super) fn draw(random: &mut Random) -> Self {
        let r = random;
        let skin = skin(r);
        let hair = hair(r);
        let head = Head {
            width: r.range(0.64, 0.84),
            crown: r.range(-1.02, -0.90),
            chin: r.range(0.84, 1.06),
            crown_square: r.range(0.0, 0.7),
            chin_square: r.range(-0.25, 0.9),
            jaw: r.range(-0.2, 0.16),
            temple: r.range(-0.1, 0.1),
            neck: r.range(0.34, 0.6),
        };
        let eyes = eyes(r);
        let brow_colour = mix(hair.colour, [0.1, 0.07, 0.05], r.range(0.0, 0.9));
        let brows = Brows {
            gap: r.range(0.13, 0.26),
            thickness: r.range(0.022, 0.085),
            length: r.range(0.17, 0.27),
            arch: r.range(-0.02, 0.11),
            peak: r.range(-0.6, 0.7),
            slope: r.bell(0.08),
            taper: r.range(0.1, 0.9),
            inset: r.range(-0.03, 0.06),
            colour: brow_colour,
            density: r.range(0.5, 1.0),
        };
        let nose = Nose {
            tip_y: r.range(0.18, 0.38),
            width: r.range(0.10, 0.23),
            bridge: r.range(0.035, 0.09),
            tip: r.range(0.06, 0.13),
            nostril: r.range(0.018, 0.045),
            nostril_apart: r.range(0.045, 0.10),
            relief: r.range(0.10, 0.36),
            crook: r.bell(0.05),
            red: if r.chance(0.25) { r.range(0.1, 0.5) } else { 0.0 },
        };
        let lipstick = hsv(r.range(0.88, 1.08), r.range(0.45, 0.95), r.range(0.4, 0.9));
        let mouth = Mouth {
            y: r.range(0.50, 0.66),
            width: r.range(0.18, 0.36),
            upper: r.range(0.018, 0.085),
            lower: r.range(0.03, 0.115),
            bow: r.range(0.0, 0.04),
            corner: r.bell(0.06),
            skew: r.bell(0.03),
            colour: mix(mix(skin.colour, [0.72, 0.25, 0.25], 0.5), lipstick, if r.chance(0.45) { 0.8 } else { 0.15 }),
            philtrum: r.range(0.0, 0.25),
        };
        let ears = Ears {
            y: r.range(-0.06, 0.12),
            height: r.range(0.15, 0.27),
            out: r.range(0.03, 0.15),
            ring: r.chance(0.3).then(|| (jewel(r), r.range(0.03, 0.09))),
        };
        let beard = beard(r, hair.colour);
        let glasses = r.chance(0.42).then(|| Glasses {
            colour: if r.chance(0.4) {
                grey(r.range(0.02, 0.25))
            } else {
                hsv(r.unit(), r.range(0.3, 1.0), r.range(0.2, 0.9))
            },
            width: r.range(0.19, 0.29),
            height: r.range(0.11, 0.24),
            square: r.unit(),
            thickness: r.range(0.016, 0.055),
            drop: r.range(-0.02, 0.07),
            tint: (
                hsv(r.unit(), r.range(0.2, 0.8), r.range(0.2, 0.7)),
                if r.chance(0.3) { r.range(0.2, 0.7) } else { 0.04 },
            ),
        });
        Self { marks: marks(r), head, skin, eyes, brows, nose, mouth, ears, hair, beard, glasses }
    }
}

fn grey(v: f32) -> Rgb {
    [v, v, v]
}

fn jewel(r: &mut Random) -> Rgb {
    if r.chance(0.5) { [0.85, 0.7, 0.25] } else { hsv(r.unit(), r.range(0.0, 0.9), r.range(0.6, 1.0)) }
}

fn skin(r: &mut Random) -> Skin {
    const TONES: [Rgb; 6] = [
        [0.98, 0.86, 0.78],
        [0.93, 0.76, 0.64],
        [0.84, 0.64, 0.49],
        [0.70, 0.49, 0.35],
        [0.52, 0.35, 0.25],
        [0.33, 0.22, 0.17],
    ];
    let tone = r.range(0.0, 4.999);
    let at = tone as usize;
    let mut colour = mix(TONES[at], TONES[at + 1], tone - at as f32);
    let (red, yellow) = (r.bell(0.07), r.bell(0.06));
    colour = [colour[0] + red, colour[1] - red * 0.4, colour[2] - red * 0.4 - yellow];
    Skin { colour, blush: r.range(0.0, 0.45), rim: r.range(0.12, 0.4), hollow: r.range(0.0, 0.3) }
}

fn eyes(r: &mut Random) -> Eyes {
    let iris_colour = match r.below(5) {
        0 => hsv(r.range(0.04, 0.09), r.range(0.6, 0.9), r.range(0.12, 0.3)),
        1 => hsv(r.range(0.05, 0.11), r.range(0.5, 0.9), r.range(0.3, 0.6)),
        2 => hsv(r.range(0.22, 0.42), r.range(0.3, 0.8), r.range(0.3, 0.65)),
        3 => hsv(r.range(0.52, 0.64), r.range(0.4, 0.9), r.range(0.45, 0.9)),
        _ => hsv(r.unit(), r.range(0.0, 0.25), r.range(0.35, 0.7)),
    };
    Eyes {
        y: r.range(-0.16, 0.02),
        apart: r.range(0.27, 0.40),
        width: r.range(0.125, 0.195),
        upper: r.range(0.05, 0.125),
        lower: r.range(0.03, 0.085),
        tilt: r.bell(0.25),
        peak: r.bell(0.6),
        iris: r.range(0.062, 0.095),
        pupil: r.range(0.3, 0.6),
        iris_colour,
        white: mix([0.97, 0.97, 0.95], [0.9, 0.78, 0.72], r.range(0.0, 0.7)),
        lash: r.range(0.008, 0.04),
        crease: r.range(0.0, 0.6),
        bag: r.range(0.0, 0.5),
        shadow: (
            hsv(r.unit(), r.range(0.3, 0.9), r.range(0.25, 0.9)),
            if r.chance(0.35) { r.range(0.3, 0.85) } else { 0.0 },
        ),
    }
}

fn hair(r: &mut Random) -> Hair {
    let colour = match r.below(8) {
        0 | 1 => hsv(r.range(0.03, 0.1), r.range(0.1, 0.6), r.range(0.04, 0.16)),
        2 => hsv(r.range(0.04, 0.09), r.range(0.5, 0.8), r.range(0.2, 0.42)),
        3 => hsv(r.range(0.02, 0.06), r.range(0.7, 0.95), r.range(0.45, 0.75)),
        4 => hsv(r.range(0.1, 0.15), r.range(0.35, 0.75), r.range(0.65, 0.95)),
        5 => hsv(r.unit(), r.range(0.0, 0.12), r.range(0.45, 0.95)),
        _ => hsv(r.unit(), r.range(0.4, 0.95), r.range(0.3, 0.9)),
    };
    let mut hair = Hair {
        colour,
        second: mix(
            colour,
            hsv(r.unit(), r.range(0.1, 0.8), r.range(0.1, 1.0)),
            if r.chance(0.25) { 0.7 } else { 0.25 },
        ),
        opacity: 1.0,
        rise: r.range(0.04, 0.16),
        puff: r.range(0.0, 0.08),
        line: r.range(-0.72, -0.46),
        fall: r.range(0.2, 0.9),
        part: r.range(-0.5, 0.5),
        part_depth: r.range(-0.1, 0.25),
        peak: r.range(-0.05, 0.14),
        side_end: r.range(-0.35, 0.15),
        back_end: -2.0,
        back_width: r.range(0.75, 1.05),
        frequency: (r.range(4.0, 26.0), r.range(1.0, 9.0)),
        contrast: r.range(0.1, 0.6),
        ragged: r.range(0.0, 0.09),
        bun: None,
        band: None,
        seed: r.next() as u32,
    };
    match r.below(9) {
        0 => hair.opacity = if r.chance(0.5) { 0.0 } else { r.range(0.25, 0.6) },
        1 => {
            // Receding: a high line that falls steeply.
            hair.line = r.range(-0.95, -0.8);
            hair.fall = r.range(0.9, 1.5);
            hair.puff = r.range(0.02, 0.12);
        }
        2 | 3 => {
            hair.back_end = r.range(0.3, 1.3);
            hair.side_end = r.range(0.1, 0.9);
            hair.puff = r.range(0.06, 0.2);
        }
        4 => {
            // Bangs.
            hair.line = r.range(-0.5, -0.33);
            hair.fall = r.range(-0.1, 0.15);
            hair.back_end = if r.chance(0.6) { r.range(0.2, 1.2) } else { -2.0 };
            hair.side_end = r.range(0.0, 0.7);
            hair.puff = r.range(0.04, 0.14);
        }
        5 => {
            // A round, dense head of curls.
            hair.rise = r.range(0.16, 0.28);
            hair.puff = r.range(0.16, 0.34);
            hair.frequency = (r.range(12.0, 26.0), r.range(12.0, 26.0));
            hair.contrast = r.range(0.4, 0.8);
            hair.side_end = r.range(0.0, 0.5);
            hair.back_end = r.range(0.2, 0.6);
            hair.back_width = r.range(0.9, 1.15);
        }
        6 => hair.bun = Some((r.bell(0.4), r.range(0.16, 0.34), r.range(0.14, 0.24))),
        _ => {}
    }
    if r.chance(0.2) {
        let colour = hsv(r.unit(), r.range(0.3, 1.0), r.range(0.3, 1.0));
        hair.band = Some((colour, r.range(-0.88, -0.62), r.range(0.05, 0.14)));
    }
    hair
}

fn beard(r: &mut Random, hair: Rgb) -> Beard {
    let colour = mix(hair, [0.12, 0.09, 0.07], r.range(0.0, 0.8));
    let kind = r.below(9);
    let strength = r.range(0.35, 0.95);
    let given = |there: bool, value: f32| if there { value } else { 0.0 };
    Beard {
        colour,
        jaw: given(matches!(kind, 0 | 1), if kind == 1 { strength * 0.45 } else { strength }),
        goatee: given(matches!(kind, 2 | 3), r.range(0.14, 0.3)),
        moustache: given(matches!(kind, 0 | 3 | 4), strength),
        moustache_width: r.range(0.7, 1.4),
        moustache_height: r.range(0.04, 0.10),
        line: r.range(0.2, 0.5),
    }
}

fn marks(r: &mut Random) -> Marks {
    let moles = (0..r.below(5))
        .map(|_| (r.range(-0.5, 0.5), r.range(-0.5, 0.85), r.range(0.016, 0.042), r.range(0.4, 0.9)))
        .collect();
    Marks {
        moles,
        freckles: if r.chance(0.25) { r.range(0.15, 0.5) } else { 0.0 },
        freckle_seed: r.next() as u32,
        scar: r.chance(0.2).then(|| {
            let (x, y) = (r.range(-0.5, 0.5), r.range(-0.45, 0.7));
            ([x, y, x + r.bell(0.25), y + r.bell(0.3)], r.range(0.25, 0.6))
        }),
        forehead_lines: if r.chance(0.4) { 1 + r.below(3) } else { 0 },
        forehead_strength: r.range(0.08, 0.3),
        folds: if r.chance(0.6) { r.range(0.05, 0.4) } else { 0.0 },
        crow_feet: if r.chance(0.3) { r.range(0.1, 0.4) } else { 0.0 },
        frown: if r.chance(0.3) { r.range(0.1, 0.4) } else { 0.0 },
        bindi: r.chance(0.1).then(|| (hsv(r.unit(), 0.8, r.range(0.4, 0.9)), r.range(0.025, 0.05))),
        birthmark: r
            .chance(0.15)
            .then(|| (r.range(-0.5, 0.5), r.range(-0.4, 0.7), r.range(0.05, 0.14), r.range(0.05, 0.14))),
    }
}
