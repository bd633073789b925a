//! What an interpreter was asked to run, read from its arguments as the interpreter itself reads them.

use super::paths;

/// What an interpreter was asked to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program<'a> {
    /// A file, and the arguments behind it.
    Script(&'a str, &'a [String]),
    /// A module by its dotted name (`python -m`), where it is looked for first, and the arguments behind it.
    Module(&'a str, Search, &'a [String]),
    /// Code on the command line or from standard input, or a person at a prompt.
    NoFile,
}

/// Where Python looks for a module, before it comes to what is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Search {
    /// In the working directory (not with `-I` and `-P`).
    pub(crate) directory: bool,
    /// In what `PYTHONPATH` names (not with `-I` and `-E`).
    pub(crate) variable: bool,
}

impl Search {
    const USUAL: Self = Self {
        directory: true,
        variable: true,
    };
}

/// How an interpreter reads its options.
struct Family {
    /// The beginnings of the names of its programs.
    names: &'static [&'static str],
    /// Options whose value is the next argument.
    values: &'static [&'static str],
    /// Options after which there is no script: code, or a question.
    code: &'static [&'static str],
    /// Options whose value is the script.
    file: &'static [&'static str],
    /// The word before the script, where there is one (`deno run`).
    verb: Option<&'static str>,
    /// Short options that may stand together, in lower case: those that mean code, and those that take the next
    /// argument (`bash -euo pipefail`).
    together: (&'static str, &'static str),
}

/// An interpreter that is not described here: the first argument that is no option is its script.
const UNKNOWN: Family = Family {
    names: &[],
    values: &[],
    code: &[],
    file: &[],
    verb: None,
    together: ("", ""),
};

const FAMILIES: [Family; 8] = [
    Family {
        names: &["node", "nodejs", "tsx", "ts-node", "electron"],
        values: &[
            "-r",
            "--require",
            "--import",
            "--loader",
            "--experimental-loader",
            "-C",
            "--conditions",
        ],
        code: &[
            "-e",
            "--eval",
            "-p",
            "--print",
            "-pe",
            "-i",
            "--interactive",
        ],
        ..UNKNOWN
    },
    Family {
        names: &["deno", "bun"],
        values: &["-c", "--config", "--preload", "--import-map", "--cwd"],
        code: &["eval", "repl", "-e", "--eval", "-p", "--print"],
        verb: Some("run"),
        ..UNKNOWN
    },
    Family {
        names: &["ruby", "jruby"],
        values: &["-r", "-I", "-C", "-E"],
        code: &["-e"],
        ..UNKNOWN
    },
    Family {
        names: &["perl"],
        values: &["-I"],
        code: &["-e", "-E"],
        together: ("e", ""),
        ..UNKNOWN
    },
    Family {
        names: &["php"],
        values: &["-d", "-c", "-z"],
        code: &["-r", "-a"],
        file: &["-f"],
        ..UNKNOWN
    },
    Family {
        names: &["lua", "luajit", "texlua"],
        values: &["-l"],
        code: &["-e"],
        ..UNKNOWN
    },
    Family {
        names: &["bash", "sh", "dash", "zsh", "ksh", "fish"],
        values: &["-o", "-O", "+o", "+O", "--rcfile", "--init-file"],
        together: ("cs", "o"),
        ..UNKNOWN
    },
    Family {
        names: &["pwsh", "powershell"],
        values: &[
            "-executionpolicy",
            "-ep",
            "-ex",
            "-windowstyle",
            "-w",
            "-workingdirectory",
            "-wd",
            "-inputformat",
            "-outputformat",
            "-configurationname",
            "-version",
        ],
        code: &[
            "-command",
            "-c",
            "-encodedcommand",
            "-e",
            "-ec",
            "-commandwithargs",
            "-cwa",
        ],
        file: &["-file", "-f"],
        ..UNKNOWN
    },
];

/// Whether a program of this name runs scripts.
pub(crate) fn is_interpreter(name: &str) -> bool {
    let name = name.to_lowercase();
    is_python(&name) || name == "uv" || family(&name).is_some()
}

/// Reads what an interpreter of this name was asked to run. The arguments do not include its own name.
pub(crate) fn program<'a>(name: &str, arguments: &'a [String]) -> Program<'a> {
    let name = name.to_lowercase();
    if is_python(&name) {
        let arguments = if matches!(name.as_str(), "py" | "pyw") {
            without_launcher_options(arguments)
        } else {
            arguments
        };
        return python(arguments);
    }
    if name == "uv" {
        return uv(arguments);
    }
    generic(family(&name).unwrap_or(&UNKNOWN), arguments)
}

fn is_python(name: &str) -> bool {
    let versioned = ["pythonw", "python", "pypy"];
    matches!(name, "py" | "pyw")
        || versioned
            .iter()
            .filter_map(|stem| name.strip_prefix(stem))
            .any(is_version)
}

/// Whether this can follow the name of an interpreter: nothing, or a version and what it was built as (`3.13t`,
/// `3-dbg`, `3.11-intel64`). `python3-config` is a program of its own.
fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (version, built) = match text.find(['-', '_']) {
        Some(at) => text.split_at(at),
        // Only a version can follow a dash.
        None if matches!(text, "dbg") => return true,
        None => (text, ""),
    };
    let is_number = version.is_empty()
        || version.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && version
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '.');
    is_number
        && matches!(
            built,
            "" | "-dbg" | "_d" | "-intel64" | "-arm64" | "-32" | "-64"
        )
}

/// The family of a name, with or without a version (`ruby3.2`, `node-22`).
fn family(name: &str) -> Option<&'static Family> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    FAMILIES
        .iter()
        .find(|family| family.names.contains(&stem) || family.names.contains(&name))
}

/// The options of the Windows launcher come first: `-3`, `-3.11-64`, `-V:3.11`.
fn without_launcher_options(arguments: &[String]) -> &[String] {
    let is_version = |argument: &String| {
        argument.strip_prefix('-').is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_digit()) || rest.starts_with("V:")
        })
    };
    let count = arguments.iter().take_while(|a| is_version(a)).count();
    &arguments[count..]
}

/// Python's own reading: short options may stand together (`-uX dev`), and `-c` and `-m` end them.
fn python(arguments: &[String]) -> Program<'_> {
    let mut rest = arguments;
    let mut search = Search::USUAL;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first.as_str() {
            "-" => return Program::NoFile,
            "--" => return script(behind),
            "--check-hash-based-pycs" => rest = behind.get(1..).unwrap_or_default(),
            long if long.starts_with("--") => {}
            short if short.starts_with('-') => {
                for (at, letter) in short.char_indices().skip(1) {
                    let attached = &short[at + letter.len_utf8()..];
                    match letter {
                        'c' => return Program::NoFile,
                        'm' if attached.is_empty() => {
                            return match behind.split_first() {
                                Some((module, behind)) => Program::Module(module, search, behind),
                                None => Program::NoFile,
                            };
                        }
                        'm' => return Program::Module(attached, search, behind),
                        'I' => {
                            search = Search {
                                directory: false,
                                variable: false,
                            };
                        }
                        'P' => search.directory = false,
                        'E' => search.variable = false,
                        'W' | 'X' | 'Q' => {
                            if attached.is_empty() {
                                rest = behind.get(1..).unwrap_or_default();
                            }
                            break;
                        }
                        _ => {}
                    }
                }
            }
            _ => return Program::Script(first, behind),
        }
    }
    Program::NoFile
}

/// `uv run [options] (script.py | python … | command …)`.
fn uv(arguments: &[String]) -> Program<'_> {
    const VALUES: [&str; 16] = [
        "--directory",
        "--project",
        "--config-file",
        "--cache-dir",
        "--color",
        "-p",
        "--python",
        "-w",
        "--with",
        "--with-requirements",
        "--with-editable",
        "--extra",
        "--group",
        "--env-file",
        "--package",
        "--index-url",
    ];
    let mut rest = arguments;
    let mut runs = false;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first.as_str() {
            "run" if !runs => runs = true,
            "-" => return Program::NoFile,
            "-m" | "--module" => {
                return match behind.split_first() {
                    Some((module, behind)) if runs => {
                        Program::Module(module, Search::USUAL, behind)
                    }
                    _ => Program::NoFile,
                };
            }
            option if VALUES.contains(&option) => rest = behind.get(1..).unwrap_or_default(),
            option if option.starts_with('-') => {}
            _ if !runs => return Program::NoFile,
            command => {
                let name = paths::program_name(command).to_lowercase();
                return if is_python(&name) {
                    python(behind)
                } else {
                    Program::Script(first, behind)
                };
            }
        }
    }
    Program::NoFile
}

fn generic<'a>(family: &Family, arguments: &'a [String]) -> Program<'a> {
    let mut rest = arguments;
    let mut verb = family.verb;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        // PowerShell alone ignores case, and its options are long: what is written in the table decides.
        let lower = first.to_lowercase();
        let is_in = |options: &[&str]| {
            options.contains(&first.as_str())
                || (family.names.contains(&"pwsh") && options.contains(&lower.as_str()))
        };
        let together = first
            .strip_prefix('-')
            .filter(|letters| letters.bytes().all(|b| b.is_ascii_lowercase()))
            .unwrap_or_default();
        if is_in(family.code)
            || first == "-"
            || together.contains(|c| family.together.0.contains(c))
        {
            return Program::NoFile;
        } else if is_in(family.file) {
            return script(behind);
        } else if is_in(family.values) || together.ends_with(|c| family.together.1.contains(c)) {
            rest = behind.get(1..).unwrap_or_default();
        } else if first == "--" {
            return script(behind);
        } else if verb == Some(first.as_str()) {
            verb = None;
        } else if !first.starts_with(['-', '+']) {
            return Program::Script(first, behind);
        }
    }
    Program::NoFile
}

fn script(arguments: &[String]) -> Program<'_> {
    match arguments.split_first() {
        Some((script, behind)) => Program::Script(script, behind),
        None => Program::NoFile,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `S path`, `M module` or `-`, for a command line split at spaces.
    fn read(command: &str) -> String {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let name = paths::program_name(&words[0]);
        match program(name, &words[1..]) {
            Program::Script(path, _) => format!("S {path}"),
            Program::Module(module, _, _) => format!("M {module}"),
            Program::NoFile => "-".to_owned(),
        }
    }

    #[test]
    fn interpreters_are_read_as_they_read_themselves() {
        for (command, expected) in [
            ("python", "-"),
            ("python x.py", "S x.py"),
            ("/s/.venv/bin/python3.11 -u -X dev x.py -m y", "S x.py"),
            ("python -uXdev -W ignore -bb x.py", "S x.py"),
            ("python -uW ignore x.py", "S x.py"),
            ("python --check-hash-based-pycs always x.py", "S x.py"),
            ("python -- x.py", "S x.py"),
            ("python -m pkg.mod x.py", "M pkg.mod"),
            ("python -Im pkg x.py", "M pkg"),
            ("python -mpkg x.py", "M pkg"),
            ("python -m", "-"),
            ("python -c code x.py", "-"),
            ("python -uc code x.py", "-"),
            ("python - x.py", "-"),
            ("python -V", "-"),
            ("py.exe -3.11 x.py", "S x.py"),
            ("py -V:3.11 -m pkg", "M pkg"),
            ("pythonw.exe x.pyw", "S x.pyw"),
            ("uv run x.py", "S x.py"),
            ("uv --directory /d run --with rich python -u x.py", "S x.py"),
            ("uv run -m pkg", "M pkg"),
            ("uv run pytest tests", "S pytest"),
            ("uv pip install x.py", "-"),
            ("node --inspect -r ts-node/register x.js", "S x.js"),
            ("node -e code x.js", "-"),
            ("nodejs x.js", "S x.js"),
            ("deno run -A x.ts", "S x.ts"),
            ("ruby3.2 -I lib x.rb", "S x.rb"),
            ("perl -w x.pl", "S x.pl"),
            ("bash -euo pipefail x.sh", "S x.sh"),
            ("bash -c x.sh", "-"),
            ("-bash", "-"),
            (
                "pwsh -NoProfile -ExecutionPolicy Bypass -File x.ps1",
                "S x.ps1",
            ),
            ("powershell.exe -Command x.ps1", "-"),
            ("php -d a=b -f x.php", "S x.php"),
            ("unheard-of -x y", "S y"),
        ] {
            assert_eq!(read(command), expected, "{command}");
        }
    }

    #[test]
    fn interpreters_are_known_by_name() {
        for name in [
            "python3.11",
            "python3.13t",
            "python3-dbg",
            "python-3.12",
            "python_d",
            "pythonw3",
            "Python",
            "pypy3",
            "python3.14.0rc1",
            "python3.11-intel64",
            "py",
            "node",
            "ruby3.2",
            "uv",
            "pwsh",
        ] {
            assert!(is_interpreter(name), "{name}");
        }
        for name in [
            "",
            "vim",
            "pyright",
            "nodeset",
            "pythonista",
            "python3-config",
            "python3.11-gdb.py",
            "python-language-server",
            "pythonpath",
        ] {
            assert!(!is_interpreter(name), "{name}");
        }
    }
}
