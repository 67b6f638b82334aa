//! The system's GSS-API library, loaded when the program runs: the one file of this crate that has `unsafe`.
//!
//! Types and functions are those of RFC 2744 as MIT's headers have them on Linux; `gss_acquire_cred_from` is MIT's. Each
//! handle has one owner here, which releases it when dropped. Nothing that the library returns is kept: octets and text
//! are copied, and its buffers released at once.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::{null, null_mut};
use std::sync::Arc;

use libloading::Library;

/// A buffer of the library's, or one of ours that it reads.
#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

#[repr(C)]
struct Oid {
    length: u32,
    elements: *mut c_void,
}

#[repr(C)]
struct OidSet {
    count: usize,
    elements: *mut Oid,
}

#[repr(C)]
struct KeyValue {
    key: *const c_char,
    value: *const c_char,
}

#[repr(C)]
struct KeyValueSet {
    count: u32,
    elements: *const KeyValue,
}

/// Names, credentials, contexts: pointers to what only the library knows.
type Handle = *mut c_void;

/// Declares the functions with their C names, and finds all of them in a library.
macro_rules! functions {
    ($(fn $name:ident($($argument:ty),* $(,)?) -> $result:ty;)+) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)+
        }

        impl Functions {
            fn find(library: &Library) -> Result<Self, &'static str> {
                Ok(Self {
                    $($name: {
                        let name = concat!(stringify!($name), "\0").as_bytes();
                        // SAFETY: the type is the function's declaration in C; `Api` keeps the library loaded.
                        let found = unsafe { library.get::<unsafe extern "C" fn($($argument),*) -> $result>(name) };
                        *found.map_err(|_| stringify!($name))?
                    },)+
                })
            }
        }
    };
}

functions! {
    fn gss_acquire_cred_from(
        *mut u32, Handle, u32, *const OidSet, c_int, *const KeyValueSet, *mut Handle, *mut *mut OidSet, *mut u32,
    ) -> u32;
    fn gss_release_cred(*mut u32, *mut Handle) -> u32;
    fn gss_inquire_cred(*mut u32, Handle, *mut Handle, *mut u32, *mut c_int, *mut *mut OidSet) -> u32;
    fn gss_import_name(*mut u32, *const Buffer, *const Oid, *mut Handle) -> u32;
    fn gss_display_name(*mut u32, Handle, *mut Buffer, *mut *mut Oid) -> u32;
    fn gss_release_name(*mut u32, *mut Handle) -> u32;
    fn gss_init_sec_context(
        *mut u32, Handle, *mut Handle, Handle, *const Oid, u32, u32, *mut c_void, *const Buffer, *mut *mut Oid,
        *mut Buffer, *mut u32, *mut u32,
    ) -> u32;
    fn gss_accept_sec_context(
        *mut u32, *mut Handle, Handle, *const Buffer, *mut c_void, *mut Handle, *mut *mut Oid, *mut Buffer, *mut u32,
        *mut u32, *mut Handle,
    ) -> u32;
    fn gss_inquire_context(
        *mut u32, Handle, *mut Handle, *mut Handle, *mut u32, *mut *mut Oid, *mut u32, *mut c_int, *mut c_int,
    ) -> u32;
    fn gss_delete_sec_context(*mut u32, *mut Handle, *mut Buffer) -> u32;
    fn gss_wrap(*mut u32, Handle, c_int, u32, *const Buffer, *mut c_int, *mut Buffer) -> u32;
    fn gss_unwrap(*mut u32, Handle, *const Buffer, *mut Buffer, *mut c_int, *mut u32) -> u32;
    fn gss_display_status(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32;
    fn gss_release_buffer(*mut u32, *mut Buffer) -> u32;
    // Of libkrb5, which MIT's library brings along; the loader finds them through it.
    fn krb5_init_context(*mut Handle) -> i32;
    fn krb5_free_context(Handle) -> ();
    fn krb5_cc_resolve(Handle, *const c_char, *mut Handle) -> i32;
    fn krb5_cc_destroy(Handle, Handle) -> i32;
}

/// 1.2.840.113554.1.2.2: Kerberos V5 (RFC 1964 section 1).
pub(super) const MECHANISM: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
/// GSS_KRB5_NT_PRINCIPAL_NAME: a principal as text (RFC 1964 section 2.1.1).
pub(super) const NT_PRINCIPAL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x01];
/// GSS_C_NT_HOSTBASED_SERVICE: "service@host" (RFC 2743 section 4.1).
pub(super) const NT_HOSTBASED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x04];

const CONTINUE_NEEDED: u32 = 1;
/// Calling and routine errors; the rest of a major status informs only (RFC 2744 section 3.9.1).
const ERRORS: u32 = 0xffff_0000;
/// GSS_S_FAILURE.
const UNSPECIFIED: u32 = 13 << 16;
/// GSS_S_NO_CRED.
const NO_CREDENTIALS: u32 = 7 << 16;
const GSS_CODE: c_int = 1;
const MECHANISM_CODE: c_int = 2;

/// What credentials are for.
#[derive(Clone, Copy)]
pub(super) enum Usage {
    Initiate = 1,
    Accept = 2,
}

/// A loaded library.
pub(super) struct Api {
    functions: Functions,
    /// Never unloaded: its threads' data have destructors in it.
    _library: ManuallyDrop<Library>,
}

/// What the library says of a call that failed.
pub(super) struct Failure {
    pub major: u32,
    pub minor: u32,
    /// Of the major and the minor status.
    pub words: String,
}

/// Why there is no library.
pub(super) enum LoadFailure {
    /// It cannot be loaded; the loader's words.
    Missing(String),
    /// It lacks this function.
    Lacks(&'static str),
}

impl Api {
    pub(super) fn load(path: &str) -> Result<Arc<Self>, LoadFailure> {
        // SAFETY: loading runs the library's initialisers, which for a GSS-API library set up locks and tables.
        let library = unsafe { Library::new(path) }.map_err(|error| {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            LoadFailure::Missing(why.unwrap_or_else(|| error.to_string()))
        })?;
        let library = ManuallyDrop::new(library);
        let functions = Functions::find(&library).map_err(LoadFailure::Lacks)?;
        Ok(Arc::new(Self {
            functions,
            _library: library,
        }))
    }

    /// Destroys a credential cache, if there is one of this name.
    pub(super) fn destroy_cache(&self, name: &CString) {
        let (mut context, mut cache) = (null_mut(), null_mut());
        // SAFETY: `context` is a live local, and holds a context only if this succeeds.
        if unsafe { (self.functions.krb5_init_context)(&mut context) } != 0 {
            return;
        }
        // SAFETY: the context is live until it is freed here; the cache is one only if it was resolved, and destroying it
        // frees it.
        unsafe {
            if (self.functions.krb5_cc_resolve)(context, name.as_ptr(), &mut cache) == 0 {
                (self.functions.krb5_cc_destroy)(context, cache);
            }
            (self.functions.krb5_free_context)(context);
        }
    }

    /// The outcome of a call, with its words if it failed.
    fn check(&self, major: u32, minor: u32) -> Result<u32, Failure> {
        if major & ERRORS == 0 {
            return Ok(major);
        }
        let mechanism = self.words(minor, MECHANISM_CODE);
        // The library has a number of its own for "no minor status".
        let minor = if mechanism == "Success" { 0 } else { minor };
        let words = match (minor, major & ERRORS) {
            (0, UNSPECIFIED) => "the library says no more than that it failed".to_owned(),
            (0, _) => self.words(major, GSS_CODE),
            // "Unspecified GSS failure. Minor code may provide more information." and "No credentials were supplied, or
            // the credentials were unavailable or inaccessible" add nothing.
            (_, UNSPECIFIED | NO_CREDENTIALS) => mechanism,
            _ => format!("{}: {mechanism}", self.words(major, GSS_CODE)),
        };
        Err(Failure { major, minor, words })
    }

    /// gss_display_status, all of its messages up to a bound.
    fn words(&self, status: u32, kind: c_int) -> String {
        const MOST: usize = 8;
        let mechanism = oid(MECHANISM);
        let (mut minor, mut more) = (0, 0);
        let mut all = Vec::new();
        for _ in 0..MOST {
            let mut out = Output::new(self);
            // SAFETY: every pointer is to a live local; `more` is 0 first and then what the library set.
            let major = unsafe {
                (self.functions.gss_display_status)(&mut minor, status, kind, &mechanism, &mut more, &mut out.buffer)
            };
            if major & ERRORS != 0 {
                break;
            }
            all.push(String::from_utf8_lossy(&out.octets()).into_owned());
            if more == 0 {
                break;
            }
        }
        all.join("; ")
    }
}

/// A buffer that the library fills and that is released here.
struct Output<'a> {
    api: &'a Api,
    buffer: Buffer,
}

impl<'a> Output<'a> {
    fn new(api: &'a Api) -> Self {
        let buffer = Buffer {
            length: 0,
            value: null_mut(),
        };
        Self { api, buffer }
    }

    /// A copy of what is in it.
    fn octets(&self) -> Vec<u8> {
        if self.buffer.value.is_null() || self.buffer.length == 0 {
            return Vec::new();
        }
        // SAFETY: not null, and the library says that `length` octets are there until the buffer is released.
        unsafe { std::slice::from_raw_parts(self.buffer.value.cast::<u8>(), self.buffer.length) }.to_vec()
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: empty, or filled by the library and not yet released.
        unsafe { (self.api.functions.gss_release_buffer)(&mut minor, &mut self.buffer) };
    }
}

/// A buffer of ours. The library may write into it (MIT's gss_unwrap does), so that it must be our own copy.
fn input(octets: &mut [u8]) -> Buffer {
    Buffer {
        length: octets.len(),
        value: octets.as_mut_ptr().cast(),
    }
}

fn oid(octets: &'static [u8]) -> Oid {
    Oid {
        // All of ours are shorter than 16.
        length: u32::try_from(octets.len()).unwrap_or(0),
        elements: octets.as_ptr().cast_mut().cast(),
    }
}

/// A name.
pub(super) struct Name {
    api: Arc<Api>,
    handle: Handle,
}

// SAFETY: a name is not changed after it was made, and the library's names belong to no thread.
unsafe impl Send for Name {}

impl Name {
    fn none(api: &Arc<Api>) -> Self {
        Self {
            api: api.clone(),
            handle: null_mut(),
        }
    }

    pub(super) fn import(api: &Arc<Api>, text: &str, kind: &'static [u8]) -> Result<Self, Failure> {
        let mut text = text.as_bytes().to_vec();
        let (text, kind) = (input(&mut text), oid(kind));
        let mut minor = 0;
        let mut name = Self::none(api);
        // SAFETY: every pointer is to a live local; the name is released by `Drop`.
        let major = unsafe { (api.functions.gss_import_name)(&mut minor, &text, &kind, &mut name.handle) };
        api.check(major, minor)?;
        Ok(name)
    }

    /// The name as text; empty if there is none.
    pub(super) fn display(&self) -> Result<Vec<u8>, Failure> {
        if self.handle.is_null() {
            return Ok(Vec::new());
        }
        let (mut minor, mut out) = (0, Output::new(&self.api));
        // SAFETY: the handle is a live name; the type of the name is not asked for.
        let major =
            unsafe { (self.api.functions.gss_display_name)(&mut minor, self.handle, &mut out.buffer, null_mut()) };
        self.api.check(major, minor)?;
        Ok(out.octets())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            let mut minor = 0;
            // SAFETY: a live name, which nobody uses after this.
            unsafe { (self.api.functions.gss_release_name)(&mut minor, &mut self.handle) };
        }
    }
}

/// Credentials of one side.
pub(super) struct Cred {
    api: Arc<Api>,
    handle: Handle,
}

// SAFETY: credentials belong to no thread, and the library locks them while it works with them.
unsafe impl Send for Cred {}

impl Cred {
    /// gss_acquire_cred_from, for Kerberos only. `store` says where they come from.
    pub(super) fn acquire(
        api: &Arc<Api>,
        name: Option<&Name>,
        usage: Usage,
        store: &[(CString, CString)],
    ) -> Result<Self, Failure> {
        let pairs: Vec<KeyValue> = store
            .iter()
            .map(|(key, value)| KeyValue {
                key: key.as_ptr(),
                value: value.as_ptr(),
            })
            .collect();
        let pairs = KeyValueSet {
            count: u32::try_from(pairs.len()).unwrap_or(0),
            elements: pairs.as_ptr(),
        };
        let mut mechanism = oid(MECHANISM);
        let mechanisms = OidSet {
            count: 1,
            elements: &mut mechanism,
        };
        let mut minor = 0;
        let mut cred = Self {
            api: api.clone(),
            handle: null_mut(),
        };
        let name = name.map_or(null_mut(), |name| name.handle);
        // SAFETY: every pointer is to a live local or null where that means "none" (RFC 2744 section 5.2): `store` and
        // `pairs` live to the end of this function. The library copies what it keeps.
        let major = unsafe {
            (api.functions.gss_acquire_cred_from)(
                &mut minor,
                name,
                0,
                &mechanisms,
                usage as c_int,
                if pairs.count == 0 { null() } else { &pairs },
                &mut cred.handle,
                null_mut(),
                null_mut(),
            )
        };
        api.check(major, minor)?;
        Ok(cred)
    }

    /// Whose they are, and for how many seconds. An initiator's are fetched from the KDC by this.
    pub(super) fn inquire(&self) -> Result<(Name, u32), Failure> {
        let (mut minor, mut lifetime) = (0, 0);
        let mut name = Name::none(&self.api);
        // SAFETY: the handle is live; the name is released by its `Drop`; what is not asked for is null.
        let major = unsafe {
            (self.api.functions.gss_inquire_cred)(
                &mut minor,
                self.handle,
                &mut name.handle,
                &mut lifetime,
                null_mut(),
                null_mut(),
            )
        };
        self.api.check(major, minor)?;
        Ok((name, lifetime))
    }
}

impl Drop for Cred {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: live credentials, or none, of which nobody makes use after this.
        unsafe { (self.api.functions.gss_release_cred)(&mut minor, &mut self.handle) };
    }
}

/// A security context, at any stage.
pub(super) struct SecContext {
    api: Arc<Api>,
    handle: Handle,
}

// SAFETY: a context belongs to no thread; it is used by one at a time, since all methods that do something take `&mut`.
unsafe impl Send for SecContext {}

/// A token for the peer (empty: none), and whether the context is complete.
pub(super) type Stepped = (Vec<u8>, bool);

/// What a context says of itself.
pub(super) struct Inquired {
    pub source: Name,
    pub target: Name,
    pub flags: u32,
    pub lifetime: u32,
    /// The mechanism is [`MECHANISM`].
    pub is_kerberos: bool,
    pub complete: bool,
}

impl SecContext {
    pub(super) fn new(api: &Arc<Api>) -> Self {
        Self {
            api: api.clone(),
            handle: null_mut(),
        }
    }

    /// gss_init_sec_context: the first time without the peer's token.
    pub(super) fn init(
        &mut self,
        cred: &Cred,
        target: &Name,
        flags: u32,
        token: Option<&[u8]>,
    ) -> Result<Stepped, Failure> {
        let mut token = token.unwrap_or_default().to_vec();
        let (token, mechanism) = (input(&mut token), oid(MECHANISM));
        let api = self.api.clone();
        let (mut minor, mut out) = (0, Output::new(&api));
        // SAFETY: the context is none or the one that this function made before; credentials and name are live; every
        // other pointer is to a live local, or null for "none" (RFC 2744 section 5.19).
        let major = unsafe {
            (api.functions.gss_init_sec_context)(
                &mut minor,
                cred.handle,
                &mut self.handle,
                target.handle,
                &mechanism,
                flags,
                0,
                null_mut(),
                &token,
                null_mut(),
                &mut out.buffer,
                null_mut(),
                null_mut(),
            )
        };
        let major = api.check(major, minor)?;
        Ok((out.octets(), major & CONTINUE_NEEDED == 0))
    }

    /// gss_accept_sec_context. Delegated credentials are not taken.
    pub(super) fn accept(&mut self, cred: &Cred, token: &[u8]) -> Result<Stepped, Failure> {
        let mut token = token.to_vec();
        let token = input(&mut token);
        let api = self.api.clone();
        let (mut minor, mut out) = (0, Output::new(&api));
        // SAFETY: as in `init` (RFC 2744 section 5.1).
        let major = unsafe {
            (api.functions.gss_accept_sec_context)(
                &mut minor,
                &mut self.handle,
                cred.handle,
                &token,
                null_mut(),
                null_mut(),
                null_mut(),
                &mut out.buffer,
                null_mut(),
                null_mut(),
                null_mut(),
            )
        };
        let major = api.check(major, minor)?;
        Ok((out.octets(), major & CONTINUE_NEEDED == 0))
    }

    pub(super) fn inquire(&self) -> Result<Inquired, Failure> {
        let (mut source, mut target) = (Name::none(&self.api), Name::none(&self.api));
        let (mut minor, mut flags, mut lifetime, mut open) = (0, 0, 0, 0);
        let mut mechanism: *mut Oid = null_mut();
        // SAFETY: the handle is a context, or null, which the library refuses. The names are released by their `Drop`;
        // the mechanism is the library's own and not released.
        let major = unsafe {
            (self.api.functions.gss_inquire_context)(
                &mut minor,
                self.handle,
                &mut source.handle,
                &mut target.handle,
                &mut lifetime,
                &mut mechanism,
                &mut flags,
                null_mut(),
                &mut open,
            )
        };
        self.api.check(major, minor)?;
        let is_kerberos = !mechanism.is_null() && {
            // SAFETY: not null, so it is an object identifier in static storage of the library (RFC 2744 section 5.21).
            let found = unsafe { &*mechanism };
            // SAFETY: `length` octets stand there.
            !found.elements.is_null()
                && unsafe { std::slice::from_raw_parts(found.elements.cast::<u8>(), found.length as usize) }
                    == MECHANISM
        };
        Ok(Inquired {
            source,
            target,
            flags,
            lifetime,
            is_kerberos,
            complete: open != 0,
        })
    }

    /// gss_wrap, with confidentiality where that is wanted.
    pub(super) fn wrap(&mut self, confidential: bool, data: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut data = data.to_vec();
        let data = input(&mut data);
        let (mut minor, mut out) = (0, Output::new(&self.api));
        // SAFETY: the handle is a context, or null, which the library refuses; `data` lives longer than the call.
        let major = unsafe {
            (self.api.functions.gss_wrap)(
                &mut minor,
                self.handle,
                c_int::from(confidential),
                0,
                &data,
                null_mut(),
                &mut out.buffer,
            )
        };
        self.api.check(major, minor)?;
        Ok(out.octets())
    }

    /// gss_unwrap: the data, and the major status, which may say that the token is an old one.
    pub(super) fn unwrap(&mut self, token: &[u8]) -> Result<(Vec<u8>, u32), Failure> {
        let mut token = token.to_vec();
        let token = input(&mut token);
        let (mut minor, mut out) = (0, Output::new(&self.api));
        // SAFETY: the handle is a context, or null, which the library refuses; `token` is our own copy, into which the
        // library may write.
        let major = unsafe {
            (self.api.functions.gss_unwrap)(&mut minor, self.handle, &token, &mut out.buffer, null_mut(), null_mut())
        };
        let major = self.api.check(major, minor)?;
        Ok((out.octets(), major))
    }
}

impl Drop for SecContext {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            let mut minor = 0;
            // SAFETY: a live context, of which nobody makes use after this; no token is asked for.
            unsafe { (self.api.functions.gss_delete_sec_context)(&mut minor, &mut self.handle, null_mut()) };
        }
    }
}
