//! The pause that a rate-limiting server (429) asks for.
//!
//! `Retry-After` of RFC 9110 if present; the Hub itself sends the headers of the IETF draft "`RateLimit` header
//! fields for HTTP": `RateLimit: "api";r=0;t=55`, `RateLimit-Policy: "fixed window";"api";q=500;w=300`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ureq::http::HeaderMap;

use super::client::header;

/// The pause that the headers ask for, if any.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = |name: &str| header(headers, name)?.parse::<u64>().ok();
    let date = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        // By the server's clock if it is given: the local one may be wrong.
        let now = header(headers, "date").and_then(http_date).unwrap_or(now);
        Some(http_date(header(headers, "retry-after")?)?.saturating_sub(now))
    };
    let limits = || header(headers, "ratelimit").and_then(until_reset);
    let window = || parameter(header(headers, "ratelimit-policy")?, "w");
    let seconds =
        seconds("retry-after").or_else(date).or_else(limits).or_else(|| seconds("ratelimit-reset")).or_else(window);
    seconds.map(Duration::from_secs)
}

/// Seconds since the epoch of `Wed, 21 Oct 2026 07:28:00 GMT`, the format that RFC 9110 requires of servers.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let [day, month, year, time, "GMT"] = *date.split(' ').collect::<Vec<_>>() else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let (day, year) = (day.parse::<u64>().ok()?, year.parse::<u64>().ok()?);
    let [hour, minute, second] = *time.split(':').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?
    else {
        return None;
    };
    if !(1..=31).contains(&day) || !(1970..=9999).contains(&year) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March put the leap day last.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days.checked_sub(719_468)? * 24 + hour) * 3600 + minute * 60 + second)
}

/// Seconds until the exhausted limits are reset; of all limits if none is marked as exhausted.
fn until_reset(limits: &str) -> Option<u64> {
    let used_up = |limit: &&str| parameter(limit, "r") == Some(0);
    let reset = |limit: &str| parameter(limit, "t");
    let latest = limits.split(',').filter(used_up).filter_map(reset).max();
    latest.or_else(|| limits.split(',').filter_map(reset).max())
}

/// An integer among `;`-separated parameters.
fn parameter(item: &str, name: &str) -> Option<u64> {
    item.split([';', ','])
        .find_map(|part| part.trim().strip_prefix(name)?.trim_start().strip_prefix('=')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(headers: &[(&'static str, &str)]) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        pause(&map).map(|pause| pause.as_secs())
    }

    #[test]
    fn every_form_of_pause_is_read() {
        assert_eq!(waited(&[("retry-after", "7"), ("ratelimit", "\"api\";r=0;t=55")]), Some(7));
        assert_eq!(waited(&[("ratelimit", "\"resolvers\";r=0;t=55")]), Some(55));
        assert_eq!(waited(&[("ratelimit", "\"api\";r=12;t=290, \"resolvers\";r=0;t=55")]), Some(55), "the one used up");
        assert_eq!(waited(&[("ratelimit", "r=1; t=9")]), Some(9));
        assert_eq!(waited(&[("ratelimit-reset", "31"), ("ratelimit-limit", "100")]), Some(31));
        assert_eq!(waited(&[("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300")]), Some(300));
    }

    /// Fault (hub): a clock that is wrong, here or on the server → the pause is that of the server's own clock
    #[test]
    fn a_date_is_compared_with_the_servers_clock() {
        // `date -u -d '…' +%s`
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Wed, 21 Oct 2026 07:28:00 GMT", 1_792_567_680),
            ("Fri, 31 Dec 2100 00:00:00 GMT", 4_133_894_400),
        ] {
            assert_eq!(http_date(text), Some(expected), "{text}");
        }
        let date = ("date", "Wed, 21 Oct 2026 07:27:30 GMT");
        assert_eq!(waited(&[date, ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")]), Some(30));
        assert_eq!(waited(&[date, ("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT")]), Some(0), "it is past");
    }

    /// Fault (hub): headers of a rate limit that make no sense → no pause is taken from them
    #[test]
    fn invalid_headers_give_no_pause() {
        for headers in [
            &[][..],
            &[("retry-after", "Wed, 21 Okt 2026 07:28:00 GMT")],
            &[("retry-after", "Wed, 21 Oct 2026")],
            &[("ratelimit", "\"api\";r=0;t=soon")],
            &[("ratelimit", ";;,=")],
            &[("ratelimit-policy", "w")],
        ] {
            assert_eq!(waited(headers), None, "{headers:?}");
        }
    }
}
