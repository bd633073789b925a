//! What only this process's user may open: pipes, folders with what is in them, and a guardian.

use std::io;
use std::path::Path;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, LocalFree, WIN32_ERROR};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT, SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    ACL, DACL_SECURITY_INFORMATION, GetSecurityDescriptorControl, GetSecurityDescriptorDacl,
    OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
    SE_DACL_PROTECTED, SECURITY_ATTRIBUTES, SetKernelObjectSecurity,
};
use windows_sys::Win32::Storage::FileSystem::READ_CONTROL;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, PROCESS_QUERY_INFORMATION, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_SUSPEND_RESUME, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, PROCESS_VM_READ,
};

use super::call::{check, wide, wide_path};
use super::user::{Sid, own_sid, sid_text};

/// The group of administrators. What one of them makes with all of his rights is the group's.
const ADMINISTRATORS: &str = "S-1-5-32-544";

/// The right to open something: for this process's user alone, whatever is allowed further up.
pub(super) struct Private {
    descriptor: Descriptor,
}

/// What the system has allocated for this process.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Private {
    /// For a pipe or a folder; of a folder also for what is made in it.
    pub(super) fn new() -> io::Result<Self> {
        let sid = own_sid().ok_or_else(|| io::Error::other("this process has no user"))?;
        let descriptor = Descriptor::new(&format!("D:P(A;OICI;FA;;;{sid})"))?;
        Ok(Self { descriptor })
    }

    /// For a call. A handle that is made with it is not inherited.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
            lpSecurityDescriptor: self.descriptor.0,
            bInheritHandle: 0,
        }
    }

    /// Keeps all other users out of a folder that is there already, and of what is in it. It must be this user's.
    pub(super) fn take(&self, folder: &Path) -> io::Result<()> {
        let (owner, is_apart) = standing(folder)?;
        if ![own_sid(), Some(ADMINISTRATORS)].contains(&Some(owner.as_str())) {
            let why = "it belongs to another user";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        // A user who has set it apart from what is allowed further up has said who may enter.
        if is_apart {
            return Ok(());
        }
        let rules = self.descriptor.rules()?;
        let name = wide_path(folder)?;
        // SAFETY: the name ends with a zero, and the rules lie in the memory that `self` holds.
        succeed(unsafe {
            SetNamedSecurityInfoW(
                name.as_ptr(),
                SE_FILE_OBJECT,
                DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                rules,
                std::ptr::null(),
            )
        })
    }
}

/// What every process of its user may do to a guardian: look at it, wait for it, stop it and end it.
const TO_A_GUARDIAN: u32 = PROCESS_QUERY_INFORMATION
    | PROCESS_QUERY_LIMITED_INFORMATION
    | PROCESS_VM_READ
    | PROCESS_SYNCHRONIZE
    | PROCESS_SUSPEND_RESUME
    | PROCESS_TERMINATE
    | READ_CONTROL;

/// Lets no process of this user take anything out of this process, or have it do anything: a copy of its job's handle
/// would keep the job when this process is killed. The system itself may do everything, and the owner of the process,
/// which is this user, may not change that (`OW`).
pub(super) fn keep_to_itself() -> io::Result<()> {
    let sid = own_sid().ok_or_else(|| io::Error::other("this process has no user"))?;
    let rules = format!("D:P(A;;0x{TO_A_GUARDIAN:x};;;{sid})(A;;0x1fffff;;;SY)(A;;RC;;;OW)");
    let descriptor = Descriptor::new(&rules)?;
    // SAFETY: it answers a constant that stands for this process and needs no closing.
    let this = unsafe { GetCurrentProcess() };
    // SAFETY: the handle is always open, and the descriptor is the system's own.
    check(unsafe { SetKernelObjectSecurity(this, DACL_SECURITY_INFORMATION, descriptor.0) })
}

/// The owner of a folder, and whether what is allowed further up counts for nothing in it.
fn standing(folder: &Path) -> io::Result<(Sid, bool)> {
    let name = wide_path(folder)?;
    let mut owner = std::ptr::null_mut();
    let mut descriptor = std::ptr::null_mut();
    // SAFETY: the name ends with a zero, and both results go to live memory.
    succeed(unsafe {
        GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            &raw mut owner,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw mut descriptor,
        )
    })?;
    let descriptor = Descriptor(descriptor);
    // SAFETY: the system has put the owner into what `descriptor` holds.
    let owner = unsafe { sid_text(owner) }?;
    Ok((owner, descriptor.is_apart()?))
}

impl Descriptor {
    /// By rules in the language that the system has for them.
    fn new(rules: &str) -> io::Result<Self> {
        let rules = wide(rules);
        let mut descriptor = std::ptr::null_mut();
        // SAFETY: the text ends with a zero, and the result goes to live memory.
        check(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                rules.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                std::ptr::null_mut(),
            )
        })?;
        Ok(Self(descriptor))
    }

    fn rules(&self) -> io::Result<*mut ACL> {
        let (mut is_there, mut is_default) = (0, 0);
        let mut rules = std::ptr::null_mut();
        // SAFETY: the descriptor is the system's own, and all three results go to live memory.
        check(unsafe {
            GetSecurityDescriptorDacl(
                self.0,
                &raw mut is_there,
                &raw mut rules,
                &raw mut is_default,
            )
        })?;
        Ok(rules)
    }

    fn is_apart(&self) -> io::Result<bool> {
        let (mut control, mut revision) = (0, 0);
        // SAFETY: the descriptor is the system's own, and both results go to live memory.
        check(unsafe {
            GetSecurityDescriptorControl(self.0, &raw mut control, &raw mut revision)
        })?;
        Ok(control & SE_DACL_PROTECTED != 0)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the system has allocated it for this value alone.
        unsafe { LocalFree(self.0) };
    }
}

/// What a function has said that answers with an error's number.
fn succeed(code: WIN32_ERROR) -> io::Result<()> {
    match code {
        ERROR_SUCCESS => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::make_private_folder;

    #[test]
    fn a_folder_is_this_users_alone_whether_it_was_there_or_not() {
        let above = tempfile::tempdir().unwrap();
        let made = above.path().join("a/b");
        make_private_folder(&made).unwrap();
        let found = above.path().join("found");
        std::fs::create_dir(&found).unwrap();
        make_private_folder(&found).unwrap();
        for folder in [made, found] {
            let (owner, _) = standing(&folder).unwrap();
            assert!([own_sid(), Some(ADMINISTRATORS)].contains(&Some(owner.as_str())));
            make_private_folder(&folder).unwrap();
            std::fs::write(folder.join("x"), "").unwrap();
        }
    }
}
