;; Loops that look for a byte: the optimiser makes them read many at a time (aot/scan_loops.c).
;; Every one is compared with a form that it leaves alone, at all distances from a page's end;
;; and each traps just where it would byte by byte. 65536 is the first address outside of memory.

(module
  (memory 1)
  (global $steps (mut i32) (i32.const 0))

  ;; The first rounds in which two strings differ, at most $n: the C library's memcmp, without its result.
  (func $same (export "same") (param $p i32) (param $q i32) (param $n i32) (result i32)
    (local $left i32)
    (local.set $left (local.get $n))
    (block $out
      (br_if $out (i32.eqz (local.get $n)))
      (loop $next
        (br_if $out (i32.ne (i32.load8_u (local.get $p)) (i32.load8_u (local.get $q))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $q (i32.add (local.get $q) (i32.const 1)))
        (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
    (i32.sub (local.get $n) (local.get $left)))
  ;; The same with an index that counts up, compared before anything is read.
  (func $same_index (export "same_index") (param $p i32) (param $q i32) (param $n i32) (result i32)
    (local $i i32)
    (block $out
      (loop $next
        (br_if $out (i32.eq (local.get $i) (local.get $n)))
        (br_if $out (i32.ne (i32.load8_u (i32.add (local.get $p) (local.get $i)))
                            (i32.load8_u (i32.add (local.get $q) (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $i))
  ;; strcmp: the end of the strings ends it too.
  (func $same_text (export "same_text") (param $p i32) (param $q i32) (result i32) (local $a i32) (local $b i32) (local $start i32)
    (local.set $start (local.get $p))
    (block $out
      (loop $next
        (local.set $a (i32.load8_u (local.get $p)))
        (local.set $b (i32.load8_u (local.get $q)))
        (br_if $out (i32.ne (local.get $a) (local.get $b)))
        (br_if $out (i32.eqz (local.get $a)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $q (i32.add (local.get $q) (i32.const 1)))
        (br $next)))
    (i32.sub (local.get $p) (local.get $start)))
  ;; strlen and memchr.
  (func $length (export "length") (param $p i32) (result i32) (local $start i32)
    (local.set $start (local.get $p))
    (block $out
      (loop $next
        (br_if $out (i32.eqz (i32.load8_u (local.get $p))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br $next)))
    (i32.sub (local.get $p) (local.get $start)))
  (func $find (export "find") (param $p i32) (param $byte i32) (param $n i32) (result i32) (local $end i32) (local $start i32)
    (local.set $start (local.get $p))
    (local.set $end (i32.add (local.get $p) (local.get $n)))
    (local.set $byte (i32.and (local.get $byte) (i32.const 255)))
    (block $out
      (br_if $out (i32.eqz (local.get $n)))
      (loop $next
        (br_if $out (i32.eq (i32.load8_u (local.get $p)) (local.get $byte)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br_if $next (i32.ne (local.get $p) (local.get $end)))))
    (i32.sub (local.get $p) (local.get $start)))
  ;; How often one byte stands there: the loop goes on while they are equal.
  (func $run (export "run") (param $p i32) (param $byte i32) (result i32) (local $start i32)
    (local.set $start (local.get $p))
    (local.set $byte (i32.and (local.get $byte) (i32.const 255)))
    (block $out
      (loop $next
        (br_if $out (i32.ne (i32.load8_u (local.get $p)) (local.get $byte)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br $next)))
    (i32.sub (local.get $p) (local.get $start)))

  ;; Is the first a prefix of the second? The end of the first decides whether the second is read.
  (func (export "prefix") (param $p i32) (param $q i32) (result i32) (local $a i32) (local $start i32)
    (local.set $start (local.get $p))
    (block $out
      (loop $next
        (br_if $out (i32.eqz (local.tee $a (i32.load8_u (local.get $p)))))
        (br_if $out (i32.ne (local.get $a) (i32.load8_u (local.get $q))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $q (i32.add (local.get $q) (i32.const 1)))
        (br $next)))
    (i32.sub (local.get $p) (local.get $start)))

  ;; A round at a time, with an effect.
  (func $slowly (param $p i32) (param $q i32) (param $n i32) (param $stop i32) (result i32) (local $i i32)
    (block $out
      (loop $next
        (br_if $out (i32.eq (local.get $i) (local.get $n)))
        (global.set $steps (i32.add (global.get $steps) (i32.const 1)))
        (br_if $out (i32.ne (i32.load8_u (i32.add (local.get $p) (local.get $i)))
                            (i32.load8_u (i32.add (local.get $q) (local.get $i)))))
        (br_if $out (i32.eq (i32.load8_u (i32.add (local.get $p) (local.get $i))) (local.get $stop)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $i))

  (func $wrong (param $p i32) (param $q i32) (param $n i32) (result i32) (local $slow i32)
    (local.set $slow (call $slowly (local.get $p) (local.get $q) (local.get $n) (i32.const 256)))
    (i32.add
      (i32.add
        (i32.ne (call $same (local.get $p) (local.get $q) (local.get $n)) (local.get $slow))
        (i32.ne (call $same_index (local.get $p) (local.get $q) (local.get $n)) (local.get $slow)))
      (i32.add
        (i32.ne (call $same_text (local.get $p) (local.get $q))
                (call $slowly (local.get $p) (local.get $q) (i32.const -1) (i32.const 0)))
        (i32.add
          (i32.ne (call $length (local.get $p))
                  (call $slowly (local.get $p) (local.get $p) (i32.const -1) (i32.const 0)))
          (i32.add
            (i32.ne (call $find (local.get $p) (i32.const 0x1bd) (local.get $n))
                    (call $slowly (local.get $p) (local.get $p) (local.get $n) (i32.const 0xbd)))
            (i32.ne (call $run (local.get $p) (i32.const 0x13d))
                    (call $slowly (local.get $p) (i32.const 20000) (i32.const -1) (i32.const 256))))))))

  ;; 60 bytes of '=' at $p and $q and a zero behind; the byte at $at differs.
  (func $prepare (param $p i32) (param $q i32) (param $at i32)
    (memory.fill (local.get $p) (i32.const 0x3d) (i32.const 60))
    (memory.fill (local.get $q) (i32.const 0x3d) (i32.const 60))
    (i32.store8 (i32.add (local.get $p) (i32.const 60)) (i32.const 0))
    (i32.store8 (i32.add (local.get $q) (i32.const 60)) (i32.const 0))
    (i32.store8 (i32.add (local.get $p) (local.get $at)) (i32.const 0xbd)))

  ;; How many results are wrong for $p and $q from $from on, with any difference and count.
  (func (export "wrong_from") (param $from i32) (result i32)
    (local $p i32) (local $at i32) (local $n i32) (local $wrong i32)
    (memory.fill (i32.const 20000) (i32.const 0x3d) (i32.const 100))
    (loop $places
      (local.set $at (i32.const 0))
      (loop $differences
        (call $prepare (i32.add (local.get $from) (local.get $p)) (i32.const 12270) (local.get $at))
        (local.set $n (i32.const 0))
        (loop $counts
          (local.set $wrong
            (i32.add (local.get $wrong)
                     (i32.add
                       (call $wrong (i32.add (local.get $from) (local.get $p)) (i32.const 12270) (local.get $n))
                       (call $wrong (i32.const 12270) (i32.add (local.get $from) (local.get $p)) (local.get $n)))))
          (br_if $counts (i32.le_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 40))))
        (br_if $differences
          (i32.le_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 60))))
      (br_if $places (i32.le_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 20))))
    (local.get $wrong))

  (func (export "set") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "fill") (param i32 i32 i32)
    (memory.fill (local.get 0) (local.get 1) (local.get 2))))

(assert_return (invoke "wrong_from" (i32.const 4080)) (i32.const 0))
(assert_return (invoke "wrong_from" (i32.const 8040)) (i32.const 0))
(assert_return (invoke "wrong_from" (i32.const 8200)) (i32.const 0))

;; At the end of memory.
(invoke "fill" (i32.const 65400) (i32.const 7) (i32.const 136))
(invoke "fill" (i32.const 1000) (i32.const 7) (i32.const 200))
(assert_return (invoke "same" (i32.const 65500) (i32.const 1000) (i32.const 36)) (i32.const 36))
(assert_trap (invoke "same" (i32.const 65500) (i32.const 1000) (i32.const 37)) "out of bounds memory access")
(assert_trap (invoke "same" (i32.const 1000) (i32.const 65500) (i32.const -1)) "out of bounds memory access")
(assert_return (invoke "same_index" (i32.const 1000) (i32.const 65533) (i32.const 3)) (i32.const 3))
(assert_trap (invoke "same_index" (i32.const 1000) (i32.const 65533) (i32.const 4)) "out of bounds memory access")
(assert_return (invoke "same_index" (i32.const 65536) (i32.const -1) (i32.const 0)) (i32.const 0))
(assert_trap (invoke "same_text" (i32.const 1000) (i32.const 65510)) "out of bounds memory access")
(assert_trap (invoke "same_text" (i32.const 65536) (i32.const 1000)) "out of bounds memory access")
(assert_trap (invoke "length" (i32.const 65400)) "out of bounds memory access")
(assert_trap (invoke "find" (i32.const 65520) (i32.const 8) (i32.const 17)) "out of bounds memory access")
(assert_return (invoke "find" (i32.const 65520) (i32.const 8) (i32.const 16)) (i32.const 16))
(assert_trap (invoke "run" (i32.const 65401) (i32.const 7)) "out of bounds memory access")
(invoke "set" (i32.const 65535) (i32.const 0))
(assert_return (invoke "length" (i32.const 65400)) (i32.const 135))
(assert_return (invoke "run" (i32.const 65401) (i32.const 7)) (i32.const 134))
(assert_return (invoke "find" (i32.const 65401) (i32.const 256) (i32.const -1)) (i32.const 134))
(assert_return (invoke "same" (i32.const 65510) (i32.const 1000) (i32.const -1)) (i32.const 25))
(assert_return (invoke "same_text" (i32.const 65510) (i32.const 1000)) (i32.const 25))
(assert_return (invoke "same_index" (i32.const 65510) (i32.const 1000) (i32.const -1)) (i32.const 25))
;; The first round reads both, whatever the first says.
(assert_trap (invoke "same_text" (i32.const 65535) (i32.const 65536)) "out of bounds memory access")
(assert_return (invoke "prefix" (i32.const 65535) (i32.const 65536)) (i32.const 0))
(assert_trap (invoke "prefix" (i32.const 65534) (i32.const 65536)) "out of bounds memory access")
;; "=======", of which the last is at the end of memory, and a prefix of it.
(invoke "fill" (i32.const 65529) (i32.const 0x3d) (i32.const 7))
(invoke "fill" (i32.const 1000) (i32.const 0x3d) (i32.const 7))
(invoke "set" (i32.const 1007) (i32.const 0))
(assert_return (invoke "prefix" (i32.const 1000) (i32.const 65529)) (i32.const 7))
;; An address that goes around: 0xffffffff, then 0.
(assert_trap (invoke "same" (i32.const -1) (i32.const 1000) (i32.const 20)) "out of bounds memory access")
