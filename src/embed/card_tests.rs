//! Embedding on asynchronous devices: the same bytes, and the device is never kept waiting.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use proptest::prelude::*;

use super::mock::{DIMENSION, EmbedFixture, Fate, network};
use super::*;
use crate::model::{BatchSize, CardGroup, Embedder};
use crate::progress::{Cancel, Silent};
use facevault_nn::mock::{MockCard, MockLog};

fn card() -> MockCard {
    MockCard::new(DIMENSION).answering(network)
}

/// So many cards as one, each with another pace.
fn cards(count: usize, in_flight: usize, seed: u64) -> CardGroup {
    let card = |i| Box::new(card().in_flight(in_flight).slow(seed + i)) as Box<dyn Embedder>;
    CardGroup::new(card(0), (1..count as u64).map(card).collect()).unwrap()
}

/// A run with failures of every kind, one batch of nothing else among them.
fn bench(rows: usize, chunk_size: usize, mirror: Mirror) -> EmbedFixture {
    let all = (9..15).map(|row| (row, Fate::Fails));
    let mut bench = EmbedFixture::new(rows, chunk_size).with_fates(all.chain([(0, Fate::Panics), (20, Fate::Poisons)]));
    bench.preprocess.mirror = mirror;
    bench
}

#[test]
fn the_files_do_not_depend_on_the_device() {
    for mirror in [Mirror::None, Mirror::Sum, Mirror::Concat] {
        let expected = bench(50, 12, mirror).finish();
        for (count, in_flight) in [(1, 1), (1, 2), (1, 5), (2, 1), (3, 2)] {
            let mut bench = bench(50, 12, mirror);
            bench.reader.jitter = true;
            assert!(
                bench.finish_on(&mut cards(count, in_flight, 7)) == expected,
                "{count} cards, {in_flight} in flight, {mirror:?}"
            );
        }
    }
}

/// What a card saw of a run of 40 rows in batches of 4.
fn watched(card: MockCard) -> Arc<MockLog> {
    let seen = card.seen();
    let mut bench = EmbedFixture::new(40, 16);
    bench.options.batch_size = BatchSize::Faces(4);
    let mut card = card;
    assert_eq!(bench.finish_on(&mut card), EmbedFixture::new(40, 16).finish());
    seen
}

#[test]
fn a_device_is_never_kept_waiting_while_a_batch_is_ready() {
    // A greedy card works only with a full queue behind the batch.
    for in_flight in 1..5 {
        let seen = watched(card().in_flight(in_flight).greedy(10));
        assert_eq!((seen.batches(), seen.most_at_once()), (10, in_flight));
    }
}

#[test]
fn memory_is_bounded_and_goes_round() {
    for in_flight in 1..4 {
        let seen = watched(card().in_flight(in_flight).slow(1));
        assert_eq!((seen.memory(), seen.largest()), (in_flight + 2, 4));
        assert!(seen.most_at_once() <= in_flight);
    }
}

#[test]
fn auto_takes_the_size_that_suits_the_device_and_a_mirror_image_counts() {
    for (mirror, chunk_size, batches) in [(Mirror::None, 40, 5), (Mirror::Sum, 40, 10), (Mirror::None, 5, 8)] {
        let mut bench = EmbedFixture::new(40, chunk_size);
        bench.options.batch_size = BatchSize::Auto;
        bench.preprocess.mirror = mirror;
        let mut card = card();
        let seen = card.seen();
        bench.finish_on(&mut card);
        assert_eq!((seen.batches(), seen.largest()), (batches, card.batch().min(chunk_size)));
    }
}

#[test]
fn an_interruption_keeps_what_is_committed_and_leaves_nothing_in_the_device() {
    let expected = bench(40, 6, Mirror::None).finish();
    // Two batches of 14 are failures alone, and never started.
    for stop_at in 0..12 {
        let bench = bench(40, 6, Mirror::None);
        let cancel = Cancel::default();
        let wish = cancel.clone();
        let mut card = card().in_flight(3).slow(3).on_start(move |batches| {
            if batches >= stop_at {
                wish.request();
            }
        });
        let mut store = bench.open(&Silent);
        let outcome = bench.session_on(&mut card, &mut store, &Silent, &cancel).unwrap();
        let committed = store.rows_embedded() + store.rows_failed();
        assert!(matches!(outcome, EmbedOutcome::Interrupted(_)), "stopped at {stop_at}");
        assert!(committed.is_multiple_of(6) && committed < 40, "{committed} rows, stopped at {stop_at}");
        drop(store);
        bench.reader.started.store(0, Ordering::SeqCst);
        assert!(bench.finish_on(&mut cards(2, 2, stop_at as u64)) == expected, "stopped at {stop_at}");
        assert_eq!(bench.reader.started.load(Ordering::SeqCst), 40 - committed);
    }
}

#[test]
fn a_failing_card_ends_the_run_by_its_name_and_what_was_committed_stays() {
    let bench = EmbedFixture::new(40, 6);
    let second = Box::new(card().failing_at(4).slow(2));
    let mut cards = CardGroup::new(Box::new(card().slow(1)), vec![second]).unwrap();
    let mut store = bench.open(&Silent);
    let error = bench.session_on(&mut cards, &mut store, &Silent, &Cancel::default()).unwrap_err();
    assert_eq!(error.to_string(), "the mock card (GPU 2 of 2) failed: it was told to");
    // The tenth batch of three rows failed: four chunks were whole, and the writer is done with what it was given.
    assert_eq!(store.rows_embedded(), 24);
    drop(store);
    assert!(bench.finish() == EmbedFixture::new(40, 6).finish());
}

#[test]
fn a_device_without_the_memory_for_batches_says_what_helps() {
    let bench = EmbedFixture::new(40, 16);
    let mut store = bench.open(&Silent);
    let error = bench.session_on(&mut card().room(35), &mut store, &Silent, &Cancel::default()).unwrap_err();
    assert!(error.to_string().ends_with("use a smaller `embed.batch_size`"), "{error}");
    assert_eq!(bench.reader.started.load(Ordering::SeqCst), 0, "nothing is read for nothing");
}

#[test]
fn time_in_the_device_is_counted_once() {
    let bench = EmbedFixture::new(60, 20);
    let started = Instant::now();
    bench.session_on(&mut cards(3, 2, 1), &mut bench.open(&Silent), &Silent, &Cancel::default()).unwrap();
    let elapsed = started.elapsed().as_micros() as u64;
    let timings: Vec<_> = read_records(bench.run()).unwrap().into_iter().map(|record| record.timings).collect();
    let forward: u64 = timings.iter().map(|timings| timings.forward_us).sum();
    let wall: u64 = timings.iter().map(|timings| timings.wall_us).sum();
    assert!(0 < forward && forward <= elapsed && wall <= elapsed, "{forward} µs and {wall} µs of {elapsed} µs");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_number_of_cards_gives_the_same_bytes(
        rows in 21usize..60,
        chunk_size in 1usize..25,
        batch_size in 1usize..20,
        threads in 1usize..5,
        count in 1usize..5,
        in_flight in 1usize..4,
        seed in 0u64..1000,
        mirror in prop::sample::select(vec![Mirror::None, Mirror::Sum, Mirror::Concat]),
    ) {
        let expected = bench(rows, 100, mirror).finish();
        let mut bench = bench(rows, chunk_size, mirror);
        bench.reader.jitter = true;
        bench.options.batch_size = BatchSize::Faces(batch_size);
        bench.options.threads = Some(threads);
        prop_assert!(bench.finish_on(&mut cards(count, in_flight, seed)) == expected);
    }
}
