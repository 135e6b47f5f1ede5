//! A network namespace without a name: it is there as long as its keeper thread is, and so are the processes in it.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{SocketAddrV4, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Sender},
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};
use common::{command::find_on_path, netns};

/// What the keeper thread is told to do.
type Job = Box<dyn FnOnce() + Send>;

/// A network namespace. What is in it goes with it, whichever way this process ends.
pub struct Netns {
    name: String,
    file: File,
    keeper: Sender<Job>,
}

impl Netns {
    /// A new, empty namespace with its loopback interface up. The name is only for errors.
    pub fn new(name: &str) -> Result<Netns> {
        let (keeper, jobs) = mpsc::channel::<Job>();
        let (tell, told) = mpsc::channel();
        let begin = move || {
            let made = netns::unshare();
            let ready = made.is_ok();
            if tell.send(made).is_ok() && ready {
                jobs.into_iter().for_each(|job| job());
            }
        };
        thread::Builder::new().name(format!("keep {name}")).spawn(begin).context("cannot start a thread")?;
        let file = told.recv().context("the keeper of a namespace is gone")?;
        let file = file.with_context(|| format!("no network namespace {name}"))?;
        let made = Netns { name: name.to_owned(), file, keeper };
        made.ip(&["link set lo up".to_owned()])?;
        Ok(made)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does `work` in the namespace, on a thread of its own; threads that it starts are in the namespace, too.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        netns::enter(&self.file, work).with_context(|| format!("in the network namespace {}", self.name))
    }

    /// Starts a process in the namespace that is killed when the namespace goes.
    pub fn spawn(&self, mut command: Command) -> Result<Child> {
        let text = format!("{command:?}");
        let (tell, told) = mpsc::channel();
        // The kernel kills it when the thread that started it ends: that has to be the keeper.
        let job = Box::new(move || drop(tell.send(command.spawn())));
        self.keeper.send(job).map_err(|_| anyhow!("the keeper of the namespace {} is gone", self.name))?;
        let child = told.recv().with_context(|| format!("the keeper of the namespace {} is gone", self.name))?;
        child.with_context(|| format!("cannot start {text}"))
    }

    /// Commands of iproute2, a line each.
    pub fn ip(&self, lines: &[String]) -> Result<()> {
        ensure!(find_on_path("ip").is_some(), "`ip` is required to lay out networks: install iproute2");
        let mut ip = Command::new("ip");
        ip.args(["-batch", "-"]);
        self.feed(ip, &(lines.join("\n") + "\n"))
    }

    /// Runs a command that reads what it has to do from its standard input.
    pub fn feed(&self, mut command: Command, text: &str) -> Result<()> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = self.enter(|| -> Result<_> {
            let mut child =
                command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
            child.stdin.take().context("it takes no input")?.write_all(text.as_bytes())?;
            Ok(child.wait_with_output()?)
        })??;
        let said = String::from_utf8_lossy(&output.stderr);
        let program = command.get_program().display();
        ensure!(output.status.success(), "{program} failed in {}: {said}\n{text}", self.name);
        Ok(())
    }

    /// Serves on an address of this namespace, a thread for each client. The threads end with their clients, and with the process.
    pub fn serve<T>(
        &self,
        name: &str,
        address: SocketAddrV4,
        client: impl Fn(TcpStream) -> io::Result<T> + Copy + Send + 'static,
    ) -> Result<()> {
        self.enter(move || {
            let listener = TcpListener::bind(address).with_context(|| format!("cannot serve on {address}"))?;
            thread::Builder::new().name(name.to_owned()).spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A client that is not served notices.
                    let _ = thread::Builder::new().stack_size(64 * 1024).spawn(move || drop(client(stream)));
                }
            })?;
            Ok(())
        })?
    }

    /// Sets `net/…` settings of this namespace.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.enter(|| {
            for (name, value) in settings {
                let file = format!("/proc/sys/net/{name}");
                fs::write(&file, value).with_context(|| format!("cannot write {value} to {file}"))?;
            }
            Ok(())
        })?
    }

    /// A cable from `port` in this namespace to `other_port` in another one; both ends are up.
    pub fn cable(&self, port: &str, other: &Netns, other_port: &str) -> Result<()> {
        use std::os::fd::AsRawFd;
        let there = format!("/proc/{}/fd/{}", std::process::id(), other.file.as_raw_fd());
        self.ip(&[
            format!("link add name {port} type veth peer name {other_port} netns {there}"),
            format!("link set dev {port} up"),
        ])?;
        other.ip(&[format!("link set dev {other_port} up")])
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    #[ignore = "needs root and network namespaces"]
    fn two_namespaces_share_a_cable_and_nothing_else() {
        let (one, two) = (Netns::new("one").unwrap(), Netns::new("two").unwrap());
        one.cable("a", &two, "b").unwrap();
        one.ip(&["address add 10.0.0.1/24 dev a".to_owned()]).unwrap();
        two.ip(&["address add 10.0.0.2/24 dev b".to_owned()]).unwrap();
        let listener = one.enter(|| TcpListener::bind("10.0.0.1:80")).unwrap().unwrap();
        let stream = two.enter(|| TcpStream::connect(listener.local_addr().unwrap())).unwrap().unwrap();
        assert_eq!(stream.local_addr().unwrap().ip().to_string(), "10.0.0.2");
        let apart = Netns::new("apart").unwrap();
        assert!(apart.enter(|| TcpStream::connect(listener.local_addr().unwrap())).unwrap().is_err());
    }
}
