//! What `xtask.toml` may say: each key, its kind, and how it is laid over the defaults.
//!
//! The order of the functions is the order of a file: the document, `[launch]`, `[profile.NAME]`, `[group.NAME]`.
//! Profiles are read before `[launch]`, which names them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_core::readiness::Ready;
use toml::de::DeTable;

use super::error::{Fault, Invalid};
use super::guarantee::{CONTAIN, REQUIRE};
use super::model::{ClientConsole, Config, Group, LaunchConfig, Leaks, Profile, Role};
use super::nearest::hint;
use super::node::{self, Node, Read};
use super::path::{absolute, canonical};
use super::ports::{DEFAULT_BASE, Ports, assign};
use super::section::Section;
use super::{builtin, value};

/// No run has more clients than there are ports.
const MOST_CLIENTS: u32 = u16::MAX as u32;

type Profiles = BTreeMap<String, Profile>;

/// Reads the text of `file`, whose folder relative paths start from.
pub(super) fn parse(text: &str, file: &Path) -> Result<Config, Invalid> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors
        .iter()
        .map(|error| Fault::new(error.span().unwrap_or_default(), syntax(error.message())))
        .collect();
    // What follows from a broken line is not worth reporting.
    if faults.is_empty() {
        let folder = file.parent().unwrap_or(Path::new(""));
        let config = Section::document(&document, &mut faults, |top| config(top, file, folder));
        if faults.is_empty() {
            return Ok(config);
        }
    }
    Err(Invalid::new(file, text, faults))
}

fn config(top: &mut Section<'_, '_>, file: &Path, folder: &Path) -> Config {
    let mut root = folder.to_path_buf();
    top.set("root", &mut root, |node| existing_folder(node, folder));
    let mut profiles = builtin::profiles(&root);
    top.named_tables("profile", |name, section| {
        let profile = profile(section, profiles.get(name), folder);
        profiles.insert(name.to_owned(), profile);
    });
    let launch = top.table("launch", |section| launch(section, &profiles));
    Config {
        root: canonical(&root),
        file: Some(file.to_path_buf()),
        launch: launch.unwrap_or_default(),
        groups: groups(top),
        profiles,
    }
}

fn launch(section: &mut Section<'_, '_>, profiles: &Profiles) -> LaunchConfig {
    let mut launch = LaunchConfig::default();
    section.set("profile", &mut launch.profile, |node| {
        known_profile(node, profiles)
    });
    let (clients, ports) = clients_and_ports(section, launch.clients, DEFAULT_BASE);
    (launch.clients, launch.ports) = (clients, ports);
    section.set("stagger", &mut launch.stagger, value::duration);
    section.set("leaks", &mut launch.leaks, |node| {
        value::choice(node, &[("warn", Leaks::Warn), ("deny", Leaks::Deny)])
    });
    section.set("contain", &mut launch.contain, |node| {
        value::choice(node, &CONTAIN)
    });
    launch.require = section.take("require", |node| value::choice(node, &REQUIRE));
    if let Some(roles) = roles(section, profiles) {
        launch.roles = roles;
        for key in ["profile", "clients", "base_port", "ports"] {
            if section.has(key) {
                let message = format!(
                    "`{key}` does not apply to a launch with roles; set it in each [[launch.role]]"
                );
                section.fault(key, message);
            }
        }
    }
    launch
}

/// The roles, if there are any. Those without ports of their own count up from the usual base together.
fn roles(section: &mut Section<'_, '_>, profiles: &Profiles) -> Option<Vec<Role>> {
    let mut owners: BTreeMap<u16, String> = BTreeMap::new();
    let mut names: Vec<String> = Vec::new();
    let mut next_base = DEFAULT_BASE;
    let roles = section.table_list("role", |section| {
        let role = role(section, profiles, next_base);
        // What a role that cannot be read has in common with another would be a mere consequence.
        if !section.is_sound() {
            return role;
        }
        if names.contains(&role.name) {
            let name = &role.name;
            section.fault(
                "name",
                format!("there are two roles `{name}`; give each a `name` of its own"),
            );
        }
        names.push(role.name.clone());
        let own_ports = section.has("base_port") || section.has("ports");
        let assigned = assign(&role.ports, role.clients).unwrap_or_default();
        for port in assigned.into_iter().flatten() {
            if let Some(owner) = owners.insert(port, role.name.clone()) {
                let message = format!(
                    "port {port} is also role `{owner}`'s; give each role ports of its own"
                );
                section.fault(ports_key(section), message);
                break;
            }
            if !own_ports {
                next_base = port.saturating_add(1);
            }
        }
        role
    });
    roles.filter(|roles| !roles.is_empty())
}

fn role(section: &mut Section<'_, '_>, profiles: &Profiles, base: u16) -> Role {
    let name = section.take("name", |node| node::name(value::text(node)?, &node.span()));
    let profile = section.take("profile", |node| known_profile(node, profiles));
    if let (false, Some(name)) = (section.has("profile"), &name)
        && !profiles.contains_key(name)
    {
        let message =
            format!("there is no profile `{name}` for this role; name one with `profile`");
        section.fault("name", message);
    }
    if !section.has("name") && !section.has("profile") {
        section.fault("name", "a role needs a `profile`, or the `name` of one");
    }
    let (clients, ports) = clients_and_ports(section, 1, base);
    let either = |first: &Option<String>, second: &Option<String>| {
        first
            .as_ref()
            .or(second.as_ref())
            .cloned()
            .unwrap_or_default()
    };
    Role {
        name: either(&name, &profile),
        profile: either(&profile, &name),
        clients,
        ports,
    }
}

/// `clients`, `base_port` and `ports`, and whether they fit each other.
fn clients_and_ports(section: &mut Section<'_, '_>, clients: u32, base: u16) -> (u32, Ports) {
    let written = section.take("clients", |node| value::integer(node, 1..=MOST_CLIENTS));
    let from = section.take("base_port", base_port);
    let each = section.take("ports", value::port_list);
    if section.has("base_port") && section.has("ports") {
        section.fault(
            "ports",
            "`ports` and `base_port` exclude each other; keep one of them",
        );
    }
    let listed = each
        .as_ref()
        .and_then(|each| u32::try_from(each.len()).ok());
    let unreadable = section.has("clients") && written.is_none();
    let clients = written.or(listed).unwrap_or(clients);
    let ports = each.map(Ports::Each).or(from).unwrap_or(Ports::Base(base));
    if let Err(error) = assign(&ports, clients)
        && !unreadable
    {
        section.fault(ports_key(section), error.to_string());
    }
    (clients, ports)
}

/// The key to point at when ports do not fit: where they are written, or else what made them too many.
fn ports_key(section: &Section<'_, '_>) -> &'static str {
    let mut keys = ["ports", "base_port"].into_iter();
    keys.find(|key| section.has(key)).unwrap_or("clients")
}

fn profile(section: &mut Section<'_, '_>, base: Option<&Profile>, folder: &Path) -> Profile {
    let mut profile = base.cloned().unwrap_or_default();
    let some_path = |node: &Node<'_>| path(node, folder).map(Some);
    section.set("program", &mut profile.program, |node| {
        value::path(node).map(Some)
    });
    section.set("project", &mut profile.project, some_path);
    section.set("args", &mut profile.args, |node| {
        node::list(node, value::template)
    });
    if let Some(env) = section.take("env", value::variables) {
        profile.env.extend(env);
    }
    section.set("cwd", &mut profile.cwd, some_path);
    section.set("console", &mut profile.console, |node| {
        value::choice(
            node,
            &[("new", ClientConsole::New), ("log", ClientConsole::Log)],
        )
    });
    section.table("ready", |section| ready(section, &mut profile.ready));
    section.table("shutdown", |section| {
        section.set("grace", &mut profile.shutdown.grace, value::duration);
    });
    section.set("survive", &mut profile.survive, |node| {
        node::list(node, value::program_glob)
    });
    section.set("lock_files", &mut profile.lock_files, |node| {
        node::list(node, value::glob_below)
    });
    // A built-in profile may stay without a program: it may never be used.
    if base.is_none() && !section.has("program") {
        section.fault(
            "program",
            "this profile has no program; add `program = \"…\"`",
        );
    }
    profile
}

fn ready(section: &mut Section<'_, '_>, ready: &mut Ready) {
    section.set("path", &mut ready.path, |node| match value::filled(node)? {
        path if path.starts_with('/') => Ok(path),
        path => node::fault(node, format!("must start with `/`, not {path:?}")),
    });
    section.set("status", &mut ready.status, |node| {
        value::integer(node, 100..=599)
    });
    section.set("timeout", &mut ready.timeout, value::positive_duration);
    section.set(
        "request_timeout",
        &mut ready.request_timeout,
        value::positive_duration,
    );
    section.set("host", &mut ready.host, |node| {
        value::filled(node).map(Some)
    });
}

/// The user's own groups in the order of the file, and then the built-in ones in theirs.
fn groups(top: &mut Section<'_, '_>) -> Vec<(String, Group)> {
    let mut groups = Vec::new();
    let mut built_in = builtin::groups();
    top.named_tables("group", |name, section| {
        if let Some((_, base)) = built_in.iter_mut().find(|(known, _)| known == name) {
            group(section, base);
            return;
        }
        let mut own = Group::default();
        group(section, &mut own);
        if !section.has("name") && !section.has("script") {
            section.fault(
                "name",
                "this group matches nothing; add globs with `name` or `script`",
            );
        }
        groups.push((name.to_owned(), own));
    });
    groups.extend(built_in);
    groups
}

fn group(section: &mut Section<'_, '_>, group: &mut Group) {
    section.set("limit", &mut group.limit, |node| {
        value::integer(node, 0..=u32::MAX).map(Some)
    });
    section.set("name", &mut group.name, |node| {
        node::list(node, value::glob)
    });
    section.set("script", &mut group.script, |node| {
        node::list(node, value::glob)
    });
    section.set("spare", &mut group.spare, |node| {
        node::list(node, value::glob)
    });
}

fn known_profile(node: &Node<'_>, profiles: &Profiles) -> Read<String> {
    let name = value::text(node)?;
    if profiles.contains_key(name) {
        return Ok(name.to_owned());
    }
    let hint = hint(name, profiles.keys().map(String::as_str));
    node::fault(node, format!("names an unknown profile `{name}`, {hint}"))
}

fn base_port(node: &Node<'_>) -> Read<Ports> {
    match node.get_ref().as_str() {
        Some("auto") => Ok(Ports::Auto),
        Some(text) => node::fault(
            node,
            format!("must be a port (without quotes) or \"auto\", not {text:?}"),
        ),
        None => value::port(node).map(Ports::Base),
    }
}

fn existing_folder(node: &Node<'_>, folder: &Path) -> Read<PathBuf> {
    let path = path(node, folder)?;
    if !path.is_dir() {
        return node::fault(
            node,
            format!("names a folder that does not exist: {}", path.display()),
        );
    }
    Ok(path)
}

fn path(node: &Node<'_>, folder: &Path) -> Read<PathBuf> {
    Ok(absolute(&folder.join(value::path(node)?)))
}

/// The parser's own words, in this tool's manner.
fn syntax(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let message: String = first.into_iter().chain(letters).collect();
    format!("not valid TOML: {message}")
}
