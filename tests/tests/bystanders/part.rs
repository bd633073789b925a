//! What a process of the crowd is to be: its program, its arguments, and everything else that `starter.py` can give it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// A process to be started.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    fields: Map<String, Value>,
    children: Vec<Part>,
    /// What it looks like, or is disguised as.
    pub(crate) disguise: &'static str,
    /// Whether it is there only for a moment, and stays as a zombie.
    pub(crate) is_zombie: bool,
    /// Whether its script does more than to be there, so that no other program can play it.
    does_something: bool,
    /// The file that it makes when it has become what it is to be, if that takes it a moment.
    pub(crate) sign: Option<PathBuf>,
}

impl Part {
    /// A program, called by this name and with these arguments.
    pub(crate) fn new(disguise: &'static str, program: &Path, arguments: &[&str]) -> Self {
        let mut fields = Map::new();
        fields.insert("program".to_owned(), json!(program));
        fields.insert("argv".to_owned(), json!(arguments));
        Self {
            fields,
            children: Vec::new(),
            disguise,
            is_zombie: false,
            does_something: false,
            sign: None,
        }
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.fields.insert(key.to_owned(), value);
        self
    }

    /// The same, with another program in the place of this one.
    pub(crate) fn played_by(mut self, program: &Path, original: &Path) -> Self {
        if !self.does_something && self.fields.get("program") == Some(&json!(original)) {
            self.fields.insert("program".to_owned(), json!(program));
        }
        self
    }

    /// Not to be played by another program: its script does something.
    pub(crate) fn doing(mut self) -> Self {
        self.does_something = true;
        self
    }

    /// Its working directory.
    pub(crate) fn at(self, folder: &Path) -> Self {
        self.with("directory", json!(folder))
    }

    /// A variable of its environment.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        let own = self.fields.entry("own_environment");
        own.or_insert_with(|| json!({}))[key] = json!(value);
        self
    }

    /// With no environment at all.
    pub(crate) fn bare(self) -> Self {
        self.with("bare", json!(true))
    }

    /// What it can read from its standard input.
    pub(crate) fn input(self, text: &str) -> Self {
        self.with("input", json!(text))
    }

    /// In a session of its own.
    pub(crate) fn in_session(self) -> Self {
        self.with("session", json!(true))
    }

    /// In a session of its own, with a terminal.
    pub(crate) fn at_terminal(self) -> Self {
        self.with("terminal", json!(true))
    }

    /// In a working directory that is removed before it starts.
    pub(crate) fn in_removed(self, folder: &Path) -> Self {
        self.with("removed", json!(folder))
    }

    /// With this limit, soft and hard, for real-time tasks.
    pub(crate) fn limit(self, limit: u64) -> Self {
        self.with("limit", json!(limit))
    }

    /// As another user.
    pub(crate) fn user(self, user: u32) -> Self {
        self.with("user", json!(user))
    }

    /// With this PID.
    pub(crate) fn pid(self, pid: u32) -> Self {
        self.with("pid", json!(pid))
    }

    /// Keeps every signal that it is sent, for others to see.
    pub(crate) fn watched(mut self) -> Self {
        self.children = self.children.into_iter().map(Self::watched).collect();
        self.with("watched", json!(true))
    }

    /// With a child.
    pub(crate) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Ends at once, and is not collected.
    pub(crate) fn zombie(mut self) -> Self {
        self.is_zombie = true;
        self
    }

    /// Makes a file when it is what it is to be; its path is in the variable `SIGN`.
    pub(crate) fn with_sign(mut self, path: &Path) -> Self {
        self.sign = Some(path.to_owned());
        self.env("SIGN", &path.to_string_lossy())
    }

    /// Itself and everything below it, the deepest last.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let below = self.children.iter().flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }

    /// As `starter.py` takes it, with numbers in the order of [`all`](Self::all).
    pub(crate) fn describe(
        &self,
        next: &mut usize,
        directory: &Path,
        environment: &Value,
    ) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("number".to_owned(), json!(*next));
        *next += 1;
        fields
            .entry("directory")
            .or_insert_with(|| json!(directory));
        let mut all = environment.clone();
        if fields.contains_key("bare") {
            all = json!({});
        }
        if let Some(own) = fields.get("own_environment").and_then(Value::as_object) {
            for (key, value) in own {
                all[key] = value.clone();
            }
        }
        fields.insert("environment".to_owned(), all);
        let children = self.children.iter();
        let children: Vec<Value> = children
            .map(|child| child.describe(next, directory, environment))
            .collect();
        fields.insert("children".to_owned(), json!(children));
        Value::Object(fields)
    }
}
