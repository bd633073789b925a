//! Job objects: everything that a process in one starts is in it too, and ends with the last handle to it.
//!
//! A guardian is in a job of its own, so that nothing which it creates outlives it, not even what it had no time to put
//! anywhere. The members of its run are in a second one inside the first, which can be ended without the guardian.

use std::collections::BTreeSet;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, IsProcessInJob, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JOBOBJECTINFOCLASS,
    JobObjectAssociateCompletionPortInformation, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, PROCESS_QUERY_INFORMATION, PROCESS_SYNCHRONIZE,
};

use super::call::{check, owned, raw};
use super::children::{KILLED, port_for_job};
use super::files::root_folder;
use super::listing::pids;
use super::process::{image, open, open_for};

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
    job.put_in(this)?;
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
            CompletionKey: std::ptr::without_provenance_mut(super::children::JOB),
            CompletionPort: port_for_job()?,
        };
        job.set(JobObjectAssociateCompletionPortInformation, &port)?;
        Ok(job)
    }

    /// A job that nobody can leave, and that ends with its last handle, which nobody inherits.
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

    /// Puts a process in, and makes sure that it is.
    pub(super) fn put_in(&self, process: HANDLE) -> io::Result<()> {
        // SAFETY: both handles are open.
        check(unsafe { AssignProcessToJobObject(raw(&self.0), process) })?;
        if self.holds(process)? {
            Ok(())
        } else {
            Err(io::Error::other("the job does not hold what was put in"))
        }
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
    /// Each process is asked, not the job: its own list is cut off where there is no room for all, and some systems that
    /// run programs for Windows do not keep it.
    pub(crate) fn pids(&self) -> io::Result<BTreeSet<u32>> {
        let mut members = BTreeSet::new();
        for pid in pids()? {
            // The lesser right would do, but Wine asks for this one.
            let rights = PROCESS_QUERY_INFORMATION | PROCESS_SYNCHRONIZE;
            let Ok(process) = open_for(pid, rights).or_else(|_| open(pid)) else {
                // Whoever may not be looked at is not of this user, and whoever has left meanwhile is nobody.
                continue;
            };
            if self.holds(raw(&process))? && !serves_console(&process) {
                members.insert(pid);
            }
        }
        Ok(members)
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
