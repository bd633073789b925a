//! Users: their security identifiers, as numbers where the rest of the crate wants one.

use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{GetTokenInformation, PSID, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::call::{check, is, owned, raw, read_text};
use super::process::open;

/// A user, as a text: `S-1-5-21-…-1001`.
pub(super) type Sid = String;

/// The user on whose behalf this process acts.
pub(crate) fn own_user() -> u32 {
    own_sid().map_or(NOBODY, last_number)
}

/// The user that owns a process. One that may not be asked belongs to another: another user, or this one with more
/// rights, which is as far out of reach.
pub(crate) fn owner(pid: u32) -> Option<u32> {
    let sid = match open(pid).and_then(|process| sid_of(raw(&process))) {
        Ok(sid) => sid,
        Err(error) if is(&error, ERROR_ACCESS_DENIED) => return Some(NOBODY),
        Err(_) => return None,
    };
    let number = last_number(&sid);
    // Accounts of two machines may share their last number, and only one's own means "own".
    let is_double = number == own_user() && own_sid() != Some(sid.as_str());
    Some(if is_double { NOBODY } else { number })
}

/// A number that no account has.
const NOBODY: u32 = u32::MAX;

/// The last part of a security identifier tells the accounts of one machine apart.
fn last_number(sid: &str) -> u32 {
    let last = sid.rsplit('-').next();
    last.and_then(|number| number.parse().ok())
        .unwrap_or(NOBODY)
}

/// The user of this process. `None`: the system does not say.
pub(super) fn own_sid() -> Option<&'static str> {
    static OWN: OnceLock<Option<Sid>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        // SAFETY: it answers a constant that stands for this process and needs no closing.
        let this = unsafe { GetCurrentProcess() };
        sid_of(this).ok()
    });
    own.as_deref()
}

/// The user of the process behind an open handle.
fn sid_of(process: HANDLE) -> io::Result<Sid> {
    let mut token = std::ptr::null_mut();
    // SAFETY: the handle is open, and the result goes to live memory.
    check(unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) })?;
    let token = owned(token)?;
    let user = token_user(&token)?;
    // SAFETY: the system has written a `TOKEN_USER` at the start of this memory, which is aligned for one.
    let sid = unsafe { (*user.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    // SAFETY: the identifier lies in the memory that `user` holds.
    unsafe { sid_text(sid) }
}

/// A security identifier as a text.
///
/// # Safety
///
/// It has to be one.
pub(super) unsafe fn sid_text(sid: PSID) -> io::Result<Sid> {
    let mut text = std::ptr::null_mut();
    // SAFETY: the caller knows that it is an identifier.
    check(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    // SAFETY: the system has written a text there that ends with a zero.
    let sid = unsafe { read_text(text) };
    // SAFETY: the system has allocated it for the caller, and nothing refers to it any more.
    unsafe { LocalFree(text.cast()) };
    Ok(sid)
}

/// A `TOKEN_USER`, with the identifier behind it.
fn token_user(token: &OwnedHandle) -> io::Result<Vec<u64>> {
    // An identifier takes 68 bytes at most (`SECURITY_MAX_SID_SIZE`).
    let mut memory = vec![0_u64; 16];
    let mut length = 0;
    let size = u32::try_from(memory.len() * size_of::<u64>()).unwrap_or(0);
    // SAFETY: the memory is as long as is said, and aligned.
    check(unsafe {
        GetTokenInformation(
            raw(token),
            TokenUser,
            memory.as_mut_ptr().cast(),
            size,
            &raw mut length,
        )
    })?;
    Ok(memory)
}
