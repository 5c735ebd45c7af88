//! The kernels of one precision, loaded on one GPU.

// Tested by: `a_card_gives_what_the_cpu_gives_in_every_precision` in tests/facevault/gpu.rs
// Tested by: `batches_cards_and_scarce_memory_change_no_byte` in tests/facevault/gpu.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use super::plan::{Launch, LaunchWork};
use super::tile::{BlockTile, HEAD_TILE, TILES};
use crate::Precision;
use facevault_cuda::{Card, CudaError, Kernel, Module, Stream, ptx};

/// Threads of a block of everything but convolutions.
const THREADS: usize = 256;

/// Every kernel that a network needs.
pub struct NetworkKernels {
    /// In the order of [`TILES`].
    body: Vec<Kernel>,
    head: Kernel,
    standardise: Kernel,
    pool: Kernel,
    mean: Kernel,
    normalise: Kernel,
}

impl NetworkKernels {
    /// Loads them; the driver compiles them for the GPU.
    pub fn load(card: &Card, precision: Precision) -> Result<Self, CudaError> {
        let ptx = match precision {
            Precision::Tf32 => ptx::NETWORK_TF32,
            Precision::F16 => ptx::NETWORK_F16,
            Precision::Bf16 => ptx::NETWORK_BF16,
            Precision::F32 | Precision::Bf16x3 | Precision::Int8 => ptx::NETWORK_F32,
        };
        let (module, last, name) = (card.module(ptx)?, card.module(ptx::HEAD)?, precision.name());
        let convolution = |module: &Module, name: &str, tile: BlockTile| {
            let kernel = module.kernel(name)?;
            kernel.shared(tile.shared())?;
            Ok(kernel)
        };
        let body = TILES.iter().map(|tile| convolution(&module, &tile.kernel(name), *tile));
        Ok(Self {
            body: body.collect::<Result<_, CudaError>>()?,
            head: convolution(&last, "convolution_head", HEAD_TILE)?,
            standardise: module.kernel(&format!("standardise_{name}"))?,
            pool: module.kernel(&format!("pool_{name}"))?,
            mean: last.kernel("mean")?,
            normalise: last.kernel("normalise")?,
        })
    }

    /// Queues a launch; a convolution's with a tile.
    ///
    /// # Safety
    /// The addresses of the launch are those of live memory that is large enough, until the work is done.
    pub unsafe fn launch(&self, stream: &Stream, launch: &Launch, tile: BlockTile) -> Result<(), CudaError> {
        let blocks = |count: i64| [(count as usize).div_ceil(THREADS) as u32, 1, 1];
        let threads = THREADS as u32;
        // SAFETY: the kernels' arguments are laid out as these (`arguments`); the caller's for the rest.
        unsafe {
            match &launch.work {
                LaunchWork::Standardise(args) => stream.launch(&self.standardise, blocks(args.count), threads, 0, args),
                LaunchWork::Pool(args) => stream.launch(&self.pool, blocks(args.count), threads, 0, args),
                LaunchWork::Mean(args) => stream.launch(&self.mean, blocks(args.count), threads, 0, args),
                LaunchWork::Normalise(args) => {
                    stream.launch(&self.normalise, blocks(i64::from(args.rows) * 32), threads, 0, args)
                }
                LaunchWork::Convolution { args, head } => {
                    let which = TILES.iter().position(|known| *known == tile).unwrap_or(0);
                    let (kernel, tile) =
                        if *head { (&self.head, HEAD_TILE) } else { (&self.body[which], TILES[which]) };
                    let grid = tile.grid(args.rows as usize, args.channels as usize);
                    stream.launch(kernel, grid, tile.threads as u32, tile.shared(), args)
                }
            }
        }
    }
}
