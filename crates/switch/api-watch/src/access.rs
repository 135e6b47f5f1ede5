//! Where the API server is and as whom to ask it, out of a kubeconfig, `--master` or a pod's service account, checked and in the form
//! that kube's client can be built of.
//!
//! That client takes what it is given for valid: it panics at an address without a scheme and at a token that is no header. So the
//! [`kubeconfig`] is read here, addresses become whole ([`server`]), certificates are tried ([`certificates`]), and kube is given neither
//! certificate nor token: [`authorization`] puts the one into requests, the connection shows the other. Programs that give credentials are run by [`exec`]. An error names the file,
//! the entry and the field.

mod authorization;
mod certificates;
mod exec;
mod kubeconfig;
mod server;

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use kube::Config;
use kube::config::AuthInfo;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;

use authorization::Authorization;
pub(crate) use authorization::{look_at, prepare};
use kubeconfig::{Chosen, Kubeconfig, User};
pub use server::shown;

/// Groups and the like that a user may act as. A request with headers of some 24,000 names ends the client.
const MOST_IMPERSONATED: usize = 1000;

/// What the client is built of.
pub(crate) struct Access {
    /// Without a certificate and a token.
    pub config: Config,
    /// The certificate that is shown to the server, with its key.
    pub identity: Option<CertifiedKey>,
    /// For [`prepare`] and [`look_at`].
    pub authorization: Option<Authorization>,
}

/// Finds it out. `master` is the server's address, whatever the kubeconfig says; without both, this is a pod.
pub(crate) fn find(kubeconfig: Option<&Path>, master: Option<&str>) -> anyhow::Result<Access> {
    match (kubeconfig, master) {
        (None, None) => of_a_pod(),
        (None, Some(_)) => of(Chosen::default(), Path::new(""), master),
        (Some(path), _) => Kubeconfig::read(path)
            .and_then(|file| file.choose(master.is_some()))
            .map_err(|why| anyhow!(why))
            .and_then(|chosen| of(chosen, path, master))
            .with_context(|| format!("--kubeconfig={}", path.display())),
    }
}

/// Paths in the kubeconfig `path` are relative to its directory.
fn of(chosen: Chosen, path: &Path, master: Option<&str>) -> anyhow::Result<Access> {
    let Chosen { cluster_name, cluster, user_name, user } = chosen;
    let directory = path.parent().unwrap_or(Path::new(""));
    let of_cluster = |why: String| anyhow!("cluster {cluster_name:?}: {why}");
    let of_user = |why: String| anyhow!("user {user_name:?}: {why}");

    let authorities =
        certificates::authorities(&cluster.certificate_authority, &cluster.certificate_authority_data, directory)
            .map_err(of_cluster)?;
    let mut identity = certificates::identity(&user, directory).map_err(of_user)?;
    let insecure = cluster.insecure_skip_tls_verify.unwrap_or(false);
    // As client-go has it.
    let with_tls = authorities.is_some() || identity.is_some() || insecure;
    let address = match (master, cluster.server.get()) {
        (Some(master), _) => server::address(master, with_tls).map_err(|why| anyhow!("--master {why}"))?,
        (None, Some(server)) => server::address(server, with_tls).map_err(|why| of_cluster(format!("server {why}")))?,
        (None, None) => return Err(of_cluster("it has no server: give the API server's address there".to_owned())),
    };
    if cluster.proxy_url.get().is_some() {
        let why = "it has a proxy-url, and this kube-proxy cannot go through a proxy: leave it out";
        return Err(of_cluster(why.to_owned()));
    }
    let tls_server_name = cluster.tls_server_name.get().map(str::to_owned);
    if let Some(name) = &tls_server_name
        && ServerName::try_from(name.as_str()).is_err()
    {
        return Err(of_cluster(format!("tls-server-name {name:?} is no host name or IP address")));
    }

    let unverified = insecure || address.scheme_str() == Some("http");
    let mut config = Config::new(address.clone());
    // Without any the client wants the system's, which a switch need not have.
    config.root_cert = authorities.or(unverified.then(Vec::new));
    config.accept_invalid_certs = insecure;
    config.tls_server_name = tls_server_name;
    config.auth_info = impersonation(&user).map_err(of_user)?;
    let mut authorization = Authorization::of(&user, directory).map_err(of_user)?;
    if let (Some(exec), None) = (&user.exec, &authorization) {
        let plugin = exec.plugin(directory, &cluster, &address).map_err(of_user)?;
        let whose = format!("{}: user {user_name:?}", path.display());
        let given = exec::start(plugin, whose).map_err(of_user)?;
        authorization = given.token.map(Authorization::Plugin);
        identity = identity.or(given.identity);
    }
    Ok(Access { config, identity, authorization })
}

fn of_a_pod() -> anyhow::Result<Access> {
    let mut config = Config::incluster().context(
        "neither --kubeconfig nor --master is given, and this is no pod with a service account; give --kubeconfig",
    )?;
    config.cluster_url = server::address(&config.cluster_url.to_string(), true)
        .map_err(|why| anyhow!("the address in KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT {why}"))?;
    let token_file = config.auth_info.token_file.take();
    let authorization = token_file.map(|path| Authorization::file(path.into())).transpose();
    let authorization = authorization.map_err(|why| anyhow!("the pod's service account: {why}"))?;
    Ok(Access { config, identity: None, authorization })
}

/// The fields of a user that say as whom to act, if they can be headers.
fn impersonation(user: &User) -> Result<AuthInfo, String> {
    let groups = user.as_groups.iter().flatten();
    let extra = user.as_user_extra.iter().flatten();
    let named = |name: &'static str, value: &str| {
        authorization::header(value).map(drop).map_err(|why| format!("{name} {value:?} {why}"))
    };
    if let Some(name) = user.act_as.get() {
        named("as", name)?;
    }
    if let Some(uid) = user.as_uid.get() {
        named("as-uid", uid)?;
    }
    groups.clone().try_for_each(|group| named("as-groups", group))?;
    for (key, values) in extra.clone() {
        if key.len() > MOST_IMPERSONATED {
            return Err(format!("as-user-extra has a key of {} bytes: at most {MOST_IMPERSONATED} will do", key.len()));
        }
        values.iter().try_for_each(|value| named("as-user-extra", value))?;
    }
    let number = groups.count() + extra.map(|(_, values)| values.len()).sum::<usize>();
    if number > MOST_IMPERSONATED {
        return Err(format!("as-groups and as-user-extra have {number} values: at most {MOST_IMPERSONATED} will do"));
    }
    Ok(AuthInfo {
        impersonate: user.act_as.get().map(str::to_owned),
        impersonate_uid: user.as_uid.get().map(str::to_owned),
        impersonate_groups: user.as_groups.clone(),
        impersonate_user_extra: user.as_user_extra.clone(),
        ..AuthInfo::default()
    })
}
