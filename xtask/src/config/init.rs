//! The text of a new `xtask.toml`.
//!
//! It is rendered from the built-in defaults, so that what it shows is what would happen without it, and a test reads
//! it back.

use std::path::Path;

use toml::Value;

use super::duration::show_duration;
use super::model::{Group, LaunchConfig, Profile};
use super::{builtin, unreal};

/// A commented `xtask.toml` for the folder `root`, with the project and the engine that were found.
///
/// What was not found is left as a comment to be filled in. The text is valid in either case.
pub fn render_init(root: &Path, project: Option<&Path>, engine: Option<&Path>) -> String {
    let launch = LaunchConfig::default();
    let profiles = builtin::profiles(root);
    let groups = builtin::groups();
    let profile = if project.is_some() {
        "unreal"
    } else {
        &launch.profile
    };
    let mut text = format!(
        "\
# How `cargo xtask` starts and cleans up the programs of this folder.
# Everything here is optional; what is left out is built in.

[launch]
profile = {profile}
clients = {clients}
base_port = 8080              # counts up; or \"auto\"; or ports = [8080, 8091, 9000]
stagger = {stagger}                # a pause between two starts, like \"5s\"
leaks = \"warn\"                # or \"deny\": processes that a test leaves fail the run
contain = \"auto\"              # or \"cgroup\", \"subreaper\", \"pidns\": how everything is kept together
# require = \"whole-tree\"      # or \"kernel\": no launch where less is guaranteed
",
        profile = quoted(profile),
        clients = launch.clients,
        stagger = quoted(&show_duration(launch.stagger)),
    );
    if let Some(unreal) = profiles.get("unreal") {
        text.push_str(&unreal_profile(unreal, root, project, engine));
    }
    text.push_str(
        "
# A group is counted and cleaned together, and the first group that matches a process has it.
# Groups of your own come before these three.
",
    );
    for (name, group) in &groups {
        text.push_str(&group_table(name, group));
    }
    text
}

fn unreal_profile(
    profile: &Profile,
    root: &Path,
    project: Option<&Path>,
    engine: Option<&Path>,
) -> String {
    let program = match engine {
        Some(engine) => format!("program = {}", path(&unreal::editor(engine))),
        None => "# program = \"…/Engine/Binaries/…/UnrealEditor\"   # the editor, not found here"
            .to_owned(),
    };
    let project = match project {
        Some(project) => {
            let project = project.strip_prefix(root).unwrap_or(project);
            format!("project = {}", path(project))
        }
        None => "# project = \"MyGame.uproject\"".to_owned(),
    };
    // The map belongs between the project and the switches.
    let args: Vec<String> = profile
        .args
        .iter()
        .map(|arg| format!("    {},\n", quoted(arg)))
        .collect();
    let (first, rest) = args.split_at(args.len().min(1));
    let (first, rest) = (first.concat(), rest.concat());
    let ready = &profile.ready;
    format!(
        "
[profile.unreal]
{program}
{project}
args = [
{first}    # \"MyMap?game=/Script/MyGame.MyGameMode\",   # a map and a game mode other than the project's own
{rest}]
console = \"new\"               # a window of its own (Windows); elsewhere, and with \"log\", the log file
ready = {{ path = {path}, status = {status}, timeout = {timeout}, request_timeout = {request_timeout} }}
shutdown = {{ grace = {grace} }}
# survive = [\"zenserver*\", \"UnrealTraceServer*\"]   # programs that clients start and that outlive the run
lock_files = {lock_files}
",
        path = quoted(&ready.path),
        status = ready.status,
        timeout = quoted(&show_duration(ready.timeout)),
        request_timeout = quoted(&show_duration(ready.request_timeout)),
        grace = quoted(&show_duration(profile.shutdown.grace)),
        lock_files = array(&profile.lock_files),
    )
}

fn group_table(name: &str, group: &Group) -> String {
    let mut lines = vec![format!("\n[group.{name}]\n")];
    if let Some(limit) = group.limit {
        lines.push(format!("limit = {limit}\n"));
    }
    for (key, globs) in [
        ("name", &group.name),
        ("script", &group.script),
        ("spare", &group.spare),
    ] {
        if !globs.is_empty() {
            lines.push(format!("{key} = {}\n", array(globs)));
        }
    }
    lines.concat()
}

/// A path with `/`, which every system reads and which needs no escapes.
fn path(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if std::path::MAIN_SEPARATOR == '\\' {
        text.replace('\\', "/")
    } else {
        text
    };
    quoted(&text)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn array(texts: &[String]) -> String {
    Value::from(texts.to_vec()).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Config, FILE_NAME, editor, file};

    #[test]
    fn a_rendered_file_says_what_is_built_in() {
        let dir = tempfile::tempdir().unwrap();
        let text = render_init(dir.path(), None, None);
        let written = dir.path().join(FILE_NAME);
        let config = file::parse(&text, &written).unwrap();
        let file = None;
        assert_eq!(Config { file, ..config }, builtin::config(dir.path()));
    }

    #[test]
    fn a_rendered_file_names_the_project_and_the_editor() {
        let dir = tempfile::tempdir().unwrap();
        for odd in ["Own.uproject", "sub/My \"Own\" Gäme's.uproject"] {
            let project = dir.path().join(odd);
            let engine = dir.path().join("UE 5.6");
            let text = render_init(dir.path(), Some(&project), Some(&engine));
            let config = file::parse(&text, &dir.path().join(FILE_NAME)).unwrap();
            assert_eq!(config.launch.profile, "unreal");
            assert_eq!(config.profiles["unreal"].project, Some(project));
            let program = PathBuf::from(config.program("unreal").unwrap());
            assert_eq!(program, editor(&engine));
        }
    }

    #[test]
    fn the_text_reads_well() {
        let text = render_init(
            Path::new("/game"),
            Some(Path::new("/game/Own.uproject")),
            None,
        );
        insta::assert_snapshot!(text, @r#"
        # How `cargo xtask` starts and cleans up the programs of this folder.
        # Everything here is optional; what is left out is built in.

        [launch]
        profile = "unreal"
        clients = 3
        base_port = 8080              # counts up; or "auto"; or ports = [8080, 8091, 9000]
        stagger = "0s"                # a pause between two starts, like "5s"
        leaks = "warn"                # or "deny": processes that a test leaves fail the run
        contain = "auto"              # or "cgroup", "subreaper", "pidns": how everything is kept together
        # require = "whole-tree"      # or "kernel": no launch where less is guaranteed

        [profile.unreal]
        # program = "…/Engine/Binaries/…/UnrealEditor"   # the editor, not found here
        project = "Own.uproject"
        args = [
            "{project}",
            # "MyMap?game=/Script/MyGame.MyGameMode",   # a map and a game mode other than the project's own
            "-game",
            "-windowed",
            "-ResX=800",
            "-ResY=600",
            "-HTTPPort={port}",
            "-nohmd",
            "-log",
        ]
        console = "new"               # a window of its own (Windows); elsewhere, and with "log", the log file
        ready = { path = "/status", status = 200, timeout = "3m", request_timeout = "2s" }
        shutdown = { grace = "10s" }
        # survive = ["zenserver*", "UnrealTraceServer*"]   # programs that clients start and that outlive the run
        lock_files = ["Intermediate/**/*.lock*"]

        # A group is counted and cleaned together, and the first group that matches a process has it.
        # Groups of your own come before these three.

        [group.unreal]
        limit = 3
        name = ["UnrealEditor*", "UnrealGame*", "CrashReportClient*", "ShaderCompileWorker*", "EpicWebHelper*", "LiveCodingConsole*"]
        spare = ["zenserver*", "UnrealTraceServer*"]

        [group.monitor]
        name = ["python*", "py", "pythonw*"]
        script = ["**/*monitor*.py", "**/*watch*.py"]

        [group.python]
        limit = 2
        name = ["python*", "py", "pythonw*"]
        script = ["**/*.py"]
        "#);
    }
}
