//! Writes files as a whole, or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::secret::file_without_secrets;

/// Writes the contents to a file beside the path, and renames that file. Writes directly to a pipe or a device.
///
/// # Errors
/// If the file cannot be written; an existing file then stays unchanged.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    let contents = contents.as_ref();
    let failed = |error| Error::new(format!("could not write {}", file_without_secrets(path))).because(error);
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return std::fs::write(path, contents).map_err(failed);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let written = write_out(Path::new(&beside), contents).and_then(|()| std::fs::rename(&beside, path));
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
}
