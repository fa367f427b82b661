//! A file server for bench/http.py: HTTP/1.1 with keep-alive and pipelining in plain Rust std,
//! on the listener that the runtime hands over as descriptor 3. One thread, non-blocking sockets,
//! poll_oneoff (std has no poll of its own). GET only; a file is read again after a second.
use std::collections::HashMap;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::wasi::io::{AsRawFd, FromRawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

const INPUT_LIMIT: usize = 8192;

/// Preview 1's subscription to a descriptor (the clock variant has the same size).
#[repr(C)]
#[derive(Clone, Copy)]
struct Subscription {
    userdata: u64,
    tag: u64,
    fd: u32,
    rest: [u32; 7],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    userdata: u64,
    error: u16,
    tag: u8,
    byte_count: u64,
    flags: u16,
}

const READ: u64 = 1;
const WRITE: u64 = 2;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn poll_oneoff(s: *const Subscription, e: *mut Event, count: usize, ready: *mut usize) -> u16;
}

fn subscription(fd: i32, index: usize) -> Subscription {
    Subscription { userdata: index as u64, tag: READ, fd: fd as u32, rest: [0; 7] }
}

struct Files {
    root: String,
    read: HashMap<String, (Instant, Rc<Vec<u8>>)>,
}

impl Files {
    fn get(&mut self, path: &str) -> Option<Rc<Vec<u8>>> {
        if let Some((when, content)) = self.read.get(path) {
            if when.elapsed() < Duration::from_secs(1) {
                return Some(content.clone());
            }
        }
        if path.split('/').any(|part| part == "..") {
            return None;
        }
        let name = if path.ends_with('/') { "index.html" } else { "" };
        let content = Rc::new(std::fs::read(format!("{}{}{}", self.root, path, name)).ok()?);
        self.read.insert(path.to_string(), (Instant::now(), content.clone()));
        Some(content)
    }
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    /// The response under way: its head, its body, and how much of both has been sent.
    head: Vec<u8>,
    body: Rc<Vec<u8>>,
    sent: usize,
    closing: bool,
}

enum After {
    Read,
    Write,
    Close,
}

impl Connection {
    fn is_sending(&self) -> bool {
        self.sent < self.head.len() + self.body.len()
    }

    fn respond(&mut self, status: &str, body: Rc<Vec<u8>>) {
        self.head.clear();
        let end = if self.closing { "Connection: close\r\n\r\n" } else { "\r\n" };
        let _ = write!(self.head, "HTTP/1.1 {}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n{}",
                       status, body.len(), end);
        self.body = body;
        self.sent = 0;
    }

    /// Takes one whole request out of the input, if there is one.
    fn take_request(&mut self, files: &mut Files) -> bool {
        let end = match self.input.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) => at + 4,
            None if self.input.len() < INPUT_LIMIT => return false,
            None => {
                self.closing = true;
                self.input.clear();
                self.respond("431 Request Header Fields Too Large", Rc::default());
                return true;
            }
        };
        let head = String::from_utf8_lossy(&self.input[..end]).into_owned();
        self.input.drain(..end);
        let mut words = head.lines().next().unwrap_or("").split(' ');
        let (method, path, version) = (words.next(), words.next(), words.next());
        self.closing = version != Some("HTTP/1.1")
            || head.lines().any(|line| line.eq_ignore_ascii_case("connection: close"));
        match (method, path) {
            (Some("GET"), Some(path)) if path.starts_with('/') => match files.get(path) {
                Some(content) => self.respond("200 OK", content),
                None => self.respond("404 Not Found", Rc::default()),
            },
            _ => {
                self.closing = true;
                self.respond("405 Method Not Allowed", Rc::default());
            }
        }
        true
    }

    /// Sends and answers until there is nothing to do.
    fn advance(&mut self, files: &mut Files) -> After {
        loop {
            while self.is_sending() {
                let from_head = self.sent.min(self.head.len());
                let parts = [IoSlice::new(&self.head[from_head..]),
                             IoSlice::new(&self.body[self.sent - from_head..])];
                match self.stream.write_vectored(&parts) {
                    Ok(count) if count > 0 => self.sent += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return After::Write,
                    _ => return After::Close,
                }
            }
            if self.closing {
                return After::Close;
            }
            if !self.take_request(files) {
                return After::Read;
            }
        }
    }

    fn on_event(&mut self, files: &mut Files) -> After {
        if !self.is_sending() {
            let mut buffer = [0u8; INPUT_LIMIT];
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return After::Read,
                _ => return After::Close,
            }
        }
        self.advance(files)
    }
}

fn main() -> std::io::Result<()> {
    let root = std::env::args().nth(1).unwrap_or_default();
    let mut files = Files { root, read: HashMap::new() };
    let listener = unsafe { TcpListener::from_raw_fd(3) };
    listener.set_nonblocking(true)?;
    // connections[i] belongs to subscriptions[i + 1]; the listener is first.
    let mut connections: Vec<Connection> = Vec::new();
    let mut subscriptions = vec![subscription(listener.as_raw_fd(), 0)];
    let mut events: Vec<Event> = Vec::new();
    loop {
        events.resize(subscriptions.len(), Event::default());
        let mut ready = 0;
        let error = unsafe {
            poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), subscriptions.len(), &mut ready)
        };
        assert_eq!(error, 0, "poll_oneoff");
        // Removal moves the last connection down: with descending indices each is met once.
        let mut indices: Vec<usize> = events[..ready].iter().map(|e| e.userdata as usize).collect();
        indices.sort_unstable_by(|a, b| b.cmp(a));
        for index in indices {
            if index == 0 {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    subscriptions.push(subscription(stream.as_raw_fd(), subscriptions.len()));
                    connections.push(Connection { stream, input: Vec::new(), head: Vec::new(),
                                                  body: Rc::default(), sent: 0, closing: false });
                }
                continue;
            }
            match connections[index - 1].on_event(&mut files) {
                After::Read => subscriptions[index].tag = READ,
                After::Write => subscriptions[index].tag = WRITE,
                After::Close => {
                    connections.swap_remove(index - 1);
                    subscriptions.swap_remove(index);
                    if let Some(moved) = subscriptions.get_mut(index) {
                        moved.userdata = index as u64;
                    }
                }
            }
        }
    }
}
