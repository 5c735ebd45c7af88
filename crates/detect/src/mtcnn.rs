//! The cascade.

use facevault_kernels::Kernels;
use facevault_kernels::shallow::Shallow;
use facevault_preprocess::BoundingBox;
use image::RgbImage;

use crate::boxes::{Scored, covered, regressed, regressed_inclusive, squared};
use crate::networks::Networks;
use crate::pnet::{Cell, PNet, PNetBuffers, Scale};
use crate::pyramid::scales;
use crate::refiner::{BATCH, Refiner, RefinerBuffers};
use crate::softmax::second_share;
use crate::{DetectError, Detection, DetectorOptions, nms};

/// Cells of one scale that enter its suppression at most: the most probable, of equals the topmost, then the leftmost.
pub const MAX_CELLS: usize = 131_072;

/// Boxes of a photo that R-Net looks at, at most: the most probable.
pub const MAX_RNET: usize = 65_536;

/// Boxes of a photo that O-Net looks at, at most: the most probable.
pub const MAX_ONET: usize = 16_384;

/// Overlap of two cells of a scale above which the less probable is dropped.
const OVERLAP_IN_SCALE: f64 = 0.5;

/// The same of boxes of all scales, and of R-Net's.
const OVERLAP: f64 = 0.7;

/// The same of O-Net's boxes, as a part of the smaller one.
const OVERLAP_OF_SMALLER: f32 = 0.7;

/// MTCNN, ready to run.
#[derive(Debug)]
pub struct Mtcnn {
    options: DetectorOptions,
    shallow: Shallow,
    pnet: PNet,
    rnet: Refiner,
    onet: Refiner,
}

/// Buffers of [`Mtcnn::detect`]: keep one per thread. Beside the photo's pixels they take some MB, and up to 100 MB while a
/// photo has as many candidates as the limits allow.
#[derive(Debug, Default)]
pub struct DetectBuffers {
    pnet: PNetBuffers,
    refiner: RefinerBuffers,
    cells: Vec<Cell>,
}

impl Mtcnn {
    /// The detector for the kernels that are asked for. Which they are changes no bit of what is detected.
    ///
    /// # Errors
    /// [`DetectError::Option`], [`DetectError::Kernels`].
    pub fn new(networks: &Networks, options: DetectorOptions, kernels: Kernels) -> Result<Self, DetectError> {
        options.check()?;
        let shallow = Shallow::choose(kernels).ok_or(DetectError::Kernels { kernels: kernels.name() })?;
        Ok(Self {
            options,
            shallow,
            pnet: PNet::new(networks, shallow),
            rnet: Refiner::rnet(networks, shallow),
            onet: Refiner::onet(networks, shallow),
        })
    }

    /// Name of the instruction set that computes.
    #[must_use]
    pub fn instruction_set(&self) -> &'static str {
        self.shallow.name()
    }

    /// What is looked for.
    #[must_use]
    pub fn options(&self) -> &DetectorOptions {
        &self.options
    }

    /// The faces of a photo, the largest first, as `facenet_pytorch.MTCNN.detect` gives them with `keep_all`.
    ///
    /// A photo of any size and content takes bounded time and memory: [`MAX_CELLS`], [`MAX_RNET`] and [`MAX_ONET`] bound the
    /// candidates. facenet-pytorch has no such limits; they are far above what photos of crowds have. Where facenet-pytorch
    /// fails because a box lies outside the photo, that box is dropped.
    #[must_use]
    pub fn detect(&self, photo: &RgbImage, buffers: &mut DetectBuffers) -> Vec<Detection> {
        let boxes = self.proposals(photo, buffers);
        let boxes = self.refined(photo, boxes, buffers);
        self.found(photo, boxes, buffers)
    }

    /// P-Net's boxes, made square, the most probable first.
    fn proposals(&self, photo: &RgbImage, buffers: &mut DetectBuffers) -> Vec<Scored> {
        let size = size(photo);
        let mut best: Vec<Cell> = Vec::new();
        for factor in scales(size, self.options.min_size, self.options.factor) {
            let cells = &mut buffers.cells;
            cells.clear();
            let scale = Scale::new(size, factor);
            self.pnet.scan(photo, scale, self.options.thresholds[0], &mut buffers.pnet, &mut |cell| {
                cells.push(cell);
                if cells.len() == 2 * MAX_CELLS {
                    keep_most_probable(cells);
                }
            });
            keep_most_probable(cells);
            cells.sort_unstable_by_key(|cell| cell.at);
            let kept = nms::union(cells, |cell| cell.scored, OVERLAP_IN_SCALE);
            best.extend(kept.into_iter().map(|index| cells[index as usize]));
        }
        let kept = nms::union(&best, |cell| cell.scored, OVERLAP);
        let kept = kept.into_iter().take(MAX_RNET).map(|index| best[index as usize]);
        kept.map(|cell| Scored {
            corners: squared(regressed(cell.scored.corners, cell.regression)),
            score: cell.scored.score,
        })
        .collect()
    }

    /// R-Net's boxes, made square, the most probable first.
    fn refined(&self, photo: &RgbImage, boxes: Vec<Scored>, buffers: &mut DetectBuffers) -> Vec<Scored> {
        let mut refined: Vec<(Scored, [f32; 4])> = Vec::new();
        judge(&self.rnet, photo, boxes, &mut buffers.refiner, &mut |corners, heads| {
            let &[not, face, a, b, c, d] = heads else { unreachable!("R-Net has six outputs") };
            let score = second_share(not, face);
            if score > self.options.thresholds[1] {
                refined.push((Scored { corners, score }, [a, b, c, d]));
            }
        });
        let kept = nms::union(&refined, |(scored, _)| *scored, OVERLAP);
        let kept = kept.into_iter().take(MAX_ONET).map(|index| refined[index as usize]);
        kept.map(|(scored, regression)| Scored {
            corners: squared(regressed_inclusive(scored.corners, regression)),
            score: scored.score,
        })
        .collect()
    }

    /// O-Net's faces, the largest first.
    fn found(&self, photo: &RgbImage, boxes: Vec<Scored>, buffers: &mut DetectBuffers) -> Vec<Detection> {
        let mut faces: Vec<(Scored, [[f32; 2]; 5])> = Vec::new();
        judge(&self.onet, photo, boxes, &mut buffers.refiner, &mut |corners, heads| {
            let &[not, face, a, b, c, d, ref points @ ..] = heads else { unreachable!("O-Net has 16 outputs") };
            let score = second_share(not, face);
            if score > self.options.thresholds[2] {
                let [x1, y1, x2, y2] = corners;
                let (width, height) = (x2 - x1 + 1.0, y2 - y1 + 1.0);
                let landmark = |i: usize| [width * points[i] + x1 - 1.0, height * points[i + 5] + y1 - 1.0];
                let corners = regressed_inclusive(corners, [a, b, c, d]);
                faces.push((Scored { corners, score }, std::array::from_fn(landmark)));
            }
        });
        let kept = nms::smaller(&faces, |(scored, _)| *scored, OVERLAP_OF_SMALLER);
        let mut detections: Vec<Detection> = kept
            .into_iter()
            .map(|index| {
                let (Scored { corners: [x1, y1, x2, y2], score }, landmarks) = faces[index as usize];
                Detection { bbox: BoundingBox { x1, y1, x2, y2 }, probability: score, landmarks }
            })
            .filter(is_finite)
            .collect();
        // `np.argsort(area)[::-1]`: of equals the last first.
        detections.reverse();
        detections.sort_by(|a, b| b.area().total_cmp(&a.area()));
        detections
    }
}

/// Calls `say` with each box that covers a part of the photo, and with what the network says of that part.
fn judge(
    network: &Refiner,
    photo: &RgbImage,
    boxes: Vec<Scored>,
    buffers: &mut RefinerBuffers,
    say: &mut dyn FnMut([f32; 4], &[f32]),
) {
    let (boxes, crops): (Vec<_>, Vec<_>) =
        boxes.into_iter().filter_map(|scored| Some((scored.corners, covered(scored.corners, size(photo))?))).unzip();
    for (boxes, crops) in boxes.chunks(BATCH).zip(crops.chunks(BATCH)) {
        for (&corners, heads) in boxes.iter().zip(network.run(photo, crops, buffers)) {
            say(corners, heads);
        }
    }
}

fn size(photo: &RgbImage) -> [usize; 2] {
    [photo.width() as usize, photo.height() as usize]
}

/// Weights of enormous values can overflow.
fn is_finite(face: &Detection) -> bool {
    let BoundingBox { x1, y1, x2, y2 } = face.bbox;
    [x1, y1, x2, y2].iter().chain(face.landmarks.as_flattened()).all(|value| value.is_finite())
}

/// Cuts the list to its [`MAX_CELLS`] most probable, in no order.
fn keep_most_probable(cells: &mut Vec<Cell>) {
    if cells.len() > MAX_CELLS {
        cells.select_nth_unstable_by(MAX_CELLS, |a, b| {
            b.scored.score.total_cmp(&a.scored.score).then_with(|| a.at.cmp(&b.at))
        });
        cells.truncate(MAX_CELLS);
    }
}
