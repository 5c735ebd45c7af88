//! Colours.

pub(super) type Rgb = [f32; 3];

/// `a` at t = 0, `b` at t = 1.
pub(super) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

pub(super) fn dim(colour: Rgb, factor: f32) -> Rgb {
    colour.map(|c| c * factor)
}

/// Hue (modulo 1), saturation and value to red, green, blue.
pub(super) fn hsv(hue: f32, saturation: f32, value: f32) -> Rgb {
    let hue = (hue - hue.floor()) * 6.0;
    [(0.0, hue), (2.0, hue), (4.0, hue)].map(|(centre, hue)| {
        let away = (hue - centre).abs();
        let away = if away > 3.0 { 6.0 - away } else { away };
        value * (1.0 - saturation + saturation * (2.0 - away).clamp(0.0, 1.0))
    })
}
