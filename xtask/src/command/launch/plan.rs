//! From flags and configuration to the clients of a run.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proc_core::mark::MemberNumber;
use proc_core::port::{self, Lease};
use proc_core::report::Exit;
use proc_core::run::{Builder, Client};
use proc_core::scope::Scope;
use proc_core::spawn::resolve;

use crate::config::{
    BasePort, ClientConsole, Config, PortList, Ports, Profile, Role, Values, assign, expand,
};
use crate::failure::Failure;
use crate::programs::Programs;

/// Which clients a launch starts, and on which ports.
#[derive(Clone, Debug, Args)]
pub(crate) struct NextLaunch {
    /// How many clients to start
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) clients: Option<u32>,
    /// What a client is: a profile of xtask.toml, or a built-in one
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The first client's port; the others count up from it. `auto` asks the system
    #[arg(long, value_name = "PORT|auto")]
    pub(crate) base_port: Option<BasePort>,
    /// The port of each client, separated by commas
    #[arg(long, value_name = "PORTS", conflicts_with = "base_port")]
    pub(crate) ports: Option<PortList>,
}

/// What is to be started.
pub(crate) struct Plan {
    roles: Vec<PlannedRole>,
    /// The longest grace of all roles.
    pub(super) grace: Duration,
}

struct PlannedRole {
    name: String,
    profile: Profile,
    program: PathBuf,
    directory: PathBuf,
    /// `None`: ask the system.
    ports: Vec<Option<u16>>,
}

impl Plan {
    pub(crate) fn new(
        config: &Config,
        flags: &NextLaunch,
        programs: &Programs,
    ) -> Result<Self, Failure> {
        let roles = roles(config, flags)?
            .into_iter()
            .map(|role| PlannedRole::new(role, config, programs))
            .collect::<Result<Vec<_>, _>>()?;
        let grace = roles
            .iter()
            .map(|role| role.profile.shutdown.grace)
            .max()
            .unwrap_or_default();
        Ok(Self { roles, grace })
    }

    /// Has the programs of this workspace run from where they do not keep it from being built.
    pub(super) fn keep_programs(
        &mut self,
        scope: &Scope,
        programs: &Programs,
    ) -> Result<(), Failure> {
        for role in &mut self.roles {
            role.program = programs.lasting(scope, std::mem::take(&mut role.program))?;
        }
        Ok(())
    }

    /// The ports that are named, and not left to the system.
    pub(crate) fn named_ports(&self) -> BTreeSet<u16> {
        self.roles
            .iter()
            .flat_map(|role| &role.ports)
            .filter_map(|port| *port)
            .collect()
    }

    /// Whether a client may leave something behind.
    pub(super) fn allows_exempt(&self) -> bool {
        self.roles
            .iter()
            .any(|role| !role.profile.survive.is_empty())
    }

    /// Gives every client its port and its arguments.
    pub(super) fn add_clients(
        &self,
        builder: &mut Builder,
        ready_timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let (free, leases): (Vec<u16>, Vec<Lease>) = self.free_ports()?.into_iter().unzip();
        builder.leases(leases);
        let mut free = free.into_iter();
        let folder = builder.folder().to_owned();
        let clients = self
            .roles
            .iter()
            .flat_map(|role| role.ports.iter().map(move |port| (role, port)));
        // There are no more clients than ports.
        for ((role, port), number) in clients.zip(1..=MemberNumber::MAX) {
            let values = Values {
                port: port.or_else(|| free.next()).unwrap_or_default(),
                number,
                role: &role.name,
                project: role.profile.project.as_deref(),
                run_dir: &folder,
            };
            builder.client(role.client(&values, ready_timeout)?);
        }
        Ok(())
    }

    fn free_ports(&self) -> Result<Vec<(u16, Lease)>, Failure> {
        let missing = self
            .roles
            .iter()
            .flat_map(|role| &role.ports)
            .filter(|port| port.is_none())
            .count();
        port::choose(missing, &self.named_ports())
            .map_err(|error| Failure::new(Exit::PortUnavailable, error))
    }
}

impl PlannedRole {
    fn new(role: Role, config: &Config, programs: &Programs) -> Result<Self, Failure> {
        let profile = config.profile(&role.profile)?.clone();
        let program = config.program(&role.profile)?;
        let extra = [programs.folder().to_owned()];
        let program = resolve(program.as_ref(), config.folder(), &extra)?;
        Ok(Self {
            ports: assign(&role.ports, role.clients)?,
            directory: profile.cwd.clone().unwrap_or_else(|| config.root.clone()),
            name: role.name,
            profile,
            program,
        })
    }

    fn client(
        &self,
        values: &Values<'_>,
        ready_timeout: Option<Duration>,
    ) -> Result<Client, Failure> {
        let arguments = self
            .profile
            .args
            .iter()
            .map(|argument| expand(argument, values))
            .collect::<Result<Vec<_>, _>>()?;
        let mut ready = self.profile.ready.clone();
        ready.timeout = ready_timeout.unwrap_or(ready.timeout);
        let mut client = Client::new(&self.name, self.program.clone())
            .args(arguments)
            .directory(OsString::from(&self.directory))
            .port(values.port)
            .ready(ready)
            .own_window(self.profile.console == ClientConsole::New)
            .survive(&self.profile.survive);
        for (name, value) in &self.profile.env {
            client = client.env(name, expand(value, values)?);
        }
        Ok(client)
    }
}

/// The roles of the configuration, or the single one that the flags describe.
fn roles(config: &Config, flags: &NextLaunch) -> Result<Vec<Role>, Failure> {
    let ports = match (&flags.base_port, &flags.ports) {
        (Some(base), _) => Some(Ports::from(*base)),
        (None, Some(list)) => Some(Ports::from(list.clone())),
        (None, None) => None,
    };
    if !config.launch.roles.is_empty() {
        let single = [
            ("--clients", flags.clients.is_some()),
            ("--profile", flags.profile.is_some()),
            ("--base-port", flags.base_port.is_some()),
            ("--ports", flags.ports.is_some()),
        ];
        if let Some((flag, _)) = single.iter().find(|(_, given)| *given) {
            let text = format!(
                "{flag} is for a launch of one role, but [[launch.role]] names several; set it there"
            );
            return Err(Failure::message(Exit::Config, text));
        }
        return Ok(config.launch.plan());
    }
    let mut launch = config.launch.clone();
    if let Some(profile) = &flags.profile {
        launch.profile.clone_from(profile);
    }
    // A list of ports says how many clients there are, unless that is said too.
    let counted = match &ports {
        Some(Ports::Each(list)) => u32::try_from(list.len()).ok(),
        _ => None,
    };
    if let Some(clients) = flags.clients.or(counted) {
        launch.clients = clients;
    }
    if let Some(ports) = ports {
        launch.ports = ports;
    }
    Ok(launch.plan())
}
