//! The bytes of a response, appended to what came before.

use std::fmt;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use ureq::Body;
use ureq::http::Response;

use super::body::Chunks;
use super::{Hub, HubError, cache};
use crate::files::{self, FileError};
use crate::progress::{Cancel, Progress};
use crate::text;

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
        let most = self.settings.limits.file_bytes;
        if let Some(size) = size.filter(|&size| size > most) {
            return Err(self.too_large(url, subject, (size, most), "bytes"));
        }
        let disk = |error| HubError::disk(subject, &self.settings.cache)(error);
        let failed = |error| disk(FileError::new("write", path)(error));
        files::create_dir(path.parent().unwrap_or(&self.settings.cache)).map_err(disk)?;
        let mut out = files::open_to_write(path).map_err(disk)?;
        if from == 0 && out.metadata().map_err(failed)?.len() > 0 {
            out.set_len(0).map_err(failed)?;
        }
        out.seek(SeekFrom::Start(from)).map_err(failed)?;
        let limits = &self.settings.limits;
        let end = (Instant::now() + limits.transfer_time, limits.transfer_time);
        let mut chunks = Chunks::of(response.into_body(), limits, end)?;
        progress.start(&format!("downloading {}", text::quoted(name)), "bytes", size, from);
        let mut got = from;
        let result = loop {
            let chunk = match chunks.next(cancel) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break Ok(None),
                Err(ended) => break Ok(Some(ended)),
            };
            got += chunk.len() as u64;
            if got > size.unwrap_or(limits.unsized_bytes) {
                break Ok(None);
            }
            if let Err(error) = out.write_all(&chunk) {
                break Err(failed(error));
            }
            progress.advance(chunk.len() as u64);
        };
        progress.finish();
        let ended = result?;
        match size {
            Some(expected) if got > expected => {
                cache::remove(path)?;
                Err(HubError::WrongSize { subject: subject.to_string(), got, expected })
            }
            None if got > limits.unsized_bytes => {
                cache::remove(path)?;
                Err(self.too_large(url, subject, (got, limits.unsized_bytes), "bytes without a Content-Length"))
            }
            _ if ended.is_some() || size.is_some_and(|size| got < size) => {
                Err(self.ended(ended, url, subject, got, size))
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
