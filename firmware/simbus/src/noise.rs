//! Noise that is the same at every run: a function of a seed and a step, without state.

/// A number from −1 to 1, evenly spread, for a step of a seeded row.
pub(crate) fn at_step(seed: u64, step: u64) -> f64 {
    let bits = u32::try_from(splitmix64(seed ^ splitmix64(step)) >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// `count` bytes of a seeded row.
pub(crate) fn bytes(seed: u64, count: usize) -> Vec<u8> {
    (0u64..)
        .flat_map(|step| splitmix64(seed ^ splitmix64(step)).to_le_bytes())
        .take(count)
        .collect()
}

/// Sebastiano Vigna's `SplitMix64`.
pub(crate) fn splitmix64(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_published_row() {
        // The first outputs of SplitMix64 seeded with 1234567.
        let step = 0x9E37_79B9_7F4A_7C15_u64;
        let row = [0, 1, 2].map(|n| splitmix64(1_234_567_u64.wrapping_add(step.wrapping_mul(n))));
        assert_eq!(
            row,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn noise_is_the_same_at_every_run_and_stays_in_its_range() {
        let row: Vec<f64> = (0..1_000).map(|step| at_step(7, step)).collect();
        assert!(row.iter().all(|value| value.abs() <= 1.0));
        let mean = row.iter().sum::<f64>() / 1_000.0;
        assert!(mean.abs() < 0.1, "{mean}");
        assert!((at_step(7, 3) - row[3]).abs() < f64::EPSILON);
        assert!((at_step(8, 3) - row[3]).abs() > f64::EPSILON);
    }
}
