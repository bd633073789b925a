//! Reads the modules of a crate: what each defines, imports, and names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::buffer::{Cursor, TokenBuffer};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Ident, Item, Lit, Meta, Token, UseTree, Visibility};

/// A module on one system, without what is there for tests only.
pub(crate) struct Module {
    /// Relative to the folder of the root, with `/`.
    pub(crate) file: String,
    pub(crate) parent: Option<usize>,
    /// In the order of the source.
    pub(crate) children: Vec<(String, usize)>,
    /// What is defined here.
    pub(crate) items: BTreeSet<String>,
    /// By the name that each has here.
    pub(crate) imports: BTreeMap<String, Vec<Import>>,
    /// `use …::*`.
    pub(crate) globs: Vec<Import>,
    /// Every path in the code, whether or not it leads to something of this crate.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Where the files of its children lie: empty, or with `/` at its end.
    folder: String,
}

pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// A `pub use` only passes on what is defined elsewhere.
    pub(crate) is_private: bool,
}

/// All modules of the crate whose root is this file. The root is the first of them.
pub(crate) fn read(root: &Path, system: System) -> Vec<Module> {
    let mut reader = Reader {
        system,
        folder: root.parent().unwrap(),
        modules: Vec::new(),
        current: 0,
    };
    let file = root.file_name().unwrap().to_str().unwrap();
    let items = reader.parse(file);
    reader.add(&items, file.into(), String::new(), None);
    reader.modules
}

struct Reader<'a> {
    system: System,
    folder: &'a Path,
    modules: Vec<Module>,
    current: usize,
}

impl Reader<'_> {
    fn parse(&self, file: &str) -> Vec<Item> {
        let text = std::fs::read_to_string(self.folder.join(file)).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        parsed.items
    }

    fn add(
        &mut self,
        items: &[Item],
        file: String,
        folder: String,
        parent: Option<usize>,
    ) -> usize {
        let number = self.modules.len();
        self.modules.push(Module {
            file,
            parent,
            children: Vec::new(),
            items: BTreeSet::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            paths: BTreeSet::new(),
            folder,
        });
        let before = std::mem::replace(&mut self.current, number);
        for item in items {
            self.visit_item(item);
        }
        self.current = before;
        number
    }

    fn here(&mut self) -> &mut Module {
        &mut self.modules[self.current]
    }

    fn import(&mut self, tree: &UseTree, mut path: Vec<String>, is_private: bool) {
        let (ident, name) = match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                return self.import(&step.tree, path, is_private);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path.clone(), is_private);
                }
                return;
            }
            UseTree::Glob(_) => {
                return self.here().globs.push(Import { path, is_private });
            }
            UseTree::Name(used) => (&used.ident, &used.ident),
            UseTree::Rename(used) => (&used.ident, &used.rename),
        };
        // `use a::{self}` is `use a`.
        if ident != "self" {
            path.push(ident.to_string());
        }
        let name = if name == "self" {
            path.last().cloned().unwrap_or_default()
        } else {
            name.to_string()
        };
        let import = Import { path, is_private };
        self.here().imports.entry(name).or_default().push(import);
    }

    /// What a macro is given has no grammar, but paths look the same there.
    fn find_paths(&mut self, mut rest: Cursor<'_>) {
        while !rest.eof() {
            if let Some((inside, _, _, after)) = rest.any_group() {
                self.find_paths(inside);
                rest = after;
            } else if let Some((first, after)) = rest.ident() {
                let mut path = vec![first.to_string()];
                rest = after;
                while let Some((next, after)) = after_colons(rest).and_then(Cursor::ident) {
                    path.push(next.to_string());
                    rest = after;
                }
                self.here().paths.insert(path);
            } else if let Some((_, after)) = rest.token_tree() {
                rest = after;
            }
        }
    }
}

fn after_colons(rest: Cursor<'_>) -> Option<Cursor<'_>> {
    let (first, rest) = rest.punct()?;
    let (second, rest) = rest.punct()?;
    (first.as_char() == ':' && second.as_char() == ':').then_some(rest)
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (name, attributes): (Option<&Ident>, &[Attribute]) = match item {
            Item::Const(item) => (Some(&item.ident), &item.attrs),
            Item::Enum(item) => (Some(&item.ident), &item.attrs),
            Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
            Item::Impl(item) => (None, &item.attrs),
            Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
            Item::Mod(item) => (None, &item.attrs),
            Item::Static(item) => (Some(&item.ident), &item.attrs),
            Item::Struct(item) => (Some(&item.ident), &item.attrs),
            Item::Trait(item) => (Some(&item.ident), &item.attrs),
            Item::Type(item) => (Some(&item.ident), &item.attrs),
            Item::Union(item) => (Some(&item.ident), &item.attrs),
            Item::Use(item) => (None, &item.attrs),
            _ => (None, &[]),
        };
        if !self.system.compiles(attributes) {
            return;
        }
        if let Some(name) = name {
            self.here().items.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if self.system.compiles(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        let path = format!("{}{name}", self.here().folder);
        let folder = format!("{path}/");
        let parent = Some(self.current);
        let number = if let Some((_, items)) = &item.content {
            let file = self.here().file.clone();
            self.add(items, file, folder, parent)
        } else {
            let mut files = [format!("{path}.rs"), format!("{folder}mod.rs")].into_iter();
            let file = files.find(|file| self.folder.join(file).exists());
            let file = file.unwrap_or_else(|| panic!("the module {path} has no file"));
            let items = self.parse(&file);
            self.add(&items, file, folder, parent)
        };
        self.here().children.push((name, number));
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_private = matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, Vec::new(), is_private);
    }

    /// `pub(in …)` names a module and uses nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|step| step.ident.to_string());
        let names = names.collect();
        self.here().paths.insert(names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let tokens = TokenBuffer::new2(called.tokens.clone());
        self.find_paths(tokens.begin());
        visit::visit_macro(self, called);
    }
}

/// A system that the crate is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Linux,
    MacOs,
    Windows,
}

impl System {
    pub(crate) const ALL: [Self; 3] = [Self::Linux, Self::MacOs, Self::Windows];

    /// Its name among the targets.
    fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::MacOs => "macos",
            Self::Windows => "windows",
        }
    }

    /// Whether what has these attributes is compiled for the system, outside of tests.
    fn compiles(self, attributes: &[Attribute]) -> bool {
        attributes.iter().all(|attribute| match &attribute.meta {
            Meta::List(list) if list.path.is_ident("cfg") => self.has(&list.parse_args().unwrap()),
            _ => true,
        })
    }

    fn has(self, condition: &Meta) -> bool {
        match condition {
            Meta::Path(path) if path.is_ident("test") => false,
            Meta::Path(path) if path.is_ident("unix") => self != Self::Windows,
            Meta::Path(path) if path.is_ident("windows") => self == Self::Windows,
            Meta::NameValue(pair) if pair.path.is_ident("target_os") => {
                matches!(&pair.value, Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) if name.value() == self.name())
            }
            Meta::List(list) => {
                let inner = Punctuated::<Meta, Token![,]>::parse_terminated;
                let inner = list.parse_args_with(inner).unwrap();
                let mut inner = inner.iter().map(|condition| self.has(condition));
                match list.path.get_ident().map(Ident::to_string).as_deref() {
                    Some("all") => inner.all(|holds| holds),
                    Some("any") => inner.any(|holds| holds),
                    _ => !inner.all(|holds| holds),
                }
            }
            // What all systems have.
            _ => true,
        }
    }
}
