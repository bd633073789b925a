//! Reading a TOML table key by key, with the place of everything that is wrong.
//!
//! A [`Section`] remembers which keys it was asked for. So the keys that are known are exactly the keys that are read,
//! and a key that was not asked for is unknown: there is no second list of them to keep in step. A fault does not stop the
//! reading, so that one pass finds them all.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::error::Fault;
use super::nearest::hint;
use super::node::{self, Node, Read, in_order};

/// One table while it is read.
pub(super) struct Section<'t, 'f> {
    /// What stands between the brackets of its header; empty for the document itself.
    path: String,
    head: Range<usize>,
    table: &'t DeTable<'t>,
    asked: Vec<&'static str>,
    faults: &'f mut Vec<Fault>,
    /// How many faults there were before this section.
    earlier: usize,
}

impl<'t> Section<'t, '_> {
    /// Reads a whole document with `body`.
    pub(super) fn document<T>(
        document: &'t Spanned<DeTable<'t>>,
        faults: &mut Vec<Fault>,
        body: impl FnOnce(&mut Section<'t, '_>) -> T,
    ) -> T {
        Section::read(String::new(), 0..0, document.get_ref(), faults, body)
    }

    /// The value of `key`, if it is there and right.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        reader: impl FnOnce(&'t Node<'t>) -> Read<T>,
    ) -> Option<T> {
        self.asked.push(key);
        let node = self.table.get(key)?;
        self.keep(node::about(&format!("`{key}`"), reader(node)))
    }

    /// Puts the value of `key` in place of `slot`, if it is there and right.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        slot: &mut T,
        reader: impl FnOnce(&'t Node<'t>) -> Read<T>,
    ) {
        if let Some(value) = self.take(key, reader) {
            *slot = value;
        }
    }

    /// Reads the table at `key` with `body`, if it is there.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        body: impl FnOnce(&mut Section<'t, '_>) -> T,
    ) -> Option<T> {
        let (head, table) = self.take(key, |node| Ok((node.span(), node::table(node)?)))?;
        let path = self.child(key);
        Some(Section::read(path, head, table, self.faults, body))
    }

    /// Reads each table in the array at `key` (`[[key]]`) with `body`, if it is there.
    pub(super) fn table_list<T>(
        &mut self,
        key: &'static str,
        mut body: impl FnMut(&mut Section<'t, '_>) -> T,
    ) -> Option<Vec<T>> {
        let path = self.child(key);
        let table = |node: &'t Node<'t>| Ok((node.span(), node::table(node)?));
        let tables = self.take(key, |node| {
            if node.get_ref().is_table() {
                let message = format!("is a list of tables; write [[{path}]], with two brackets");
                return node::fault(node, message);
            }
            node::list(node, table)
        })?;
        let read = |(head, table)| Section::read(path.clone(), head, table, self.faults, &mut body);
        Some(tables.into_iter().map(read).collect())
    }

    /// Reads each table in the table at `key` (`[key.NAME]`) with `body`, in the order of the file.
    pub(super) fn named_tables(
        &mut self,
        key: &'static str,
        mut body: impl FnMut(&str, &mut Section<'t, '_>),
    ) {
        let Some(tables) = self.take(key, node::table) else {
            return;
        };
        for (name, head, node) in in_order(tables) {
            let path = format!("{}.{name}", self.child(key));
            let named = node::name(name, &head).and_then(|_| node::table(node));
            if let Some(table) = self.keep(node::about(&format!("[{path}]"), named)) {
                let body = |section: &mut Section<'t, '_>| body(name, section);
                Section::read(path, head, table, self.faults, body);
            }
        }
    }

    /// Reports a fault at the value of `key`, or at the head of the table where that key is not written.
    pub(super) fn fault(&mut self, key: &str, message: impl Into<String>) {
        let written = self.table.get(key).map(Spanned::span);
        let span = written.unwrap_or_else(|| self.head.clone());
        self.faults.push(Fault::new(span, message));
    }

    /// Whether `key` is written, be it right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether nothing has been wrong with this section so far.
    pub(super) fn is_sound(&self) -> bool {
        self.faults.len() == self.earlier
    }

    /// The only maker of sections: reads one with `body`, and then reports the keys that `body` did not ask for.
    fn read<T>(
        path: String,
        head: Range<usize>,
        table: &'t DeTable<'t>,
        faults: &mut Vec<Fault>,
        body: impl FnOnce(&mut Section<'t, '_>) -> T,
    ) -> T {
        let mut section = Section {
            path,
            head,
            table,
            asked: Vec::new(),
            earlier: faults.len(),
            faults,
        };
        let value = body(&mut section);
        section.report_unknown_keys();
        value
    }

    fn report_unknown_keys(&mut self) {
        let place = match self.path.as_str() {
            "" => "at the top of the file".to_owned(),
            path => format!("in [{path}]"),
        };
        for (key, span, _) in in_order(self.table) {
            if !self.asked.contains(&key) {
                let hint = hint(key, self.asked.iter().copied());
                let message = format!("unknown key `{key}` {place}, {hint}");
                self.faults.push(Fault::new(span, message));
            }
        }
    }

    fn keep<T>(&mut self, read: Read<T>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(faults) => {
                self.faults.extend(faults);
                None
            }
        }
    }

    fn child(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}
