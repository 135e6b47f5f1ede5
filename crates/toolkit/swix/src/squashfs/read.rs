//! An image read back: what is in it, and the bytes of each file.

use std::{
    io::{self, Cursor, Read},
    path::{Component, Path, PathBuf},
};

use backhand::{BackhandError, FilesystemReader, InnerNode};

/// An image in memory.
pub struct Image(FilesystemReader<'static>);

/// Something in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The path without a leading slash.
    pub path: String,
    pub node: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    File { size: u64, mode: u16 },
    Symlink { target: PathBuf },
    Directory { mode: u16 },
}

#[derive(Debug, thiserror::Error)]
pub enum SquashfsError {
    #[error("it is not a squashfs image, or a damaged one: {0}")]
    Image(#[from] BackhandError),
    #[error("{path} cannot be read out of the squashfs image: {error}")]
    File { path: String, error: io::Error },
    #[error("there is no file {0} in the squashfs image")]
    Missing(String),
    #[error("{0} has a strange name, is a device, a pipe or a socket, or is not root's: such are never written")]
    Alien(PathBuf),
}

impl Image {
    pub fn parse(bytes: Vec<u8>) -> Result<Self, SquashfsError> {
        Ok(Image(FilesystemReader::from_reader(Cursor::new(bytes))?))
    }

    /// All that is in the image but its root, directories before what is in them.
    pub fn items(&self) -> Result<Vec<Item>, SquashfsError> {
        self.0
            .files()
            .filter(|node| node.fullpath != Path::new("/"))
            .map(|node| {
                let alien = || SquashfsError::Alien(node.fullpath.clone());
                let path = node
                    .fullpath
                    .strip_prefix("/")
                    .ok()
                    .filter(|path| path.components().all(|part| matches!(part, Component::Normal(_))));
                let path = path.and_then(Path::to_str).ok_or_else(alien)?.to_owned();
                let mode = node.header.permissions;
                let found = match &node.inner {
                    _ if node.header.uid != 0 || node.header.gid != 0 => return Err(alien()),
                    InnerNode::File(file) => Node::File { size: file.file_len() as u64, mode },
                    InnerNode::Symlink(link) => Node::Symlink { target: link.link.clone() },
                    InnerNode::Dir(_) => Node::Directory { mode },
                    _ => return Err(alien()),
                };
                Ok(Item { path, node: found })
            })
            .collect()
    }

    /// A file's bytes.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, SquashfsError> {
        let full = Path::new("/").join(path);
        let file = self.0.files().find_map(|node| match &node.inner {
            InnerNode::File(file) if node.fullpath == full => Some(file),
            _ => None,
        });
        let file = file.ok_or_else(|| SquashfsError::Missing(path.to_owned()))?;
        let mut bytes = Vec::new();
        let read = self.0.file(file).reader().read_to_end(&mut bytes);
        read.map_err(|error| SquashfsError::File { path: path.to_owned(), error })?;
        Ok(bytes)
    }
}
