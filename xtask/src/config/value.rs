//! The kinds of value that the file holds: each function reads one node, or says what it must be.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use proc_core::membership::Exempt;
use toml::de::DeValue;

use super::duration::parse_duration;
use super::error::Fault;
use super::nearest::nearest;
use super::node::{Node, Read, about, all, fault, in_order, list, table, wrong_type};
use super::placeholder;
use super::windows;

/// Any text.
pub(super) fn text<'t>(node: &'t Node<'t>) -> Read<&'t str> {
    let Some(text) = node.get_ref().as_str() else {
        return wrong_type(node, "a string");
    };
    if text.contains('\0') {
        return fault(node, "must not hold a NUL character");
    }
    Ok(text)
}

/// Text that says something.
pub(super) fn filled(node: &Node<'_>) -> Read<String> {
    match text(node)? {
        "" => fault(node, "must not be empty"),
        text => Ok(text.to_owned()),
    }
}

/// Text that is a path, or the name of a program.
pub(super) fn path(node: &Node<'_>) -> Read<String> {
    let text = filled(node)?;
    if std::env::consts::OS != "windows" {
        return Ok(text);
    }
    windows::plain(&text).or_else(|why| fault(node, why))
}

/// Text in which each placeholder is known.
pub(super) fn template(node: &Node<'_>) -> Read<String> {
    let text = text(node)?;
    match placeholder::check(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => fault(node, format!("has an {error}")),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(node: &Node<'_>, choices: &[(&str, T)]) -> Read<T> {
    let text = text(node)?;
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<String> = choices
        .iter()
        .map(|(word, _)| format!("{word:?}"))
        .collect();
    let near = nearest(text, choices.iter().map(|(word, _)| *word));
    let hint = near.map_or_else(String::new, |near| format!(", did you mean {near:?}?"));
    let words = words.join(" or ");
    fault(node, format!("must be {words}, not {text:?}{hint}"))
}

/// A whole number within a range.
pub(super) fn integer<T>(node: &Node<'_>, range: RangeInclusive<T>) -> Read<T>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    let wanted = format!("a whole number from {} to {}", range.start(), range.end());
    let DeValue::Integer(written) = node.get_ref() else {
        return wrong_type(node, &wanted);
    };
    i64::from_str_radix(written.as_str(), written.radix())
        .ok()
        .and_then(|number| T::try_from(number).ok())
        .filter(|number| range.contains(number))
        .map_or_else(
            || fault(node, format!("must be {wanted}, not {written}")),
            Ok,
        )
}

/// A port: never 0, which stands for one that is not known beforehand.
pub(super) fn port(node: &Node<'_>) -> Read<u16> {
    integer(node, 1..=u16::MAX)
}

/// A duration with its unit.
pub(super) fn duration(node: &Node<'_>) -> Read<Duration> {
    let parsed = match node.get_ref() {
        DeValue::Integer(number) => parse_duration(&number.to_string()),
        _ => match node.get_ref().as_str() {
            Some(text) => parse_duration(text),
            None => return wrong_type(node, "a duration like \"10s\" or \"3m\""),
        },
    };
    parsed.or_else(|error| fault(node, error.to_string()))
}

/// A duration that leaves time for something to happen.
pub(super) fn positive_duration(node: &Node<'_>) -> Read<Duration> {
    match duration(node)? {
        Duration::ZERO => fault(node, "must be more than zero"),
        duration => Ok(duration),
    }
}

/// A glob, kept as it was written.
pub(super) fn glob(node: &Node<'_>) -> Read<String> {
    let text = filled(node)?;
    match globset::Glob::new(&text) {
        Ok(_) => Ok(text),
        Err(error) => fault(node, format!("has a bad glob: {}", error.kind())),
    }
}

/// A glob for the names of programs that are left alone: it must name some, and not all.
pub(super) fn program_glob(node: &Node<'_>) -> Read<String> {
    let text = filled(node)?;
    match Exempt::default().allow(1, std::slice::from_ref(&text)) {
        Ok(()) => Ok(text),
        Err(error) => fault(node, format!("has {error}")),
    }
}

/// A glob for files that may be removed: it must not lead out of the folder that it starts from.
pub(super) fn glob_below(node: &Node<'_>) -> Read<String> {
    let text = glob(node)?;
    // Both separators and a drive are looked for on every system, as one file serves all of them.
    let leads_out = text.starts_with(['/', '\\']) || text.contains(':') || text.contains("..");
    if leads_out {
        return fault(
            node,
            "must stay below the project's folder: no `..`, no absolute path",
        );
    }
    Ok(text)
}

/// Ports, each one once.
pub(super) fn port_list(node: &Node<'_>) -> Read<Vec<u16>> {
    let mut seen = Vec::new();
    let ports = list(node, |item| {
        let port = port(item)?;
        if seen.contains(&port) {
            return fault(
                item,
                format!("repeats {port}; give each client a port of its own"),
            );
        }
        seen.push(port);
        Ok(port)
    })?;
    if ports.is_empty() {
        return fault(node, "must name at least one port, or be left out");
    }
    Ok(ports)
}

/// A table of environment variables.
pub(super) fn variables(node: &Node<'_>) -> Read<BTreeMap<String, String>> {
    let entries = in_order(table(node)?).into_iter();
    let variables = all(entries.map(|(name, span, node)| {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = "has a name that is empty or holds `=` or NUL";
            return Err(vec![Fault::new(span, message)]);
        }
        let value = about(&format!("variable {name}"), template(node))?;
        Ok((name.to_owned(), value))
    }))?;
    Ok(variables.into_iter().collect())
}
