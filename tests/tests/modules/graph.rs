//! Which modules of a crate use which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::reading::{self, Import, Module, System};

/// All modules of a crate. The root is the first of them.
pub(crate) struct Modules(Vec<Module>);

/// Files that use each other.
pub(crate) struct Circle {
    pub(crate) files: Vec<String>,
    /// What each of them uses of the others.
    pub(crate) uses: Vec<String>,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(usize),
    /// Something that is defined in this module.
    Item(usize),
}

impl Modules {
    pub(crate) fn read(root: &Path, system: System) -> Self {
        Self(reading::read(root, system))
    }

    /// The names of the modules in the root, in their order.
    pub(crate) fn order(&self) -> Vec<&str> {
        let children = self.0[0].children.iter();
        children.map(|(name, _)| name.as_str()).collect()
    }

    /// The uses of modules by those that stand above them in the root.
    pub(crate) fn uses_of_later(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (number, module) in self.0.iter().enumerate() {
            let Some(own) = self.place(number) else {
                continue;
            };
            let imports = module.all_imports().map(|import| &import.path);
            for path in module.paths.iter().chain(imports) {
                for target in self.resolve(number, path) {
                    let (Target::Module(used) | Target::Item(used)) = target;
                    if self.place(used).is_some_and(|place| place > own) {
                        found.insert(format!("{}: {}", module.file, path.join("::")));
                    }
                }
            }
        }
        found
    }

    /// The files that use each other in a circle.
    pub(crate) fn circles(&self) -> Vec<Circle> {
        let uses = self.uses_of_files();
        let reach: BTreeMap<&str, BTreeSet<&str>> = uses
            .keys()
            .map(|file| (*file, reach(&uses, file)))
            .collect();
        let circles: BTreeSet<Vec<&str>> = reach
            .iter()
            .filter(|(file, reached)| reached.contains(**file))
            .map(|(file, reached)| {
                let back = |other: &&&str| reach.get(**other).is_some_and(|of| of.contains(file));
                reached.iter().filter(back).copied().collect()
            })
            .collect();
        circles
            .into_iter()
            .map(|files| Circle::new(&files, &uses))
            .collect()
    }

    /// Which file uses which others, and by which paths.
    fn uses_of_files(&self) -> Uses<'_> {
        let mut uses = Uses::new();
        for (number, module) in self.0.iter().enumerate() {
            // What is passed on is used by those that get it there, and a module only by what is named of it.
            let imports = module.all_imports().filter(|import| import.is_private);
            let imports = imports.map(|import| &import.path);
            for path in module.paths.iter().chain(imports) {
                for target in self.resolve(number, path) {
                    if let Target::Item(used) = target
                        && self.0[used].file != module.file
                    {
                        let of = uses.entry(module.file.as_str()).or_default();
                        let by = of.entry(self.0[used].file.as_str()).or_default();
                        by.insert(path.join("::"));
                    }
                }
            }
        }
        uses
    }

    /// The place in the root's order of what a module is, or lies in. The root itself has none.
    fn place(&self, mut module: usize) -> Option<usize> {
        while self.0[module].parent? != 0 {
            module = self.0[module].parent?;
        }
        let mut children = self.0[0].children.iter();
        children.position(|(_, child)| *child == module)
    }

    /// What a path leads to that stands in this module.
    fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<Target> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut next = vec![(module, path.to_vec())];
        while let Some((module, path)) = next.pop() {
            if !seen.insert((module, path.clone())) {
                continue;
            }
            let here = &self.0[module];
            let [name, rest @ ..] = &path[..] else {
                found.insert(Target::Module(module));
                continue;
            };
            let children = here.children.iter().filter(|(child, _)| child == name);
            let above = match name.as_str() {
                "crate" => Some(0),
                "self" => Some(module),
                "super" => here.parent,
                _ => None,
            };
            let modules = children.map(|(_, child)| *child).chain(above);
            next.extend(modules.map(|module| (module, rest.to_vec())));
            if here.items.contains(name) {
                found.insert(Target::Item(module));
            }
            // `use a::a` does not say what the first of them is.
            let imports = here.imports.get(name).into_iter().flatten();
            let imports = imports.filter(|import| import.path.first() != Some(name));
            next.extend(imports.map(|import| (module, [&import.path, rest].concat())));
            if !here.knows(name) {
                let globs = here.globs.iter().filter(|glob| here.knows(&glob.path[0]));
                next.extend(globs.map(|glob| (module, [&glob.path[..], &path].concat())));
            }
        }
        found
    }
}

/// By the file that uses, and the one that is used.
type Uses<'a> = BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<String>>>;

/// The files that a file uses, and those that these use, and so on.
fn reach<'a>(uses: &Uses<'a>, file: &'a str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        let files = uses.get(file).into_iter().flat_map(BTreeMap::keys);
        next.extend(files.filter(|file| seen.insert(**file)));
    }
    seen
}

impl Circle {
    fn new(files: &[&str], uses: &Uses<'_>) -> Self {
        let lines = files.iter().flat_map(|user| {
            let of = uses[*user].iter();
            of.filter(|(file, _)| files.contains(file))
                .map(move |(used, paths)| {
                    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
                    format!("{user} uses {used}: {}", paths.join(", "))
                })
        });
        Self {
            files: files.iter().copied().map(String::from).collect(),
            uses: lines.collect(),
        }
    }
}

impl Module {
    fn all_imports(&self) -> impl Iterator<Item = &Import> {
        self.imports.values().flatten().chain(&self.globs)
    }

    /// Whether this name stands for something here without any glob.
    fn knows(&self, name: &str) -> bool {
        matches!(name, "crate" | "self" | "super")
            || self.items.contains(name)
            || self.imports.contains_key(name)
            || self.children.iter().any(|(child, _)| child == name)
    }
}
