// The interpreter of syscall programs for aarch64; see interp_x86_64.s for the step and the state.
// run(x0 = first step, x1 = state)
run:    stp x19, x20, [sp, #-16]!
        mov x19, x0
        mov x20, x1
step:   ldr x9, [x19, #56]
        ldp x0, x1, [x19, #8]
        ldp x2, x3, [x19, #24]
        ldp x4, x5, [x19, #40]
        tbz x9, #0, 1f
        ldr x0, [x0]
1:      tbz x9, #1, 1f
        ldr x1, [x1]
1:      tbz x9, #2, 1f
        ldr x2, [x2]
1:      tbz x9, #3, 1f
        ldr x3, [x3]
1:      tbz x9, #4, 1f
        ldr x4, [x4]
1:      tbz x9, #5, 1f
        ldr x5, [x5]
1:      ldr x8, [x19]
        tbnz x8, #63, 2f
        svc #0
        b 3f
2:      sub x0, x0, x1
3:      ldr x10, [x19, #64]
        cbz x10, 4f
        str x0, [x10]
4:      ldp x10, x11, [x19, #72]
        ldr x12, [x19, #88]
        cmp x0, #0
        csel x10, x11, x10, eq
        csel x10, x12, x10, gt
        cmp x10, #1
        b.lo 6f
        b.eq 7f
        mov x19, x10
        b step
6:      stp x19, x0, [x20]
        ldr x19, [x20, #16]
        str xzr, [x20, #16]
        cbnz x19, step
7:      ldp x19, x20, [sp], #16
        ret
