//! `init`: a configuration for a project that has none.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use proc_core::report::{Document, Exit, ExitNote};
use proc_core::scope::true_path;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{FILE_NAME, find_engine, find_uproject, render_init, uprojects};
use crate::context::{Context, Format, directory, show_path};
use crate::failure::{Failure, Outcome};

/// Write an xtask.toml for this project, finding its .uproject and the engine
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The project's folder, instead of the working directory
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Print the configuration instead of writing it
    #[arg(long)]
    dry_run: bool,
}

/// What `init` has done.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct InitReport {
    /// How the command ends.
    exit: ExitNote,
    /// The configuration.
    file: String,
    /// Whether it was written (`false` with `--dry-run`).
    written: bool,
    /// The file with the alias that makes `cargo xtask` work in the project. `null`: there is one already, which was
    /// left as it is.
    alias: Option<String>,
    /// The Unreal project that was found.
    project: Option<String>,
    /// The folder of the engine that was found.
    engine: Option<String>,
}

pub(crate) const SCHEMA: &str = "clean-slate/init/1";

impl Init {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let folder = directory().join(self.folder.unwrap_or_default());
        let folder = true_path(&folder).map_err(|error| {
            Failure::message(
                Exit::Config,
                format!("cannot open {}: {error}", folder.display()),
            )
        })?;
        let file = folder.join(FILE_NAME);
        let project = find_uproject(&folder);
        let candidates = uprojects(&folder);
        if project.is_none() && !candidates.is_empty() {
            let names: Vec<String> = candidates.iter().map(|path| show_path(path)).collect();
            context.note(&format!(
                "there are several projects ({}): put the one that is meant into `project` under [profile.unreal]",
                names.join(", ")
            ));
        }
        let engine = project.as_deref().and_then(find_engine);
        let text = render_init(&folder, project.as_deref(), engine.as_deref());
        let mut alias = None;
        if !self.dry_run {
            write_new(&file, &text)?;
            alias = write_alias(&folder)?;
        }
        match context.format() {
            Format::Json => context.print_json(&Document {
                schema: SCHEMA,
                body: InitReport {
                    exit: Exit::Ok.into(),
                    file: file.display().to_string(),
                    written: !self.dry_run,
                    alias: alias.map(|path| path.display().to_string()),
                    project: project.map(|path| path.display().to_string()),
                    engine: engine.map(|path| path.display().to_string()),
                },
            }),
            Format::Text if self.dry_run => context.print(&text),
            Format::Text => {
                context.print(&format!("wrote {}\n", show_path(&file)));
                match alias {
                    Some(alias) => context.print(&format!("wrote {}\n", show_path(&alias))),
                    None => context.note(&format!(
                        "for `cargo xtask` to work here, .cargo/config.toml needs:\n{}",
                        alias_lines()
                    )),
                }
                if project.is_some() && engine.is_none() {
                    context.note(
                        "the engine was not found: set `program` in it to the path of UnrealEditor",
                    );
                }
            }
        }
        Ok(Exit::Ok)
    }
}

/// Writes the alias for `cargo xtask`, unless the project has settings for cargo already, which are its own business.
fn write_alias(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let file = folder.join(".cargo").join("config.toml");
    if file.exists() {
        return Ok(None);
    }
    std::fs::create_dir_all(folder.join(".cargo")).map_err(|error| cannot_write(&file, &error))?;
    write_new(&file, &alias_lines())?;
    Ok(Some(file))
}

/// What makes `cargo xtask` call this program from another project.
fn alias_lines() -> String {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
    // As an array, because a string is split at spaces, which a path may hold.
    let manifest = toml::Value::from(manifest.display().to_string());
    format!(
        "[alias]\nxtask = [\"run\", \"--quiet\", \"--manifest-path\", {manifest}, \"--package\", \"xtask\", \"--\"]\n"
    )
}

/// Never over a file that is there: it may hold what is kept nowhere else.
fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let written = File::options()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut f| f.write_all(text.as_bytes()));
    written.map_err(|error| cannot_write(file, &error))
}

fn cannot_write(file: &Path, error: &std::io::Error) -> Failure {
    let name = file.display();
    let message = if error.kind() == ErrorKind::AlreadyExists {
        format!("{name} is there already; edit it, or see `init --dry-run` for a new one")
    } else {
        format!("cannot write {name}: {error}")
    };
    Failure::message(Exit::Config, message)
}
