//! Writes files as a whole, or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::secret::file_without_secrets;

/// Writes the contents to a file beside the path, and renames that file, which keeps the permissions of the file that it replaces.
/// Writes directly to a pipe or a device, and through a symbolic link: `/dev/stdout` is a link, and may lead to a file.
///
/// # Errors
/// If the file cannot be written; an existing file then stays unchanged, unless a link leads to it.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    let contents = contents.as_ref();
    let failed = |error| Error::new(format!("could not write {}", file_without_secrets(path))).because(error);
    let existing = path.symlink_metadata().ok();
    if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
        return std::fs::write(path, contents).map_err(failed);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let written = write_out(Path::new(&beside), contents)
        .and_then(|()| existing.map_or(Ok(()), |existing| std::fs::set_permissions(&beside, existing.permissions())))
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        // Remove the incomplete file. An error here has no consequence.
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}

/// Writes the file, and waits until the disk has it: some file systems report a full disk only then.
fn write_out(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(contents)?;
    match file.sync_all() {
        // A file system without this call.
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_write_leaves_no_file_behind() {
        let folder = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let page = folder.path().join("page.svg");
        write(&page, "one").unwrap();
        write(&page, "two").unwrap();
        assert_eq!((std::fs::read_to_string(&page).unwrap().as_str(), names()), ("two", 1));
        for impossible in [folder.path().to_owned(), folder.path().join("no/such/folder.svg")] {
            let error = write(&impossible, "three").unwrap_err();
            assert!(error.to_string().contains(&impossible.display().to_string()), "{error}");
        }
        assert_eq!(names(), 1);
        #[cfg(unix)]
        write(Path::new("/dev/null"), "four").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn link_stays_a_link_and_leads_to_the_new_contents() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, dangling, absent] =
            ["file", "link", "dangling", "absent"].map(|name| folder.path().join(name));
        write(&file, "one").unwrap();
        for (link, target) in [(&link, &file), (&dangling, &absent)] {
            std::os::unix::fs::symlink(target, link).unwrap();
            write(link, "two").unwrap();
            assert!(link.is_symlink() && !target.is_symlink());
            assert_eq!(std::fs::read_to_string(target).unwrap(), "two");
        }
    }

    #[cfg(unix)]
    #[test]
    fn replaced_file_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write(&file, "one").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        write(&file, "two").unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), mode), ("two", 0o600));
    }
}
