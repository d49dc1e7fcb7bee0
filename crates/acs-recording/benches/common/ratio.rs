//! Ratios of samples that were taken in turns.

use std::fmt;

/// The middle half of the ratios of an undisturbed run is within this share of their median.
const MAX_SPREAD: f64 = 0.15;

/// The median of the ratios within each round, or the reason why there is none.
pub(crate) enum Ratio {
    Measured { median: f64, low: f64, high: f64 },
    Disturbed(String),
}

impl Ratio {
    /// Compares samples of the same rounds: how many times the other value the one is.
    pub(crate) fn of(
        pairs: impl IntoIterator<Item = (f64, f64)>,
        disturbance: Option<String>,
    ) -> Self {
        if let Some(disturbance) = disturbance {
            return Self::Disturbed(disturbance);
        }
        let mut ratios: Vec<_> = pairs.into_iter().map(|(one, other)| one / other).collect();
        ratios.sort_by(f64::total_cmp);
        let quartile = |quarters: usize| ratios[(ratios.len() - 1) * quarters / 4];
        let (low, median, high) = (quartile(1), quartile(2), quartile(3));
        let spread = (high - low) / median;
        if spread > MAX_SPREAD {
            return Self::Disturbed(format!(
                "the middle half of the rounds is {:.0} % apart",
                spread * 100.0
            ));
        }
        Self::Measured { median, low, high }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured { median, low, high } => {
                write!(f, "ratio {median:.2} ({low:.2}–{high:.2})")
            }
            Self::Disturbed(reason) => write!(f, "no ratio: {reason}"),
        }
    }
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
