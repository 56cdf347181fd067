;; dense_forward: the product of kernels.js in WebAssembly, by relaxed SIMD.
;;
;;   y[m,n] = sum_k x[m,k] w[k,n] + b[n]   dense/reference.py (1)
;;
;; Tile      4 rows by 8 columns: eight vectors of sums in registers while k runs.
;; Memory    2 vectors and 4 numbers are read for 32 multiply-adds: 1.5 bytes per multiply-add asked for.
;; Limit     the vector units: 8 fused multiply-adds for 6 loads.
;; Edges     a tile that would stand out below begins its missing rows at the last one, and one that would stand
;;           out on the right begins further left: what two tiles compute is the same.  N is 8 or more.
;; Numerics  one sum in the order of k, from the bias on, each step rounded once, as the CPU's are.  A machine
;;           that cannot fuse a step rounds it twice: `step` lets one see.
(module
  (import "page" "memory" (memory 1))

  ;; Arrays are addresses in the memory.
  (func (export "dense_forward")
      (param $y i32) (param $x i32) (param $w i32) (param $b i32) (param $M i32) (param $N i32) (param $K i32)
    (local $m i32) (local $m1 i32) (local $m2 i32) (local $m3 i32)
    (local $n i32) (local $k i32) (local $across i32) (local $deep i32) (local $p i32)
    (local $x0 i32) (local $x1 i32) (local $x2 i32) (local $x3 i32)
    (local $y0 i32) (local $y1 i32) (local $y2 i32) (local $y3 i32)
    (local $a v128) (local $left v128) (local $right v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local $t0 v128) (local $t1 v128) (local $t2 v128) (local $t3 v128)
    (local.set $across (i32.shl (local.get $N) (i32.const 2)))  ;; bytes of a row of y, w and b
    (local.set $deep (i32.shl (local.get $K) (i32.const 2)))    ;; bytes of a row of x
    (loop $rows
      (local.set $m1 (i32.add (local.get $m) (i32.const 1)))
      (local.set $m2 (i32.add (local.get $m) (i32.const 2)))
      (local.set $m3 (i32.add (local.get $m) (i32.const 3)))
      (local.set $x0 (call $row (local.get $x) (local.get $deep) (local.get $m) (local.get $M)))
      (local.set $x1 (call $row (local.get $x) (local.get $deep) (local.get $m1) (local.get $M)))
      (local.set $x2 (call $row (local.get $x) (local.get $deep) (local.get $m2) (local.get $M)))
      (local.set $x3 (call $row (local.get $x) (local.get $deep) (local.get $m3) (local.get $M)))
      (local.set $n (i32.const 0))
      (loop $columns
        (if (i32.gt_u (i32.add (local.get $n) (i32.const 8)) (local.get $N))
          (then (local.set $n (i32.sub (local.get $N) (i32.const 8)))))
        (local.set $p (i32.add (local.get $b) (i32.shl (local.get $n) (i32.const 2))))
        (local.set $s0 (v128.load (local.get $p)))
        (local.set $t0 (v128.load offset=16 (local.get $p)))
        (local.set $s1 (local.get $s0)) (local.set $s2 (local.get $s0)) (local.set $s3 (local.get $s0))
        (local.set $t1 (local.get $t0)) (local.set $t2 (local.get $t0)) (local.set $t3 (local.get $t0))
        (local.set $p (i32.add (local.get $w) (i32.shl (local.get $n) (i32.const 2))))
        (local.set $k (i32.const 0))  ;; in bytes
        (loop $depth
          (local.set $left (v128.load (local.get $p)))
          (local.set $right (v128.load offset=16 (local.get $p)))
          (local.set $a (v128.load32_splat (i32.add (local.get $x0) (local.get $k))))
          (local.set $s0 (f32x4.relaxed_madd (local.get $a) (local.get $left) (local.get $s0)))
          (local.set $t0 (f32x4.relaxed_madd (local.get $a) (local.get $right) (local.get $t0)))
          (local.set $a (v128.load32_splat (i32.add (local.get $x1) (local.get $k))))
          (local.set $s1 (f32x4.relaxed_madd (local.get $a) (local.get $left) (local.get $s1)))
          (local.set $t1 (f32x4.relaxed_madd (local.get $a) (local.get $right) (local.get $t1)))
          (local.set $a (v128.load32_splat (i32.add (local.get $x2) (local.get $k))))
          (local.set $s2 (f32x4.relaxed_madd (local.get $a) (local.get $left) (local.get $s2)))
          (local.set $t2 (f32x4.relaxed_madd (local.get $a) (local.get $right) (local.get $t2)))
          (local.set $a (v128.load32_splat (i32.add (local.get $x3) (local.get $k))))
          (local.set $s3 (f32x4.relaxed_madd (local.get $a) (local.get $left) (local.get $s3)))
          (local.set $t3 (f32x4.relaxed_madd (local.get $a) (local.get $right) (local.get $t3)))
          (local.set $p (i32.add (local.get $p) (local.get $across)))
          (br_if $depth (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 4))) (local.get $deep))))
        (local.set $p (i32.add (local.get $y) (i32.shl (local.get $n) (i32.const 2))))
        (local.set $y0 (call $row (local.get $p) (local.get $across) (local.get $m) (local.get $M)))
        (local.set $y1 (call $row (local.get $p) (local.get $across) (local.get $m1) (local.get $M)))
        (local.set $y2 (call $row (local.get $p) (local.get $across) (local.get $m2) (local.get $M)))
        (local.set $y3 (call $row (local.get $p) (local.get $across) (local.get $m3) (local.get $M)))
        (v128.store (local.get $y0) (local.get $s0)) (v128.store offset=16 (local.get $y0) (local.get $t0))
        (v128.store (local.get $y1) (local.get $s1)) (v128.store offset=16 (local.get $y1) (local.get $t1))
        (v128.store (local.get $y2) (local.get $s2)) (v128.store offset=16 (local.get $y2) (local.get $t2))
        (v128.store (local.get $y3) (local.get $s3)) (v128.store offset=16 (local.get $y3) (local.get $t3))
        (br_if $columns (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 8))) (local.get $N))))
      (br_if $rows (i32.lt_u (local.tee $m (i32.add (local.get $m) (i32.const 4))) (local.get $M)))))

  ;; a b + c, as the product has it.
  (func (export "step") (param $a f32) (param $b f32) (param $c f32) (result f32)
    (f32x4.extract_lane 0 (f32x4.relaxed_madd
      (f32x4.splat (local.get $a)) (f32x4.splat (local.get $b)) (f32x4.splat (local.get $c)))))

  ;; The address of row m of an array, or of the last one of its M.
  (func $row (param $array i32) (param $bytes i32) (param $m i32) (param $M i32) (result i32)
    (local $last i32)
    (local.set $last (i32.sub (local.get $M) (i32.const 1)))
    (i32.add (local.get $array)
      (i32.mul (local.get $bytes)
        (select (local.get $m) (local.get $last) (i32.lt_u (local.get $m) (local.get $M)))))))
