//! The bytes of a response, appended to what came before.

use std::fmt;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use ureq::Body;
use ureq::http::Response;

use super::client::Chunks;
use super::{Hub, HubError, cache};
use crate::files::{self, FileError};
use crate::progress::{Cancel, Progress};

/// The part of a file that a response contains, and where it goes.
pub(super) struct Part<'a> {
    /// Name beside the progress bar.
    pub name: &'a str,
    /// The file, for messages.
    pub subject: &'a dyn fmt::Display,
    /// The partial file.
    pub path: &'a Path,
    /// The first byte of the response in the file.
    pub from: u64,
    /// Size of the whole file, if announced.
    pub size: Option<u64>,
}

impl Hub {
    /// Appends a body to the partial file.
    pub(super) fn transfer(
        &self,
        response: Response<Body>,
        url: &str,
        part: &Part<'_>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(), HubError> {
        let Part { name, subject, path, from, size } = *part;
        let disk = |error| HubError::disk(subject, &self.settings.cache)(error);
        let failed = |error| disk(FileError::new("write", path)(error));
        files::create_dir(path.parent().unwrap_or(&self.settings.cache)).map_err(disk)?;
        let mut out = files::open_to_write(path).map_err(disk)?;
        if from == 0 && out.metadata().map_err(failed)?.len() > 0 {
            out.set_len(0).map_err(failed)?;
        }
        out.seek(SeekFrom::Start(from)).map_err(failed)?;
        let chunks = Chunks::of(response.into_body())?;
        progress.start(&format!("downloading {name}"), "bytes", size, from);
        let mut got = from;
        let result = loop {
            let chunk = match chunks.next(cancel) {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => break Ok(Some(error.to_string())),
                Ok(None) => break Ok(None),
                Err(error) => break Err(error),
            };
            got += chunk.len() as u64;
            if size.is_some_and(|size| got > size) {
                break Ok(None);
            }
            if let Err(error) = out.write_all(&chunk) {
                break Err(failed(error));
            }
            progress.advance(chunk.len() as u64);
        };
        progress.finish();
        let reason = result?;
        match size {
            Some(expected) if got > expected => {
                cache::remove(path)?;
                Err(HubError::WrongSize { subject: subject.to_string(), got, expected })
            }
            _ if reason.is_some() || size.is_some_and(|size| got < size) => {
                Err(HubError::Truncated { subject: subject.to_string(), host: self.host(url), got, size, reason })
            }
            _ => Ok(()),
        }
    }
}

/// Start and total of `bytes 10-99/100`.
pub(super) fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(content_range("bytes 10-99/100"), Some((10, Some(100))));
        assert_eq!(content_range("bytes 10-99/*"), Some((10, None)));
        assert_eq!(content_range("bytes */100"), None);
    }
}
