//! Ports: which one each client gets, from the file or from `--base-port` and `--ports`.
//!
//! Port 0 is refused everywhere: it means "any" to a socket, but a client that is told to listen on it would be at a
//! port that is not known. Asking the system is spelled `auto`.

use std::collections::HashSet;
use std::num::IntErrorKind;
use std::str::FromStr;

/// Where the ports count up from unless said otherwise.
pub(super) const DEFAULT_BASE: u16 = 8080;

/// Which ports some clients get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// This one and the following ones.
    Base(u16),
    /// These, one for each client.
    Each(Vec<u16>),
    /// Whatever the system has free.
    Auto,
}

/// Why ports cannot be given out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// Not a number.
    #[error("{0:?} is no port; give a number from 1 to 65535")]
    NotANumber(String),
    /// A number, but no port's.
    #[error(
        "port {0} is out of range; give one from 1 to 65535, or `--base-port auto` to ask the system"
    )]
    OutOfRange(String),
    /// The same port for two clients.
    #[error("port {0} is given twice; give each client one of its own")]
    Duplicate(u16),
    /// More clients than there are ports from the base up.
    #[error(
        "{clients} clients from port {base} would need ports past 65535; start lower, or at `auto`"
    )]
    PastEnd {
        /// The first port.
        base: u16,
        /// How many were asked for.
        clients: u32,
    },
    /// A list that does not fit the number of clients.
    #[error("{ports} ports for {clients} clients; give one port for each client")]
    Count {
        /// How many ports are listed.
        ports: usize,
        /// How many clients there are.
        clients: u32,
    },
}

/// The port of each client, in order; `None` where the system is to be asked.
pub fn assign(ports: &Ports, clients: u32) -> Result<Vec<Option<u16>>, PortsError> {
    match ports {
        Ports::Auto => Ok((0..clients).map(|_| None).collect()),
        Ports::Base(base) => {
            let wanted = usize::try_from(clients).unwrap_or(usize::MAX);
            let assigned: Vec<_> = (*base..=u16::MAX).take(wanted).map(Some).collect();
            if assigned.len() < wanted {
                let base = *base;
                return Err(PortsError::PastEnd { base, clients });
            }
            Ok(assigned)
        }
        Ports::Each(each) => {
            if u32::try_from(each.len()) != Ok(clients) {
                let ports = each.len();
                return Err(PortsError::Count { ports, clients });
            }
            unique(each)?;
            Ok(each.iter().copied().map(Some).collect())
        }
    }
}

/// The value of `--base-port`: a port or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasePort {
    /// Count up from here.
    At(u16),
    /// Ask the system.
    Auto,
}

impl FromStr for BasePort {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => port(text).map(Self::At),
        }
    }
}

impl From<BasePort> for Ports {
    fn from(base: BasePort) -> Self {
        match base {
            BasePort::At(port) => Self::Base(port),
            BasePort::Auto => Self::Auto,
        }
    }
}

/// The value of `--ports`: ports separated by commas, each one once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortList(Vec<u16>);

impl FromStr for PortList {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        let ports: Vec<u16> = text
            .split(',')
            .map(|part| port(part.trim()))
            .collect::<Result<_, _>>()?;
        unique(&ports)?;
        Ok(Self(ports))
    }
}

impl From<PortList> for Ports {
    fn from(list: PortList) -> Self {
        Self::Each(list.0)
    }
}

fn port(text: &str) -> Result<u16, PortsError> {
    let out_of_range = || PortsError::OutOfRange(text.to_owned());
    match text.parse::<u16>() {
        Ok(0) => Err(out_of_range()),
        Ok(port) => Ok(port),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(out_of_range()),
        Err(_) => Err(PortsError::NotANumber(text.to_owned())),
    }
}

fn unique(ports: &[u16]) -> Result<(), PortsError> {
    let mut seen = HashSet::new();
    match ports.iter().find(|port| !seen.insert(**port)) {
        Some(twice) => Err(PortsError::Duplicate(*twice)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_counts_up() {
        let ports = BasePort::from_str("8080").unwrap().into();
        assert_eq!(ports, Ports::Base(8080));
        assert_eq!(
            assign(&ports, 3),
            Ok(vec![Some(8080), Some(8081), Some(8082)])
        );
    }

    #[test]
    fn a_base_may_reach_the_last_port_and_no_further() {
        let ports = Ports::Base(65534);
        assert_eq!(assign(&ports, 2), Ok(vec![Some(65534), Some(65535)]));
        insta::assert_snapshot!(assign(&ports, 3).unwrap_err(), @"3 clients from port 65534 would need ports past 65535; start lower, or at `auto`");
    }

    #[test]
    fn auto_leaves_each_port_to_the_system() {
        let ports = BasePort::from_str("auto").unwrap().into();
        assert_eq!(ports, Ports::Auto);
        assert_eq!(assign(&ports, 2), Ok(vec![None, None]));
    }

    #[test]
    fn a_list_has_one_port_for_each_client() {
        let ports = PortList::from_str("8080, 8091,9000").unwrap().into();
        assert_eq!(ports, Ports::Each(vec![8080, 8091, 9000]));
        assert_eq!(
            assign(&ports, 3),
            Ok(vec![Some(8080), Some(8091), Some(9000)])
        );
        insta::assert_snapshot!(assign(&ports, 4).unwrap_err(), @"3 ports for 4 clients; give one port for each client");
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in ["0", "65536", "99999999999"] {
            let error = BasePort::from_str(text).unwrap_err();
            assert_eq!(error, PortsError::OutOfRange(text.to_owned()));
        }
        for text in ["", "-1", "http", "8080-8082", "Auto"] {
            let error = BasePort::from_str(text).unwrap_err();
            assert_eq!(error, PortsError::NotANumber(text.to_owned()));
        }
        insta::assert_snapshot!(BasePort::from_str("0").unwrap_err(), @"port 0 is out of range; give one from 1 to 65535, or `--base-port auto` to ask the system");
        insta::assert_snapshot!(PortList::from_str("8080,,9000").unwrap_err(), @r#""" is no port; give a number from 1 to 65535"#);
        insta::assert_snapshot!(PortList::from_str("8080,9000,8080").unwrap_err(), @"port 8080 is given twice; give each client one of its own");
    }
}
