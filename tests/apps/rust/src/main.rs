//! A server with wasmedge_wasi_socket that does what its clients ask, a line each: it
//! echoes, is a TCP client itself, looks names up, and sends datagrams to itself.
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr};
use wasmedge_wasi_socket::{nslookup_with_host, Shutdown, TcpListener, TcpStream, UdpSocket};

fn echo(count: u64, input: &mut impl Read, output: &mut impl Write) -> Result<()> {
    std::io::copy(&mut input.take(count), output).map(|_| ())
}

/// Asks another server, up to the end of its answer: its length and the sum of its bytes.
fn fetch(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"give\n")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let sum = answer.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    Ok(format!("{} {} {}", answer.len(), sum, stream.peer_addr()?.ip()))
}

fn lookup(name: &str) -> Result<String> {
    let mut found: Vec<SocketAddr> = nslookup_with_host(name, "80")?;
    found.sort();
    found.dedup();
    Ok(found.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" "))
}

fn datagrams() -> Result<String> {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 9000))?;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 9001))?;
    let mut buffer = [0; 100];
    client.send_to(b"ping", (Ipv4Addr::LOCALHOST, 9000))?;
    let (count, from) = server.recv_from(&mut buffer)?;
    server.send_to(&[&buffer[..count], b" pong"].concat(), from)?;
    let (count, from) = client.recv_from(&mut buffer)?;
    Ok(format!("{} from {}", String::from_utf8_lossy(&buffer[..count]), from))
}

/// Returns whether to go on.
fn serve(mut stream: TcpStream, input: TcpStream) -> Result<bool> {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    while input.read_line(&mut line)? != 0 {
        let (command, argument) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let answer = match command {
            "echo" => {
                echo(argument.parse().unwrap(), &mut input, &mut stream)?;
                Ok(String::from("echoed"))
            }
            "fetch" => fetch(argument),
            "lookup" => lookup(argument),
            "datagrams" => datagrams(),
            "peer" => stream.peer_addr().map(|address| address.ip().to_string()),
            _ => return Ok(false),
        };
        writeln!(stream, "{}", answer.unwrap_or_else(|error| format!("{:?}", error.kind())))?;
        line.clear();
    }
    Ok(true)
}

fn main() -> Result<()> {
    use std::os::wasi::io::{AsRawFd, FromRawFd};
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080), false)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept(false)?;
        // The same descriptor for reading: there is no try_clone, and closing it twice is harmless.
        let input = unsafe { TcpStream::from_raw_fd(stream.as_raw_fd()) };
        if !serve(stream, input)? {
            return Ok(());
        }
    }
}
