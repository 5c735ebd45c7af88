//! A GPU's context, which every object made on the GPU keeps alive.

// Tested by: `work_on_a_card` in tests/facevault/cuda.rs
// Tested by: `what_goes_wrong_on_a_card` in tests/facevault/cuda.rs
// Tested by: `all_that_is_taken_is_given_back` in tests/facevault/cuda.rs
// Not yet: no GPU has run it; the tests use an emulator behind a fake driver.

use std::ffi::{CStr, c_char, c_int};

use super::api::{Api, Handle};
use super::error::Failure;

/// `CU_DEVICE_ATTRIBUTE_…` of `cuda.h`.
mod attribute {
    pub const MULTIPROCESSOR_COUNT: i32 = 16;
    pub const COMPUTE_CAPABILITY_MAJOR: i32 = 75;
    pub const COMPUTE_CAPABILITY_MINOR: i32 = 76;
    pub const MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: i32 = 97;
}

/// The GPU's primary context, which candle shares on the same GPU.
#[derive(Debug)]
pub(super) struct CardContext {
    pub(super) api: &'static Api,
    pub(super) handle: Handle,
    pub(super) device: c_int,
    pub(super) facts: CardProperties,
}

/// What is read of a GPU once.
#[derive(Debug)]
pub(super) struct CardProperties {
    pub name: String,
    pub compute: (u32, u32),
    pub multiprocessors: u32,
    pub shared_per_block: u32,
    pub driver: (u32, u32),
    pub pci_bus_id: String,
}

// SAFETY: a context belongs to no thread; `enter` makes it current on each that calls the driver.
unsafe impl Send for CardContext {}
// SAFETY: as above; the driver locks what it must.
unsafe impl Sync for CardContext {}

impl std::fmt::Debug for Api {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Api")
    }
}

impl CardContext {
    /// Makes the context current on this thread and returns the driver.
    pub(super) fn enter(&self) -> Result<&'static Api, Failure> {
        // SAFETY: the context lives as long as `self`.
        unsafe { self.api.cuCtxSetCurrent(self.handle)? };
        Ok(self.api)
    }
}

impl Drop for CardContext {
    fn drop(&mut self) {
        // SAFETY: retained once by `Card::open`; everything made in the context keeps it alive, so nothing is left. An error
        // here can only repeat an earlier one.
        let _ = unsafe { self.api.cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

impl CardProperties {
    pub fn read(api: &Api, device: c_int) -> Result<Self, Failure> {
        let number = |attribute| {
            let mut value = 0;
            // SAFETY: a place for one number, and a device of the driver's.
            unsafe { api.cuDeviceGetAttribute(&raw mut value, attribute, device)? };
            Ok(value.unsigned_abs())
        };
        // SAFETY: `place` holds as many bytes as it says.
        let name = text(|place, bytes| unsafe { api.cuDeviceGetName(place, bytes, device) })?;
        // SAFETY: as above.
        let pci_bus_id = text(|place, bytes| unsafe { api.cuDeviceGetPCIBusId(place, bytes, device) })?;
        let version = api.version()?;
        Ok(Self {
            name,
            pci_bus_id,
            compute: (number(attribute::COMPUTE_CAPABILITY_MAJOR)?, number(attribute::COMPUTE_CAPABILITY_MINOR)?),
            multiprocessors: number(attribute::MULTIPROCESSOR_COUNT)?,
            shared_per_block: number(attribute::MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            driver: (version / 1000, version % 1000 / 10),
        })
    }
}

/// The text that `write` puts into a buffer of the given size.
fn text(write: impl FnOnce(*mut c_char, c_int) -> Result<(), Failure>) -> Result<String, Failure> {
    let mut place = [0_u8; 256];
    write(place.as_mut_ptr().cast(), place.len() as c_int)?;
    Ok(CStr::from_bytes_until_nul(&place).unwrap_or_default().to_string_lossy().into_owned())
}
