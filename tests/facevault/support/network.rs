//! What stands between a user and the Hub: a server that speaks TLS, and a proxy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A file of `tests/fixtures/tls`.
pub fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tls").join(name)
}

/// A port that speaks TLS with this certificate and hands each request to the plain server at `behind`; its address.
pub fn tls_in_front_of(behind: &str, name: &str) -> String {
    let chain = vec![CertificateDer::from_pem_file(certificate(name)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let behind = behind.to_owned();
    // Ends with the test process; each test has its own ports.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, behind) = (config.clone(), behind.clone());
            thread::spawn(move || {
                let mut client = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                // A client that does not trust the certificate hangs up.
                let Some(head) = head(&mut client) else { return };
                let mut server = TcpStream::connect(behind).unwrap();
                server.write_all(head.as_bytes()).unwrap();
                let _ = std::io::copy(&mut server, &mut client);
                client.conn.send_close_notify();
                let _ = client.flush();
            });
        }
    });
    address
}

/// What a [`Canned`] server answers with.
pub struct Answer {
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

/// A server of few words, which keeps the paths it was asked for and who was authorized.
pub struct Canned {
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// One that answers to a path, or with a 404.
    pub fn new(answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let Some(head) = head(&mut stream) else { continue };
                let path = head.split(' ').nth(1).unwrap();
                let authorized = if head.to_lowercase().contains("authorization:") { " authorized" } else { "" };
                kept.lock().unwrap().push(format!("{path}{authorized}"));
                let (status, Answer { headers, body }) = match answer(path) {
                    Some(answer) => (200, answer),
                    None => (404, Answer { headers: Vec::new(), body: Vec::new() }),
                };
                let status = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}", body.len());
                let head = [&[status], headers.as_slice(), &["\r\n".to_owned()]].concat().join("\r\n");
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { address, log }
    }

    /// Requests since the last call.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

/// A server of raw answers: `answer` gets the path of a request and its connection; its address. It counts the requests.
pub fn raw(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (requests, answer) = (Requests::default(), Arc::new(answer));
    let kept = requests.clone();
    // Ends with the test process; each test has its own ports.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (kept, answer) = (kept.clone(), answer.clone());
            thread::spawn(move || {
                let Some(head) = head(&mut stream) else { return };
                kept.0.lock().unwrap().push(head.clone());
                // A client that has seen enough hangs up.
                let _ = answer(head.split(' ').nth(1).unwrap(), &mut stream);
            });
        }
    });
    (address, requests)
}

/// The heads of the requests to a [`raw`] server.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    /// Those since the last call.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The head of a request.
fn head(stream: &mut impl Read) -> Option<String> {
    let mut lines = BufReader::with_capacity(1, stream).lines();
    let mut head = String::new();
    loop {
        let line = lines.next()?.ok()?;
        head += &line;
        head += "\r\n";
        if line.is_empty() {
            return Some(head);
        }
    }
}

/// A proxy, which keeps what it was asked for.
pub struct Proxy {
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One that lets everybody through to `HOST:PORT`s, or answers with this status.
    pub fn new(refusal: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = kept.clone();
                thread::spawn(move || serve(stream, refusal, &log));
            }
        });
        Self { address, log }
    }

    /// Requests so far: their first line, and who says to ask.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

fn serve(mut client: TcpStream, refusal: Option<u16>, log: &Mutex<Vec<String>>) {
    let Some(head) = head(&mut client) else { return };
    let (first, rest) = head.split_once("\r\n").unwrap();
    let asked_by = rest.lines().filter(|line| line.to_lowercase().starts_with("proxy-authorization:"));
    log.lock().unwrap().push([first].into_iter().chain(asked_by).collect::<Vec<_>>().join(" "));
    if let Some(status) = refusal {
        let _ = write!(client, "HTTP/1.1 {status} no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    }
    let target = first.split(' ').nth(1).unwrap();
    if first.starts_with("CONNECT ") {
        let mut server = TcpStream::connect(target).unwrap();
        client.write_all(b"HTTP/1.1 200 ok\r\n\r\n").unwrap();
        let (mut upward, mut up) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut upward, &mut up));
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(std::net::Shutdown::Both);
        return;
    }
    // A proxy is asked for whole addresses; a server wants the path.
    let (host, path) = target.strip_prefix("http://").expect("a whole address").split_once('/').unwrap();
    let mut server = TcpStream::connect(host).unwrap();
    let request = head.replacen(target, &format!("/{path}"), 1);
    server.write_all(request.as_bytes()).unwrap();
    let _ = std::io::copy(&mut server, &mut client);
}
