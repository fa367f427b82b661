// Evaluated by QuickJS inside the machine: closures, regular expressions, big numbers, JSON.
const primes = [];
for (let n = 2; primes.length < 20; n++) {
  if (primes.every((p) => n % p)) primes.push(n);
}
print(primes.join(' '));
print('grüße'.replace(/ü/g, (c) => c.toUpperCase()), 'a-b-c'.split('-').reverse().join('+'));
print(JSON.stringify({ nested: { list: [1, 2.5, null, 'x'] }, big: (2n ** 100n).toString() }));
class Counter {
  #count = 0;
  *[Symbol.iterator]() { while (this.#count < 3) yield ++this.#count; }
}
print([...new Counter()], Math.hypot(3, 4), 0.1 + 0.2, -7 % 3, 1 / 3);
try { null.x; } catch (error) { print(error instanceof TypeError); }
