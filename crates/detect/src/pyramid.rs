//! The scales at which P-Net looks at a photo.

/// Side of a cell of P-Net, pixels of the scaled photo.
pub(crate) const CELL: usize = 12;

/// Pixels of the scaled photo between two cells.
pub(crate) const STRIDE: usize = 2;

/// The scales of a photo, the largest first: 12 ÷ `min_size` × `factor`^k while its shorter side has 12 pixels.
pub(crate) fn scales([width, height]: [usize; 2], min_size: u32, factor: f64) -> Vec<f64> {
    let first = CELL as f64 / f64::from(min_size);
    let mut side = width.min(height) as f64 * first;
    let mut scale = first;
    let mut scales = Vec::new();
    while side >= CELL as f64 {
        scales.push(scale);
        scale *= factor;
        side *= factor;
    }
    scales
}

/// Pixels of a scaled side.
pub(crate) fn scaled(side: usize, scale: f64) -> usize {
    (side as f64 * scale + 1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_where_a_cell_no_longer_fits() {
        let of = |size| {
            scales(size, 20, 0.709)
                .iter()
                .map(|&scale| (scaled(size[0], scale), scaled(size[1], scale)))
                .collect::<Vec<_>>()
        };
        let squares = [151, 107, 76, 54, 38, 27, 20, 14];
        assert_eq!(of([250, 250]), squares.map(|side| (side, side)));
        assert_eq!(of([20, 20]), [(13, 13)]);
        assert_eq!(of([19, 4_000]), []);
        assert_eq!(of([0, 0]), []);
    }
}
