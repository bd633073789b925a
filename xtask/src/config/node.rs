//! One value of the document, and how what is wrong with it is said: what tables and values are read with.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Fault;

/// A value with its place.
pub(super) type Node<'t> = Spanned<DeValue<'t>>;

/// A value, or what is wrong with it, as phrases that follow the name of the key ("must be …").
pub(super) type Read<T> = Result<T, Vec<Fault>>;

/// A table.
pub(super) fn table<'t>(node: &'t Node<'t>) -> Read<&'t DeTable<'t>> {
    match node.get_ref().as_table() {
        Some(table) => Ok(table),
        None => wrong_type(node, "a table"),
    }
}

/// The entries of a table in the order of the file (the table itself is sorted by name), each with the place of its key.
pub(super) fn in_order<'t>(table: &'t DeTable<'t>) -> Vec<(&'t str, Range<usize>, &'t Node<'t>)> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, node)| (key.get_ref().as_ref(), key.span(), node))
        .collect();
    entries.sort_by_key(|(_, span, _)| span.start);
    entries
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

/// A name that is safe in a file name, in an environment variable and on a command line.
pub(super) fn name(name: &str, span: &Range<usize>) -> Read<String> {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || !name.chars().all(safe) {
        let message = "must be named with letters, digits, `-` and `_` only";
        return Err(vec![Fault::new(span.clone(), message)]);
    }
    Ok(name.to_owned())
}

/// What was read, with a subject before each of its faults.
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

pub(super) fn wrong_type<T>(node: &Node<'_>, wanted: &str) -> Read<T> {
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
pub(super) fn all<T>(reads: impl Iterator<Item = Read<T>>) -> Read<Vec<T>> {
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
