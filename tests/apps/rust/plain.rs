//! Plain Rust std: files, an inherited listener (descriptor 3), and no threads.
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::wasi::io::FromRawFd;
use std::time::{Duration, Instant, SystemTime};

fn files() -> Result<()> {
    fs::create_dir_all("/tmp/a/b/c")?;
    fs::write("/tmp/a/one", "first\nsecond\n")?;
    writeln!(OpenOptions::new().append(true).open("/tmp/a/one")?, "third")?;
    println!("{:?}", fs::read_to_string("/tmp/a/one")?);
    fs::rename("/tmp/a/one", "/tmp/a/b/two")?;
    println!("{:?}", File::open("/tmp/a/one").map(|_| ()).unwrap_err().kind());
    println!("{}", fs::copy("/tmp/a/b/two", "/tmp/a/b/drei äöü")?);
    let mut file = OpenOptions::new().read(true).write(true).open("/tmp/a/b/two")?;
    file.seek(SeekFrom::Start(100))?;
    file.write_all(b"!")?;
    file.seek(SeekFrom::Start(16))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    println!("{} {} {:?}", text.len(), text[2], text.last());
    file.set_len(5)?;
    let metadata = fs::metadata("/tmp/a/b/two")?;
    let age = SystemTime::now().duration_since(metadata.modified()?).unwrap_or_default();
    println!("{} {} {}", metadata.len(), metadata.is_file(), age < Duration::from_secs(60));
    let mut names = fs::read_dir("/tmp/a/b")?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    println!("{:?}", names);
    println!("{:?}", fs::remove_dir("/tmp/a").unwrap_err().kind());
    fs::remove_dir_all("/tmp/a")?;
    println!("{:?}", fs::metadata("/tmp/a").unwrap_err().kind() == ErrorKind::NotFound);
    println!("{:?}", fs::read("/tmp/../../x").unwrap_err().kind() != ErrorKind::NotFound);
    Ok(())
}

/// One HTTP request; returns its path.
fn answer(mut stream: TcpStream) -> Result<String> {
    let mut reader = BufReader::new(&mut stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("").to_string();
    let body = match path.as_str() {
        "/big" => "0123456789abcdef".repeat(1 << 16),
        _ => format!("you asked for {}\n", path),
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", body.len(), body)?;
    Ok(path)
}

fn main() -> Result<()> {
    files()?;
    println!("threads: {:?}", std::thread::Builder::new().spawn(|| ()).map(|_| ()).unwrap_err().kind());
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    println!("slept: {}", start.elapsed() >= Duration::from_millis(20));
    println!("{:?}", std::env::args().skip(1).collect::<Vec<_>>());
    println!("{:?}", std::panic::catch_unwind(|| ()).is_ok());
    let listener = unsafe { TcpListener::from_raw_fd(3) };
    println!("ready");
    loop {
        let (stream, _) = listener.accept()?;
        if answer(stream)? == "/stop" {
            std::process::exit(0);
        }
    }
}
