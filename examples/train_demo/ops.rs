//! The layers that carry the training, each one differentiable operation: candle's own convolution has a slow backward
//! pass on the CPU, and its autograd adds a pass over memory for every elementwise step.
//!
//! Maps are (faces, height, width, channels): a 1×1 convolution is then a plain matrix product.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Device, Error, Layout, Result, Shape, Storage, Tensor};
use facevault::model::inception_resnet_v1::BATCH_NORM_EPSILON;
use rayon::prelude::*;

/// Geometry of a convolution or a pooling.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: (usize, usize),
}

impl Window {
    fn is_point(self) -> bool {
        self.kernel == (1, 1) && self.stride == 1
    }

    /// Height and width of the output.
    fn output(self, height: usize, width: usize) -> (usize, usize) {
        let side = |size: usize, kernel: usize, padding: usize| (size + 2 * padding - kernel) / self.stride + 1;
        (side(height, self.kernel.0, self.padding.0), side(width, self.kernel.1, self.padding.1))
    }

    /// Calls `visit` with (offset of a row of the kernel in the unfolded row, column of the input at which it begins,
    /// row of the input, columns it covers), for each row of the kernel that is inside the map.
    fn rows(self, oy: usize, ox: usize, map: (usize, usize), mut visit: impl FnMut(usize, usize, usize, usize)) {
        let left = (ox * self.stride) as isize - self.padding.1 as isize;
        let first = left.max(0);
        let last = (left + self.kernel.1 as isize).min(map.1 as isize);
        if last <= first {
            return;
        }
        for ky in 0..self.kernel.0 {
            let y = (oy * self.stride + ky) as isize - self.padding.0 as isize;
            if y >= 0 && y < map.0 as isize {
                let offset = ky * self.kernel.1 + (first - left) as usize;
                visit(offset, first as usize, y as usize, (last - first) as usize);
            }
        }
    }
}

/// (n, h, w, c) → (n·oh·ow, kh·kw·c).
fn unfold(x: &[f32], dims: [usize; 4], window: Window) -> Vec<f32> {
    let [n, h, w, c] = dims;
    let (oh, ow) = window.output(h, w);
    let row = window.kernel.0 * window.kernel.1 * c;
    let mut columns = vec![0f32; n * oh * ow * row];
    columns.par_chunks_mut(ow * row).enumerate().for_each(|(line, out)| {
        let (face, oy) = (line / oh, line % oh);
        for (ox, out) in out.chunks_exact_mut(row).enumerate() {
            window.rows(oy, ox, (h, w), |offset, x0, y, count| {
                let from = ((face * h + y) * w + x0) * c;
                out[offset * c..(offset + count) * c].copy_from_slice(&x[from..from + count * c]);
            });
        }
    });
    columns
}

/// The transpose of [`unfold`]: adds every unfolded value to where it came from.
fn fold(columns: &[f32], dims: [usize; 4], window: Window) -> Vec<f32> {
    let [_, h, w, c] = dims;
    let (oh, ow) = window.output(h, w);
    let row = window.kernel.0 * window.kernel.1 * c;
    let mut x = vec![0f32; dims.iter().product()];
    x.par_chunks_mut(h * w * c).zip(columns.par_chunks(oh * ow * row)).for_each(|(map, columns)| {
        for (i, column) in columns.chunks_exact(row).enumerate() {
            window.rows(i / ow, i % ow, (h, w), |offset, x0, y, count| {
                let to = (y * w + x0) * c;
                let from = &column[offset * c..(offset + count) * c];
                map[to..to + count * c].iter_mut().zip(from).for_each(|(to, from)| *to += from);
            });
        }
    });
    x
}

/// Mean and variance of each channel over the last batch.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

/// Convolution, `BatchNorm` over the batch, and `ReLU` if `relu`: inputs are the map, the weight (kh·kw·in, out), and
/// γ over β (2, out).
pub struct ConvNorm {
    pub window: Window,
    pub relu: bool,
    /// The pictures themselves need no gradient.
    pub input_gradient: bool,
    /// Where the batch's statistics are left.
    pub statistics: Arc<Mutex<Statistics>>,
    /// What the backward pass needs of the forward pass.
    pub kept: Mutex<Option<Kept>>,
}

/// The product before normalisation, with its mean and 1/σ.
pub struct Kept {
    product: Tensor,
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl ConvNorm {
    /// Unfolded input: one row an output pixel.
    fn columns(&self, x: &[f32], dims: [usize; 4], inner: usize) -> Result<Tensor> {
        let columns = if self.window.is_point() { x.to_vec() } else { unfold(x, dims, self.window) };
        Tensor::from_vec(columns, ((), inner), &Device::Cpu)
    }
}

impl CustomOp3 for ConvNorm {
    fn name(&self) -> &'static str {
        "conv-norm-relu"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, norm) = (slice(s1, l1)?, slice(s2, l2)?, slice(s3, l3)?);
        let (n, h, w, c) = l1.shape().dims4()?;
        let (inner, out) = l2.shape().dims2()?;
        let weight = Tensor::from_slice(weight, (inner, out), &Device::Cpu)?;
        let product = self.columns(x, [n, h, w, c], inner)?.matmul(&weight)?;
        let (gamma, beta) = norm.split_at(out);
        let y = read(&product, |z| {
            let (mean, variance) = moments(z, out);
            let scale: Vec<f32> =
                variance.iter().map(|v| (1.0 / (f64::from(*v) + BATCH_NORM_EPSILON).sqrt()) as f32).collect();
            let mut y = vec![0f32; z.len()];
            let factor: Vec<f32> = (0..out).map(|o| gamma[o] * scale[o]).collect();
            let shift: Vec<f32> = (0..out).map(|o| beta[o] - mean[o] * factor[o]).collect();
            let floor = if self.relu { 0.0 } else { f32::MIN };
            each_block(&mut y, z, out, |y, z| {
                for o in 0..out {
                    y[o] = (z[o] * factor[o] + shift[o]).max(floor);
                }
            });
            lock(&self.statistics).clone_from(&Statistics { mean: mean.clone(), variance });
            *lock(&self.kept) = Some(Kept { product: product.clone(), mean, scale });
            y
        })?;
        let (oh, ow) = self.window.output(h, w);
        Ok((CpuStorage::F32(y), (n, oh, ow, out).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        norm: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n, h, w, c) = x.dims4()?;
        let (inner, out) = weight.dims2()?;
        let Kept { product, mean, scale } =
            lock(&self.kept).take().ok_or_else(|| Error::Msg("backward before forward".into()))?;
        let gamma: Vec<f32> = norm.get(0)?.to_vec1()?;
        let dy = dy.contiguous()?;
        let (dz, dnorm) =
            read(&product, |z| read(y, |y| read(&dy, |dy| self.backward(z, y, dy, &mean, &scale, &gamma))))???;
        let dz = Tensor::from_vec(dz, ((), out), &Device::Cpu)?;
        let columns = read(x, |x| self.columns(x, [n, h, w, c], inner))??;
        let dweight = columns.t()?.matmul(&dz)?;
        drop(columns);
        let dx = if self.input_gradient {
            let dcolumns = dz.matmul(&weight.t()?)?;
            Some(if self.window.is_point() {
                dcolumns.reshape((n, h, w, c))?
            } else {
                let dx = read(&dcolumns, |d| fold(d, [n, h, w, c], self.window))?;
                Tensor::from_vec(dx, (n, h, w, c), &Device::Cpu)?
            })
        } else {
            None
        };
        Ok((dx, Some(dweight), Some(Tensor::from_vec(dnorm, (2, out), &Device::Cpu)?)))
    }
}

impl ConvNorm {
    /// Gradients of the product, and of γ over β.
    fn backward(
        &self,
        z: &[f32],
        y: &[f32],
        dy: &[f32],
        mean: &[f32],
        scale: &[f32],
        gamma: &[f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let out = mean.len();
        let rows = z.len() / out;
        let mut dz = vec![0f32; z.len()];
        // First pass: dy behind the ReLU, and its sums with and without x̂.
        let block = BLOCK * out;
        let sums = dz
            .par_chunks_mut(block)
            .zip(z.par_chunks(block))
            .zip(y.par_chunks(block).zip(dy.par_chunks(block)))
            .map(|((d, z), (y, dy))| {
                let mut sums = vec![0f32; 2 * out];
                let (dgamma, dbeta) = sums.split_at_mut(out);
                let rows = d.chunks_exact_mut(out).zip(z.chunks_exact(out));
                for ((d, z), (y, dy)) in rows.zip(y.chunks_exact(out).zip(dy.chunks_exact(out))) {
                    for o in 0..out {
                        let g = if !self.relu || y[o] > 0.0 { dy[o] } else { 0.0 };
                        d[o] = g;
                        dbeta[o] += g;
                        dgamma[o] += g * (z[o] - mean[o]) * scale[o];
                    }
                }
                sums
            })
            .reduce(|| vec![0f32; 2 * out], add);
        let each = 1.0 / rows as f32;
        let (dgamma, dbeta) = sums.split_at(out);
        each_block(&mut dz, z, out, |d, z| {
            for o in 0..out {
                let normal = (z[o] - mean[o]) * scale[o];
                d[o] = gamma[o] * scale[o] * (d[o] - (dbeta[o] + normal * dgamma[o]) * each);
            }
        });
        (dz, sums)
    }
}

/// x + scale · (y·W + b), rectified if `relu`: inputs are x, y, and W over b (in + 1, out).
pub struct Residual {
    pub scale: f32,
    pub relu: bool,
}

impl CustomOp3 for Residual {
    fn name(&self) -> &'static str {
        "residual"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y, weight) = (slice(s1, l1)?, slice(s2, l2)?, slice(s3, l3)?);
        let (inner, out) = l3.shape().dims2()?;
        let inner = inner - 1;
        let (weight, bias) = weight.split_at(inner * out);
        let weight = Tensor::from_slice(weight, (inner, out), &Device::Cpu)?;
        let product = Tensor::from_slice(y, (y.len() / inner, inner), &Device::Cpu)?.matmul(&weight)?;
        let mut sum = x.to_vec();
        let floor = if self.relu { 0.0 } else { f32::MIN };
        read(&product, |p| {
            each_block(&mut sum, p, out, |sum, p| {
                for o in 0..out {
                    sum[o] = (sum[o] + self.scale * (p[o] + bias[o])).max(floor);
                }
            });
        })?;
        Ok((CpuStorage::F32(sum), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        weight: &Tensor,
        res: &Tensor,
        dres: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (inner, out) = weight.dims2()?;
        let inner = inner - 1;
        let dres = dres.contiguous()?;
        let dx = read(&dres, |dres| {
            let mut dx = dres.to_vec();
            if self.relu {
                read(res, |res| {
                    each_block(&mut dx, res, out, |d, r| {
                        for o in 0..out {
                            d[o] = if r[o] > 0.0 { d[o] } else { 0.0 };
                        }
                    });
                })?;
            }
            Ok::<_, Error>(dx)
        })??;
        let dx = Tensor::from_vec(dx, ((), out), &Device::Cpu)?;
        let scaled = (&dx * f64::from(self.scale))?;
        let rows = y.reshape(((), inner))?;
        let dweight = Tensor::cat(&[rows.t()?.matmul(&scaled)?, scaled.sum_keepdim(0)?], 0)?;
        let dy = scaled.matmul(&weight.narrow(0, 0, inner)?.t()?)?.reshape(y.shape())?;
        Ok((Some(dx.reshape(x.shape())?), Some(dy), Some(dweight)))
    }
}

/// Maximum over 3×3, stride 2.
pub struct MaxPool;

const POOL: Window = Window { kernel: (3, 3), stride: 2, padding: (0, 0) };

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(storage, layout)?;
        let (n, h, w, c) = layout.shape().dims4()?;
        let (oh, ow) = POOL.output(h, w);
        let mut y = vec![f32::MIN; n * oh * ow * c];
        y.par_chunks_mut(oh * ow * c).zip(x.par_chunks(h * w * c)).for_each(|(y, x)| {
            for (i, y) in y.chunks_exact_mut(c).enumerate() {
                taps(i, ow, w, |from| y.iter_mut().zip(&x[from * c..]).for_each(|(y, x)| *y = y.max(*x)));
            }
        });
        Ok((CpuStorage::F32(y), (n, oh, ow, c).into()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (_, h, w, c) = x.dims4()?;
        let (oh, ow) = POOL.output(h, w);
        let dy = dy.contiguous()?;
        let dx = read(x, |x| {
            read(y, |y| {
                read(&dy, |dy| {
                    let mut dx = vec![0f32; x.len()];
                    let faces = y.par_chunks(oh * ow * c).zip(dy.par_chunks(oh * ow * c));
                    dx.par_chunks_mut(h * w * c).zip(x.par_chunks(h * w * c)).zip(faces).for_each(
                        |((dx, x), (y, dy))| {
                            for (i, (y, dy)) in y.chunks_exact(c).zip(dy.chunks_exact(c)).enumerate() {
                                taps(i, ow, w, |from| {
                                    let (dx, x) = (&mut dx[from * c..], &x[from * c..]);
                                    for o in 0..c {
                                        dx[o] += if x[o] == y[o] { dy[o] } else { 0.0 };
                                    }
                                });
                            }
                        },
                    );
                    dx
                })
            })
        })???;
        Ok(Some(Tensor::from_vec(dx, x.shape(), &Device::Cpu)?))
    }
}

/// Input pixels under output pixel `i` of a pooling.
fn taps(i: usize, ow: usize, w: usize, mut visit: impl FnMut(usize)) {
    let (oy, ox) = (i / ow, i % ow);
    for y in 0..3 {
        for x in 0..3 {
            visit((oy * 2 + y) * w + ox * 2 + x);
        }
    }
}

/// Rows that one task works on.
const BLOCK: usize = 512;

/// Calls `row(to, from)` for each row, in parallel.
fn each_block(to: &mut [f32], from: &[f32], out: usize, row: impl Fn(&mut [f32], &[f32]) + Sync) {
    to.par_chunks_mut(BLOCK * out).zip(from.par_chunks(BLOCK * out)).for_each(|(to, from)| {
        to.chunks_exact_mut(out).zip(from.chunks_exact(out)).for_each(|(to, from)| row(to, from));
    });
}

/// Mean and (population) variance of each column.
fn moments(z: &[f32], out: usize) -> (Vec<f32>, Vec<f32>) {
    let total = z
        .par_chunks(BLOCK * out)
        .map(|block| {
            let mut sums = vec![0f32; 2 * out];
            let (sum, square) = sums.split_at_mut(out);
            for row in block.chunks_exact(out) {
                for o in 0..out {
                    sum[o] += row[o];
                    square[o] += row[o] * row[o];
                }
            }
            sums.into_iter().map(f64::from).collect::<Vec<_>>()
        })
        .reduce(|| vec![0f64; 2 * out], add);
    let rows = (z.len() / out) as f64;
    let (sum, square) = total.split_at(out);
    sum.iter()
        .zip(square)
        .map(|(sum, square)| {
            let mean = sum / rows;
            (mean as f32, (square / rows - mean * mean).max(0.0) as f32)
        })
        .unzip()
}

fn add<T: std::ops::AddAssign>(mut a: Vec<T>, b: Vec<T>) -> Vec<T> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (from, to) = layout.contiguous_offsets().ok_or_else(|| Error::Msg("not contiguous".into()))?;
    Ok(&storage.as_slice::<f32>()?[from..to])
}

/// Calls `f` with a contiguous tensor's values.
fn read<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(slice(storage, layout)?)),
        _ => Err(Error::Msg("not on the CPU".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    fn var(shape: &[usize], seed: u64) -> Var {
        let values = numbers(shape.iter().product(), seed);
        Var::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// Compares the gradient of Σ weights·f with finite differences, at some places of each variable.
    fn check(vars: &[Var], f: impl Fn() -> Tensor) {
        let weights = var(f().dims(), 99).as_tensor().clone();
        let loss = || (f() * &weights).unwrap().sum_all().unwrap();
        let gradients = loss().backward().unwrap();
        for var in vars {
            let gradient: Vec<f32> = gradients.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
            for i in (0..values.len()).step_by(values.len() / 7 + 1) {
                let at = |delta: f32| {
                    let mut moved = values.clone();
                    moved[i] += delta;
                    var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
                    loss().to_scalar::<f32>().unwrap()
                };
                let numeric = (at(2e-3) - at(-2e-3)) / 4e-3;
                var.set(&Tensor::from_vec(values.clone(), var.shape(), &Device::Cpu).unwrap()).unwrap();
                let error = (numeric - gradient[i]).abs() / (1.0 + numeric.abs());
                assert!(error < 0.03, "place {i} of {:?}: {} instead of {numeric}", var.shape(), gradient[i]);
            }
        }
    }

    const WINDOWS: [Window; 4] = [
        Window { kernel: (3, 3), stride: 2, padding: (0, 0) },
        Window { kernel: (3, 3), stride: 1, padding: (1, 1) },
        Window { kernel: (1, 7), stride: 1, padding: (0, 3) },
        Window { kernel: (1, 1), stride: 1, padding: (0, 0) },
    ];

    #[test]
    fn unfold_and_product_are_candles_convolution() {
        for window in WINDOWS {
            let (x, weight) = (var(&[2, 7, 6, 3], 1), var(&[window.kernel.0, window.kernel.1, 3, 4], 2));
            let columns = read(&x, |x| unfold(x, [2, 7, 6, 3], window)).unwrap();
            let weights = weight.reshape(((), 4)).unwrap();
            let (oh, ow) = window.output(7, 6);
            let ours = Tensor::from_vec(columns, (2 * oh * ow, weights.dim(0).unwrap()), &Device::Cpu).unwrap();
            let ours = ours.matmul(&weights).unwrap().reshape((2, oh, ow, 4)).unwrap();
            let padded = x.permute((0, 3, 1, 2)).unwrap();
            let padded = padded.pad_with_zeros(2, window.padding.0, window.padding.0).unwrap();
            let padded = padded.pad_with_zeros(3, window.padding.1, window.padding.1).unwrap();
            let theirs = padded
                .conv2d(&weight.permute((3, 2, 0, 1)).unwrap().contiguous().unwrap(), 0, window.stride, 1, 1)
                .unwrap();
            let difference = (ours.permute((0, 3, 1, 2)).unwrap() - theirs).unwrap().abs().unwrap();
            assert!(difference.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-5, "{window:?}");
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for window in WINDOWS {
            let x = var(&[3, 7, 6, 3], 3);
            let weight = var(&[window.kernel.0 * window.kernel.1 * 3, 4], 4);
            let norm = var(&[2, 4], 5);
            check(&[x.clone(), weight.clone(), norm.clone()], || {
                let op = ConvNorm {
                    window,
                    relu: false,
                    input_gradient: true,
                    statistics: Arc::default(),
                    kept: Mutex::default(),
                };
                x.apply_op3(&weight, &norm, op).unwrap()
            });
        }
        let (x, y, weight) = (var(&[2, 3, 2, 4], 6), var(&[2, 3, 2, 5], 7), var(&[6, 4], 8));
        check(&[x.clone(), y.clone(), weight.clone()], || {
            x.apply_op3(&y, &weight, Residual { scale: 0.2, relu: false }).unwrap()
        });
        check(&[x.clone()], || x.apply_op3(&y, &weight, Residual { scale: 0.2, relu: true }).unwrap());
        let map = var(&[2, 7, 7, 2], 9);
        check(&[map.clone()], || map.apply_op1(MaxPool).unwrap());
    }

    #[test]
    fn normalised_columns_have_mean_beta_and_deviation_gamma() {
        let (x, weight) = (var(&[4, 5, 5, 3], 1), var(&[3, 4], 2));
        let norm = Tensor::from_slice(&[2f32, 2., 2., 2., 5., 5., 5., 5.], (2, 4), &Device::Cpu).unwrap();
        let window = WINDOWS[3];
        let op =
            ConvNorm { window, relu: false, input_gradient: true, statistics: Arc::default(), kept: Mutex::default() };
        let y = x.apply_op3(&weight, &norm, op).unwrap();
        let (mean, variance) = read(&y, |y| moments(y, 4)).unwrap();
        assert!(mean.iter().all(|m| (m - 5.0).abs() < 1e-3), "{mean:?}");
        assert!(variance.iter().all(|v| (v - 4.0).abs() < 0.1), "{variance:?}");
    }
}
