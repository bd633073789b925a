//! The kinds of value that the file holds: each function reads one node, or says what it must be.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use proc_core::membership::Exempt;
use toml::de::{DeTable, DeValue};

use super::duration::parse_duration;
use super::error::Fault;
use super::nearest::nearest;
use super::placeholder;
use super::section::{Node, Read, in_order};
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

/// A name that is safe in a file name, in an environment variable and on a command line.
pub(super) fn name(name: &str, span: &Range<usize>) -> Read<String> {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || !name.chars().all(safe) {
        let message = "must be named with letters, digits, `-` and `_` only";
        return Err(vec![Fault::new(span.clone(), message)]);
    }
    Ok(name.to_owned())
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

/// A port: never 0, which would be one that nobody knows.
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

/// An array, of which each item is read with `item`.
pub(super) fn list<'t, T>(
    node: &'t Node<'t>,
    mut item: impl FnMut(&'t Node<'t>) -> Read<T>,
) -> Read<Vec<T>> {
    let Some(items) = node.get_ref().as_array() else {
        return wrong_type(node, "an array");
    };
    let numbered = (1..).zip(items.iter());
    all(numbered.map(|(number, node)| about(&format!("item {number}"), item(node))))
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

/// A table.
pub(super) fn table<'t>(node: &'t Node<'t>) -> Read<&'t DeTable<'t>> {
    match node.get_ref().as_table() {
        Some(table) => Ok(table),
        None => wrong_type(node, "a table"),
    }
}

/// The same, with a subject before each of its faults.
pub(super) fn about<T>(subject: &str, read: Read<T>) -> Read<T> {
    read.map_err(|faults| {
        let faults = faults.into_iter();
        let named = faults.map(|fault| {
            let message = format!("{subject} {}", fault.message);
            Fault::new(fault.span, message)
        });
        named.collect()
    })
}

/// A fault at a node.
pub(super) fn fault<T>(node: &Node<'_>, message: impl Into<String>) -> Read<T> {
    Err(vec![Fault::new(node.span(), message)])
}

fn wrong_type<T>(node: &Node<'_>, wanted: &str) -> Read<T> {
    let found = node.get_ref();
    let article = if found.type_str().starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };
    let found = found.type_str();
    fault(node, format!("must be {wanted}, not {article} {found}"))
}

/// All the values, or all the faults.
fn all<T>(reads: impl Iterator<Item = Read<T>>) -> Read<Vec<T>> {
    let mut values = Vec::new();
    let mut faults = Vec::new();
    for read in reads {
        match read {
            Ok(value) => values.push(value),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(faults)
    }
}
