//! The routes' end without us: a unit in memory that has EOS' command line take them away once whoever calls has ended. It needs
//! nothing of the extension, which is gone by then.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use common::{command::find_on_path, files, retry};
use contract::{places, services::ROUTES_REMOVAL as UNIT};

use super::Route;
use crate::{eos_cli, systemd};

/// A bring-up that comes right behind would otherwise lose the routes that it adds.
const ENDED: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(500);

pub fn begin(routes: &[Route]) -> Result<()> {
    if routes.is_empty() {
        return Ok(());
    }
    let file = Path::new(places::UNITS).join(UNIT);
    files::write_atomically(&file, unit(routes, &file)?)?;
    systemd::daemon_reload()?;
    systemd::start(UNIT)
}

/// Waits for the end of one that is at it.
pub fn await_end() -> Result<()> {
    if !Path::new(places::UNITS).join(UNIT).exists() {
        return Ok(());
    }
    let ended = retry::until("the routes of before are removed", ENDED, PAUSE, || match systemd::is_active(UNIT)? {
        false => Ok(()),
        true => Err(anyhow::anyhow!("{UNIT} runs").into()),
    });
    ended?;
    match fs::remove_file(Path::new(places::UNITS).join(UNIT)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => bail!("cannot remove {UNIT}: {error}"),
        _ => Ok(()),
    }
}

/// In words that systemd 219 knows: of a oneshot each line is run after the other, and one that fails stops none.
fn unit(routes: &[Route], file: &Path) -> Result<String> {
    let mut text = "[Unit]\nDescription=Kubernetes on EOS: its routes are removed\n\n[Service]\nType=oneshot\n\
                    TimeoutStartSec=240\n"
        .to_owned();
    for route in routes {
        let words = eos_cli::call(&eos_cli::configuring(&format!("no {route}")));
        text.push_str(&format!("ExecStart=-{}\n", line(&words)?));
    }
    let file = file.display().to_string();
    text.push_str(&format!("ExecStart=-{}\n", line(&["rm".to_owned(), "-f".to_owned(), file])?));
    Ok(text)
}

/// systemd wants a program's whole path, and reads what is quoted as C does.
fn line(words: &[String]) -> Result<String> {
    let (name, arguments) = words.split_first().context("no program")?;
    let program =
        find_on_path(name).with_context(|| format!("{name} is required to remove the routes, and is not there"))?;
    let quoted = arguments.iter().map(|word| {
        let escaped =
            word.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('%', "%%").replace('$', "$$");
        format!(" \"{escaped}\"")
    });
    Ok(format!("{}{}", program.display(), quoted.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_so_that_systemd_reads_the_same_ones() {
        let words = ["sh", "enable\nno ip route 10.0.0.0/24 1.1.1.1", "a\"b\\ 5% $x"].map(str::to_owned);
        let line = line(&words).unwrap();
        assert!(line.ends_with("/sh \"enable\\nno ip route 10.0.0.0/24 1.1.1.1\" \"a\\\"b\\\\ 5%% $$x\""), "{line}");
        let absent = super::line(&["no-such-program".to_owned()]).unwrap_err();
        assert!(absent.to_string().contains("no-such-program"), "{absent}");
    }
}
