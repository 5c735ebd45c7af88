//! Several devices as one embedder: batches go to them in turn and come back in order.

use std::collections::VecDeque;

use super::{Embedder, EmbedderInfo, FaceBatch, ModelError, OwnedBatch, Pixels, Queue, StageTime};

/// The same network on several GPUs of one kind. Rows are those of a single GPU, since a row depends on its own face only.
pub struct CardGroup {
    info: EmbedderInfo,
    first: Box<dyn Embedder>,
    others: Vec<Box<dyn Embedder>>,
}

impl CardGroup {
    /// `first` and `others`, of equal info.
    ///
    /// # Errors
    /// [`ModelError::UnlikeCards`].
    pub fn new(first: Box<dyn Embedder>, others: Vec<Box<dyn Embedder>>) -> Result<Self, ModelError> {
        let mut info = first.info().clone();
        if let Some(other) = others.iter().find(|other| *other.info() != info) {
            let names = |info: &EmbedderInfo| format!("{} in {}", info.device_name, info.precision.name());
            return Err(ModelError::UnlikeCards { first: names(&info), other: names(other.info()) });
        }
        if !others.is_empty() {
            info.device_name = format!("{} × {}", 1 + others.len(), info.device_name);
        }
        Ok(Self { info, first, others })
    }
}

impl Embedder for CardGroup {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn dimension(&self) -> usize {
        self.first.dimension()
    }

    /// By the first card.
    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        let cards = 1 + self.others.len();
        self.first.embed(batch, out).map_err(|error| of_card(error, 0, cards))
    }

    fn batch(&self) -> usize {
        self.first.batch()
    }

    fn fits(&self) -> Option<usize> {
        self.first.fits()
    }

    fn queue(&mut self) -> Box<dyn Queue + '_> {
        let queues: Vec<_> =
            std::iter::once(&mut self.first).chain(&mut self.others).map(|card| card.queue()).collect();
        Box::new(RoundRobin { queues, started: VecDeque::new(), next: 0 })
    }

    /// Of the first card.
    fn stages(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<Vec<StageTime>, ModelError> {
        let cards = 1 + self.others.len();
        self.first.stages(batch, out).map_err(|error| of_card(error, 0, cards))
    }
}

/// One queue per card, at least one.
struct RoundRobin<'a> {
    queues: Vec<Box<dyn Queue + 'a>>,
    /// The card of each batch, oldest first.
    started: VecDeque<usize>,
    next: usize,
}

impl Queue for RoundRobin<'_> {
    /// The first card's: pinned memory serves all of them.
    fn pixels(&mut self, bytes: usize) -> Result<Pixels, ModelError> {
        let cards = self.queues.len();
        self.queues[0].pixels(bytes).map_err(|error| of_card(error, 0, cards))
    }

    /// Batches are started in turn and finished in order, so this many never exceed what each card may have.
    fn in_flight(&self) -> usize {
        let least = self.queues.iter().map(|queue| queue.in_flight()).min().unwrap_or(1);
        least * self.queues.len()
    }

    fn start(&mut self, batch: OwnedBatch) -> Result<(), ModelError> {
        let (card, cards) = (self.next, self.queues.len());
        self.queues[card].start(batch).map_err(|error| of_card(error, card, cards))?;
        self.started.push_back(card);
        self.next = (card + 1) % cards;
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.started.front().is_none_or(|&card| self.queues[card].is_ready())
    }

    fn finish(&mut self, out: &mut [f32]) -> Result<Pixels, ModelError> {
        let card = self.started.pop_front().ok_or(ModelError::Idle)?;
        self.queues[card].finish(out).map_err(|error| of_card(error, card, self.queues.len()))
    }
}

/// Names the card in an error: their device names are all the same.
fn of_card(error: ModelError, card: usize, cards: usize) -> ModelError {
    let named = |device| if cards == 1 { device } else { format!("{device} (GPU {} of {cards})", card + 1) };
    match error {
        ModelError::Device { device, reason } => ModelError::Device { device: named(device), reason },
        ModelError::OutOfMemory { device, wanted, free } => {
            ModelError::OutOfMemory { device: named(device), wanted, free }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::mock::{MockCard, encoded};
    use super::*;
    use crate::Precision;
    use facevault_preprocess::Standardise;

    const SIDE: usize = 1;

    fn cards(cards: impl IntoIterator<Item = MockCard>) -> Result<CardGroup, ModelError> {
        let mut cards = cards.into_iter().map(|card| Box::new(card) as Box<dyn Embedder>);
        let first = cards.next().unwrap();
        CardGroup::new(first, cards.collect())
    }

    fn batch(queue: &mut dyn Queue, faces: std::ops::Range<u8>) -> OwnedBatch {
        let mut pixels = queue.pixels(3 * faces.len()).unwrap();
        pixels.chunks_exact_mut(3).zip(faces.clone()).for_each(|(pixels, face)| pixels.fill(face));
        OwnedBatch { pixels, count: faces.len(), side: SIDE, standardise: Standardise { mean: 0.0, scale: 1.0 } }
    }

    #[test]
    fn batches_go_round_and_come_back_in_order() {
        let all: Vec<_> = (0..3).map(|i| MockCard::new(4).in_flight(2).slow(i)).collect();
        let seen: Vec<_> = all.iter().map(MockCard::seen).collect();
        let mut cards = cards(all).unwrap();
        assert_eq!(cards.info().device_name, "3 × mock card");
        let mut queue = cards.queue();
        assert_eq!(queue.in_flight(), 6);
        for first in 0..6u8 {
            let batch = batch(queue.as_mut(), 10 * first..10 * first + 2 + first);
            queue.start(batch).unwrap();
        }
        for first in 0..6u8 {
            let mut out = vec![0.0; 4 * (2 + usize::from(first))];
            let pixels = queue.finish(&mut out).unwrap();
            assert_eq!(pixels.len(), 3 * (2 + usize::from(first)));
            let expected: Vec<f32> = (10 * first..2 + 11 * first).flat_map(|face| encoded(&[face; 3], 4)).collect();
            assert_eq!(out, expected, "batch {first}");
        }
        assert!(matches!(queue.finish(&mut []), Err(ModelError::Idle)));
        drop(queue);
        assert!(seen.iter().all(|seen| seen.batches() == 2 && seen.most_at_once() <= 2));
    }

    #[test]
    fn one_card_is_itself() {
        let mut cards = cards([MockCard::new(4)]).unwrap();
        assert_eq!(cards.info(), MockCard::new(4).info());
        assert_eq!(cards.batch(), MockCard::new(4).batch());
        let mut out = [0.0; 4];
        let face =
            FaceBatch { pixels: &[9; 3], count: 1, side: SIDE, standardise: Standardise { mean: 0.0, scale: 1.0 } };
        cards.embed(face, &mut out).unwrap();
        assert_eq!(out.to_vec(), encoded(&[9; 3], 4));
    }

    #[test]
    fn an_error_names_the_failing_card_by_number() {
        let mut cards = cards([MockCard::new(4), MockCard::new(4).failing_at(0), MockCard::new(4)]).unwrap();
        let mut queue = cards.queue();
        for _ in 0..2 {
            let batch = batch(queue.as_mut(), 0..1);
            queue.start(batch).unwrap();
        }
        let mut out = [0.0; 4];
        queue.finish(&mut out).unwrap();
        let error = queue.finish(&mut out).unwrap_err().to_string();
        assert_eq!(error, "the mock card (GPU 2 of 3) failed: it was told to");
    }

    #[test]
    fn cards_that_could_answer_differently_are_refused() {
        let other = MockCard::new(4).precision(Precision::Bf16);
        let error = cards([MockCard::new(4), other]).err().unwrap();
        insta::assert_snapshot!(error, @"the GPUs differ (mock card in f32, mock card in bf16), and an embedding would depend on which one computes it; use only one of them");
    }
}
