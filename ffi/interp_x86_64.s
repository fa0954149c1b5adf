# The interpreter of syscall programs for x86_64.
# run(rdi = first step, rsi = state): a step is 12 words of 8 bytes:
#   0 nr, 8..48 a0..a5, 56 flags, 64 result, 72 on negative, 80 on zero, 88 on positive
# state: 0 failed step, 8 its result, 16 first step of the tail (taken once, then cleared).
# Next step 0 is a failure, 1 the end. It keeps everything in registers: a CLONE_VM child that
# runs on its parent's stack never touches it.
        .intel_syntax noprefix
run:    push rbx
        push rbp
        push r12
        mov rbx, rdi
        mov rbp, rsi
step:   mov r12, [rbx+56]
        mov rdi, [rbx+8]
        mov rsi, [rbx+16]
        mov rdx, [rbx+24]
        mov r10, [rbx+32]
        mov r8, [rbx+40]
        mov r9, [rbx+48]
        test r12b, 1
        jz 1f
        mov rdi, [rdi]
1:      test r12b, 2
        jz 1f
        mov rsi, [rsi]
1:      test r12b, 4
        jz 1f
        mov rdx, [rdx]
1:      test r12b, 8
        jz 1f
        mov r10, [r10]
1:      test r12b, 16
        jz 1f
        mov r8, [r8]
1:      test r12b, 32
        jz 1f
        mov r9, [r9]
1:      mov rax, [rbx]
        test rax, rax
        js 2f
        syscall
        jmp 3f
2:      mov rax, rdi
        sub rax, rsi
3:      mov rcx, [rbx+64]
        test rcx, rcx
        jz 4f
        mov [rcx], rax
4:      mov rcx, [rbx+72]
        test rax, rax
        js 5f
        mov rcx, [rbx+80]
        jz 5f
        mov rcx, [rbx+88]
5:      cmp rcx, 1
        jb 6f
        je 7f
        mov rbx, rcx
        jmp step
6:      mov [rbp], rbx
        mov [rbp+8], rax
        mov rbx, [rbp+16]
        mov [rbp+16], rcx
        test rbx, rbx
        jnz step
7:      pop r12
        pop rbp
        pop rbx
        ret
