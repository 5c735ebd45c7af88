//! Faces in photos: MTCNN as facenet-pytorch 2.6.0 runs it (K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and
//! Alignment Using Multi-task Cascaded Convolutional Networks", IEEE SPL 2016). An RGB photo in, boxes with five landmarks out;
//! no file I/O.
//!
//! ```text
//! photo ─ pyramid of scales ─ P-Net in strips ─ NMS ─ R-Net on 24×24 crops ─ NMS ─ O-Net on 48×48 crops ─ NMS ─ detections
//! ```
//!
//! ```
//! use facevault_detect::{DetectBuffers, DetectorOptions, Keep, Mtcnn, Networks};
//! use facevault_kernels::Kernels;
//!
//! let mtcnn = Mtcnn::new(&Networks::embedded(), DetectorOptions::default(), Kernels::Auto)?;
//! let photo = image::RgbImage::new(320, 240);
//! let faces = mtcnn.detect(&photo, &mut DetectBuffers::default());
//! let kept = Keep::Largest.select(&faces, 0.9, photo.dimensions());
//! assert_eq!(kept, Ok(vec![]));
//! # Ok::<(), facevault_detect::DetectError>(())
//! ```
//!
//! What is detected depends on the photo's pixels, the weights and the options only: every instruction set gives the same bytes.

mod boxes;
mod detection;
mod error;
mod keep;
mod mtcnn;
mod networks;
mod nms;
mod options;
mod pnet;
mod pyramid;
mod refiner;
mod resample;
mod softmax;

pub use detection::Detection;
pub use error::DetectError;
pub use keep::{Keep, NotOne};
pub use mtcnn::{DetectBuffers, MAX_CELLS, MAX_ONET, MAX_RNET, Mtcnn};
pub use networks::{Networks, TensorView};
pub use options::DetectorOptions;
