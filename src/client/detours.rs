//! Names of brokers that lead elsewhere than the system says. Kafka's client asks for each address that it connects to, those
//! too that brokers tell it; what it then expects in a broker's certificate is the name that was there before.

#![allow(unsafe_code)] // The crate has no way to say who finds addresses.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::OnceLock;

use rdkafka::types::RDKafka;

use crate::config::Detour;

static DETOURS: OnceLock<Vec<Detour>> = OnceLock::new();

type Resolve = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const libc::addrinfo,
    *mut *mut libc::addrinfo,
    *mut c_void,
) -> c_int;

unsafe extern "C" {
    /// As rdkafka.h has it; the crate's bindings leave it out.
    fn rd_kafka_conf_set_resolve_cb(conf: *mut c_void, resolve: Option<Resolve>);
}

/// From here on, for each client that follows them. What was said first holds.
pub fn set(detours: &[Detour]) {
    if !detours.is_empty() {
        let _ = DETOURS.set(detours.to_vec());
    }
}

pub(super) fn are_set() -> bool {
    DETOURS.get().is_some()
}

/// Has a client that knows no servers yet go where they lead, and then tells it of these.
pub(super) fn follow(native: *mut RDKafka, servers: &str) {
    let servers = CString::new(servers).expect("servers are read from documents, or an option");
    // SAFETY: whoever calls holds the client. Its configuration is its own, and lives as long as it does; it is for reading, for
    // it is the client's threads that read it, but this one field is a pointer that they look at anew with each address, of
    // which there is none before there are servers; and the function stays. The text is copied.
    unsafe {
        let conf = rdkafka::bindings::rd_kafka_conf(native);
        rd_kafka_conf_set_resolve_cb(conf.cast_mut().cast(), Some(resolve));
        rdkafka::bindings::rd_kafka_brokers_add(native, servers.as_ptr());
    }
}

/// As `getaddrinfo`; without a host it is `freeaddrinfo`.
///
/// # Safety
/// The texts end, and what is found has a place.
unsafe extern "C" fn resolve(
    host: *const c_char,
    port: *const c_char,
    hints: *const libc::addrinfo,
    found: *mut *mut libc::addrinfo,
    _: *mut c_void,
) -> c_int {
    if host.is_null() {
        // SAFETY: it is what was found before, and given back once.
        unsafe { libc::freeaddrinfo(*found) };
        return 0;
    }
    // SAFETY: the caller's word.
    let (name, number) = unsafe { (CStr::from_ptr(host).to_str(), CStr::from_ptr(port).to_str()) };
    let number = number.ok().and_then(|number| number.parse().ok());
    let to = name.ok().zip(number).and_then(|(name, port)| led(DETOURS.get()?, name, port));
    match to {
        // SAFETY: the texts live until it returns.
        Some((host, port)) => unsafe { libc::getaddrinfo(host.as_ptr(), port.as_ptr(), hints, found) },
        // SAFETY: the caller's word.
        None => unsafe { libc::getaddrinfo(host, port, hints, found) },
    }
}

fn led(detours: &[Detour], host: &str, port: u16) -> Option<(CString, CString)> {
    let (host, port) = detours.iter().find_map(|detour| detour.of(host, port))?;
    Some((CString::new(host).ok()?, CString::new(port.to_string()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_about_it_leads() {
        let detours = ["a:1=b:2", "a=c:3", "d=e"].map(|text| text.parse().unwrap());
        let led = |host, port| {
            led(&detours, host, port).map(|(h, p)| (h.into_string().unwrap(), p.into_string().unwrap()))
        };
        let to = |host: &str, port: &str| Some((host.to_owned(), port.to_owned()));
        assert_eq!(
            [led("a", 1), led("a", 9), led("d", 4), led("f", 1)],
            [to("b", "2"), to("c", "3"), to("e", "4"), None]
        );
    }
}
