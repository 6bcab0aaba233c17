//! Chance as it is given to what needs it: a thread's own, one from a seed, or draws written down beforehand.

use std::fmt;

use parking_lot::Mutex;

/// A source of uniform random numbers.
pub trait Random: Send + Sync + fmt::Debug {
    /// The next number, at least 0 and less than 1.
    fn uniform(&self) -> f64;

    /// 64 random bits, of two numbers.
    fn bits(&self) -> u64 {
        let half = |uniform: f64| (uniform * 4_294_967_296.0) as u64;
        half(self.uniform()) << 32 | half(self.uniform())
    }
}

/// A fast generator of each thread's own, seeded by the system. Not for secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadRandom;

impl Random for ThreadRandom {
    #[inline]
    fn uniform(&self) -> f64 {
        fastrand::f64()
    }
}

/// The same numbers for the same seed, on every platform: SplitMix64 (Steele, Lea and Flood 2014), its upper 53 bits.
#[derive(Debug)]
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        SeededRandom(Mutex::new(seed))
    }
}

impl Random for SeededRandom {
    fn uniform(&self) -> f64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        to_unit(mix(*state))
    }
}

/// Numbers given beforehand, again from the first when they are used up. Without any it gives 0.
#[derive(Debug)]
pub struct Draws {
    numbers: Vec<f64>,
    next: Mutex<usize>,
}

impl Draws {
    /// These numbers, in this order.
    pub fn new(numbers: impl Into<Vec<f64>>) -> Self {
        Draws { numbers: numbers.into(), next: Mutex::new(0) }
    }
}

impl Random for Draws {
    fn uniform(&self) -> f64 {
        let mut next = self.next.lock();
        let number = self.numbers.get(*next % self.numbers.len().max(1)).copied().unwrap_or(0.0);
        *next += 1;
        number
    }
}

/// Spreads the bits of a number over all of it: the finalizer of SplitMix64, a bijection.
#[inline]
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// 64 random bits as a number from 0 up to 1: the upper 53 of them, as many as a float can hold.
#[inline]
pub(crate) fn to_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_give_the_published_sequence() {
        // The first outputs of SplitMix64 for seed 1234567, as its reference implementation prints them.
        let random = SeededRandom::new(1_234_567);
        for bits in [6_457_827_717_110_365_317u64, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423] {
            assert_eq!(random.uniform(), to_unit(bits));
        }
    }

    #[test]
    fn draws_come_in_order_and_again() {
        let draws = Draws::new([0.25, 0.5]);
        assert_eq!([draws.uniform(), draws.uniform(), draws.uniform()], [0.25, 0.5, 0.25]);
        assert_eq!(Draws::new([]).uniform(), 0.0);
    }

    #[test]
    fn all_stay_in_their_range() {
        assert_eq!((to_unit(0), to_unit(u64::MAX) < 1.0), (0.0, true));
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&ThreadRandom.uniform())));
    }
}
