//! "Did you mean": the nearest known name to one that is not known.
//!
//! A suggestion is only made when it is likely to be right; otherwise the known names are listed, which is what a
//! person needs then.

/// The candidate that `name` is most likely a slip of.
///
/// At most a third of the letters may be wrong (a swap of two neighbours counts as one). Case, and `-` for `_`, count
/// for nothing. Of several equally near ones the first is taken.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = normal(name);
    let length = name.chars().count();
    let allowed = length.div_ceil(3).min(length.saturating_sub(1));
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&name, &normal(candidate));
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What to say after "unknown x": the nearest of `known`, or all of them.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "none is known here".to_owned(),
        None => format!("known here: `{}`", known.join("`, `")),
    }
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = [
        "profile",
        "clients",
        "base_port",
        "ports",
        "stagger",
        "leaks",
    ];

    #[test]
    fn slips_are_understood() {
        for (slip, meant) in [
            ("clinets", "clients"),
            ("client", "clients"),
            ("base-port", "base_port"),
            ("BasePort", "base_port"),
            ("port", "ports"),
            ("Leaks", "leaks"),
        ] {
            assert_eq!(nearest(slip, KEYS), Some(meant), "{slip}");
        }
    }

    #[test]
    fn what_is_far_from_everything_suggests_nothing() {
        for odd in ["", "x", "timeout", "verbose"] {
            assert_eq!(nearest(odd, KEYS), None, "{odd}");
        }
    }

    #[test]
    fn the_nearest_wins_over_the_first() {
        assert_eq!(nearest("prot", ["project", "port"]), Some("port"));
    }

    #[test]
    fn a_hint_lists_what_is_known_when_nothing_is_near() {
        assert_eq!(
            hint("pyhton", ["unreal", "python"]),
            "did you mean `python`?"
        );
        assert_eq!(
            hint("java", ["unreal", "python"]),
            "known here: `unreal`, `python`"
        );
        assert_eq!(hint("java", []), "none is known here");
    }
}
