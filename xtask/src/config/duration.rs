//! Durations as people write them: `10s`, `3m`, `500ms`, `1m30s`, `1h`.
//!
//! A number without a unit is refused rather than guessed: seconds and milliseconds are both common, and a time-out
//! that is a thousand times off is found late.

use std::time::Duration;

/// No wait of this tool is longer, so that adding a duration to a point in time cannot overflow.
const LONGEST: Duration = Duration::from_hours(24);

/// The units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Digits only.
    #[error("needs a unit: write \"{0}s\" for seconds or \"{0}ms\" for milliseconds")]
    NoUnit(String),
    /// Anything else that cannot be read.
    #[error("must be a duration like \"10s\", \"3m\", \"500ms\" or \"1m30s\", not {0:?}")]
    Malformed(String),
    /// Longer than a day.
    #[error("must be at most \"24h\", not {0:?}")]
    TooLong(String),
}

/// Reads a duration: whole numbers, each with a unit (`h`, `m`, `s`, `ms`), the larger units first.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::NoUnit(text.to_owned()));
    }
    let too_long = || DurationError::TooLong(text.to_owned());
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |letter| !letter.is_ascii_digit());
        let (unit, after) = split_where(after, |letter| letter.is_ascii_digit());
        if digits.is_empty() {
            return Err(malformed());
        }
        // The iterator only goes on, so that a unit can neither come twice nor after a smaller one.
        let (_, milliseconds) = units
            .find(|(known, _)| *known == unit)
            .ok_or_else(malformed)?;
        total = digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*milliseconds))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(too_long)?;
        rest = after;
    }
    if text.is_empty() {
        return Err(malformed());
    }
    let duration = Duration::from_millis(total);
    if duration > LONGEST {
        return Err(too_long());
    }
    Ok(duration)
}

/// Writes a duration the way [`parse_duration`] reads it; what is below a millisecond is left out.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut parts = Vec::new();
    for (unit, milliseconds) in UNITS {
        let number = rest / u128::from(milliseconds);
        rest %= u128::from(milliseconds);
        if number > 0 {
            parts.push(format!("{number}{unit}"));
        }
    }
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.concat()
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_and_written_back() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("3m", 180_000),
            ("1m30s", 90_000),
            ("1h2m3s4ms", 3_723_004),
            ("24h", 86_400_000),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(text), Ok(duration), "{text}");
            assert_eq!(show_duration(duration), text);
        }
        assert_eq!(parse_duration("180s"), Ok(Duration::from_mins(3)));
        assert_eq!(show_duration(Duration::from_mins(3)), "3m");
    }

    #[test]
    fn a_bare_number_is_asked_for_its_unit() {
        insta::assert_snapshot!(parse_duration("10").unwrap_err(), @r#"needs a unit: write "10s" for seconds or "10ms" for milliseconds"#);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", "s", "10 s", "1.5s", "-1s", "10sec", "30s1m", "1s1s", "1m30", "\u{661}s",
        ] {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(error, DurationError::Malformed(text.to_owned()));
        }
        insta::assert_snapshot!(parse_duration("1.5s").unwrap_err(), @r#"must be a duration like "10s", "3m", "500ms" or "1m30s", not "1.5s""#);
    }

    #[test]
    fn more_than_a_day_is_refused_without_overflow() {
        for text in [
            "25h",
            "24h1ms",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(error, DurationError::TooLong(text.to_owned()));
        }
        insta::assert_snapshot!(parse_duration("48h").unwrap_err(), @r#"must be at most "24h", not "48h""#);
    }
}
