# SHA-256 of a range of a file or of memory, by the processor's SHA extensions, for x86_64.
# run(rdi = job): a job is words of 8 bytes:
#   0 file to read or -1, 8 offset in it, 16 bytes left, 24 file to write or -1, 32 buffer,
#   40 its size, 48 bytes hashed, 56 error, 64 the eight words of the hash so far (4 bytes each)
# With a file: reads pieces of the buffer's size, writes each to the other file, hashes it.
# Without: hashes what is in the buffer. Only whole blocks of 64 bytes are hashed: the rest of the
# last piece stays in the buffer. Result: 0, or -1 with the error number (0: the file ended).
# run(0) tells whether the processor can: 1 or 0. No stack beyond the saved registers.
# Source: FIPS 180-4; Intel SDM, "SHA Extensions".
        .intel_syntax noprefix
run:    push rbx
        push rbp
        push r12
        push r13
        mov rbx, rdi
        test rdi, rdi
        jz probe
piece:  mov r13, [rbx+16]
        test r13, r13
        jz done
        cmp r13, [rbx+40]
        cmova r13, [rbx+40]
        mov r12, r13
        cmp dword ptr [rbx], 0
        jl hash
        xor r12d, r12d
read:   mov eax, 17                     # pread64
        mov edi, [rbx]
        mov rsi, [rbx+32]
        add rsi, r12
        mov rdx, r13
        sub rdx, r12
        mov r10, [rbx+8]
        syscall
        cmp rax, -4                     # EINTR
        je read
        test rax, rax
        jle failed
        add [rbx+8], rax
        add r12, rax
        cmp r12, r13
        jb read
        cmp dword ptr [rbx+24], 0
        jl hash
        xor ebp, ebp
write:  mov eax, 1
        mov edi, [rbx+24]
        mov rsi, [rbx+32]
        add rsi, rbp
        mov rdx, r12
        sub rdx, rbp
        syscall
        cmp rax, -4
        je write
        test rax, rax
        jle failed
        add rbp, rax
        cmp rbp, r12
        jb write
# xmm1 = a b e f, xmm2 = c d g h, as the instructions want them
hash:   movdqu xmm1, [rbx+64]
        movdqu xmm2, [rbx+80]
        pshufd xmm1, xmm1, 0xb1
        pshufd xmm2, xmm2, 0x1b
        movdqa xmm7, xmm1
        palignr xmm1, xmm2, 8
        pblendw xmm2, xmm7, 0xf0
        movdqu xmm8, [rip+swap]
        mov rsi, [rbx+32]
        mov rdx, r12
        shr rdx, 6
        jz store
blocks:  movdqa xmm9, xmm1
        movdqa xmm10, xmm2
        movdqu xmm3, [rsi]
        movdqu xmm4, [rsi+16]
        movdqu xmm5, [rsi+32]
        movdqu xmm6, [rsi+48]
        pshufb xmm3, xmm8
        pshufb xmm4, xmm8
        pshufb xmm5, xmm8
        pshufb xmm6, xmm8
        lea rcx, [rip+k]
        mov eax, 4
# Four rounds with the words of \m, which become those sixteen rounds later.
        .macro four m, m1, m2, m3, at
        movdqu xmm0, [rcx+\at]
        paddd xmm0, \m
        sha256rnds2 xmm2, xmm1
        pshufd xmm0, xmm0, 0x0e
        sha256rnds2 xmm1, xmm2
        sha256msg1 \m, \m1
        movdqa xmm7, \m3
        palignr xmm7, \m2, 4
        paddd \m, xmm7
        sha256msg2 \m, \m3
        .endm
sixteen: four xmm3, xmm4, xmm5, xmm6, 0
        four xmm4, xmm5, xmm6, xmm3, 16
        four xmm5, xmm6, xmm3, xmm4, 32
        four xmm6, xmm3, xmm4, xmm5, 48
        add rcx, 64
        dec eax
        jnz sixteen
        paddd xmm1, xmm9
        paddd xmm2, xmm10
        add rsi, 64
        dec rdx
        jnz blocks
store:  pshufd xmm1, xmm1, 0x1b
        pshufd xmm2, xmm2, 0xb1
        movdqa xmm7, xmm1
        pblendw xmm1, xmm2, 0xf0
        palignr xmm2, xmm7, 8
        movdqu [rbx+64], xmm1
        movdqu [rbx+80], xmm2
        add [rbx+48], r12
        sub [rbx+16], r12
        jmp piece
failed: neg rax
        mov [rbx+56], rax
        mov rax, -1
        jmp leaving
done:   xor eax, eax
leaving:  pop r13
        pop r12
        pop rbp
        pop rbx
        ret
# SSSE3 and SSE4.1 of leaf 1, SHA of leaf 7. cpuid writes rbx, which is saved already.
probe:  xor eax, eax
        cpuid
        cmp eax, 7
        jb done
        mov eax, 1
        cpuid
        and ecx, 0x80200
        cmp ecx, 0x80200
        jne done
        mov eax, 7
        xor ecx, ecx
        cpuid
        shr ebx, 29
        and ebx, 1
        mov eax, ebx
        jmp leaving
        .balign 16
swap:   .quad 0x0405060700010203, 0x0c0d0e0f08090a0b
k:      .long 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5
        .long 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174
        .long 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da
        .long 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967
        .long 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85
        .long 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070
        .long 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3
        .long 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
