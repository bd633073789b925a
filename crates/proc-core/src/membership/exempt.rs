//! Programs that may live on when the run ends that started them, because they serve others too.

use std::collections::BTreeMap;

use crate::mark::MemberNumber;
use crate::program::names::{GlobError, Names, names_of};
use crate::program::paths;
use crate::program::script::{self, Program};
use crate::table::Process;

/// What the clients of a run may leave behind: globs for names of programs, by client.
///
/// A program is known by the name of its file, by that by which it was called, and by that of its script, without regard
/// to case and without `.exe`. It is taken at its word: what may live on is said by the user of a run.
#[derive(Clone, Debug, Default)]
pub struct Exempt(BTreeMap<MemberNumber, Names>);

impl Exempt {
    /// Says what a client may leave behind.
    ///
    /// A glob that names every program is refused.
    pub fn allow(&mut self, client: MemberNumber, globs: &[String]) -> Result<(), GlobError> {
        let names_all = |glob: &&String| glob.chars().all(|c| c == '*');
        if let Some(glob) = globs.iter().find(names_all) {
            return Err(GlobError::Everything(glob.clone()));
        }
        let names = Names::new(globs)?;
        if !names.is_empty() {
            self.0.insert(client, names);
        }
        Ok(())
    }

    /// Whether nothing may be left behind.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this client may leave anything behind.
    pub(crate) fn concerns(&self, client: MemberNumber) -> bool {
        self.0.contains_key(&client)
    }

    /// Whether a process is a program that this client may leave behind.
    pub(crate) fn allows(&self, client: MemberNumber, process: &Process) -> bool {
        self.0.get(&client).is_some_and(|globs| {
            let names = names_of(process);
            let script = script_name(process, &names).map(str::to_owned);
            let mut names = names.iter().chain(&script);
            names.any(|name| globs.find(name).is_some())
        })
    }
}

/// The name of the script that an interpreter runs.
fn script_name<'a>(process: &'a Process, names: &[String]) -> Option<&'a str> {
    let interpreter = names.iter().find(|name| script::is_interpreter(name))?;
    match script::program(interpreter, process.arguments()?.get(1..)?) {
        Program::Script(path, _) => Some(paths::program_name(path)),
        Program::Module(..) | Program::NoFile => None,
    }
}
