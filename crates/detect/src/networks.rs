//! The parameters of P-Net, R-Net and O-Net.

use std::collections::BTreeMap;

use facevault_kernels::shallow::{Layer, Shallow};
use safetensors::SafeTensors;

use crate::DetectError;

/// A tensor of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// Dimensions, outermost first.
    pub shape: &'a [usize],
    /// Values in C order.
    pub data: &'a [f32],
}

/// The networks' layers: key and shape of the weights; each has a bias of as many numbers as the first dimension.
const LAYERS: [(&str, &[usize]); 19] = [
    ("pnet.conv1", &[10, 3, 3, 3]),
    ("pnet.conv2", &[16, 10, 3, 3]),
    ("pnet.conv3", &[32, 16, 3, 3]),
    ("pnet.conv4_1", &[2, 32, 1, 1]),
    ("pnet.conv4_2", &[4, 32, 1, 1]),
    ("rnet.conv1", &[28, 3, 3, 3]),
    ("rnet.conv2", &[48, 28, 3, 3]),
    ("rnet.conv3", &[64, 48, 2, 2]),
    ("rnet.dense4", &[128, 576]),
    ("rnet.dense5_1", &[2, 128]),
    ("rnet.dense5_2", &[4, 128]),
    ("onet.conv1", &[32, 3, 3, 3]),
    ("onet.conv2", &[64, 32, 3, 3]),
    ("onet.conv3", &[64, 64, 3, 3]),
    ("onet.conv4", &[128, 64, 2, 2]),
    ("onet.dense5", &[256, 1152]),
    ("onet.dense6_1", &[2, 256]),
    ("onet.dense6_2", &[4, 256]),
    ("onet.dense6_3", &[10, 256]),
];

/// PReLU's slopes: key and count.
const SLOPES: [(&str, usize); 12] = [
    ("pnet.prelu1", 10),
    ("pnet.prelu2", 16),
    ("pnet.prelu3", 32),
    ("rnet.prelu1", 28),
    ("rnet.prelu2", 48),
    ("rnet.prelu3", 64),
    ("rnet.prelu4", 128),
    ("onet.prelu1", 32),
    ("onet.prelu2", 64),
    ("onet.prelu3", 64),
    ("onet.prelu4", 128),
    ("onet.prelu5", 256),
];

/// Keys and shapes of all parameters, as facenet-pytorch names them, with the network in front: `pnet.conv1.weight`.
fn parameters() -> BTreeMap<String, Vec<usize>> {
    let layers = LAYERS
        .iter()
        .flat_map(|(key, shape)| [(format!("{key}.weight"), shape.to_vec()), (format!("{key}.bias"), vec![shape[0]])]);
    layers.chain(SLOPES.iter().map(|(key, count)| (format!("{key}.weight"), vec![*count]))).collect()
}

/// The parameters of P-Net, R-Net and O-Net, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Networks {
    values: BTreeMap<String, Vec<f32>>,
}

impl Networks {
    /// The file of facenet-pytorch's weights that the program carries, a `.safetensors`: `assets/mtcnn.md` says where they come
    /// from.
    pub const EMBEDDED: &[u8] = include_bytes!("../../../assets/mtcnn.safetensors");

    /// The networks of [`Self::EMBEDDED`].
    #[must_use]
    pub fn embedded() -> Self {
        let file = SafeTensors::deserialize(Self::EMBEDDED).expect("the embedded weights are a safetensors file");
        let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = file
            .iter()
            .map(|(key, view)| {
                let data = view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
                (key.to_owned(), view.shape().to_vec(), data)
            })
            .collect();
        let views = tensors.iter().map(|(key, shape, data)| (key.as_str(), TensorView { shape, data }));
        Self::from_tensors(views).expect("the embedded weights are MTCNN's")
    }

    /// From one file that holds all three: keys such as `pnet.conv1.weight`.
    ///
    /// # Errors
    /// [`DetectError`]: a tensor is missing, unknown, of another shape or not finite.
    pub fn from_tensors<'a>(tensors: impl IntoIterator<Item = (&'a str, TensorView<'a>)>) -> Result<Self, DetectError> {
        Self::gather(tensors.into_iter().map(|(key, tensor)| (key.to_owned(), tensor)))
    }

    /// From a checkpoint of each network: keys such as `conv1.weight`.
    ///
    /// # Errors
    /// As [`Self::from_tensors`].
    pub fn from_checkpoints<'a, T: IntoIterator<Item = (&'a str, TensorView<'a>)>>(
        pnet: T,
        rnet: T,
        onet: T,
    ) -> Result<Self, DetectError> {
        Self::gather([("pnet", pnet), ("rnet", rnet), ("onet", onet)].into_iter().flat_map(|(network, tensors)| {
            tensors.into_iter().map(move |(key, tensor)| (format!("{network}.{key}"), tensor))
        }))
    }

    fn gather<'a>(tensors: impl Iterator<Item = (String, TensorView<'a>)>) -> Result<Self, DetectError> {
        let mut missing = parameters();
        let (mut values, mut unknown) = (BTreeMap::new(), Vec::new());
        for (key, tensor) in tensors {
            let Some(expected) = missing.remove(&key) else {
                unknown.push(key);
                continue;
            };
            if tensor.shape != expected {
                return Err(DetectError::Shape { key, found: tensor.shape.to_vec(), expected });
            }
            if tensor.data.len() != expected.iter().product::<usize>()
                || !tensor.data.iter().all(|value| value.is_finite())
            {
                return Err(DetectError::Values { key });
            }
            values.insert(key, tensor.data.to_vec());
        }
        if !unknown.is_empty() {
            return Err(DetectError::Unknown { keys: unknown });
        }
        if !missing.is_empty() {
            return Err(DetectError::Missing { keys: missing.into_keys().collect() });
        }
        Ok(Self { values })
    }

    fn values(&self, key: &str) -> &[f32] {
        &self.values[key]
    }

    /// A convolution of `side` × `side`, with PReLU.
    pub(crate) fn convolution(&self, shallow: Shallow, key: &str, slopes: &str, channels: usize, side: usize) -> Layer {
        let weights = self.values(&format!("{key}.weight"));
        let bias = self.values(&format!("{key}.bias"));
        // From output, channel, y, x to output, y, x, channel: the order of a photo's numbers.
        let at = |output, y, x, channel| weights[((output * channels + channel) * side + y) * side + x];
        let mut ordered = Vec::with_capacity(weights.len());
        for output in 0..bias.len() {
            for y in 0..side {
                for x in 0..side {
                    ordered.extend((0..channels).map(|channel| at(output, y, x, channel)));
                }
            }
        }
        shallow.layer(side, side * channels, &ordered, bias, Some(self.values(&format!("{slopes}.weight"))))
    }

    /// A matrix over `side` × `side` × `channels` numbers, with PReLU. The checkpoint has them as x, y, channel.
    pub(crate) fn dense(&self, shallow: Shallow, key: &str, slopes: &str, channels: usize, side: usize) -> Layer {
        let weights = self.values(&format!("{key}.weight"));
        let bias = self.values(&format!("{key}.bias"));
        let inputs = side * side * channels;
        let mut ordered = Vec::with_capacity(weights.len());
        for row in weights.chunks_exact(inputs) {
            for y in 0..side {
                for x in 0..side {
                    ordered.extend_from_slice(&row[(x * side + y) * channels..][..channels]);
                }
            }
        }
        shallow.layer(1, inputs, &ordered, bias, Some(self.values(&format!("{slopes}.weight"))))
    }

    /// Several matrices over the same numbers as one: their outputs follow each other.
    pub(crate) fn heads(&self, shallow: Shallow, keys: &[&str], inputs: usize) -> Layer {
        let all =
            |part| -> Vec<f32> { keys.iter().flat_map(|key| self.values(&format!("{key}.{part}"))).copied().collect() };
        let (weights, bias) = (all("weight"), all("bias"));
        shallow.layer(1, inputs, &weights, &bias, None)
    }
}
