// An HTTP server on QuickJS's event loop; ends after /stop.
import * as net from 'wasi_net';
import * as http from 'wasi_http';

function answer(request) {
  if (request.uri.startsWith('/primes/')) {
    const limit = Number(request.uri.slice(8));
    const primes = [];
    for (let n = 2; n <= limit; n++) {
      if (primes.every((p) => n % p !== 0)) primes.push(n);
    }
    return JSON.stringify({ limit, count: primes.length, last: primes[primes.length - 1] });
  }
  return `${request.method} ${request.uri} ${request.body ? request.body.byteLength : 0}`;
}

async function serve(connection) {
  const buffer = new http.Buffer();
  for (;;) {
    const data = await connection.read();
    if (data === undefined || data.byteLength <= 0) return undefined;
    buffer.append(data);
    const request = buffer.parseRequest();
    if (request instanceof http.WasiRequest) {
      connection.write(new http.WasiResponse().encode(answer(request)));
      return request.uri;
    }
  }
}

async function main() {
  const server = new net.WasiTcpServer(8000);
  print('ready');
  let stopped = false;
  while (!stopped) {
    const connection = await server.accept();
    if (await serve(connection) === '/stop') stopped = true;
  }
  print('stopped');
}

main().catch((error) => print('failed', error));
