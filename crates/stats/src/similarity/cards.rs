//! Chooses whether a GPU compares the pairs. This changes no number, so it is not part of a run's identity.

use std::sync::{Mutex, PoisonError};

use super::Population;
use super::card::CardPairs;
use super::kernel::Rows;
use facevault_base::progress::Progress;
use facevault_cuda::{Card, DeviceRequest};
use facevault_kernels::products::Products;

/// A CPU compares fewer pairs than this in less time than it takes to open a card.
const WORTH: u64 = 100_000_000;

/// Where pairs are compared, and which GPU was used.
#[derive(Debug)]
pub struct Cards {
    request: DeviceRequest,
    used: Mutex<Option<String>>,
}

impl Cards {
    /// `auto` uses a card if there is one and there are many pairs, and says so.
    #[must_use]
    pub fn new(request: DeviceRequest) -> Self {
        Self { request, used: Mutex::default() }
    }

    /// The card that compared pairs, in words.
    #[must_use]
    pub fn used(&self) -> Option<String> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Copies the faces to a card if one is to compare this many pairs.
    ///
    /// # Errors
    /// The reason why a required card is not available.
    pub fn load<'a>(
        &self,
        rows: Rows<'a>,
        population: &'a Population<'a>,
        pairs: u64,
        progress: &dyn Progress,
    ) -> Result<Option<CardPairs<'a>>, String> {
        let wanted = match self.request {
            DeviceRequest::Cpu => false,
            DeviceRequest::Cuda => pairs > 0,
            DeviceRequest::Auto => pairs >= WORTH,
        };
        if !wanted {
            return Ok(None);
        }
        match open(rows, population, progress) {
            Ok((name, card)) => {
                progress.say(&format!("comparing on the {name}"));
                *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
                Ok(Some(card))
            }
            Err(reason) if self.request == DeviceRequest::Cuda => Err(reason),
            Err(reason) => {
                progress.say(&format!("similarity.device auto: comparing on the CPU ({reason})"));
                Ok(None)
            }
        }
    }
}

fn open<'a>(
    rows: Rows<'a>,
    population: &'a Population<'a>,
    progress: &dyn Progress,
) -> Result<(String, CardPairs<'a>), String> {
    if Products::best(rows.dimension).rounding() != "rounded once" {
        return Err(
            "this CPU rounds a multiply-add twice, the card once: the same pairs would get other cosines".into()
        );
    }
    let card = Card::first().map_err(|error| error.to_string())?;
    let name = card.name().to_owned();
    let pairs = CardPairs::new(card, rows, population, rayon::current_num_threads(), progress);
    Ok((name, pairs.map_err(|error| error.to_string())?))
}
