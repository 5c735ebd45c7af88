//! How long a server that has had enough wants to be left alone (429).
//!
//! `Retry-After` of RFC 9110 where it is sent; the Hub itself sends the headers of the IETF draft "`RateLimit` header
//! fields for HTTP": `RateLimit: "api";r=0;t=55`, `RateLimit-Policy: "fixed window";"api";q=500;w=300`.

use std::time::Duration;

use ureq::http::HeaderMap;

use super::client::header;

/// The pause that the headers ask for, if they do.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = |name: &str| header(headers, name)?.parse::<u64>().ok();
    let limits = || header(headers, "ratelimit").and_then(until_reset);
    let window = || parameter(header(headers, "ratelimit-policy")?, "w");
    let told = seconds("retry-after").or_else(limits).or_else(|| seconds("ratelimit-reset")).or_else(window);
    told.map(Duration::from_secs)
}

/// Seconds until the limits that are used up are reset; of all limits, where none says that it is.
fn until_reset(limits: &str) -> Option<u64> {
    let used_up = |limit: &&str| parameter(limit, "r") == Some(0);
    let reset = |limit: &str| parameter(limit, "t");
    let latest = limits.split(',').filter(used_up).filter_map(reset).max();
    latest.or_else(|| limits.split(',').filter_map(reset).max())
}

/// A whole number among `;`-separated parameters.
fn parameter(item: &str, name: &str) -> Option<u64> {
    item.split([';', ','])
        .find_map(|part| part.trim().strip_prefix(name)?.trim_start().strip_prefix('=')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&'static str, &str)]) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        pause(&map).map(|pause| pause.as_secs())
    }

    #[test]
    fn the_pause_is_found_in_each_form() {
        assert_eq!(told(&[("retry-after", "7"), ("ratelimit", "\"api\";r=0;t=55")]), Some(7));
        assert_eq!(told(&[("ratelimit", "\"resolvers\";r=0;t=55")]), Some(55));
        assert_eq!(told(&[("ratelimit", "\"api\";r=12;t=290, \"resolvers\";r=0;t=55")]), Some(55), "the one used up");
        assert_eq!(told(&[("ratelimit", "r=1; t=9")]), Some(9));
        assert_eq!(told(&[("ratelimit-reset", "31"), ("ratelimit-limit", "100")]), Some(31));
        assert_eq!(told(&[("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300")]), Some(300));
    }

    #[test]
    fn what_says_nothing_is_not_guessed_at() {
        for headers in [
            &[][..],
            &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")],
            &[("ratelimit", "\"api\";r=0;t=soon")],
            &[("ratelimit", ";;,=")],
            &[("ratelimit-policy", "w")],
        ] {
            assert_eq!(told(headers), None, "{headers:?}");
        }
    }
}
