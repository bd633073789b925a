//! Durations that JSON has as whole milliseconds: `#[serde(rename = "…_ms", with = "proc_core::millis")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a duration, without what is less than a millisecond.
pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    u64::try_from(time.as_millis())
        .unwrap_or(u64::MAX)
        .serialize(serializer)
}

/// Reads a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// The same, where there may be none: `null`.
pub mod optional {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Millis(#[serde(with = "super")] Duration);

    /// Writes a duration, or `null`.
    pub fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Millis).serialize(serializer)
    }

    /// Reads a duration, or `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let millis = Option::<Millis>::deserialize(deserializer)?;
        Ok(millis.map(|Millis(time)| time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(rename = "took_ms", with = "super")]
        took: Duration,
        #[serde(default, rename = "grace_ms", with = "super::optional")]
        grace: Option<Duration>,
    }

    #[test]
    fn whole_milliseconds_are_written_and_read_back() {
        let written = |took, grace| serde_json::to_string(&Times { took, grace }).unwrap();
        let text = written(Duration::from_micros(1999), Some(Duration::MAX));
        assert_eq!(text, format!(r#"{{"took_ms":1,"grace_ms":{}}}"#, u64::MAX));
        let text = written(Duration::ZERO, None);
        assert_eq!(text, r#"{"took_ms":0,"grace_ms":null}"#);
        for text in [r#"{"took_ms":7}"#, r#"{"took_ms":7,"grace_ms":null}"#] {
            let (took, grace) = (Duration::from_millis(7), None);
            let read: Times = serde_json::from_str(text).unwrap();
            assert_eq!(read, Times { took, grace });
        }
    }
}
