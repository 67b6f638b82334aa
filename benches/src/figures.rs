//! Figures of several rounds as one.

/// Median, smallest, largest; without what could not be measured.
pub fn spread(figures: &[f64], digits: usize) -> String {
    let figures: Vec<f64> = figures.iter().copied().filter(|figure| figure.is_finite()).collect();
    if figures.is_empty() {
        return "-".into();
    }
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.digits$} ({least:.digits$}..{most:.digits$})", median(&figures))
}

/// The middle one, or the mean of the two there; NaN of none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (
        sorted.get(middle),
        middle.checked_sub(1).and_then(|before| sorted.get(before)),
    ) {
        (Some(high), Some(low)) if sorted.len().is_multiple_of(2) => (high + low) / 2.0,
        (Some(middle), _) => *middle,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_found() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert_eq!(spread(&[3.0, f64::NAN, 1.0, 2.0], 1), "2.0 (1.0..3.0)");
        assert_eq!(spread(&[f64::NAN], 1), "-");
    }
}
