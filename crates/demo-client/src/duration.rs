//! Durations as a person writes them: `500ms`, `10s`, `3m`, `24h`.

use std::time::Duration;

use thiserror::Error;

/// Why a text is no duration.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum DurationError {
    #[error("no number in front: write 500ms, 10s, 3m or 24h")]
    NoNumber,
    #[error("no unit: write {0}s, {0}ms, {0}m or {0}h")]
    NoUnit(String),
    #[error("unknown unit `{0}`: known are ms, s, m and h")]
    UnknownUnit(String),
    #[error("too long")]
    TooLong,
}

/// Reads a whole number with a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let unit_at = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    if number.is_empty() {
        return Err(DurationError::NoNumber);
    }
    // Only digits are left, so the one thing that can be wrong with them is their size.
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    let seconds = |factor: u64| {
        number
            .checked_mul(factor)
            .map(Duration::from_secs)
            .ok_or(DurationError::TooLong)
    };
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        "" => Err(DurationError::NoUnit(text.to_owned())),
        other => Err(DurationError::UnknownUnit(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("3m"), Ok(Duration::from_mins(3)));
        assert_eq!(parse_duration("24h"), Ok(Duration::from_hours(24)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_no_duration_says_why() {
        assert_eq!(parse_duration(""), Err(DurationError::NoNumber));
        assert_eq!(parse_duration("-1s"), Err(DurationError::NoNumber));
        assert_eq!(
            parse_duration("10"),
            Err(DurationError::NoUnit("10".to_owned()))
        );
        assert_eq!(
            parse_duration("1.5s"),
            Err(DurationError::UnknownUnit(".5s".to_owned()))
        );
        assert_eq!(
            parse_duration("99999999999999999999s"),
            Err(DurationError::TooLong)
        );
        assert_eq!(
            parse_duration("18446744073709551615h"),
            Err(DurationError::TooLong)
        );
    }
}
