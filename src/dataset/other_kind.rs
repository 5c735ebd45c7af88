//! Tables and lists that are files of another kind, by their first bytes.

use super::CsvProblem;
use crate::files;

/// Bytes that are looked at.
const HEAD: usize = 1024;

/// What is no text in UTF-8, if that can be seen.
pub(super) fn of(bytes: &[u8]) -> Option<CsvProblem> {
    let head = &bytes[..bytes.len().min(HEAD)];
    let text = head.trim_ascii_start();
    let starts =
        |start: &str| text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start.as_bytes()));
    let (found, remedy) = match head {
        [0x1f, 0x8b, ..] => ("a gzip file", "decompress it with `gunzip`"),
        [b'P', b'K', 3, 4, ..] => {
            ("a zip file, as spreadsheets (`.xlsx`) are", "export the table as CSV, or unpack the archive")
        }
        // A name may begin like this, too.
        [b'P', b'A', b'R', b'1', 0..=8 | 14..=31, ..] => {
            ("a parquet file", "write it as CSV: `pandas.read_parquet(FILE).to_csv('table.csv', index=False)`")
        }
        _ if starts("<!doctype html") || starts("<html") => ("a web page", "download the file itself"),
        _ if is_utf16(head) => ("text in UTF-16", "save it as UTF-8"),
        // Other kinds are told apart from tables in other encodings by their first byte alone.
        [0x80 | 0x89, ..] | [0xff, 0xd8, 0xff, ..] => {
            return Some(CsvProblem::OtherKind { found: files::looks_like(head), remedy: "name the table" });
        }
        _ => return None,
    };
    Some(CsvProblem::OtherKind { found: found.to_owned(), remedy })
}

/// Whether bytes are UTF-16: they begin with its mark, or each second byte of the first characters is zero, as in English.
fn is_utf16(head: &[u8]) -> bool {
    let start = &head[..head.len().min(64)];
    let zeros = |parity: usize| start.iter().skip(parity).step_by(2).all(|byte| *byte == 0);
    let none = |parity: usize| start.iter().skip(parity).step_by(2).all(|byte| *byte != 0);
    head.starts_with(b"\xff\xfe")
        || head.starts_with(b"\xfe\xff")
        || start.len() >= 4 && (zeros(1) && none(0) || zeros(0) && none(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::csv_lines::CsvLines;

    /// Fault (tables): a table or list that is gzip, a spreadsheet, parquet, a web page, a picture or UTF-16 → refused by what it
    /// is, with the remedy for it
    #[test]
    fn what_is_no_table_is_named() {
        let utf16 =
            |bytes: fn(u16) -> [u8; 2]| "face_id,image\n1,a.png\n".encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        let files: [&[u8]; 9] = [
            b"\x1f\x8b\x08\0\0",
            b"PK\x03\x04\x14\0",
            b"PAR1\x15\x04",
            b"\n <!DOCTYPE html><html>",
            b"<html lang=en>",
            &utf16(u16::to_le_bytes),
            &utf16(u16::to_be_bytes),
            &[&b"\xff\xfe"[..], &utf16(u16::to_le_bytes)].concat(),
            b"\x89PNG\r\n",
        ];
        let message =
            |bytes: &&[u8]| CsvLines::open(bytes).err().map_or_else(String::new, |error| error.problem.to_string());
        insta::assert_snapshot!(files.iter().map(message).collect::<Vec<_>>().join("\n"), @"
        this is a gzip file, and text in UTF-8 is expected, such as CSV; decompress it with `gunzip`
        this is a zip file, as spreadsheets (`.xlsx`) are, and text in UTF-8 is expected, such as CSV; export the table as CSV, or unpack the archive
        this is a parquet file, and text in UTF-8 is expected, such as CSV; write it as CSV: `pandas.read_parquet(FILE).to_csv('table.csv', index=False)`
        this is a web page, and text in UTF-8 is expected, such as CSV; download the file itself
        this is a web page, and text in UTF-8 is expected, such as CSV; download the file itself
        this is text in UTF-16, and text in UTF-8 is expected, such as CSV; save it as UTF-8
        this is text in UTF-16, and text in UTF-8 is expected, such as CSV; save it as UTF-8
        this is text in UTF-16, and text in UTF-8 is expected, such as CSV; save it as UTF-8
        this is a PNG picture, and text in UTF-8 is expected, such as CSV; name the table
        ");
        for table in ["", "a", "P,K\n", "<id>,x\n", "{a},b\n", "a\0,b\n", "PAR1\t1\t2\n"] {
            assert_eq!(of(table.as_bytes()), None, "{table}");
        }
    }
}
