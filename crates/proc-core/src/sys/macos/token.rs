//! Signals that reach one process, and none that has its PID later.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::sync::OnceLock;

use rustix::process::Signal;

/// `audit_token_t` of `osfmk/mach/message.h`: 8 numbers, of which the kernel looks at two here.
type AuditToken = [u32; 8];
const PID: usize = 5;
const VERSION: usize = 7;

/// `proc_signal_with_audittoken` of `libproc.h`, by whose own words that header is private to the system. It answers with
/// the number of an error.
type SendByToken = unsafe extern "C" fn(*mut AuditToken, c_int) -> c_int;

/// Sends a signal to the process that has this PID in this version. `false`: none has, or only until it was collected.
/// `None`: this system is too old for that.
#[expect(unsafe_code, reason = "nothing safe does this")]
pub(super) fn send(pid: u32, version: u32, signal: Signal) -> io::Result<Option<bool>> {
    let Some(send) = send_by_token() else {
        return Ok(None);
    };
    let mut token = AuditToken::default();
    token[PID] = pid;
    token[VERSION] = version;
    // SAFETY: the token is live memory of its size, and nothing keeps it.
    match unsafe { send(&raw mut token, signal.as_raw()) } {
        0 => Ok(Some(true)),
        libc::ESRCH => Ok(Some(false)),
        // The function is there, and its kernel does not know the call.
        libc::ENOSYS | libc::ENOTSUP => Ok(None),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// It is looked for when it is needed, so that programs start on systems that do not have it.
#[expect(
    unsafe_code,
    reason = "a function that may not be there has no safe form"
)]
fn send_by_token() -> Option<SendByToken> {
    static FOUND: OnceLock<Option<SendByToken>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let name = c"proc_signal_with_audittoken".as_ptr();
        // SAFETY: the name ends with a zero.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name) };
        // SAFETY: the function of this name has this signature, and no address is no function.
        unsafe { mem::transmute::<*mut c_void, Option<SendByToken>>(address) }
    })
}
