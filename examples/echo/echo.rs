//! A TCP echo server in plain Rust std, on the listener that `wafer run --listen`
//! hands over as a descriptor. One connection at a time; ends after the client count
//! given as first argument (default: never).
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::wasi::io::FromRawFd;

fn serve(mut stream: TcpStream) -> std::io::Result<u64> {
    let mut buffer = [0u8; 16384];
    let mut total = 0;
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(total);
        }
        stream.write_all(&buffer[..count])?;
        total += count as u64;
    }
}

fn main() -> std::io::Result<()> {
    let limit = std::env::args().nth(1).and_then(|n| n.parse::<u64>().ok());
    // The first listener is descriptor 3, whatever else the program was given.
    let listener = unsafe { TcpListener::from_raw_fd(3) };
    let mut served = 0;
    while limit.map_or(true, |n| served < n) {
        let (stream, _) = listener.accept()?;
        match serve(stream) {
            Ok(bytes) => println!("echoed {} bytes", bytes),
            Err(error) => eprintln!("connection failed: {}", error),
        }
        served += 1;
    }
    Ok(())
}
