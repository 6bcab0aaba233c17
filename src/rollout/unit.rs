//! Who gets which variant, when the same unit (a user, an account, a session) is to get the same one each time. The hash is
//! stated in the documentation of [`crate::rollout`].

use std::sync::Arc;

use crate::chance::mix;

/// The hash of a text.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    mix(fnv(FNV_START, bytes))
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// What of a unit's number does not depend on the unit: the state of the hash behind function and variant.
pub(crate) fn salt(function: &str, variant: &str) -> u64 {
    [function, variant].iter().fold(FNV_START, |state, name| fnv(fnv(state, name.as_bytes()), &[0]))
}

/// The place of the unit's variant. `salts` and `weights` are of the variants.
pub(crate) fn pick(unit: u64, salts: &[u64], weights: &[f64]) -> usize {
    let distance = |salt: u64, weight: f64| {
        let bits = mix(fnv(salt, &unit.to_le_bytes()));
        let number = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -number.ln() / weight
    };
    let candidates = salts.iter().zip(weights).enumerate().filter(|(_, (_, weight))| **weight > 0.0);
    let mut nearest = (0, f64::INFINITY);
    for (index, (salt, weight)) in candidates {
        let distance = distance(*salt, *weight);
        if distance < nearest.1 {
            nearest = (index, distance);
        }
    }
    nearest.0
}

/// The salts of a function's variants.
pub(crate) fn salts(function: &str, variants: &[Arc<str>]) -> Vec<u64> {
    variants.iter().map(|variant| salt(function, variant)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_stated_one() {
        // FNV-1a of "foobar", from the authors' test vectors.
        assert_eq!(fnv(FNV_START, b"foobar"), 0x85944171f73967e8);
        assert_eq!(hash(b"foobar"), mix(0x85944171f73967e8));
        assert_eq!(salt("f", "v1"), fnv(FNV_START, b"f\0v1\0"));
    }

    fn picks(weights: &[f64]) -> Vec<usize> {
        let names = ["v1", "v2", "v3"].map(Arc::from);
        let salts = salts("f", &names);
        (0..20_000u32).map(|n| pick(hash(format!("user-{n}").as_bytes()), &salts, weights)).collect()
    }

    #[test]
    fn each_variant_gets_its_share_of_units() {
        let weights = [0.5, 0.3, 0.2];
        let picked = picks(&weights);
        let chi_square = (0..3).map(|variant| {
            let expected = weights[variant] * picked.len() as f64;
            let seen = picked.iter().filter(|pick| **pick == variant).count() as f64;
            (seen - expected).powi(2) / expected
        });
        // The 0.999 quantile for two degrees of freedom.
        assert!(chi_square.sum::<f64>() < 13.8);
    }

    #[test]
    fn units_move_only_to_the_variant_that_grows() {
        let mut before = picks(&[1.0, 0.0, 0.0]);
        for step in 1..=20 {
            let share = f64::from(step) / 20.0;
            let now = picks(&[1.0 - share, share, 0.0]);
            assert!(before.iter().zip(&now).all(|(before, now)| before == now || *now == 1));
            before = now;
        }
        let (half, more) = (picks(&[0.4, 0.4, 0.2]), picks(&[0.3, 0.3, 0.4]));
        assert!(half.iter().zip(&more).all(|(before, now)| before == now || *now == 2));
    }

    #[test]
    fn without_any_weight_it_is_the_first() {
        assert!(picks(&[0.0, 0.0, 0.0]).iter().all(|pick| *pick == 0));
        assert_eq!(pick(7, &[], &[]), 0);
    }
}
