# The first instructions of the self-extracting file: executes the unpacked program, or, where
# there is none that root unpacked or we are not root, a shell with the script that unpacks. Reads only the table
# that build/stub.ts writes behind it; writes only to the stack.
#   table: program, home, deno_dir, self_prefix, argv_list, env_list, shell_list
# (addresses; a list is addresses up to a 0).
        .intel_syntax noprefix
        .text
_start:
        mov     rbx, rsp                # argc, argv[0] …, 0, environment …, 0, auxv
        mov     r12, [rbx]
        lea     r15, [rip + table]
        lea     r13, [rbx + r12*8 + 16] # the environment
        mov     rdi, r13
1:      add     rdi, 8
        cmp     qword ptr [rdi - 8], 0
        jne     1b
        mov     r8, rdi                 # auxv
        mov     r14, [rbx + 8]          # the name we were called by, if auxv has no AT_EXECFN
2:      mov     rax, [rdi]
        test    rax, rax
        jz      3f
        cmp     rax, 31                 # AT_EXECFN
        cmove   r14, [rdi + 8]
        add     rdi, 16
        jmp     2b
3:      mov     rdi, r14                # DIPLODOCK_SELF=<that name>
        xor     ecx, ecx
4:      inc     rcx
        cmp     byte ptr [rdi + rcx - 1], 0
        jne     4b                      # rcx: its length with the 0
        lea     rax, [rcx + 31]
        and     rax, -16
        sub     rsp, rax
        mov     rdi, rsp
        mov     rbp, rsp
        mov     rsi, [r15 + 24]         # self_prefix, 15 characters
        mov     rdx, rcx
        mov     ecx, 15
        rep     movsb
        mov     rsi, r14
        mov     rcx, rdx
        rep     movsb
        mov     rcx, r8                 # the new environment: ours first, as getenv() finds it
        sub     rcx, r13
        lea     rax, [rcx + 128]
        sub     rsp, rax
        mov     r9, rsp
        mov     rdi, rsp
        mov     rax, rbp
        stosq
        mov     rsi, [r15 + 40]         # env_list
5:      lodsq
        test    rax, rax
        jz      6f
        stosq
        jmp     5b
6:      mov     rbp, rdi
        mov     r10, rcx
        mov     eax, 21                 # access(home, W_OK): may V8's code be kept there?
        mov     rdi, [r15 + 8]
        mov     esi, 2
        syscall
        mov     rdi, rbp
        mov     r8d, eax
        test    eax, eax
        jnz     7f
        mov     rax, [r15 + 16]         # deno_dir
        stosq
7:      mov     rsi, r13
        mov     rcx, r10
        rep     movsb                   # the old environment with its 0
        test    r8d, r8d
        jnz     shell                   # it finds another place for that
        mov     rsi, [r15 + 32]         # argv_list
        mov     rdi, [r15]              # program
        xor     ebp, ebp
        call    execute
shell:  mov     rsi, [r15 + 48]         # shell_list: /bin/sh, sh, -c, script
        lodsq
        mov     rdi, rax
        mov     rbp, r14                # $0
        call    execute
        mov     edi, 127
        mov     eax, 60                 # exit
        syscall

# execve(rdi, the list at rsi + rbp unless 0 + our arguments, r9); returns when it fails.
execute:
        pop     r10                     # the stack below is for the arguments
        lea     rax, [r12*8 + 256]
        sub     rsp, rax
        mov     rdx, rdi
        mov     rdi, rsp
8:      lodsq
        test    rax, rax
        jz      9f
        stosq
        jmp     8b
9:      mov     rax, rbp
        test    rax, rax
        jz      10f
        stosq
10:     lea     rsi, [rbx + 16]         # argv[1]
11:     lodsq
        stosq
        test    rax, rax
        jnz     11b
        mov     rdi, rdx
        mov     rsi, rsp
        mov     rdx, r9
        mov     eax, 59                 # execve
        mov     rbp, r10
        syscall
        jmp     rbp
        .balign 8
table:
