//! Intervals for rates, good for one look at the data.

/// An interval of a rate or of a difference of rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The two-sided 95% quantile of the standard normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// Wilson's score interval (1927) for a rate of `successes` in `n`, at 95%; `None` when `n` is 0.
///
/// ```
/// let interval = temporal_code::logs::wilson(28, 30).unwrap();
/// assert!((interval.low - 0.78677).abs() < 1e-4 && (interval.high - 0.98152).abs() < 1e-4);
/// ```
pub fn wilson(successes: u64, n: u64) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let (x, n, z2) = (successes as f64, n as f64, Z_95 * Z_95);
    let middle = (x + z2 / 2.0) / (n + z2);
    let half = Z_95 / (n + z2) * (x * (n - x) / n + z2 / 4.0).sqrt();
    // At the ends the formula is exact, but for rounding.
    let low = if successes == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if x == n { 1.0 } else { (middle + half).min(1.0) };
    Some(Interval { low, high })
}

/// Newcombe's hybrid score interval (1998, method 10) for the rate of `b` minus the rate of `a`, each (successes, n), at
/// 95 %; `None` when either has no calls.
pub fn newcombe(a: (u64, u64), b: (u64, u64)) -> Option<Interval> {
    let (wilson_a, wilson_b) = (wilson(a.0, a.1)?, wilson(b.0, b.1)?);
    let rate = |(successes, n): (u64, u64)| successes as f64 / n as f64;
    let (rate_a, rate_b) = (rate(a), rate(b));
    let difference = rate_b - rate_a;
    let below = (rate_b - wilson_b.low).hypot(wilson_a.high - rate_a);
    let above = (wilson_b.high - rate_b).hypot(rate_a - wilson_a.low);
    Some(Interval { low: (difference - below).max(-1.0), high: (difference + above).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, reference: f64) -> bool {
        (ours - reference).abs() <= 1e-6 * reference.abs().max(1e-300)
    }

    /// Reference values: statsmodels 0.15.0, `proportion_confint(method="wilson")`.
    #[test]
    fn wilson_equals_statsmodels() {
        for (successes, n, low, high) in [
            (0, 10, 0.0, 0.277_532_799_862_889_26),
            (27, 30, 0.743_789_174_208_159_2, 0.965_400_111_252_665_9),
            (95, 100, 0.888_249_530_768_080_8, 0.978_456_320_845_631_9),
        ] {
            let ours = wilson(successes, n).expect("calls");
            assert!(close(ours.low, low) && close(ours.high, high), "{ours:?}");
        }
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(7, 7).map(|interval| interval.high), Some(1.0));
    }

    /// Reference values: statsmodels 0.15.0, `confint_proportions_2indep(method="newcomb", compare="diff")`.
    #[test]
    fn newcombe_equals_statsmodels() {
        for (a, b, low, high) in [
            ((30, 30), (28, 30), -0.213_234_583_626_169_32, 0.056_652_156_350_447_35),
            ((56, 70), (48, 80), -0.333_872_654_036_906_14, -0.052_431_472_402_364_98),
            ((95, 100), (18, 20), -0.253_037_653_428_921_5, 0.044_954_541_665_187_656),
        ] {
            let ours = newcombe(a, b).expect("calls");
            assert!(close(ours.low, low) && close(ours.high, high), "{ours:?}");
        }
        assert_eq!(newcombe((0, 0), (1, 1)), None);
    }
}
