//! Job objects: everything that a process in one starts is in it too, and ends with the last handle to it.
//!
//! A guardian is in a job of its own, so that nothing which it creates outlives it, not even what it had no time to put
//! anywhere. The members of its run are in a second one inside the first, which can be ended without the guardian; but for
//! those that the system lets into no second one, because it has put them into one of its own before: programs that come
//! out of a package, as from the Microsoft Store.

use std::collections::BTreeSet;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_MORE_DATA, HANDLE};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, IsProcessInJob, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JOBOBJECTINFOCLASS,
    JobObjectAssociateCompletionPortInformation, JobObjectBasicProcessIdList,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, PROCESS_QUERY_INFORMATION, PROCESS_SYNCHRONIZE,
};

use super::call::{check, is, owned, raw};
use super::completion_port;
use super::dialogs::show_no_dialogs;
use super::files::root_folder;
use super::listing::pids;
use super::private::keep_to_itself;
use super::process::{image, open, open_for};
use super::signal::KILLED;

/// How often the list of a job may have been too long for the room that there is, which is doubled each time.
const ATTEMPTS: usize = 10;

/// The job of a run.
#[derive(Debug)]
pub(crate) struct Job(OwnedHandle);

/// The job of a guardian, which ends with it.
static OWN: OnceLock<Job> = OnceLock::new();

/// Whatever this process creates from now on ends with it.
pub(crate) fn become_guardian() -> io::Result<()> {
    let job = Job::new()?;
    // SAFETY: it answers a constant that stands for this process and needs no closing.
    let this = unsafe { GetCurrentProcess() };
    job.put_in(this).map_err(|error| {
        if is(&error, ERROR_ACCESS_DENIED) {
            let why = format!(
                "no job is available ({error}): this process is in one that takes no others inside, as one with \
                 limits for windows does; start it from outside of that"
            );
            io::Error::new(error.kind(), why)
        } else {
            error
        }
    })?;
    keep_to_itself()?;
    show_no_dialogs();
    OWN.set(job)
        .map_err(|_| io::Error::other("this process is a guardian already"))
}

/// Whether this process is a guardian. Then it leads a group of processes.
pub(super) fn is_guardian() -> bool {
    OWN.get().is_some()
}

impl Job {
    /// A job for a run, whose members' ends this process hears of.
    pub(crate) fn make() -> io::Result<Self> {
        let job = Self::new()?;
        let port = JOBOBJECT_ASSOCIATE_COMPLETION_PORT {
            CompletionKey: std::ptr::without_provenance_mut(completion_port::JOB),
            CompletionPort: completion_port::port()?,
        };
        job.set(JobObjectAssociateCompletionPortInformation, &port)?;
        Ok(job)
    }

    /// A job that no process can leave, and that ends with its last handle, which no process inherits.
    fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name are needed; the result is checked.
        let job = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        let job = Self(owned(job)?);
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        job.set(JobObjectExtendedLimitInformation, &limits)?;
        Ok(job)
    }

    fn set<T>(&self, class: JOBOBJECTINFOCLASS, value: &T) -> io::Result<()> {
        let size = u32::try_from(size_of::<T>()).map_err(io::Error::other)?;
        // SAFETY: the handle is open, and the value is live memory of this length.
        check(unsafe {
            SetInformationJobObject(raw(&self.0), class, std::ptr::from_ref(value).cast(), size)
        })
    }

    /// Puts a process in that this guardian has started, and makes sure that it is. One that may be in no second job is as
    /// well kept by that of the guardian.
    pub(super) fn put_in_member(&self, process: HANDLE) -> io::Result<()> {
        self.put_in_or_keep(process, OWN.get())
    }

    fn put_in_or_keep(&self, process: HANDLE, own: Option<&Self>) -> io::Result<()> {
        match self.put_in(process) {
            Err(error)
                if is(&error, ERROR_ACCESS_DENIED)
                    && own.map_or(Ok(false), |own| own.holds(process))? =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// Puts a process in, and makes sure that it is.
    fn put_in(&self, process: HANDLE) -> io::Result<()> {
        // SAFETY: both handles are open.
        check(unsafe { AssignProcessToJobObject(raw(&self.0), process) })?;
        if self.holds(process)? {
            Ok(())
        } else {
            Err(io::Error::other("the job does not hold what was put in"))
        }
    }

    /// The jobs in which there are members: this one, and that of the guardian.
    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(OWN.get())
    }

    fn holds_member(&self, process: HANDLE) -> io::Result<bool> {
        for job in self.all() {
            if job.holds(process)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn holds(&self, process: HANDLE) -> io::Result<bool> {
        let mut is_in = 0;
        // SAFETY: both handles are open, and the result goes to live memory.
        check(unsafe { IsProcessInJob(process, raw(&self.0), &raw mut is_in) })?;
        Ok(is_in != 0)
    }

    /// The PIDs of all members that live, but for those that serve a console: such a process is the system's, which may
    /// or may not put it into the job, and ends with the last one that uses the console.
    ///
    /// Each process is asked, and the job only of those that may not be: some systems that run programs for Windows do
    /// not keep its list.
    pub(crate) fn pids(&self) -> io::Result<BTreeSet<u32>> {
        let mut members = BTreeSet::new();
        let mut unseen = BTreeSet::new();
        let others = pids()?.into_iter().filter(|pid| *pid != std::process::id());
        for pid in others {
            // The lesser right would do, but Wine asks for this one.
            let rights = PROCESS_QUERY_INFORMATION | PROCESS_SYNCHRONIZE;
            let process = open_for(pid, rights).or_else(|_| open(pid));
            let held = process.and_then(|process| Ok((self.holds_member(raw(&process))?, process)));
            match held {
                Ok((is_member, process)) => {
                    if is_member && !serves_console(&process) {
                        members.insert(pid);
                    }
                }
                // Mostly it is another process. But a member may protect itself, or have got more rights than this user.
                Err(error) if is(&error, ERROR_ACCESS_DENIED) => {
                    unseen.insert(pid);
                }
                // What has left meanwhile is none of the job.
                Err(_) => {}
            }
        }
        if !unseen.is_empty() {
            for job in self.all() {
                members.extend(job.listed()?.intersection(&unseen));
            }
        }
        Ok(members)
    }

    /// The PIDs of all members, as the job lists them.
    fn listed(&self) -> io::Result<BTreeSet<u32>> {
        // How many members there are, how many of them are in the list, both as half a word, and the list.
        let mut memory = vec![0_usize; 1024];
        for _ in 0..ATTEMPTS {
            let size = u32::try_from(size_of_val(memory.as_slice())).map_err(io::Error::other)?;
            // SAFETY: the handle is open, and the memory is as long as is said, and aligned.
            let result = check(unsafe {
                QueryInformationJobObject(
                    raw(&self.0),
                    JobObjectBasicProcessIdList,
                    memory.as_mut_ptr().cast(),
                    size,
                    std::ptr::null_mut(),
                )
            });
            match result {
                Ok(()) => {
                    let count = memory[0] >> 32;
                    let pids = memory.iter().skip(1).take(count);
                    return Ok(pids.filter_map(|pid| u32::try_from(*pid).ok()).collect());
                }
                Err(error) if is(&error, ERROR_MORE_DATA) => memory.resize(memory.len() * 2, 0),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("the list of the job grows too fast"))
    }

    /// Whether a process is the system's own, which serves the console of others.
    #[expect(clippy::unused_self, reason = "only where there are jobs it matters")]
    pub(crate) fn serves(&self, pid: u32) -> bool {
        open(pid).is_ok_and(|process| serves_console(&process))
    }

    /// Ends all members.
    pub(crate) fn kill(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        check(unsafe { TerminateJobObject(raw(&self.0), KILLED) })
    }
}

fn serves_console(process: &OwnedHandle) -> bool {
    let server = root_folder().join("System32").join("conhost.exe");
    image(process).is_some_and(|path| path.as_os_str().eq_ignore_ascii_case(server.as_os_str()))
}

#[cfg(test)]
mod tests {
    use std::os::windows::io::AsRawHandle;
    use std::os::windows::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use windows_sys::Win32::System::Threading::CREATE_SUSPENDED;

    use super::*;

    /// One that does nothing, and ends with the job that it is put into.
    #[expect(clippy::disallowed_methods, reason = "what is tested is not spawning")]
    fn sleeper() -> Child {
        Command::new("cmd")
            .stdin(Stdio::null())
            .creation_flags(CREATE_SUSPENDED)
            .spawn()
            .unwrap()
    }

    #[test]
    fn who_may_be_in_no_second_job_is_kept_by_the_first() {
        let (run, own) = (Job::new().unwrap(), Job::new().unwrap());
        let (other, packaged) = (sleeper(), sleeper());
        let [other, packaged] = [&other, &packaged].map(AsRawHandle::as_raw_handle);
        // A job with members goes into no other one any more, and not around one either.
        run.put_in(other).unwrap();
        own.put_in(packaged).unwrap();
        let refused = run.put_in_or_keep(packaged, None).unwrap_err();
        assert!(is(&refused, ERROR_ACCESS_DENIED), "{refused}");
        let refused = run.put_in_or_keep(packaged, Some(&run)).unwrap_err();
        assert!(is(&refused, ERROR_ACCESS_DENIED), "{refused}");
        run.put_in_or_keep(packaged, Some(&own)).unwrap();
    }
}
